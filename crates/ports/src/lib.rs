//! Every door to the outside as a trait, and the stage types that pass through them.
//!
//! A governed call is a chain of values, each spent to make the next, so that the compiler
//! refuses a shortcut: [`remit_policy::Permit`] → [`Drafted`] → [`Recorded`] → [`Armed`] →
//! [`Outbound`] and [`Done`] → [`Settled`]. See [`stage`].
//!
//! *Absences:* nothing here performs I/O; adapters implement the traits and never see the engine.

pub mod connect;
pub mod elsewhere;
pub mod keys;
pub mod ledger;
pub mod lend;
pub mod record;
pub mod stage;
pub mod store;
pub mod upstream;
pub mod veil;

use std::future::Future;
use std::pin::Pin;

pub use connect::{
    Begun, BroughtBack, CALLBACK, CONNECT, ConnectError, Connection, Connections, SentOn,
};
pub use elsewhere::{ForeignKeys, NoKeys};
pub use keys::{BodyKey, BodyKeys, KeyError};
pub use ledger::{
    Accepted, Committer, Draft, Ledger, LedgerError, LedgerStatus, Receipt, Replayed, Room,
};
pub use lend::{
    Holder, Issued, Issuer, IssuerError, Issuers, Lease, Lent, Material, Revoked, SecretError,
    Secrets, Wanted,
};
pub use record::{Body, Clear, Entry, Kind, LeaseEvent, LeaseNote, Outcome, Parent, Pins, Subject};
pub use stage::{Armed, Done, Drafted, Outbound, Recorded, Reply, Settled, Ticket};
pub use store::{LeaseOut, Projection, Store, StoreError};
pub use upstream::{
    Discovery, Link, ServerStatus, ToClient, Upstream, UpstreamError, UpstreamEvent,
};
pub use veil::{CUT, Veil};

/// A boxed future, so that ports can be used as trait objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
