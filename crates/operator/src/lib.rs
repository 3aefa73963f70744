//! The operator's door: tasks, tools, holds, the log and the state of the whole, as JSON over HTTP.
//!
//! It is served on the state directory's Unix socket, where the kernel names the peer. A peer may
//! look at states, open tasks that its own user may open, and *stop* things; whatever widens
//! (approve, admit, connect, thaw, resume or retire an agent, read bodies, erase, rotate or retire keys, look at or change secrets, look at or lower labels of what servers hold) needs an [`Operator`](auth::Operator): a session
//! made with the passphrase, or a peer under another user id that the configuration names.
//!
//! *Absences:* no rule lives here; each handler parses, calls one verb and renders.

mod agents;
pub mod auth;
mod connect;
mod credentials;
mod error;
mod holds;
mod keys;
mod ledger;
pub mod metrics;
mod secrets;
mod status;
mod stored;
mod tasks;
mod tools;
pub mod wire;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use remit_engine::Engine;
use remit_ports::Connections;
use tokio::sync::watch::Receiver;

pub use crate::auth::{Authority, Passphrases, Peer, Sessions, SignInError};
pub use crate::error::{Failure, in_words};
pub use crate::keys::SigningKeys;
pub use crate::secrets::{Act, SealedStorage};

/// How the witnesses of the log are, for its status.
pub trait Witnesses: std::fmt::Debug + Send + Sync {
    /// Each of them.
    fn status(&self) -> Vec<wire::Witness>;
}

/// What every handler needs.
#[derive(Clone, Debug)]
pub struct Door {
    /// The verbs.
    pub engine: Arc<Engine>,
    /// Who may act as operator.
    pub authority: Arc<Authority>,
    /// Where clients find the MCP endpoint.
    pub endpoint: String,
    /// How the server is set up by now, for its status.
    pub setup: Receiver<wire::Setup>,
    /// Who cosigns its log.
    pub witnesses: Arc<dyn Witnesses>,
    /// What it signs with.
    pub keys: Arc<dyn SigningKeys>,
    /// Where people connect accounts.
    pub connections: Arc<dyn Connections>,
    /// The secrets that it keeps.
    pub secrets: Arc<dyn SealedStorage>,
}

/// The operator API for the Unix socket. Every request must carry a [`Peer`] as connect info.
pub fn router(door: Door) -> Router {
    Router::new()
        .route("/v1/login", post(auth::login))
        .route("/v1/whoami", get(auth::who))
        .route("/v1/status", get(status::json))
        .route("/v1/agents", get(agents::list))
        .route("/v1/agents/{agent}", get(agents::show))
        .route("/v1/agents/{agent}/suspend", post(agents::suspend))
        .route("/v1/agents/{agent}/resume", post(agents::resume))
        .route("/v1/agents/{agent}/retire", post(agents::retire))
        .route("/v1/tasks", get(tasks::list).post(tasks::open))
        .route("/v1/tasks/{task}", get(tasks::show))
        .route("/v1/tasks/{task}/freeze", post(tasks::freeze))
        .route("/v1/tasks/{task}/thaw", post(tasks::thaw))
        .route("/v1/tasks/{task}/close", post(tasks::close))
        .route("/v1/tasks/{task}/grant", post(tasks::grant))
        .route("/v1/tasks/{task}/prompt", post(tasks::prompt))
        .route("/v1/tools", get(tools::list))
        .route("/v1/servers/{server}/admit", post(tools::admit_executable))
        .route("/v1/tools/{server}/{tool}", get(tools::show))
        .route("/v1/tools/{server}/{tool}/admit", post(tools::admit))
        .route("/v1/tools/{server}/{tool}/withdraw", post(tools::withdraw))
        .route("/v1/holds", get(holds::list))
        .route("/v1/holds/{hold}", get(holds::show))
        .route("/v1/holds/{hold}/approve", post(holds::approve))
        .route("/v1/holds/{hold}/deny", post(holds::deny))
        .route("/v1/credentials", get(credentials::list))
        .route("/v1/credentials/probe", post(credentials::probe))
        .route("/v1/credentials/revoke", post(credentials::revoke))
        .route("/v1/credentials/{credential}/connect", post(connect::begin))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/{which}/rotate", post(keys::rotate))
        .route("/v1/keys/log/retire", post(keys::retire))
        .route("/v1/secrets", get(secrets::list))
        .route("/v1/secrets/{secret}/add", post(secrets::add))
        .route("/v1/secrets/{secret}/rotate", post(secrets::replace))
        .route("/v1/secrets/{secret}/remove", post(secrets::remove))
        .route("/v1/secrets-key/rotate", post(secrets::rotate_key))
        .route("/v1/kept-files/keep", post(secrets::keep_file))
        .route("/v1/kept-files/give-back", post(secrets::give_back))
        .route("/v1/kept-files/forget", post(secrets::forget_file))
        .route("/v1/stored", get(stored::list))
        .route("/v1/stored/{server}/lower", post(stored::lower))
        .route("/v1/ledger/entries/{index}", get(ledger::show))
        .route("/v1/ledger/export", get(ledger::export))
        .route("/v1/ledger/proofs/{index}", get(ledger::prove))
        .route("/v1/ledger/erase/{task}", post(ledger::erase))
        .with_state(door)
}

/// What anyone who reaches the listener may see: health, counters, and whether it is protected.
pub fn public(door: Door) -> Router {
    Router::new()
        .route("/", get(status::page))
        .route("/healthz", get(status::health))
        .route("/readyz", get(status::ready))
        .route("/metrics", get(metrics::text))
        .with_state(door)
}
