//! Connecting people's accounts, at the operator's door: who says whose tasks an account is for.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use remit_ports::{Begun, ConnectError, IssuerError};

use crate::auth::Operator;
use crate::{Door, Failure, wire};

/// `POST /v1/credentials/{credential}/connect`: an operator alone, since whoever may say whom an account
/// is for may have one person's used for another.
pub(crate) async fn begin(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(credential): Path<String>,
    Json(wanted): Json<wire::Connect>,
) -> Result<Json<wire::Connecting>, Failure> {
    let begun = door.connections.begin(&credential, wanted.person).await;
    let Begun { address, ends } = begun.map_err(|why| {
        let status = match &why {
            ConnectError::Unknown(_) => StatusCode::NOT_FOUND,
            ConnectError::Failed(IssuerError::Refused(_)) => StatusCode::CONFLICT,
            _ => StatusCode::BAD_GATEWAY,
        };
        Failure::new(status, why)
    })?;
    tracing::info!(by = %actor.name, credential, "somebody is to connect an account");
    Ok(Json(wire::Connecting { address, ends }))
}
