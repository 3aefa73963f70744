//! The ledger port: the commit point of everything.
//!
//! *Obligations of an implementation.* `append` takes the draft's place in the order before it
//! returns, without waiting for the disk: callers enqueue under the task's lock, so log order is
//! task order. A draft that was accepted becomes durable, entry and body in one sync, or the
//! ledger fails for good: after a failed write or sync the state on disk is unknown, and every
//! later append is refused until a restart has recovered it. Room for outcomes and restrictions is
//! reserved, so that a full disk refuses permits first (promise R2).

use std::fmt;
use std::sync::Arc;

use remit_model::Digest;
use tokio::sync::oneshot;

use crate::BoxFuture;
use crate::record::{Body, Clear, Entry, Kind, Pins, Subject};

/// Which reservation a record draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Ordinary room; also reserves room for one [`Room::Outcome`] record to come.
    Permit,
    /// The room that its permit reserved; gives back what it does not use.
    Outcome,
    /// Ordinary room, nothing to come: refusals, prompts, tasks opened, catalogue, policy.
    Ordinary,
    /// The room kept for stops.
    Restriction,
}

/// A record to be.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it is about.
    pub kind: Kind,
    /// Its task and place there.
    pub subject: Option<Subject>,
    /// The entries of this log that caused it.
    pub parents: Vec<u64>,
    /// What was in force.
    pub pins: Pins,
    /// What stands in the clear.
    pub clear: Clear,
    /// What is encrypted.
    pub body: Body,
    /// Which reservation it draws on.
    pub room: Room,
}

/// Proof that an entry is durable. Only a ledger makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    index: u64,
    leaf: Digest,
    question: Option<Digest>,
}

impl Receipt {
    /// Asserts that the entry at `index` with this RFC 6962 leaf hash, which names `question` in
    /// the clear, is on disk together with its body. Reserved for ledgers after their sync.
    pub fn assertion(index: u64, leaf: Digest, question: Option<Digest>) -> Self {
        Self { index, leaf, question }
    }

    /// The entry's index in the log.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The entry's leaf hash.
    pub fn leaf(&self) -> Digest {
        self.leaf
    }

    /// The digest of the question it records.
    pub fn question(&self) -> Option<Digest> {
        self.question
    }
}

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// There is no room on the disk; it may come back.
    #[error("the ledger has no room left on its disk: free some, calls are refused until then")]
    NoSpace,
    /// There is no room yet: the disk is slower than what comes. See [`Ledger::room`].
    #[error("the ledger's disk does not keep up: try again")]
    Busy,
    /// The record is larger than an entry may be (65,535 bytes) or its body than a body may be.
    #[error("the record is too large: {0}")]
    TooLarge(String),
    /// The record contradicts the log: a parent that does not exist, or a second outcome.
    #[error("the record does not fit the log: {0}")]
    Misplaced(String),
    /// A write or sync failed; nothing more is taken until a restart.
    #[error("the ledger failed and must be restarted: {0}")]
    Failed(String),
    /// What is on disk is not what was written.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// The body's key could not be had.
    #[error(transparent)]
    Key(#[from] Arc<crate::keys::KeyError>),
}

/// Who commits records, as far as whoever waits for one has a say.
pub trait Committer: Send + Sync {
    /// Somebody waits for the record at `index` and nothing else is ready to run here, so that
    /// waiting for company would only cost time.
    fn commit(&self, index: u64);
}

/// A record that has its place and will be durable soon.
pub struct Accepted {
    index: u64,
    done: oneshot::Receiver<Result<Receipt, LedgerError>>,
    committer: Option<Arc<dyn Committer>>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accepted({})", self.index)
    }
}

impl Accepted {
    /// A record at `index`, where its receipt will come from, and who commits it if asked: `None`
    /// for a ledger that needs no asking. Reserved for ledgers.
    pub fn assertion(
        index: u64,
        done: oneshot::Receiver<Result<Receipt, LedgerError>>,
        committer: Option<Arc<dyn Committer>>,
    ) -> Self {
        Self { index, done, committer }
    }

    /// The index it will have.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Waits until it is on disk. Everything else that is ready has its turn first and may add
    /// records of its own: then one sync is asked for, for all of them.
    ///
    /// Errors: the write failed, or the ledger was dropped; whether the record is on disk is then
    /// unknown until a restart.
    pub async fn durable(self) -> Result<Receipt, LedgerError> {
        if let Some(committer) = self.committer {
            tokio::task::yield_now().await;
            committer.commit(self.index);
        }
        self.done
            .await
            .unwrap_or_else(|_| Err(LedgerError::Failed("the writer stopped".to_owned())))
    }
}

/// An entry read back, with its body where the key still exists.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Its index.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// Its body; `None` if it has none or the key is gone.
    pub body: Option<Body>,
}

/// How the ledger is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerStatus {
    /// Entries on disk.
    pub size: u64,
    /// Entries under the newest signed checkpoint.
    pub published: u64,
    /// Whether permits are taken right now; else why not.
    pub refusing: Option<LedgerError>,
    /// The log's origin line.
    pub origin: String,
}

/// The log.
pub trait Ledger: Send + Sync {
    /// Takes the record's place in the order and returns at once.
    ///
    /// Errors: nothing was taken and nothing will be written.
    fn append(&self, draft: Draft) -> Result<Accepted, LedgerError>;

    /// Waits until a record that was refused as [`LedgerError::Busy`] may be taken; returns at once if
    /// that is so already. Whether it is shows when it is appended again.
    fn room(&self) -> BoxFuture<'_, ()>;

    /// Waits until every record that has its place is on disk.
    ///
    /// Errors: the ledger failed; whether they are is then unknown until a restart.
    fn sync(&self) -> Result<(), LedgerError>;

    /// Visits the entries from `from` on in order, as they are on disk now.
    ///
    /// Errors: the log cannot be read, or an entry is damaged; the text names it.
    fn replay(&self, from: u64, visit: &mut dyn FnMut(Replayed)) -> Result<(), LedgerError>;

    /// Reads one entry; `None` beyond the end.
    fn read(&self, index: u64) -> Result<Option<Replayed>, LedgerError>;

    /// A proof that entry `index` is in the log, in the C2SP `tlog-proof` format; `None` beyond
    /// the end. Publishes a checkpoint that covers it first.
    fn prove(&self, index: u64) -> Result<Option<String>, LedgerError>;

    /// How it is.
    fn status(&self) -> LedgerStatus;
}
