//! Why a token was not minted or not believed. No text repeats any part of a token (promise R12).

use remit_jose::{JwsError, SigningError};
use remit_model::Timestamp;

use crate::certificate::Uncertified;
use crate::mint::MAX_LIFETIME;
use crate::proof::ProofError;
use crate::verify::SKEW;

/// Why a token was not minted or not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token of this kind, or nobody who holds the key signed it.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// It was signed by another key, or one that is no longer in use.
    #[error("the token's `kid` is not that of a key in use: ask for a new grant")]
    Key,
    /// There is none that could sign it.
    #[error(
        "there is no key that signs grants: one is made as soon as that can be recorded, look with \
         `remit keys list`"
    )]
    NoKey,
    /// It comes from elsewhere.
    #[error("the token's `iss` is not this issuer: it was made by somebody else")]
    Issuer,
    /// It is meant for somebody else.
    #[error("the token's `aud` is not this resource: it was made for somebody else")]
    Audience,
    /// A claim is missing, or not what it should be.
    #[error("the token's claim `{0}` is missing or not of the expected form")]
    Claim(&'static str),
    /// What it says to be bound to is not one thing that is understood here.
    #[error("the token's `cnf` {0}: expected either `jkt` or `x5t#S256`")]
    Confirmation(&'static str),
    /// It says something that is not understood here, so it could mean something narrower.
    #[error("the token holds a claim that is not understood here")]
    ForeignClaim,
    /// It ran out.
    #[error("the token ran out at {at}: ask for a new grant")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It was made in the future.
    #[error(
        "the token was made at {at}, more than {} s from now: set the clocks right", SKEW.as_secs()
    )]
    Future {
        /// When.
        at: Timestamp,
    },
    /// It is good, but its task is not known here.
    #[error("the token's task is not known here: open a task and use its grant")]
    UnknownTask,
    /// It is bound to a key, and was sent as if it were not.
    #[error(
        "the grant is bound to a key: send it as `Authorization: DPoP <grant>` with a proof by \
         that key in the header `DPoP`"
    )]
    Bound,
    /// It is bound to no key, and was sent as if it were.
    #[error("the grant is bound to no key, so no proof can go with it: ask for one that is bound")]
    Unbound,
    /// It is bound to no key, which is not enough here.
    #[error(
        "grants that are bound to no key are not accepted here: ask for one that is bound to a \
         key of yours (DPoP)"
    )]
    Bearer,
    /// The proof is by another key.
    #[error("the proof was made with another key than the one that the grant is bound to")]
    OtherKey,
    /// It is bound to a certificate, and was sent as if it were bound to a key.
    #[error(
        "the grant is bound to a certificate, so no proof can go with it: send it as \
         `Authorization: Bearer <grant>` on a connection with that certificate"
    )]
    Certificate,
    /// It is bound to a certificate, and came on a connection without one that counts.
    #[error("the grant is bound to a certificate, but {0}")]
    Uncertified(#[from] Uncertified),
    /// It is bound to a certificate, and came on a connection of somebody else.
    #[error(
        "the grant is bound to a certificate, and the one of this connection is not of the grant's \
         agent"
    )]
    OtherAgent,
    /// It is bound to a certificate, and came on a connection with another one of its agent.
    #[error(
        "the grant is bound to another certificate of its agent than the one of this connection: \
         after a renewal, ask for a further grant on a connection with the new one"
    )]
    OtherCertificate,
    /// The proof is not believed.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A lifetime was asked for that no token may have.
    #[error("expected a lifetime from 1 to {} s, got {asked} s", MAX_LIFETIME.as_secs())]
    Lifetime {
        /// What was asked for.
        asked: u64,
    },
    /// The task has passed its deadline.
    #[error("the task's deadline {deadline} has passed: open a new task")]
    TaskEnded {
        /// The deadline.
        deadline: Timestamp,
    },
    /// The realm's names cannot stand in a token.
    #[error("{0}")]
    Realm(String),
    /// The signing key cannot be used.
    #[error(transparent)]
    Secret(#[from] SigningError),
}

impl TokenError {
    /// Its name in a challenge (RFC 6750 section 3.1, RFC 9449 section 7.1).
    pub fn code(&self) -> &'static str {
        match self {
            Self::Proof(why) => why.code(),
            _ => "invalid_token",
        }
    }
}
