//! Tasks at the operator's door.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use remit_engine::TaskCell;
use remit_engine::contain::{ContainError, InForce};
use remit_engine::open::{Holding, Opener, Proposal};
use remit_engine::renew::Successor;
use remit_model::task::CloseReason;
use remit_model::{Task, TaskId, Workload};
use serde::Deserialize;

use crate::auth::{Anyone, Operator};
use crate::{Door, Failure, wire};

fn id(text: &str) -> Result<TaskId, Failure> {
    text.parse().map_err(Failure::bad)
}

fn view(cell: &TaskCell) -> wire::Task {
    let task = cell.lock();
    let (charter, account) = (&task.charter, task.account());
    let used = |number: usize| account.foreseen.get(&number).copied().unwrap_or_default();
    let flows = charter.foreseen.iter().cloned().enumerate();
    let foreseen = flows.map(|(number, flow)| wire::Flow { flow, used: used(number) });
    wire::Task {
        task: charter.id.clone(),
        state: task.state.name().to_owned(),
        reason: task.close_reason(),
        agent: charter.agent.to_string(),
        named: task.attestation().named.clone(),
        on_behalf: charter.on_behalf.clone(),
        template: charter.template.to_string(),
        purpose: charter.purpose.clone(),
        tools: task.remit().tools.headline(),
        remit: task.remit(),
        spent: account.spent,
        label: account.label.clone(),
        sealed: account.sealed,
        consent: charter.consent.clone(),
        foreseen: foreseen.collect(),
        opened: charter.opened,
        ends: charter.remit.ends_at(account.last_used),
        in_flight: cell.in_flight(),
        holds: account.holds.keys().cloned().collect(),
    }
}

/// `GET /v1/tasks`
pub(crate) async fn list(State(door): State<Door>) -> Json<Vec<wire::Task>> {
    let mut tasks: Vec<_> = door.engine.cells().iter().map(|cell| view(cell)).collect();
    tasks.sort_by_key(|task| task.opened);
    Json(tasks)
}

/// `GET /v1/tasks/{task}`
pub(crate) async fn show(
    State(door): State<Door>,
    Path(task): Path<String>,
) -> Result<Json<wire::Task>, Failure> {
    let task = id(&task)?;
    let cell = door.engine.cell(&task);
    cell.map(|cell| Json(view(&cell)))
        .ok_or_else(|| Failure::missing(format!("no task `{task}` is known")))
}

/// Who opens a task: the operator if the caller proved to be one, else the peer.
async fn opener(door: &Door, anyone: &Anyone) -> Result<Opener, Failure> {
    match &anyone.operator {
        Some(actor) => Ok(Opener::Operator(actor.name.clone())),
        None => Ok(Opener::Peer(anyone.peer.workload(&door.engine).await?)),
    }
}

/// Who a caller says that it is but a pipe to: the command line, which ends as soon as it has shown the
/// grant. Saying so puts the task upon whoever started it, which it descends from anyway.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    pipe: bool,
}

impl Standing {
    /// Whose word counts.
    fn whose(&self, workload: Workload) -> Workload {
        if self.pipe { workload.as_a_pipe() } else { workload }
    }
}

/// `POST /v1/tasks`
pub(crate) async fn open(
    State(door): State<Door>,
    anyone: Anyone,
    Query(standing): Query<Standing>,
    Json(proposal): Json<Proposal>,
) -> Result<Json<wire::Granted>, Failure> {
    let holding = Holding::by_key(proposal.jkt);
    let opener = match opener(&door, &anyone).await? {
        Opener::Peer(workload) => Opener::Peer(standing.whose(workload)),
        opener => opener,
    };
    let (task, grant) = door.engine.open_with_grant(&opener, proposal, &holding).await?;
    Ok(Json(granted(&door, &task, (grant, &holding))))
}

/// `POST /v1/tasks/{task}/grant`: a further grant, for whoever may have opened the task.
pub(crate) async fn grant(
    State(door): State<Door>,
    anyone: Anyone,
    Path(task): Path<String>,
    Query(standing): Query<Standing>,
    wanted: Option<Json<wire::Wanted>>,
) -> Result<Json<wire::Granted>, Failure> {
    let task = id(&task)?;
    let Json(wanted) = wanted.unwrap_or_default();
    let caller = door.engine.caller(&task, remit_model::Door::Internal);
    let caller = caller.ok_or_else(|| Failure::missing(format!("no task `{task}` is known")))?;
    let Some(cell) = door.engine.cell(&task) else {
        return Err(Failure::missing(format!("no task `{task}` is known")));
    };
    let open = cell.lock().clone();
    let holding = Holding::by_key(wanted.jkt);
    let grant = if anyone.operator.is_some() {
        door.engine.grant_anew(&open, Successor::Anyone, &holding).await?
    } else {
        let workload = anyone.peer.workload(&door.engine).await?;
        let own = door.engine.settings().own_uid;
        // One that a person, a client or another user's process opened is none of this process's.
        if open.charter.uid != Some(workload.uid) || !caller.agent.is(&workload, own) {
            let text = "only the user whose process opened the task, as its agent, or an operator gets \
                        a further grant";
            return Err(Failure::new(StatusCode::FORBIDDEN, text));
        }
        door.engine.grant_anew(&open, Successor::Peer(&standing.whose(workload)), &holding).await?
    };
    Ok(Json(granted(&door, &open, (grant, &holding))))
}

fn granted(door: &Door, task: &Task, (grant, holding): (String, &Holding)) -> wire::Granted {
    let seconds = door.engine.grant_lives(task).as_secs();
    let (task, token_type) = (task.id().clone(), holding.token_type().to_owned());
    wire::Granted { task, grant, token_type, seconds, endpoint: door.endpoint.clone() }
}

/// What is told of a stop, which has taken effect: whether it is also on disk.
async fn stopped(door: &Door, task: TaskId, stop: InForce) -> Json<wire::Stopped> {
    let recorded = stop.recorded().await.is_ok();
    let state = door.engine.cell(&task).map_or("closed", |cell| cell.lock().state.name());
    Json(wire::Stopped { task, state: state.to_owned(), recorded })
}

/// `POST /v1/tasks/{task}/freeze`: a stop, open to every peer.
pub(crate) async fn freeze(
    State(door): State<Door>,
    anyone: Anyone,
    Path(task): Path<String>,
) -> Result<Json<wire::Stopped>, Failure> {
    let task = id(&task)?;
    let stop = door.engine.freeze(&task, &anyone.name())?;
    Ok(stopped(&door, task, stop).await)
}

/// `POST /v1/tasks/{task}/close`: a stop, open to every peer.
pub(crate) async fn close(
    State(door): State<Door>,
    anyone: Anyone,
    Path(task): Path<String>,
) -> Result<Json<wire::Stopped>, Failure> {
    let task = id(&task)?;
    let stop = door.engine.close(&task, CloseReason::Done, &anyone.name())?;
    Ok(stopped(&door, task, stop).await)
}

/// `POST /v1/tasks/{task}/thaw`
pub(crate) async fn thaw(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(task): Path<String>,
) -> Result<Json<wire::Stopped>, Failure> {
    let task = id(&task)?;
    let thawed = door.engine.thaw(&task, &actor.name)?;
    thawed.recorded().await.map_err(ContainError::Ledger)?;
    Ok(Json(wire::Stopped { task, state: "open".to_owned(), recorded: true }))
}

/// `POST /v1/tasks/{task}/prompt`
pub(crate) async fn prompt(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(task): Path<String>,
    Json(prompt): Json<wire::Prompt>,
) -> Result<Json<wire::Recorded>, Failure> {
    let index = door.engine.prompt(&actor, &id(&task)?, &prompt.text).await?;
    Ok(Json(wire::Recorded { index }))
}
