//! The three answers, and what each of them proves.
//!
//! A [`Permit`] is the only value the next stage of a call accepts. Its fields are private, it
//! cannot be cloned, and its one constructor is called by `decide` alone, so whoever holds one
//! holds the answer of the policies named in it to exactly the question inside (promise R1).

use remit_model::{Digest, Question, Reason, Refusal};

/// The answer to a question.
#[derive(Debug)]
#[must_use = "a verdict that nobody reads governs nothing"]
pub enum Verdict {
    /// Yes.
    Permit(Permit),
    /// Not before a named group approves.
    Hold(Hold),
    /// No.
    Deny(Denied),
}

/// Proof that the policies permit the question inside. It is spent, never copied.
///
/// ```compile_fail
/// fn twice(permit: remit_policy::Permit) -> (remit_policy::Permit, remit_policy::Permit) {
///     (permit.clone(), permit)
/// }
/// ```
///
/// ```compile_fail
/// fn forge(question: remit_model::Question) -> remit_policy::Permit {
///     remit_policy::Permit { question: Box::new(question) }
/// }
/// ```
#[derive(Debug)]
pub struct Permit {
    question: Box<Question>,
    reasons: Vec<Reason>,
    policies: Digest,
    schema: Digest,
}

impl Permit {
    pub(crate) fn new(
        question: Box<Question>,
        reasons: Vec<Reason>,
        policies: Digest,
        schema: Digest,
    ) -> Self {
        Self { question, reasons, policies, schema }
    }

    /// What is permitted.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The policies that permit it; never empty.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The digest of the policy set that was asked.
    pub fn policy_digest(&self) -> Digest {
        self.policies
    }

    /// The digest of the schema that the policy set was validated against.
    pub fn schema_digest(&self) -> Digest {
        self.schema
    }

    /// Gives the permit up for its question.
    pub fn into_question(self) -> Question {
        *self.question
    }
}

/// The question is denied now, and an approval by one group would change that.
#[derive(Debug)]
pub struct Hold {
    question: Box<Question>,
    group: String,
    reasons: Vec<Reason>,
}

impl Hold {
    pub(crate) fn new(question: Box<Question>, group: String, reasons: Vec<Reason>) -> Self {
        Self { question, group, reasons }
    }

    /// What waits.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The approver group it waits for.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// What an approval would overcome; never empty.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The question, the group and the reasons.
    pub fn into_parts(self) -> (Question, String, Vec<Reason>) {
        (*self.question, self.group, self.reasons)
    }
}

/// The question is denied, and no single approval would change that.
#[derive(Debug)]
pub struct Denied {
    question: Box<Question>,
    refusal: Refusal,
}

impl Denied {
    pub(crate) fn new(question: Box<Question>, refusal: Refusal) -> Self {
        Self { question, refusal }
    }

    /// What was asked.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The answer in words.
    pub fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// The question and the answer.
    pub fn into_parts(self) -> (Question, Refusal) {
        (*self.question, self.refusal)
    }
}
