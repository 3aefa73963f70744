//! The stages of one governed call, as values that are spent.
//!
//! | made by | value | means |
//! |---|---|---|
//! | `remit_policy::decide` | `Permit` | this question is permitted |
//! | [`Drafted::new`] | [`Drafted`] | the record to be, and the digest it will commit to |
//! | [`Drafted::recorded`] | [`Recorded`] | that very question is durably on record |
//! | [`Recorded::arm`] | [`Armed`] | bound to the task's epoch |
//! | [`Armed::lend`] | [`Armed`] | a credential of this task for this server joins |
//! | [`Armed::spend`] | [`Outbound`] | nothing stopped it: these bytes may be sent, once |
//! | [`Outbound::answered`] | [`Done`] | what came back, to be settled |
//! | [`Done::settle`] | [`Settled`] | the outcome has its place in the log: reply |
//!
//! Doors that only advise stop at [`Recorded`] and settle with [`Outcome::Unseen`]; nothing but
//! [`Armed::spend`] leads to bytes on a wire.
//!
//! No stage can be built from outside, skipped, copied or used twice:
//!
//! ```
//! # use remit_model::Timestamp;
//! # use remit_ports::{Armed, Done, Outbound, Recorded, Settled, Ticket, Accepted};
//! fn walk(recorded: Recorded, ticket: Ticket, now: Timestamp) -> Result<Outbound, Done> {
//!     recorded.arm(ticket).spend(now)
//! }
//! fn end(done: Done, accepted: &Accepted) -> Settled {
//!     done.settle(accepted)
//! }
//! ```
//!
//! A permit cannot be armed before it is recorded:
//! ```compile_fail,E0599
//! # use remit_ports::{Armed, Ticket};
//! fn skip(permit: remit_policy::Permit, ticket: Ticket) -> Armed {
//!     permit.arm(ticket)
//! }
//! ```
//!
//! A record cannot be used twice:
//! ```compile_fail,E0382
//! # use remit_ports::{Armed, Recorded, Ticket};
//! fn twice(recorded: Recorded, one: Ticket, two: Ticket) -> (Armed, Armed) {
//!     (recorded.arm(one), recorded.arm(two))
//! }
//! ```
//!
//! Nor copied:
//! ```compile_fail,E0599
//! # use remit_ports::{Armed, Ticket};
//! fn copy(armed: &Armed) -> Armed {
//!     Armed::clone(armed)
//! }
//! ```
//!
//! Nor made up:
//! ```compile_fail,E0451
//! # use remit_ports::Recorded;
//! fn forge(permit: remit_policy::Permit, receipt: remit_ports::Receipt) -> Recorded {
//!     Recorded { permit, receipt }
//! }
//! ```
//!
//! And bytes cannot be had from what is only recorded:
//! ```compile_fail,E0599
//! # use remit_model::Timestamp;
//! # use remit_ports::{Outbound, Recorded, Done};
//! fn send(recorded: Recorded, now: Timestamp) -> Result<Outbound, Done> {
//!     recorded.spend(now)
//! }
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remit_mcp::{Object, Raw};
use remit_model::question::Asked;
use remit_model::{Call, Digest, LeaseId, Question, TaskId, Timestamp, Value};
use remit_policy::Permit;

use crate::ledger::{Accepted, Receipt};
use crate::lend::Lease;
use crate::record::Outcome;

/// A permit together with the exact bytes that will be recorded for it.
#[derive(Debug)]
pub struct Drafted {
    permit: Permit,
    question: Digest,
}

/// A permit whose question is durably on record.
#[derive(Debug)]
pub struct Recorded {
    permit: Permit,
    receipt: Receipt,
}

/// The task's epoch as it was when the permit was recorded, and where it stands now.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// The task's epoch, moved by every stop and label raise.
    pub epoch: Arc<AtomicU64>,
    /// What it was.
    pub expected: u64,
    /// When the call must have ended.
    pub deadline: Timestamp,
}

/// A recorded permit ready to be sent, unless the epoch moves first.
#[derive(Debug)]
pub struct Armed {
    recorded: Recorded,
    ticket: Ticket,
    leases: Vec<Arc<Lease>>,
}

/// What may be written to the wire, once.
#[derive(Debug)]
pub struct Outbound {
    recorded: Recorded,
    deadline: Timestamp,
    leases: Vec<Arc<Lease>>,
}

/// What a server answered: the JSON-RPC `result` or `error` member, byte for byte.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The `result`.
    Result(Object),
    /// The `error`.
    Error(Raw),
}

/// A call that is over, one way or another.
#[derive(Debug)]
pub struct Done {
    decision: u64,
    permit: Box<Permit>,
    outcome: Outcome,
    reply: Option<Reply>,
    echoed: Box<[LeaseId]>,
}

/// A call whose outcome has its place in the log.
#[derive(Debug)]
pub struct Settled {
    permit: Box<Permit>,
    outcome: Outcome,
    reply: Option<Reply>,
    decision: u64,
}

// === impl Drafted ===

/// A receipt that is not for this permit.
#[derive(Debug, thiserror::Error)]
#[error("the receipt at index {index} is not for this permit's question: nothing may be sent")]
pub struct WrongReceipt {
    index: u64,
}

impl Drafted {
    /// Joins `permit` to the JSON text of its question, which the record's body must hold.
    ///
    /// Errors: the question cannot be written as JSON.
    pub fn new(permit: Permit) -> Result<(Self, String), serde_json::Error> {
        let json = permit.question().to_json()?;
        let question = Digest::of(json.as_bytes());
        Ok((Self { permit, question }, json))
    }

    /// The digest of the question's JSON.
    pub fn question_digest(&self) -> Digest {
        self.question
    }

    /// The permit.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Gives back the call and its input, to be asked again.
    pub fn into_call(self) -> Option<(Call, Value)> {
        into_call(self.permit)
    }

    /// The permit as recorded.
    ///
    /// Errors: the receipt is for another question.
    pub fn recorded(self, receipt: Receipt) -> Result<Recorded, WrongReceipt> {
        if receipt.question() == Some(self.question) {
            Ok(Recorded { permit: self.permit, receipt })
        } else {
            Err(WrongReceipt { index: receipt.index() })
        }
    }
}

// === impl Recorded ===

impl Recorded {
    /// Binds the record to the task's epoch.
    pub fn arm(self, ticket: Ticket) -> Armed {
        Armed { recorded: self, ticket, leases: Vec::new() }
    }

    /// The permit's question.
    pub fn question(&self) -> &Question {
        self.permit.question()
    }

    /// Gives up before anything was armed.
    pub fn not_sent(self, why: impl Into<String>) -> Done {
        Done::of(self, Outcome::NotSent { why: bounded(&why.into()) })
    }

    /// The decision's index in the log.
    pub fn index(&self) -> u64 {
        self.receipt.index()
    }
}

// === impl Armed ===

impl Armed {
    /// The call that would be sent, to prepare for it (start a process, open a connection).
    ///
    /// Returns `None` for a question that is not a call; such a question is never armed.
    pub fn call(&self) -> Option<&Call> {
        self.recorded.permit.question().call()
    }

    /// The index of its decision, to name the call where its content must not stand.
    pub fn decision(&self) -> u64 {
        self.recorded.index()
    }

    /// The task it is for.
    pub fn task(&self) -> &TaskId {
        &self.recorded.permit.question().task.id
    }

    /// When the call must have ended.
    pub fn deadline(&self) -> Timestamp {
        self.ticket.deadline
    }

    /// Adds a credential. It is released with these bytes and no others: nothing else leads from a
    /// lease to a wire.
    ///
    /// Errors: it was lent within another task or for another server; nothing may be sent.
    pub fn lend(mut self, lease: Arc<Lease>) -> Result<Self, Done> {
        let server = self.call().map(|call| &call.server);
        if lease.task.as_ref() != Some(self.task()) || server != Some(&lease.server) {
            return Err(self.not_sent("the credential was lent for another task or server"));
        }
        self.leases.push(lease);
        Ok(self)
    }

    /// The credentials that it is sent with.
    pub fn leases(&self) -> &[Arc<Lease>] {
        &self.leases
    }

    /// Compares epochs, and `now` with the deadline, immediately before the bytes are written: the
    /// process may have stood still since the call was recorded.
    ///
    /// Errors: nothing may be sent; the call is done as `stopped` where the epoch moved, and as not
    /// sent where its time is over.
    pub fn spend(self, now: Timestamp) -> Result<Outbound, Done> {
        if self.ticket.epoch.load(Ordering::Acquire) != self.ticket.expected {
            return Err(Done::of(self.recorded, Outcome::Stopped));
        }
        if now >= self.ticket.deadline {
            return Err(self.not_sent("its time was over before it was sent"));
        }
        if !self.leases.iter().all(|lease| lease.is_good()) {
            return Err(self.not_sent("the credential was taken back before the call was sent"));
        }
        let Self { recorded, ticket, leases } = self;
        Ok(Outbound { recorded, deadline: ticket.deadline, leases })
    }

    /// Gives up before anything was written.
    pub fn not_sent(self, why: impl Into<String>) -> Done {
        Done::of(self.recorded, Outcome::NotSent { why: bounded(&why.into()) })
    }
}

// === impl Outbound ===

impl Outbound {
    /// The call to be sent.
    pub fn call(&self) -> Option<&Call> {
        self.recorded.permit.question().call()
    }

    /// When it must have ended.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The server answered. What it says of the credentials that it was sent is cut out.
    pub fn answered(self, reply: Reply, failed: bool) -> Done {
        let (mut reply, mut echoed) = (reply, Vec::new());
        for lease in &self.leases {
            if let Some(cut) = lease.veil.cut(reply.text()) {
                reply = reply.replaced(&cut);
                echoed.push(lease.id.clone());
            }
        }
        let bytes = reply.text().len() as u64;
        let done = Done::of(self.recorded, Outcome::Answered { bytes, failed });
        Done { reply: Some(reply), echoed: echoed.into(), ..done }
    }

    /// Certainly nothing was written.
    pub fn not_sent(self, why: impl Into<String>) -> Done {
        Done::of(self.recorded, Outcome::NotSent { why: bounded(&why.into()) })
    }

    /// It may have happened or not.
    pub fn unknown(self, why: impl Into<String>) -> Done {
        Done::of(self.recorded, Outcome::Unknown { why: bounded(&why.into()) })
    }
}

/// What stands for an answer that cannot be shown in part.
fn unshowable() -> Raw {
    let text = "the server's answer held the credential it was sent; it is not shown";
    Raw::from(serde_json::json!({ "code": -32_603, "message": text }))
}

/// The most characters of a reason that are kept.
const MAX_WHY: usize = 300;

/// A reason as it may stand in a record, in the clear and within an entry's size: it can contain
/// what a server said, and an outcome that does not fit its entry would never be settled.
fn bounded(why: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let mut text: String = why.chars().take(MAX_WHY).map(shown).collect();
    if text.len() < why.len() {
        text.push('…');
    }
    text
}

// === impl Reply ===

impl Reply {
    /// The member's text.
    pub fn text(&self) -> &str {
        match self {
            Self::Result(result) => result.raw().as_str(),
            Self::Error(error) => error.as_str(),
        }
    }

    /// The same member with another text, which was made from it by cutting within strings.
    fn replaced(self, text: &str) -> Self {
        let raw = Raw::parse(text);
        match self {
            Self::Result(_) => match raw.ok().and_then(|raw| Object::parse(&raw).ok()) {
                Some(result) => Self::Result(result),
                // Cut in a place that is no string: there is nothing left to show of it.
                None => Self::Error(unshowable()),
            },
            Self::Error(_) => Self::Error(raw.unwrap_or_else(|_| unshowable())),
        }
    }
}

// === impl Done ===

impl Done {
    fn of(recorded: Recorded, outcome: Outcome) -> Self {
        let Recorded { permit, receipt } = recorded;
        let (permit, reply, echoed) = (Box::new(permit), None, Box::default());
        Self { decision: receipt.index(), permit, outcome, reply, echoed }
    }

    /// The credentials that the server's answer held; they were cut out of it.
    pub fn echoed(&self) -> &[LeaseId] {
        &self.echoed
    }

    /// What became of it.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// What the server answered.
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }

    /// The index of its decision.
    pub fn decision(&self) -> u64 {
        self.decision
    }

    /// The question that was permitted.
    pub fn question(&self) -> &Question {
        self.permit.question()
    }

    /// The same with another text of what the server answered, made from it by cutting within strings.
    #[must_use]
    pub fn cut(self, text: &str) -> Self {
        Self { reply: self.reply.map(|reply| reply.replaced(text)), ..self }
    }

    /// The outcome has its place in the log: `accepted` is its record.
    pub fn settle(self, accepted: &Accepted) -> Settled {
        debug_assert!(accepted.index() > self.decision, "an outcome follows its decision");
        Settled {
            permit: self.permit,
            outcome: self.outcome,
            reply: self.reply,
            decision: self.decision,
        }
    }
}

// === impl Settled ===

impl Settled {
    /// What became of it.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Takes it apart for the reply: what became of it, what was answered.
    pub fn into_reply(self) -> (Outcome, Option<Reply>) {
        (self.outcome, self.reply)
    }

    /// Gives back the call and its input, to be asked again.
    pub fn into_call(self) -> Option<(Call, Value)> {
        into_call(*self.permit)
    }

    /// The index of its decision.
    pub fn decision(&self) -> u64 {
        self.decision
    }
}

/// The call that a permit is for, and its input.
fn into_call(permit: Permit) -> Option<(Call, Value)> {
    let question = permit.into_question();
    match question.asked {
        Asked::Call(call) => Some((call, question.input)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_short_and_printable_whatever_a_server_said() {
        assert_eq!(bounded("it ended\n\u{1b}[31m"), "it ended  [31m");
        let long = bounded(&"ä".repeat(100_000));
        assert_eq!(long.chars().count(), MAX_WHY + 1);
    }
}
