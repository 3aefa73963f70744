//! What a ledger is told: where it lies, how much room it keeps, and its doors to the outside.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use remit_model::{Clock, Entropy};
use remit_ports::BodyKeys;

use crate::files::Files;
use crate::frame;

/// Where a ledger lies and how much room it keeps.
#[derive(Clone, Debug)]
pub struct Config {
    /// The state directory; `journal/` and `ledger/` lie in it.
    pub state: PathBuf,
    /// The name written into entries as `node`.
    pub node: Arc<str>,
    /// The journal grows by multiples of this many bytes.
    pub chunk: u64,
    /// A segment that would grow beyond this many bytes is followed by the next.
    pub segment: u64,
    /// The public log is brought up to date at most once in this time.
    pub publish_every: Duration,
    /// Records that may wait for the disk; outcomes and restrictions are always taken.
    pub queue: usize,
    /// Bytes an encrypted body may have.
    pub max_body: usize,
    /// Bytes kept for the outcome of each open call: the largest result that an outcome keeps whole,
    /// and its entry.
    pub outcome_reserve: u64,
    /// Bytes kept for restrictions.
    pub restriction_reserve: u64,
}

impl Config {
    /// The defaults for a ledger under `state` that calls itself `node`.
    pub fn new(state: PathBuf, node: &str) -> Self {
        Self {
            state,
            node: node.into(),
            chunk: 4 << 20,
            segment: 64 << 20,
            publish_every: Duration::from_secs(1),
            queue: 4096,
            max_body: 4 << 20,
            outcome_reserve: 72 << 10,
            restriction_reserve: 256 << 10,
        }
    }

    /// The folder of the journal.
    pub fn journal(&self) -> PathBuf {
        self.state.join("journal")
    }

    /// The folder of the public log.
    pub fn ledger(&self) -> PathBuf {
        self.state.join("ledger")
    }

    /// Room that is kept free ahead of the writer, beside all reserves: the largest record.
    pub(crate) fn headroom(&self) -> u64 {
        let largest = frame::length(usize::from(u16::MAX), self.max_body);
        largest.saturating_add(self.outcome_reserve)
    }
}

/// A ledger's doors to the outside.
#[derive(Clone)]
pub struct Doors {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for salts and nonces.
    pub entropy: Arc<dyn Entropy>,
    /// The keys of the bodies.
    pub keys: Arc<dyn BodyKeys>,
    /// The disk.
    pub files: Arc<dyn Files>,
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doors(…)")
    }
}
