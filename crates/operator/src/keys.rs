//! The keys that Remit signs with, at the operator's door: looking, and replacing.

use std::fmt;

use axum::Json;
use axum::extract::{Path, State};
use remit_engine::approve::Actor;
use remit_ports::BoxFuture;

use crate::auth::Operator;
use crate::{Door, Failure, wire};

/// The keys that Remit signs with.
pub trait SigningKeys: fmt::Debug + Send + Sync {
    /// Each of them; nothing secret.
    ///
    /// Errors: Remit is ending.
    fn list(&self) -> Result<Vec<wire::Key>, Failure>;

    /// Makes new keys because `actor` wants it: beside the old ones, or in their place if
    /// those are compromised. It goes on if nobody waits for it.
    ///
    /// Errors: they could not be made; the text says what is left to do.
    fn rotate(
        &self,
        which: wire::Rotatable,
        actor: Actor,
        compromised: bool,
    ) -> BoxFuture<'_, Result<wire::Rotated, Failure>>;

    /// Lets the older of two keys of the log sign no more because `actor` wants it. It goes on if nobody
    /// waits for it.
    ///
    /// Errors: there is one key only, or it could not be done; the text says what is left to do.
    fn retire(&self, actor: Actor) -> BoxFuture<'_, Result<wire::Retired, Failure>>;
}

/// `GET /v1/keys`: ids, times and files, as anyone may know them.
pub(crate) async fn list(State(door): State<Door>) -> Result<Json<Vec<wire::Key>>, Failure> {
    door.keys.list().map(Json)
}

/// `POST /v1/keys/{log,svid,token}/rotate`
pub(crate) async fn rotate(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(which): Path<wire::Rotatable>,
    Json(asked): Json<wire::Rotate>,
) -> Result<Json<wire::Rotated>, Failure> {
    door.keys.rotate(which, actor, asked.compromised).await.map(Json)
}

/// `POST /v1/keys/log/retire`
pub(crate) async fn retire(
    State(door): State<Door>,
    Operator(actor): Operator,
) -> Result<Json<wire::Retired>, Failure> {
    door.keys.retire(actor).await.map(Json)
}
