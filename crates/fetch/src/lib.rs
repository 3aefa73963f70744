//! One request over HTTP, within bounds, to an address that a person named or that somebody named there
//! leads to.
//!
//! *In scope:* which addresses may be asked at all, the transport, sizes and times.
//! *Out of scope:* what is asked for and what the answer means.
//!
//! *Absences:* nothing is asked without TLS except on this machine, no redirect is followed, no proxy is
//! used, and no error text holds anything of a body.

mod address;
mod trust;
mod way;

pub use address::{Address, AddressError};
pub use trust::trusting;
pub use way::{ANSWER, Answer, MAX_DOCUMENT, Way, chain, in_time};
