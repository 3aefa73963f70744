//! What may be minted for whom, and what a request must show to be believed.
//!
//! A [`Grant`] says that its holder works on one task. It travels as a JWT access token (RFC 9068,
//! `at+jwt`, ES256) that lives minutes: [`Minter::mint`] makes it from the task's charter, never
//! beyond the task's deadline, and [`Verifier::verify`] is the only way back. What can change while
//! a grant lives (the task's state) is not in it; whoever accepts one asks for that at every call.
//!
//! A grant is bound to a key of its holder (DPoP, RFC 9449), to a certificate (mutual TLS, RFC 8705)
//! or to nothing ([`Binding`]). A bound one is worth nothing without a fresh proof by that key, which
//! [`Proofs`] checks, or on another connection than one with that certificate;
//! [`Verifier::authenticate`] joins them. [`Assertions`] knows clients by what they signed
//! (RFC 7523), [`elsewhere`] whom others vouch for, and a [`Challenge`] whoever asked for a code (RFC 7636).
//!
//! *In scope:* the form of all these, their signatures, their times, what was seen before.
//! *Out of scope:* who may ask for a grant, revocation before the minute is over (the task's state
//! does that).
//!
//! *Absences:* no I/O and no clock: time and randomness are arguments. One exception that cannot
//! be avoided: the nonce of an ECDSA signature is drawn by AWS-LC itself.

mod assertion;
mod authenticate;
mod binding;
mod cache;
mod certificate;
mod claims;
pub mod elsewhere;
mod error;
mod keys;
mod mint;
mod nonce;
mod pkce;
mod proof;
mod realm;
mod seen;
mod url;
mod verify;

use remit_model::{AgentName, ServerName, TaskId, Timestamp};

pub use assertion::{ASSERTION, Assertion, AssertionError, Assertions, MAX_ASSERTION_LIFETIME};
pub use authenticate::{Holder, Presented};
pub use binding::Binding;
pub use cache::{CACHE_BOUND, Cache};
pub use certificate::{Certificate, Uncertified};
pub use error::TokenError;
pub use keys::{GrantKey, GrantKeys, MAX_GRANT_KEYS};
pub use mint::{MAX_LIFETIME, Minter, Terms};
pub use nonce::NONCE_PERIOD;
pub use pkce::{Challenge, ChallengeError};
pub use proof::{PROOF, PROOF_WINDOW, Proof, ProofError, Proofs, Request, Spent};
pub use realm::Realm;
pub use seen::{MAX_ASSERTIONS, MAX_PROOFS};
pub use verify::{GRANT, MAX_TOKEN, SKEW, Verifier};

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The task its holder works on.
    pub task: TaskId,
    /// The agent its holder is.
    pub agent: AgentName,
    /// The run on whose behalf its holder acts, `spiffe://<trust domain>/agent/<agent>/task/<task>`: its
    /// own, or the one from which the task was handed on first.
    pub subject: String,
    /// Who acts for the subject, its holder first and then whoever handed the task on before (RFC 8693
    /// section 4.1); nobody, if it is the holder's own.
    pub actors: Vec<String>,
    /// The one server whose endpoint takes it; `None` for all of them.
    pub server: Option<ServerName>,
    /// What its holder has to show with it.
    pub binding: Binding,
    /// When it runs out.
    pub expires: Timestamp,
    /// Its own name (`jti`).
    pub id: String,
}
