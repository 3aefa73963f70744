//! Decisions as data: a question in a few lines, and the answer it must get.
//!
//! A case file is TOML and states its own tools, so it says the same on every machine. Policies are
//! tested with the code that decides live. The format is described in `docs/policy.md`.

mod scene;
mod tools;

use std::fmt;

use remit_model::{Class, Tool};
use serde::{Deserialize, Serialize};

use crate::decide::decide;
use crate::load::{LoadError, Source};
use crate::snapshot::Snapshot;
use crate::verdict::Verdict;

pub use scene::{Asks, FlowCase, Scene, TaskCase};
pub use tools::ToolCase;

/// A case file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// Approver groups beside `operators`, in order.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The tools that the cases speak of.
    #[serde(default, rename = "tool")]
    pub tools: Vec<ToolCase>,
    /// The cases.
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// A question and the answer it must get.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// What the case shows.
    pub name: String,
    /// The answer.
    pub expect: Expectation,
    /// For a hold: the group.
    pub group: Option<String>,
    /// For a denial: its class.
    pub class: Option<Class>,
    /// The ids of all its reasons, in any order; absent: any.
    pub reasons: Option<Vec<String>>,
    /// The question.
    #[serde(flatten)]
    pub scene: Scene,
}

/// One of the three answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expectation {
    /// Yes.
    Permit,
    /// Not before a group approves.
    Hold,
    /// No.
    Deny,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit => "permit",
            Self::Hold => "hold",
            Self::Deny => "deny",
        })
    }
}

/// An answer as a case states or gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// Which of the three.
    pub decision: Expectation,
    /// For a hold: the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// For a denial: its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The ids of the reasons, sorted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<String>>,
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.decision)?;
        if let Some(group) = &self.group {
            write!(f, " for {group}")?;
        }
        if let Some(class) = &self.class {
            write!(f, " ({class})")?;
        }
        match &self.reasons {
            Some(reasons) => write!(f, " because of {}", reasons.join(", ")),
            None => Ok(()),
        }
    }
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// Whether the answer is the expected one.
    pub passed: bool,
    /// What was expected; what the case does not state is absent.
    pub expected: Answered,
    /// What the policies answer.
    pub got: Answered,
}

/// Why a case file cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It is not of the documented form.
    #[error("expected a case file as in docs/policy.md: {0}")]
    Format(String),
    /// The policies do not load with the file's tools.
    #[error("the policies do not load with the tools of this case file:\n{0}")]
    Policies(#[from] LoadError),
}

/// Runs every case of a file (`text`) against policy files and approver groups.
///
/// Errors: the file is not of the documented form, or the policies do not load with its tools.
pub fn run(
    sources: &[Source],
    groups: &[String],
    text: &str,
) -> Result<Vec<CaseResult>, CaseError> {
    let file: CaseFile = toml::from_str(text).map_err(|why| CaseError::Format(why.to_string()))?;
    let tools = file.tools.iter().map(ToolCase::tool).collect::<Result<Vec<Tool>, _>>();
    let tools = tools.map_err(CaseError::Format)?;
    let groups: Vec<String> = groups.iter().chain(&file.groups).cloned().collect();
    let snapshot = Snapshot::compile(sources, &tools, &groups)?;
    file.cases
        .into_iter()
        .map(|case| {
            let named = |why: String| CaseError::Format(format!("case `{}`: {why}", case.name));
            let question = case.scene.question(&tools).map_err(named)?;
            let got = answered(&decide(&snapshot, question));
            Ok(case.judge(got))
        })
        .collect()
}

impl Case {
    fn judge(self, got: Answered) -> CaseResult {
        let mut reasons = self.reasons;
        if let Some(reasons) = &mut reasons {
            reasons.sort();
        }
        let stated = |expected: bool, same: bool| !expected || same;
        let passed = self.expect == got.decision
            && stated(self.group.is_some(), self.group == got.group)
            && stated(self.class.is_some(), self.class == got.class)
            && stated(reasons.is_some(), reasons == got.reasons);
        let expected =
            Answered { decision: self.expect, group: self.group, class: self.class, reasons };
        CaseResult { name: self.name, passed, expected, got }
    }
}

fn answered(verdict: &Verdict) -> Answered {
    let (decision, group, class, reasons) = match verdict {
        Verdict::Permit(permit) => (Expectation::Permit, None, None, permit.reasons()),
        Verdict::Hold(hold) => {
            (Expectation::Hold, Some(hold.group().to_owned()), None, hold.reasons())
        }
        Verdict::Deny(denied) => {
            let refusal = denied.refusal();
            (Expectation::Deny, None, Some(refusal.class), refusal.reasons.as_slice())
        }
    };
    let mut reasons: Vec<String> = reasons.iter().map(|reason| reason.policy.clone()).collect();
    reasons.sort();
    Answered { decision, group, class, reasons: Some(reasons) }
}
