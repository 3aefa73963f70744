//! Tools at the operator's door.

use axum::Json;
use axum::extract::{Path, State};
use remit_model::{Admission, Digest, Tool, ToolId};

use crate::auth::Operator;
use crate::{Door, Failure, wire};

type ToolPath = Path<(String, String)>;

fn id(server: &str, name: &str) -> Result<ToolId, Failure> {
    Ok(ToolId::new(&server.parse().map_err(Failure::bad)?, name))
}

/// `GET /v1/tools`
pub(crate) async fn list(State(door): State<Door>) -> Json<Vec<Tool>> {
    Json(door.engine.world().catalogue.tools().cloned().collect())
}

/// `GET /v1/tools/{server}/{tool}`
pub(crate) async fn show(
    State(door): State<Door>,
    Path((server, name)): ToolPath,
) -> Result<Json<wire::ToolDetail>, Failure> {
    let id = id(&server, &name)?;
    let world = door.engine.world();
    let tool = world.catalogue.get(&id).cloned();
    let tool = tool.ok_or_else(|| Failure::missing(format!("no tool `{id}` is known")))?;
    let diff = match &tool.admission {
        Admission::Quarantined { before: Some(before), .. } => {
            Some(remit_catalogue::diff(before, &tool.definition))
        }
        _ => None,
    };
    Ok(Json(wire::ToolDetail { tool, diff }))
}

/// `POST /v1/tools/{server}/{tool}/admit`
pub(crate) async fn admit(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path((server, name)): ToolPath,
    Json(admit): Json<wire::Admit>,
) -> Result<Json<wire::ToolDetail>, Failure> {
    let seen = Digest::parse(&admit.digest)
        .ok_or_else(|| Failure::bad("expected the digest shown by `remit tool show`"))?;
    door.engine.admit_tool(&actor, &id(&server, &name)?, seen).await?;
    show(State(door), Path((server, name))).await
}

/// `POST /v1/servers/{server}/admit`: the server's changed executable.
pub(crate) async fn admit_executable(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(server): Path<String>,
    Json(admit): Json<wire::Admit>,
) -> Result<Json<wire::Executable>, Failure> {
    let server = server.parse().map_err(Failure::bad)?;
    let seen = Digest::parse(&admit.digest)
        .ok_or_else(|| Failure::bad("expected the digest shown by `remit doctor`"))?;
    let changed = door.engine.admit_executable(&actor, &server, seen).await?;
    Ok(Json(wire::Executable { server: server.to_string(), changed }))
}

/// `POST /v1/tools/{server}/{tool}/withdraw`
pub(crate) async fn withdraw(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path((server, name)): ToolPath,
) -> Result<Json<wire::ToolDetail>, Failure> {
    door.engine.withdraw_tool(&actor, &id(&server, &name)?).await?;
    show(State(door), Path((server, name))).await
}
