//! A task, as it is shown.

use remit_model::task::{CloseReason, Consented};
use remit_model::{Foreseen, HoldId, Label, Named, Remit, Spent, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

/// A task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Which.
    pub task: TaskId,
    /// `open`, `frozen`, `closing` or `closed`.
    pub state: String,
    /// Why it ended.
    pub reason: Option<CloseReason>,
    /// The agent.
    pub agent: String,
    /// As whom, where somebody else vouched for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<Named>,
    /// The person on whose behalf it acts, as an issuer elsewhere names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<Named>,
    /// The template.
    pub template: String,
    /// What it is for.
    pub purpose: String,
    /// What it may use, in words.
    pub tools: Vec<String>,
    /// Its remit.
    pub remit: Remit,
    /// What it has used.
    pub spent: Spent,
    /// What has entered it.
    pub label: Label,
    /// Whether its remit is sealed.
    pub sealed: bool,
    /// The person who allowed it in a browser, and for which client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consented>,
    /// The flows from text from outside that are in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreseen: Vec<Flow>,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it ends by itself.
    pub ends: Timestamp,
    /// Calls under way.
    pub in_flight: usize,
    /// Its calls that wait for a person.
    pub holds: Vec<HoldId>,
}

/// A flow that is in force in a task.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flow {
    /// Which, and as what a person switched it on, if one did.
    pub flow: Foreseen,
    /// In how many calls it was used.
    pub used: u64,
}
