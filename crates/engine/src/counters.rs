//! What is counted, for whoever wants to see it.

use std::sync::atomic::{AtomicU64, Ordering};

use remit_model::Class;
use remit_ports::Outcome;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many more.
    pub fn plus(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls permitted.
    pub permitted: Counter,
    /// Calls held for a person.
    pub held: Counter,
    /// Calls refused for what they are.
    pub structural: Counter,
    /// Calls refused for the budget.
    pub budget: Counter,
    /// Calls refused for now.
    pub transient: Counter,
    /// Refusals that were counted and not recorded, because there were too many.
    pub throttled: Counter,
    /// Effects refused because somebody from outside seems to have wanted them.
    pub suspected: Counter,
    /// Reads permitted of what text from outside had chosen.
    pub steered_reads: Counter,
    /// Requests without a valid grant.
    pub unauthenticated: Counter,
    /// Codes and refresh tokens that were shown a second time.
    pub replayed: Counter,
    /// Calls answered by their server.
    pub answered: Counter,
    /// Calls that were stopped before they were sent.
    pub stopped: Counter,
    /// Calls that could not be sent.
    pub not_sent: Counter,
    /// Calls that may have happened or not.
    pub unknown: Counter,
    /// SVIDs issued.
    pub svids: Counter,
    /// Requests for SVIDs by processes that are no agent.
    pub svids_refused: Counter,
    /// Credentials that could not be taken back in time.
    pub overdue: Counter,
    /// Seconds for which credentials were lent that have ended.
    pub lent_seconds: Counter,
    /// Answers that held a credential that they were asked with.
    pub echoed: Counter,
    /// Secrets of others that were cut from what servers said.
    pub secrets_cut: Counter,
    /// Calls that were asked for with secrets in their arguments.
    pub secrets_in_calls: Counter,
    /// Calls in whose arguments or answers a canary was seen, and prompts.
    pub canaries_seen: Counter,
    /// Proofs of agents that were not renewed in time.
    pub proofs_lapsed: Counter,
    /// Stops that could not be recorded.
    pub unrecorded_stops: Counter,
}

impl Counters {
    pub(crate) fn refused(&self, class: Class) {
        match class {
            Class::Structural => self.structural.add(),
            Class::NeedsApproval => self.held.add(),
            Class::Budget => self.budget.add(),
            Class::Transient => self.transient.add(),
        }
    }

    pub(crate) fn settled(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Answered { .. } => self.answered.add(),
            Outcome::Stopped => self.stopped.add(),
            Outcome::NotSent { .. } => self.not_sent.add(),
            Outcome::Unknown { .. } | Outcome::Unseen => self.unknown.add(),
        }
    }
}
