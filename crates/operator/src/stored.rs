//! Labels of what servers hold, at the operator's door. Their paths are arguments of calls, so looking at
//! them is an operator's act, too.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use remit_engine::lower::{Labelled, ToLower};

use crate::auth::Operator;
use crate::{Door, Failure, wire};

fn view(labelled: Labelled) -> wire::Labelled {
    let Labelled { server, at, path, label, decision } = labelled;
    let place = match (at, path) {
        (None, _) => wire::Place::Anywhere,
        (Some(_), Some(path)) => wire::Place::Path(path),
        (Some(_), None) => wire::Place::Erased,
    };
    wire::Labelled { server, place, label, decision }
}

/// `GET /v1/stored`
pub(crate) async fn list(
    State(door): State<Door>,
    Operator(_): Operator,
) -> Result<Json<Vec<wire::Labelled>>, Failure> {
    let engine = Arc::clone(&door.engine);
    let labelled = tokio::task::spawn_blocking(move || engine.labelled()).await;
    Ok(Json(labelled.map_err(Failure::bad)?.into_iter().map(view).collect()))
}

/// `POST /v1/stored/{server}/lower`
pub(crate) async fn lower(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(server): Path<String>,
    Json(wire::Lower { path, to, reason }): Json<wire::Lower>,
) -> Result<Json<wire::Left>, Failure> {
    let server = server.parse().map_err(Failure::bad)?;
    let ask = ToLower { server: &server, path: path.as_deref(), to, reason: &reason };
    Ok(Json(wire::Left { label: door.engine.lower(&actor, ask).await? }))
}
