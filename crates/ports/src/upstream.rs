//! The upstream port: MCP towards the tool servers.
//!
//! *Obligations of an implementation.* [`Upstream::send`] spends its [`Armed`] immediately before
//! the first byte is written and never writes the same call twice: where it is not certain that
//! nothing was written, the outcome is unknown. A server's words are input from outside.

use std::sync::Arc;

use remit_model::{Digest, LeaseId, ServerName, TaskId};
use serde_json::value::RawValue;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::BoxFuture;
use crate::lend::Lease;
use crate::stage::{Armed, Done};
use crate::veil::Veil;

/// What goes back to the client while its call is open.
#[derive(Debug)]
pub enum ToClient {
    /// A JSON-RPC notification (progress, log message), byte for byte but for the progress token,
    /// which is the client's own again.
    Notification(Box<RawValue>),
    /// A server's request (elicitation, roots): `method` and `params`; the client's `result` or
    /// JSON-RPC `error` goes into `answer`. Dropping it refuses.
    Request {
        /// The method.
        method: String,
        /// The params.
        params: Option<Box<RawValue>>,
        /// Where the client's answer goes.
        answer: oneshot::Sender<Result<Box<RawValue>, Box<RawValue>>>,
    },
}

/// The connection of one open call to its client.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where messages for the client go; a full or closed channel drops notifications and refuses
    /// requests.
    pub to_client: mpsc::Sender<ToClient>,
    /// The client's capabilities, as it declared them (a JSON object).
    pub capabilities: Option<String>,
    /// The client's progress token, as raw JSON, if it asked for progress.
    pub progress_token: Option<String>,
    /// Whether the client has a session, on whose stream a server can put questions to it.
    pub session: bool,
    /// What must not be said to the client.
    pub veil: Veil,
    /// Fires when the client gave up or the task was stopped: cancel upstream, do not wait.
    pub cancelled: CancellationToken,
}

/// What a server offers, byte for byte.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Tool definitions, one JSON object each.
    pub tools: Vec<String>,
    /// Resources, likewise.
    pub resources: Vec<String>,
    /// Resource templates, likewise.
    pub templates: Vec<String>,
    /// Prompts, likewise.
    pub prompts: Vec<String>,
    /// The server's capabilities object.
    pub capabilities: String,
    /// Its instructions, if any.
    pub instructions: Option<String>,
    /// Its name and version object, unverified.
    pub server_info: Option<String>,
    /// The protocol revision spoken with it.
    pub revision: String,
    /// Whether it speaks no revision with sessions, so that no client can have one there.
    pub sessionless: bool,
    /// SHA-256 of the executable, for a stdio server.
    pub executable: Option<Digest>,
}

/// Why a server could not be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No server of that name is configured.
    #[error("no server `{0}` is configured")]
    Unknown(ServerName),
    /// It cannot be started or reached.
    #[error("server `{server}` cannot be reached: {why}")]
    Unreachable {
        /// Which.
        server: ServerName,
        /// Why.
        why: String,
    },
    /// It does not speak MCP as it should.
    #[error("server `{server}` broke the protocol: {why}")]
    Protocol {
        /// Which.
        server: ServerName,
        /// How.
        why: String,
    },
    /// Its executable is not the one that was admitted.
    #[error("the executable of server `{server}` changed from {pinned} to {found}: admit it first")]
    ExecutableChanged {
        /// Which.
        server: ServerName,
        /// What was admitted.
        pinned: Digest,
        /// What is there now.
        found: Digest,
    },
}

impl UpstreamError {
    /// The same, with another text of what a server may have said.
    #[must_use]
    pub fn cleaned(self, clean: impl Fn(String) -> String) -> Self {
        match self {
            Self::Unreachable { server, why } => Self::Unreachable { server, why: clean(why) },
            Self::Protocol { server, why } => Self::Protocol { server, why: clean(why) },
            other => other,
        }
    }
}

impl Discovery {
    /// Replaces every text that the server wrote.
    pub fn rewrite(&mut self, clean: impl Fn(String) -> String) {
        let lists = [&mut self.tools, &mut self.resources, &mut self.templates, &mut self.prompts];
        for text in lists.into_iter().flatten().chain([&mut self.capabilities]) {
            *text = clean(std::mem::take(text));
        }
        for text in [&mut self.instructions, &mut self.server_info].into_iter().flatten() {
            *text = clean(std::mem::take(text));
        }
    }
}

/// Something a server said outside any call.
#[derive(Clone, Debug)]
pub struct UpstreamEvent {
    /// Which server.
    pub server: ServerName,
    /// The task whose own process said it; `None` for a shared one.
    pub task: Option<TaskId>,
    /// The notification's method, e.g. `notifications/tools/list_changed`.
    pub method: String,
    /// The whole notification.
    pub message: String,
}

/// How a server is.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// Which.
    pub server: ServerName,
    /// `stdio` or `http`.
    pub transport: &'static str,
    /// Processes or connections alive.
    pub alive: usize,
    /// How often it was restarted.
    pub restarts: u64,
    /// The protocol revision spoken with it, once known.
    pub revision: Option<String>,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// The last lines it wrote to standard error.
    pub stderr: Vec<String>,
}

/// The tool servers.
pub trait Upstream: Send + Sync {
    /// Sends a recorded call and waits for its end.
    fn send(&self, armed: Armed, link: Link) -> BoxFuture<'_, Done>;
    /// Asks a server what it offers. Remit's own act, not an agent's; `leases` are its own, for this
    /// and for what else is Remit's own with that server.
    fn discover<'a>(
        &'a self,
        server: &'a ServerName,
        leases: Vec<Arc<Lease>>,
    ) -> BoxFuture<'a, Result<Discovery, UpstreamError>>;
    /// Fixes the executable that may be started for `server`.
    fn pin(&self, server: &ServerName, executable: Digest);
    /// Ends whatever runs for `task` alone.
    fn release(&self, task: &TaskId);
    /// Ends every process that was given what is lent by `lease`, and every connection on which it is shown.
    fn recall(&self, lease: &LeaseId);
    /// What servers say outside any call.
    fn events(&self) -> broadcast::Receiver<UpstreamEvent>;
    /// The configured servers and how they are.
    fn status(&self) -> Vec<ServerStatus>;
}
