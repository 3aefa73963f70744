//! Held calls at the operator's door.

use axum::Json;
use axum::extract::{Path, State};
use remit_engine::approve::HeldCall;
use remit_model::{Call, HoldId};

use crate::auth::{Anyone, Operator};
use crate::{Door, Failure, wire};

fn id(text: &str) -> Result<HoldId, Failure> {
    text.parse().map_err(Failure::bad)
}

/// The exact arguments are for operators only.
fn view(door: &Door, held: HeldCall, with_arguments: bool) -> wire::Hold {
    let question = held.question;
    let digest = question.call().map(|call| call.digest(&question.input).to_string());
    wire::Hold {
        digest: digest.unwrap_or_default(),
        groups: door.engine.groups_needed(&question),
        hold: held.hold,
        task: held.task,
        agent: question.agent.name.to_string(),
        tool: question.call().map_or_else(String::new, Call::scope_name),
        arguments: with_arguments.then(|| question.input.canonical()),
        flow: if with_arguments { question.flow } else { Vec::new() },
        refusal: held.refusal,
        at: question.now,
    }
}

/// `GET /v1/holds`
pub(crate) async fn list(State(door): State<Door>, anyone: Anyone) -> Json<Vec<wire::Hold>> {
    let operator = anyone.operator.is_some();
    Json(door.engine.held_calls().into_iter().map(|held| view(&door, held, operator)).collect())
}

/// `GET /v1/holds/{hold}`
pub(crate) async fn show(
    State(door): State<Door>,
    anyone: Anyone,
    Path(hold): Path<String>,
) -> Result<Json<wire::Hold>, Failure> {
    let held = door.engine.held_call(&id(&hold)?)?;
    Ok(Json(view(&door, held, anyone.operator.is_some())))
}

/// `POST /v1/holds/{hold}/approve`
pub(crate) async fn approve(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(hold): Path<String>,
) -> Result<Json<wire::Hold>, Failure> {
    Ok(Json(view(&door, door.engine.approve(&actor, &id(&hold)?).await?, true)))
}

/// `POST /v1/holds/{hold}/deny`
pub(crate) async fn deny(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(hold): Path<String>,
) -> Result<Json<wire::Hold>, Failure> {
    Ok(Json(view(&door, door.engine.deny(&actor, &id(&hold)?).await?, true)))
}
