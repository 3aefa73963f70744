//! Remit as SPIFFE issuer: who an agent is, in a form that other people's software believes.
//!
//! An [`Authority`] holds the keys of one trust domain as a row of [`Generation`]s, each with a
//! signing certificate and a key for JWT-SVIDs. It issues X.509-SVIDs and JWT-SVIDs that live
//! minutes, publishes the bundle that verifies them, and verifies both. Keys are replaced with
//! overlap: a new generation stands in the bundle before it signs, and an old one stays there until
//! whatever it signed has run out. When that is follows from each generation's own certificate, so
//! there is no other state to keep. A [`ForeignBundle`] verifies the JWT-SVIDs of another trust domain,
//! [`ForeignRoots`] the X.509-SVIDs of those that a Workload API hands out.
//!
//! *In scope:* SPIFFE ID, X.509-SVID, JWT-SVID, trust bundle (`standards` of spiffe.io).
//! *Out of scope:* who may have an SVID (the engine's settings), how it is handed out (the
//! Workload API), where keys are kept, how bundles of others are fetched.
//!
//! *Absences:* no I/O and no clock: time and randomness are arguments. One exception that cannot
//! be avoided: the nonce of an ECDSA signature is drawn by AWS-LC itself.

mod authority;
mod bundle;
mod chain;
mod error;
mod foreign;
mod generation;
mod id;
mod jwt;
mod roots;
mod secret;
mod x509;

pub use authority::Authority;
pub use chain::{MAX_CHAIN, VerifiedX509};
pub use error::{BundleError, SvidError};
pub use foreign::{ForeignBundle, verify_foreign};
pub use generation::{BACKDATE, Generation, Kept};
pub use id::{agent_id, agent_of, own_id, run_of, task_id, trust_domain, workload_id};
pub use jwt::{JwtSvid, MAX_AUDIENCE, MAX_AUDIENCES, MAX_TOKEN, SKEW, Verified};
pub use roots::{ForeignRoots, MAX_ROOTS};
pub use spiffe::{SpiffeId, TrustDomain};
pub use x509::X509Svid;

#[cfg(test)]
mod tests;
