//! The keys of those elsewhere who vouch: fetched from where a person said, and kept no longer than they
//! can be believed.
//!
//! An issuer of OpenID Connect or OAuth tokens is asked for its metadata and its keys, a trust domain of
//! SPIFFE for its bundle (`https_web`). Nobody is asked before somebody shows a token of theirs, and then
//! within bounds, whatever such tokens name: [`AT_MOST_EVERY`], [`REFRESH`], [`KEPT_FOR`]. A [`WorkloadApi`] on
//! this machine hands out bundles without being asked, and our own X.509-SVID with them.
//!
//! *In scope:* metadata, when to ask again.
//! *Out of scope:* addresses and transport (`fetch`); tokens: this crate never sees one. What a key set or a bundle is (`jose`, `spiffe`).
//!
//! *Absences:* nothing is asked without TLS except on this machine, no redirect is followed, and nothing
//! in a token says where to ask.

mod asking;
mod documents;
mod kept;
mod metadata;
mod workload;

pub use asking::{Federation, TOKENS};
pub use kept::{AT_MOST_EVERY, KEPT_FOR, REFRESH};
pub use metadata::key_address;
pub use remit_fetch::{Address, AddressError};
pub use workload::{WorkloadApi, WorkloadSource};

use std::path::PathBuf;
use std::sync::Arc;

use remit_jose::KeySet;

/// Where the keys of somebody come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the issuer's metadata.
    Discovered(Address, Access),
    /// From this address.
    Keys(Address, Access),
    /// From a trust domain's bundle endpoint.
    Bundle(Address, Access),
    /// From the configuration.
    Given(Arc<KeySet>),
    /// From the Workload API that hands out a trust domain's bundle.
    Handed,
}

/// What it takes to be let in where keys are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// The certificates that the server's must lead to, PEM; left out: those of this machine.
    pub ca_file: Option<PathBuf>,
    /// A bearer token to show, to nobody but the server that a person named. Read each time.
    pub token_file: Option<PathBuf>,
}
