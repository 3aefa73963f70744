//! Agents at the operator's door: who is registered, and how each stands.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use remit_engine::lifecycle::ToStand;
use remit_engine::registry::Registered;
use remit_engine::{Engine, Settings};
use remit_model::{Agent, AgentName, Lifecycle};

use crate::auth::{Anyone, Operator};
use crate::{Door, Failure, wire};

fn name(text: &str) -> Result<AgentName, Failure> {
    text.parse().map_err(Failure::bad)
}

fn view(engine: &Engine, settings: &Settings, registered: &Registered<'_>) -> wire::Agent {
    let name = registered.name;
    let domain = engine.realm().trust_domain();
    let may_open = settings.opened_by(name);
    let keys = settings.client_keys.get(name);
    wire::Agent {
        name: name.clone(),
        spiffe_id: format!("spiffe://{domain}/agent/{name}"),
        lifecycle: registered.standing.lifecycle,
        since: (registered.standing.since.0 > 0).then_some(registered.standing.since),
        configured: registered.agent.map(|agent| Agent::clone(agent)),
        templates: may_open.map(|template| template.name.clone()).collect(),
        keys: keys.map(|keys| keys.thumbprints()).unwrap_or_default(),
        tasks: 0,
    }
}

fn open_tasks(engine: &Engine) -> BTreeMap<AgentName, usize> {
    engine.cells().iter().filter(|cell| !cell.lock().is_closed()).fold(
        BTreeMap::new(),
        |mut counts, cell| {
            *counts.entry(cell.agent().clone()).or_default() += 1;
            counts
        },
    )
}

/// `GET /v1/agents`
pub(crate) async fn list(State(door): State<Door>) -> Json<Vec<wire::Agent>> {
    let (engine, settings) = (&door.engine, door.engine.settings());
    let tasks = open_tasks(engine);
    let agents = settings.agents.all().map(|registered| wire::Agent {
        tasks: tasks.get(registered.name).copied().unwrap_or_default(),
        ..view(engine, &settings, &registered)
    });
    Json(agents.collect())
}

/// `GET /v1/agents/{agent}`
pub(crate) async fn show(
    State(door): State<Door>,
    Path(agent): Path<String>,
) -> Result<Json<wire::Agent>, Failure> {
    let (agent, settings) = (name(&agent)?, door.engine.settings());
    let found = settings.agents.find(&agent);
    let found = found.ok_or_else(|| Failure::missing(format!("no agent `{agent}` is known")))?;
    let tasks = open_tasks(&door.engine).remove(&agent).unwrap_or_default();
    Ok(Json(wire::Agent { tasks, ..view(&door.engine, &settings, &found) }))
}

/// `POST /v1/agents/{agent}/suspend`: a stop, open to every peer.
pub(crate) async fn suspend(
    State(door): State<Door>,
    anyone: Anyone,
    Path(agent): Path<String>,
    Json(why): Json<wire::Why>,
) -> Result<Json<wire::Stood>, Failure> {
    stand(&door, (&agent, Lifecycle::Suspended), &anyone.name(), &why).await
}

/// `POST /v1/agents/{agent}/resume`
pub(crate) async fn resume(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(agent): Path<String>,
    Json(why): Json<wire::Why>,
) -> Result<Json<wire::Stood>, Failure> {
    stand(&door, (&agent, Lifecycle::Active), &actor.name, &why).await
}

/// `POST /v1/agents/{agent}/retire`: a stop that nobody takes back, so not open to every peer.
pub(crate) async fn retire(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(agent): Path<String>,
    Json(why): Json<wire::Why>,
) -> Result<Json<wire::Stood>, Failure> {
    stand(&door, (&agent, Lifecycle::Retired), &actor.name, &why).await
}

async fn stand(
    door: &Door,
    (agent, lifecycle): (&str, Lifecycle),
    actor: &str,
    why: &wire::Why,
) -> Result<Json<wire::Stood>, Failure> {
    let agent = name(agent)?;
    let reason = why.reason.as_deref();
    let change = ToStand { agent: &agent, lifecycle, actor, reason };
    let (stood, ended) = door.engine.stand(change)?;
    let recorded = stood.recorded().await;
    if lifecycle == Lifecycle::Active {
        recorded?;
        return Ok(Json(wire::Stood { agent, lifecycle, ended, recorded: true }));
    }
    Ok(Json(wire::Stood { agent, lifecycle, ended, recorded: recorded.is_ok() }))
}
