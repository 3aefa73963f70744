//! What the story needs from a running Remit: the operator's side, as eight acts.
//!
//! The application implements it over its real operator socket; nothing in the story can reach
//! behind it. Tools are named `server/tool` throughout.

use std::error::Error;
use std::future::Future;

use serde::Serialize;
use serde_json::Value;

/// Why an act failed, in the words of whoever performed it.
pub type StageError = Box<dyn Error + Send + Sync>;

/// A task that was opened.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The task's id.
    pub task: String,
    /// The MCP endpoint for the agent.
    pub endpoint: String,
    /// The agent's grant.
    pub grant: String,
    /// Who opened it.
    pub opened_by: String,
    /// The remit in plain words: a short name (`tools`, `budget`, `deadline`, …) and its text.
    pub remit: Vec<(String, String)>,
    /// Why this instance is *unprotected*, if it is.
    pub unprotected: Option<String>,
}

/// A call that waits for a person, exactly as it would be sent.
#[derive(Debug, Clone)]
pub struct Held {
    /// `server/tool`.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
    /// Who may approve it: a group's name, or the server's owner.
    pub approvers: String,
    /// The digest that an approval is bound to.
    pub digest: String,
}

/// Whether a tool may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As admitted.
    Admitted,
    /// Changed since, or never admitted.
    Quarantined,
    /// Withdrawn.
    Withdrawn,
}

/// A tool as the operator sees it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Whether it may be used.
    pub standing: Standing,
    /// What changed since it was admitted, as lines beginning with `-`, `+` or a blank; empty if
    /// nothing did.
    pub diff: String,
    /// What is suspicious about its words.
    pub findings: Vec<String>,
}

/// How a call was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It was sent.
    Permit,
    /// It was held for a person.
    Hold,
    /// It was refused.
    Deny,
}

impl Decision {
    /// The word for a page.
    pub fn word(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

/// A decision on a tool call, as the log has it.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The entry's index.
    pub entry: u64,
    /// `server/tool`.
    pub tool: String,
    /// The decision.
    pub decision: Decision,
}

/// The log after a full verification.
#[derive(Debug, Clone)]
pub struct Verified {
    /// How many entries it has.
    pub entries: u64,
    /// Its root hash, as text.
    pub root: String,
    /// The decisions on the task's tool calls, in the order of the log.
    pub calls: Vec<Logged>,
}

/// The running Remit, from the operator's side.
pub trait Stage: Send {
    /// Opens a task from a template of the configuration, for the given purpose.
    fn open(
        &mut self,
        template: &str,
        purpose: &str,
    ) -> impl Future<Output = Result<Opened, StageError>> + Send;

    /// Shows a held call.
    fn held(&mut self, hold: &str) -> impl Future<Output = Result<Held, StageError>> + Send;

    /// Lets a held call pass once.
    fn approve(&mut self, hold: &str) -> impl Future<Output = Result<(), StageError>> + Send;

    /// Turns a held call down.
    fn deny(&mut self, hold: &str) -> impl Future<Output = Result<(), StageError>> + Send;

    /// Shows a tool, with what changed since it was admitted.
    fn tool(&mut self, tool: &str) -> impl Future<Output = Result<Shown, StageError>> + Send;

    /// Admits a quarantined tool as it is now.
    fn admit(&mut self, tool: &str) -> impl Future<Output = Result<(), StageError>> + Send;

    /// Closes a task; its grant ends with it.
    fn close(&mut self, task: &str) -> impl Future<Output = Result<(), StageError>> + Send;

    /// Verifies the whole log and lists how the task's tool calls were decided.
    fn verify(&mut self, task: &str) -> impl Future<Output = Result<Verified, StageError>> + Send;
}
