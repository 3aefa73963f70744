//! What may be minted for whom.
//!
//! A [`Grant`] says that its holder works on one task. It travels as a JWT access token (RFC 9068,
//! `at+jwt`, ES256) that lives minutes: [`Minter::mint`] makes it from the task's charter, never
//! beyond the task's deadline, and [`Verifier::verify`] is the only way back. What can change while
//! a grant lives (the task's state) is not in it; whoever accepts one asks for that at every call.
//!
//! *In scope:* the token's form, its signature, its times, the published key set.
//! *Out of scope:* who may ask for a grant, proof of possession, revocation before the minute is
//! over (the task's state does that).
//!
//! *Absences:* no I/O and no clock: time and randomness are arguments. One exception that cannot
//! be avoided: the nonce of an ECDSA signature is drawn by AWS-LC itself.

mod cache;
mod claims;
mod error;
mod mint;
mod realm;
mod verify;

use remit_model::{AgentName, TaskId, Timestamp};

pub use cache::{CACHE_BOUND, Cache};
pub use error::TokenError;
pub use mint::{MAX_LIFETIME, Minter};
pub use realm::Realm;
pub use verify::{MAX_TOKEN, SKEW, Verifier};

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The task its holder works on.
    pub task: TaskId,
    /// The agent its holder is.
    pub agent: AgentName,
    /// The identity of this run, `spiffe://<trust domain>/agent/<agent>/task/<task>`.
    pub subject: String,
    /// When it runs out.
    pub expires: Timestamp,
    /// Its own name (`jti`).
    pub id: String,
}
