//! What is fixed when a task is opened: whose it is, what it is for, and what it may do at most.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::agent::{AgentName, Attestation};
use crate::digest::Digest;
use crate::elsewhere::Named;
use crate::foreseen::Foreseen;
use crate::id::TaskId;
use crate::label::Label;
use crate::remit::Remit;
use crate::scope::ToolScope;
use crate::time::Timestamp;

/// How many tasks stand above one that was handed on again and again (R13): each is a name in every
/// grant and every question.
pub const MAX_LINEAGE: usize = 16;

/// A task from which another was handed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Whose.
    pub agent: AgentName,
    /// Which.
    pub task: TaskId,
}

/// What is fixed when a task is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charter {
    /// Which.
    pub id: TaskId,
    /// Whose.
    pub agent: AgentName,
    /// The template it was opened from.
    pub template: Arc<str>,
    /// What it is for, in the words of whoever opened it.
    pub purpose: String,
    /// Whether those words are given: a person's or a template's, or an agent's that nothing from outside
    /// had reached. Words carry their author's labels (promise R6).
    #[serde(default)]
    pub purpose_given: bool,
    /// Whether its agent is offered to say which tools it needs.
    #[serde(default)]
    pub declares: bool,
    /// The tools that it was opened for, as its agent said; all, where it did not. They narrow the remit.
    #[serde(default, skip_serializing_if = "ToolScope::is_all")]
    pub plan: ToolScope,
    /// Facts about the person for whom it is done (an address, an account, a name): whoever knows them
    /// said so, so they are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
    /// Flows from text from outside into its calls that its template foresees, or a person switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreseen: Vec<Foreseen>,
    /// Its authority.
    pub remit: Remit,
    /// How the opener proved to be the agent.
    pub attestation: Attestation,
    /// The user whose process opened it; nobody's, if an operator did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The person who allowed it in a browser, and for which client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consented>,
    /// The person on whose behalf it was opened, as an issuer elsewhere names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<Named>,
    /// The tasks it was handed on through, the first one first; none, if somebody opened it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<Ancestor>,
    /// By what it is known who works on it, so that what enters it is remembered of them: a process, or
    /// the clients of an agent.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub workers: BTreeSet<Digest>,
    /// Calls of the task it was handed on from of which nobody knows whether they happened.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unsettled: BTreeSet<Digest>,
    /// What had entered before it began.
    #[serde(default, skip_serializing_if = "Label::is_bottom")]
    pub inherited: Label,
    /// When it was opened.
    pub opened: Timestamp,
}

/// That a person allowed a client to be the agent in one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consented {
    /// The person.
    pub by: String,
    /// The client's id.
    pub client: String,
}
