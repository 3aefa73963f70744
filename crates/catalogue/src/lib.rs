//! The tool catalogue: what servers offer, what is known of it, and whether it may be used.
//!
//! A server's word is input from outside. [`observe()`] compares what a server says now with what a
//! person admitted and yields [`Change`]s; the [`Catalogue`] is nothing but their fold, so it can be
//! rebuilt from the ledger and its digest pins a decision. [`infer()`] turns a definition
//! into a profile, each part with its origin; [`resources()`] and [`returned_label`] apply a profile to
//! a call.
//!
//! *Absences:* no I/O, no clock, no randomness; nothing here decides whether a call is permitted.

mod admit;
mod catalogue;
mod definition;
mod diff;
mod flags;
pub mod infer;
mod invisible;
mod label;
mod observe;
mod overrides;
pub mod resource;
mod wants;
mod words;

pub use admit::{AdmitError, admit, withdraw};
pub use catalogue::{Catalogue, Change};
pub use definition::{Definition, DefinitionError, MAX_DEFINITION, MAX_NAME};
pub use diff::diff;
pub use flags::flags;
pub use infer::infer;
pub use invisible::visible;
pub use label::returned_label;
pub use observe::{CONFIGURATION, MAX_TOOLS, Rejected, observe, rejected};
pub use overrides::{NamePattern, Overrides, ProfileOverride};
pub use resource::{MAX_RESOURCES, resources};
pub use wants::Wants;
