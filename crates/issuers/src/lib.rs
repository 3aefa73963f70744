//! Who lends: one file for each kind of credential, all behind [`remit_ports::Issuer`].
//!
//! What each lends, what of a remit it expresses and how that ends is in `docs/credentials.md`; a further
//! kind is a file here and a line of the list in `kind.rs`.
//!
//! *Absences:* no rule who may have what, no record, no environment; times and randomness are
//! arguments.

mod clause;
mod escape;
mod kind;
mod known;
pub mod oauth;
#[doc(hidden)]
pub mod parsers;
pub mod postgres;
pub mod ssh;
pub mod stored;
pub mod sts;
pub mod svid;

pub use clause::{Clause, granted};
pub use kind::{Doors, Kind, Lender, read};
