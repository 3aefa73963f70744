//! A refusal is an answer (promise R11): its class, its reasons, and what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::HoldId;

/// What kind of refusal: it tells the caller whether trying again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It will be refused every time; choose another way.
    Structural,
    /// A person must approve; try the identical call again afterwards.
    NeedsApproval,
    /// The task's budget or time is used up.
    Budget,
    /// Not now; try again later.
    Transient,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Structural => "structural",
            Self::NeedsApproval => "needs_approval",
            Self::Budget => "budget",
            Self::Transient => "transient",
        })
    }
}

/// One reason for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The policy's id, or `remit:<check>` for a structural check.
    pub policy: String,
    /// Why, in words a model and a person can act on.
    pub text: String,
    /// Control ids the policy serves, e.g. `ASI02`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<String>,
}

impl Reason {
    /// The reason of a structural check.
    pub fn structural(check: &str, text: impl Into<String>) -> Self {
        Self { policy: format!("remit:{check}"), text: text.into(), controls: Vec::new() }
    }
}

/// An answer that is not a permit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("refused ({class}): {}", .reasons.first().map_or("no reason given", |r| r.text.as_str()))]
pub struct Refusal {
    /// What kind of refusal.
    pub class: Class,
    /// Why; never empty in a refusal that reaches a caller.
    pub reasons: Vec<Reason>,
    /// What to do next.
    pub remedy: String,
    /// The held call, where a person can approve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
}

impl Refusal {
    /// A refusal with one structural reason.
    pub fn one(
        class: Class,
        check: &str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            class,
            reasons: vec![Reason::structural(check, text)],
            remedy: remedy.into(),
            hold: None,
        }
    }
}
