//! Decide: a pure function of a policy set and a question.
//!
//! [`Snapshot::compile`] turns Cedar files and the tool catalogue into an immutable, validated
//! set; [`decide()`] answers one [`remit_model::Question`] from it. What a policy may not loosen
//! (the remit, the budget, the deadline) is checked in Rust before Cedar is asked; what Cedar
//! would shrug off (a policy that fails to evaluate) is a refusal here (promise R1).
//!
//! A question is described once, as far as the policies that can apply look at it. What that
//! description says is all that Cedar is asked with, and it is what Cedar's answer is kept under for the
//! next question that looks the same; the reasons told are made of the question itself.
//!
//! *Absences:* no I/O, no clock, no randomness; nothing outside the two arguments, and nothing that was
//! asked before, can change an answer, so a recorded question can be decided again by anyone.

mod ask;
pub mod cases;
mod contained;
mod context;
mod decide;
mod declared;
mod entities;
mod fact;
mod flow;
mod index;
mod key;
mod load;
mod memo;
mod moments;
mod names;
mod native;
mod number;
mod origin;
mod parse;
mod schema;
mod shape;
mod sight;
mod snapshot;
mod split;
mod structural;
mod verdict;

pub use contained::CONTAINED;
pub use decide::decide;
pub use load::{Issue, LoadError, Source};
pub use parse::{PolicyEffect, PolicyInfo};
pub use snapshot::Snapshot;
pub use structural::{MAX_RESOURCES, cost};
pub use verdict::{Denied, Hold, Permit, Verdict};

/// What decides, for the record.
pub const ENGINE: &str = concat!("remit-policy/", env!("CARGO_PKG_VERSION"), " cedar/4.14.1");
