//! The ledger on disk: the commit point of everything (promises R2, R9, R10).
//!
//! Two folders lie under the state directory:
//!
//! - `journal/` is the truth: append-only segments `00000000.seg`, `00000001.seg` … of frames, one
//!   frame per entry together with its encrypted body (see `frame`). A record is durable when
//!   the one write and the one `fdatasync` of its group have returned.
//! - `ledger/` is derived: the same entries as a C2SP transparency log (`checkpoint`,
//!   `tile/<L>/…`, `tile/entries/…`), at the specification's own paths, so that any static file
//!   server can publish it. It lags by a second at most and is rebuilt from the journal.
//!
//! Reading order: `frame` and `journal` (what is on disk), `space` (who may still
//! write), `writer` (group commit), `builder`, `publish` and `board` (the public log), `line` and
//! `succession` (whose keys sign it),
//! `recover` (start-up, by the same functions), [`verify()`] (believing none of it),
//! [`reconcile`] (what others wrote down).
//!
//! *Absences:* this crate knows ports, never the engine; it reads no clock, randomness or
//! environment of its own; it never rewrites a byte of a record that was acknowledged.

mod again;
mod board;
mod builder;
mod chain;
mod claims;
mod compare;
mod config;
mod encode;
pub mod files;
mod frame;
mod journal;
mod ledger;
mod line;
mod listing;
mod publish;
mod reader;
pub mod reconcile;
mod recover;
mod room;
mod seal;
mod signing;
mod space;
mod succession;
mod verify;
mod writer;

pub use board::{Cosigned, cosigned};
pub use claims::Others;
pub use config::{Config, Doors};
pub use journal::JournalError;
pub use ledger::FileLedger;
pub use publish::{PublishError, prove};
pub use reader::Archive;
pub use recover::{Cut, OpenError, OpenReport};
pub use signing::Signing;
pub use verify::{Verified, VerifyError, verify, verify_published};
