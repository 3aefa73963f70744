//! One behaving fake per port, and samples of the nouns, for the tests of every crate.
//!
//! A fake keeps the promises its port's page demands (order, durability before a receipt, spending
//! before sending), only in memory, and fails on command. Every write can fail in two ways,
//! because callers see no difference and recovery must live with both: before anything was kept,
//! and after ([`Fault`]). Where a real adapter is the thing under test, its disk is the fake
//! ([`DiskPlan`]). Where other people's programs are, [`peers`] starts them.
//!
//! *Absences:* no mocks: nothing here expects to be called. Only ever a dev-dependency.

mod disk;
mod elsewhere;
mod fault;
mod issuer;
mod keys;
mod ledger;
pub mod peers;
pub mod samples;
mod secrets;
mod store;
mod time;
mod upstream;

pub use disk::{DiskFault, DiskPlan, FaultyFile};
pub use elsewhere::FixedKeys;
pub use fault::Fault;
pub use issuer::MemoryIssuer;
pub use keys::MemoryKeys;
pub use ledger::MemoryLedger;
pub use secrets::MemorySecrets;
pub use store::MemoryStore;
pub use time::{ManualClock, SeededEntropy};
pub use upstream::{Answer, ScriptedUpstream, Sent};
