//! The store port: a projection of the ledger that carries its position.
//!
//! The store holds nothing that the ledger does not. It is written behind the hot path and saves
//! the start from replaying everything; a lost store costs time, never truth.

use remit_model::{AgentName, HoldId, Standing, Stored, Task, TaskId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::record::LeaseNote;

/// The state of everything after the first `position` entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    /// How many entries it covers.
    pub position: u64,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// The catalogue, as JSON.
    pub catalogue: Option<String>,
    /// Decisions that had no outcome at `position`: index and task.
    pub open_calls: Vec<(u64, TaskId)>,
    /// Calls held for a person, and the index of the record that holds them.
    pub holds: Vec<(HoldId, u64)>,
    /// Credentials that are lent and were not taken back.
    pub leases: Vec<LeaseOut>,
    /// Agents of whom there is more to say than that they are configured, and how they stand.
    pub standing: Vec<(AgentName, Standing)>,
    /// The labels of what servers hold.
    pub stored: Stored,
    /// Tasks whose erasure is on record and whose key may still be there.
    pub erasing: Vec<TaskId>,
}

/// A credential that is out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseOut {
    /// What it is.
    pub note: LeaseNote,
    /// Within which task; `None` for Remit itself.
    pub task: Option<TaskId>,
    /// For which agent; `None` likewise.
    pub agent: Option<AgentName>,
    /// Since when.
    pub since: Timestamp,
    /// Whether it cannot be taken back and was given up for that.
    pub runs_out: bool,
}

/// Why the store failed. It is never fatal: the ledger is replayed instead.
#[derive(Debug, thiserror::Error)]
#[error("the projection could not be {action}: {why}")]
pub struct StoreError {
    /// `read`, `written` or `moved aside`.
    pub action: &'static str,
    /// Why.
    pub why: String,
}

/// Where the projection is kept.
pub trait Store: Send + Sync {
    /// The newest projection; `None` if there is none or it is of another version.
    fn load(&self) -> Result<Option<Projection>, StoreError>;
    /// Replaces everything but the tasks, and the given tasks; tasks not given stay.
    /// All in one transaction.
    ///
    /// Errors: nothing was replaced; the next save must give the tasks of this one too.
    fn save(&self, changed: &Projection) -> Result<(), StoreError>;
    /// What is kept is of no use, because of `why`: the next save begins anew, and nothing of it comes back.
    ///
    /// Errors: it is still there; it is tried again before the next save, which fails if that does.
    fn set_aside(&self, why: &str) -> Result<(), StoreError>;
}
