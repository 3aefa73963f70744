//! What was found out, for a person and for a program.

use std::fmt;

use serde::Serialize;

use crate::counterexample::Counterexample;

/// What became of every claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The claims, in the order of their files; of an older set last.
    pub claims: Vec<Claim>,
    /// What is odd, but breaks no claim.
    pub warnings: Vec<String>,
    /// Of how many kinds of question (an action and a kind of thing) each claim was asked.
    pub kinds: usize,
}

impl Report {
    /// Whether every claim is proven.
    pub fn is_proven(&self) -> bool {
        self.claims.iter().all(|claim| claim.verdict == Verdict::Proven)
    }
}

/// Something that policies must never permit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The invariant's id, or what stands for an older set.
    pub id: String,
    /// Why, in the words of whoever wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "verdict")]
pub enum Verdict {
    /// There is no question that breaks it.
    Proven,
    /// This one does.
    Broken {
        /// The question.
        question: Box<Counterexample>,
    },
    /// Nobody knows.
    Undecided {
        /// Why not.
        why: String,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for claim in &self.claims {
            writeln!(f, "{claim}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "note: {warning}")?;
        }
        let proven = self.claims.iter().filter(|claim| claim.verdict == Verdict::Proven).count();
        let (all, kinds) = (self.claims.len(), self.kinds);
        write!(f, "{proven} of {all} claims proven, over every question of {kinds} kinds")
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Proven => write!(f, "proven     {}", self.id),
            Verdict::Undecided { why } => write!(f, "undecided  {}: {why}", self.id),
            Verdict::Broken { question } => {
                write!(f, "broken     {}", self.id)?;
                if let Some(reason) = &self.reason {
                    write!(f, ": {reason}")?;
                }
                write!(f, "\n{question}")
            }
        }
    }
}
