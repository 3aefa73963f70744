//! Sealed storage at the operator's door: names and dates out, values in, and no way to read one back.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use remit_engine::approve::Actor;
use remit_model::{Secret, SecretName};
use remit_ports::BoxFuture;

use crate::auth::Operator;
use crate::{Door, Failure, wire};

/// What an operator can do with sealed storage.
#[derive(Debug)]
pub enum Act {
    /// Add a secret.
    Add(SecretName, Secret),
    /// Replace one.
    Replace(SecretName, Secret),
    /// Remove one.
    Remove(SecretName),
    /// Replace the key that all are wrapped under.
    RotateKey,
    /// Keep a file as it was.
    KeepFile(wire::FileKept),
    /// Forget such a file.
    ForgetFile(String),
}

/// Sealed storage.
pub trait SealedStorage: fmt::Debug + Send + Sync {
    /// How it stands.
    fn status(&self) -> wire::Sealed;

    /// What may be known of each secret, and of canaries that are missing.
    ///
    /// Errors: it cannot be read.
    fn list(&self) -> Result<Vec<wire::NamedSecret>, Failure>;

    /// Does it because `actor` wants it; it goes on if nobody waits for it.
    ///
    /// Errors: it cannot be done or not be recorded; nothing has changed, or the text says what has.
    fn act(self: Arc<Self>, act: Act, actor: Actor) -> BoxFuture<'static, Result<(), Failure>>;

    /// The file at `path` as it was kept, for `actor`.
    ///
    /// Errors: there is none, or it could not be recorded.
    fn file(&self, path: String, actor: Actor) -> BoxFuture<'_, Result<wire::FileKept, Failure>>;
}

fn name(text: &str) -> Result<SecretName, Failure> {
    text.parse().map_err(Failure::bad)
}

/// `GET /v1/secrets`
pub(crate) async fn list(
    State(door): State<Door>,
    Operator(_): Operator,
) -> Result<Json<Vec<wire::NamedSecret>>, Failure> {
    door.secrets.list().map(Json)
}

async fn act(door: &Door, act: Act, actor: Actor) -> Result<Json<wire::Done>, Failure> {
    Arc::clone(&door.secrets).act(act, actor).await?;
    Ok(Json(wire::Done {}))
}

/// `POST /v1/secrets/{secret}/add`
pub(crate) async fn add(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(secret): Path<String>,
    Json(given): Json<wire::Value>,
) -> Result<Json<wire::Done>, Failure> {
    act(&door, Act::Add(name(&secret)?, Secret::new(given.value)), actor).await
}

/// `POST /v1/secrets/{secret}/rotate`
pub(crate) async fn replace(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(secret): Path<String>,
    Json(given): Json<wire::Value>,
) -> Result<Json<wire::Done>, Failure> {
    act(&door, Act::Replace(name(&secret)?, Secret::new(given.value)), actor).await
}

/// `POST /v1/secrets/{secret}/remove`
pub(crate) async fn remove(
    State(door): State<Door>,
    Operator(actor): Operator,
    Path(secret): Path<String>,
) -> Result<Json<wire::Done>, Failure> {
    act(&door, Act::Remove(name(&secret)?), actor).await
}

/// `POST /v1/secrets-key/rotate`
pub(crate) async fn rotate_key(
    State(door): State<Door>,
    Operator(actor): Operator,
) -> Result<Json<wire::Done>, Failure> {
    act(&door, Act::RotateKey, actor).await
}

/// `POST /v1/kept-files/keep`
pub(crate) async fn keep_file(
    State(door): State<Door>,
    Operator(actor): Operator,
    Json(file): Json<wire::FileKept>,
) -> Result<Json<wire::Done>, Failure> {
    act(&door, Act::KeepFile(file), actor).await
}

/// `POST /v1/kept-files/give-back`
pub(crate) async fn give_back(
    State(door): State<Door>,
    Operator(actor): Operator,
    Json(wire::FileNamed { path }): Json<wire::FileNamed>,
) -> Result<Json<wire::FileKept>, Failure> {
    door.secrets.file(path, actor).await.map(Json)
}

/// `POST /v1/kept-files/forget`
pub(crate) async fn forget_file(
    State(door): State<Door>,
    Operator(actor): Operator,
    Json(wire::FileNamed { path }): Json<wire::FileNamed>,
) -> Result<Json<wire::Done>, Failure> {
    act(&door, Act::ForgetFile(path), actor).await
}
