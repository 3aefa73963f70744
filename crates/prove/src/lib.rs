//! Prove what a policy set never permits, over every question there is (`remit policy prove`).
//!
//! Cases show what policies answer to some questions; a proof speaks of all of them. Policies are
//! translated into logic by Cedar's own symbolic compiler, against the very schema that they are
//! validated and decided with, and cvc5 says whether any question breaks a claim. There are two claims,
//! both about what is permitted: nothing that an *invariant* forbids (a `forbid` in Cedar, such as
//! those under `policies/invariants`), and nothing that an *older set* does not permit. What breaks one
//! comes back as a question that people can read, decided once more by Cedar itself.
//!
//! A claim is proven of the policies alone: what Remit refuses before it asks them (unknown tools, the
//! remit, the budget) only takes away from what is permitted. `docs/policy.md` says what is proven, and of
//! which tools.
//!
//! *Absences:* no I/O but the solver's; nothing here decides a call.

mod counterexample;
mod environment;
mod kinds;
mod look;
mod prove;
mod report;
mod sets;
mod solver;
mod standin;

pub use counterexample::{Counterexample, Looked};
pub use prove::{Inquiry, ProveError, prove};
pub use report::{Claim, Report, Verdict};
pub use solver::Solver;

use remit_policy::Source;

/// What comes with Remit to be proven: file name and text of each file under `policies/invariants/`.
pub const INVARIANTS: &[(&str, &str)] =
    &[("flows.cedar", include_str!("../../../policies/invariants/flows.cedar"))];

/// [`INVARIANTS`] as policy files.
pub fn invariants() -> Vec<Source> {
    let source =
        |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
    INVARIANTS.iter().map(source).collect()
}
