//! Why a token was not minted or not believed. No text repeats any part of a token (promise R12).

use remit_model::Timestamp;

use crate::mint::MAX_LIFETIME;
use crate::verify::{MAX_TOKEN, SKEW};

/// Why a token was not minted or not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than a token may be.
    #[error("the token has {got} bytes, at most {MAX_TOKEN} are read")]
    TooLarge {
        /// Bytes it has.
        got: usize,
    },
    /// It is not a JWT.
    #[error("expected a signed token of three base64url parts, but {0}")]
    Malformed(&'static str),
    /// Its header names another algorithm.
    #[error("the token's `alg` is not `ES256`, the only algorithm accepted")]
    Algorithm,
    /// It is another kind of token.
    #[error("the token's `typ` is not `at+jwt`: expected an access token, not any other kind")]
    Type,
    /// It was signed by another key, or one that is no longer in use.
    #[error("the token's `kid` is not that of the key in use: ask for a new grant")]
    Key,
    /// Its header says more than it may.
    #[error("the token's header holds {0}; only `typ`, `alg` and `kid` are accepted")]
    Header(&'static str),
    /// Nobody who holds the key signed these very bytes.
    #[error("the token's signature does not fit its content: it was forged or damaged")]
    Signature,
    /// It comes from elsewhere.
    #[error("the token's `iss` is not this issuer: it was made by somebody else")]
    Issuer,
    /// It is meant for somebody else.
    #[error("the token's `aud` is not this resource: it was made for somebody else")]
    Audience,
    /// A claim is missing, or not what it should be.
    #[error("the token's claim `{0}` is missing or not of the expected form")]
    Claim(&'static str),
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
    #[error("expected an ES256 (P-256) private key in PKCS#8: {0}")]
    Secret(String),
}
