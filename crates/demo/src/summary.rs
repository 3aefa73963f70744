//! The story as data, for `--json` and for tests.

use serde::Serialize;
use serde_json::Value;

use crate::agent::{RefusalClass, StepOutcome, Verdict};
use crate::stage::Decision;

/// One call of the story.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// In which scene, from 1.
    pub scene: usize,
    /// `server/tool`.
    pub tool: String,
    /// The arguments, exactly as sent.
    pub arguments: Value,
    /// How it was decided, as the agent saw it; `None` if the agent was turned away.
    pub decision: Option<Decision>,
    /// The class of a call that did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<RefusalClass>,
    /// The hold, if it was held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
}

impl Step {
    pub(crate) fn of(scene: usize, outcome: &StepOutcome) -> Self {
        let (decision, class, hold) = match outcome.verdict() {
            Verdict::Permitted | Verdict::Failed => (Some(Decision::Permit), None, None),
            Verdict::Held(hold, refusal) => (Some(Decision::Hold), Some(refusal.class), Some(hold)),
            Verdict::Refused(refusal) => (Some(Decision::Deny), Some(refusal.class), None),
            Verdict::TurnedAway => (None, None, None),
        };
        Self {
            scene,
            tool: outcome.tool_id(),
            arguments: Value::Object(outcome.arguments.clone()),
            decision,
            class,
            hold,
        }
    }
}

/// The log at the end of the story.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// How many entries it has.
    pub entries: u64,
    /// Its root hash.
    pub root: String,
}

/// The whole story.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The task.
    pub task: String,
    /// What it was for.
    pub purpose: String,
    /// Why the instance is *unprotected*, if it is.
    pub unprotected: Option<String>,
    /// Every call, in order.
    pub steps: Vec<Step>,
    /// The verified log.
    pub log: LogSummary,
}

impl Summary {
    /// How many calls were decided so.
    pub fn count(&self, decision: Decision) -> usize {
        self.steps.iter().filter(|step| step.decision == Some(decision)).count()
    }
}
