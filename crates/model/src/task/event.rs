//! What is recorded of a task that changes its state.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::agent::AttestationMethod;
use crate::budget::Spent;
use crate::digest::Digest;
use crate::elsewhere::Named;
use crate::id::{HoldId, TaskId};
use crate::label::Label;
use crate::question::ApprovalFact;
use crate::scope::ToolScope;
use crate::stored::Written;
use crate::time::Timestamp;

/// Why a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloseReason {
    /// Somebody said it was done.
    Done,
    /// Its deadline passed.
    Deadline,
    /// It was not used for its idle limit.
    Idle,
    /// An operator or a policy ended it.
    Revoked,
}

/// That a call was permitted: the budget is reserved and the labels rise by this very record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permitted {
    /// What it costs.
    pub cost: Spent,
    /// What the tool can return.
    pub label: Label,
    /// The approval it uses up, by call digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Digest>,
    /// Whether it destroys something.
    #[serde(default)]
    pub destroys: bool,
    /// The foreseen flows that it uses once, by number.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub foreseen: BTreeSet<usize>,
    /// What it leaves in its server, beside what anybody may read and write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Written>,
}

/// Something recorded of a task that changes its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Event {
    /// A call was permitted.
    Permitted(Permitted),
    /// An effect was refused because text from outside, or for one that nobody asked for a field of a record,
    /// had chosen its target, or because it was of no tool of the task's after such text had come in.
    Suspected,
    /// A canary was seen: a secret that lies somewhere for nothing but to be found.
    CanarySeen,
    /// It was shown what a server lists beside its tools, which whoever may name things there has written.
    Shown {
        /// What that brings.
        label: Label,
    },
    /// Its agent did not prove anew in time to be it.
    Lapsed {
        /// When it had done so last.
        at: Timestamp,
    },
    /// The agent said which tools it needs.
    Declared {
        /// Those.
        plan: ToolScope,
    },
    /// Its agent proved anew to be it.
    Attested {
        /// By which means.
        method: AttestationMethod,
        /// When.
        at: Timestamp,
        /// As whom, where somebody else vouched for it: in the body of the record alone, since names of
        /// others stand nowhere in the clear.
        #[serde(skip)]
        named: Option<Named>,
        /// By what it is known who works on it besides from now on; in the body likewise.
        #[serde(skip)]
        workers: BTreeSet<Digest>,
    },
    /// A call came back.
    Settled {
        /// Bytes of result.
        bytes: u64,
        /// The call's digest, if nobody knows whether it happened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unknown: Option<Digest>,
        /// What it brings beside what was known when it was permitted: what was written in its server since,
        /// secrets that were cut from it.
        #[serde(default, skip_serializing_if = "Label::is_bottom")]
        label: Label,
    },
    /// A call was held for a person.
    Held {
        /// The hold.
        hold: HoldId,
        /// The call's digest.
        call: Digest,
    },
    /// A person approved a held call.
    Approved {
        /// The hold.
        hold: HoldId,
        /// The call's digest.
        call: Digest,
        /// By whom, for which group.
        approval: ApprovalFact,
    },
    /// A person denied a held call.
    Denied {
        /// The hold.
        hold: HoldId,
    },
    /// Nothing of it may be used until it is thawed.
    Frozen,
    /// It may go on.
    Thawed,
    /// It takes no more calls and ends when the open ones are settled.
    Closing {
        /// Why.
        reason: CloseReason,
    },
    /// It has ended.
    Closed,
    /// Part of it was handed on: what the child may use is used up here.
    HandedOn {
        /// The child.
        task: TaskId,
        /// What it may use, where this task's own budget is limited.
        budget: Spent,
    },
    /// A child has ended: what it took along and did not use can be used here again.
    GivenBack {
        /// The child.
        task: TaskId,
        /// What it had used.
        used: Spent,
    },
    /// Something was recorded that changes nothing but the sequence.
    Noted,
}
