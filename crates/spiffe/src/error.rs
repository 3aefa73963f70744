//! Why an SVID was not issued or not believed. No text repeats any part of a token or a key (R12).

use remit_jose::{DrawError, JwsError};
use remit_model::Timestamp;
use spiffe::SpiffeIdError;

use crate::chain::MAX_CHAIN;
use crate::jwt::{MAX_AUDIENCE, MAX_AUDIENCES, SKEW};

/// Why a bundle of another trust domain is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is no bundle.
    #[error("expected a SPIFFE bundle: {0}")]
    Form(String),
    /// It claims our trust domain.
    #[error(
        "the bundle holds a key of our own trust domain: nobody else vouches for that; look where its \
         `url` leads"
    )]
    Ours,
    /// It claims somebody else's.
    #[error(
        "the bundle holds a certificate of another trust domain than `{0}`: look where its `url` leads"
    )]
    Other(String),
}

/// Why an SVID was not issued or not believed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SvidError {
    /// It is no SPIFFE ID, or no name of a trust domain.
    #[error("expected a SPIFFE ID or the name of a trust domain: {0}")]
    Id(#[from] SpiffeIdError),
    /// It belongs to another trust domain.
    #[error("the SVID's SPIFFE ID is not of this trust domain: it was issued by somebody else")]
    Foreign,
    /// There is no key that could sign.
    #[error("no signing key is good at the moment: wait for the next rotation")]
    NoKey,
    /// It would have run out before it was made.
    #[error("the SVID would run out at once: its task or its signing key ends now")]
    TooShort,
    /// No audience, or too many or too long ones.
    #[error(
        "expected 1 to {MAX_AUDIENCES} audiences of 1 to {MAX_AUDIENCE} bytes each: name who is to \
         believe the token"
    )]
    Audiences,
    /// No key could be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// A cryptographic operation failed that does not fail.
    #[error("{0} failed in the cryptographic library")]
    Crypto(&'static str),
    /// A kept generation is not what it should be.
    #[error("a signing key is damaged: {0}")]
    Kept(&'static str),

    /// It is not a JWT-SVID, or not signed by the key that it names.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// It names no key.
    #[error("the token's header names no `kid`: it is not a JWT-SVID of this trust domain")]
    NoKeyId,
    /// Its `kid` is not in the bundle.
    #[error(
        "the token's `kid` is not in the bundle: it was signed elsewhere, or its key has ended"
    )]
    Key,
    /// Nobody who holds the key signed this very certificate.
    #[error("the SVID's signature does not fit its content: it was forged or damaged")]
    Signature,
    /// A claim is missing, or not what it should be.
    #[error("the token's claim `{0}` is missing or not of the expected form")]
    Claim(&'static str),
    /// It is meant for somebody else.
    #[error("the token's `aud` does not name this audience: it was made for somebody else")]
    Audience,
    /// It ran out.
    #[error("the SVID ran out at {at}: fetch a new one")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It is not good yet.
    #[error(
        "the SVID is good from {at}, more than {} s from now: set the clocks right", SKEW.as_secs()
    )]
    Future {
        /// When.
        at: Timestamp,
    },

    /// It is not a chain of certificates.
    #[error("expected 1 to {MAX_CHAIN} certificates in DER, the SVID first: {0}")]
    Certificates(&'static str),
    /// Its leaf is not an X.509-SVID.
    #[error("the certificate is not an X.509-SVID: {0}")]
    Leaf(&'static str),
    /// It does not lead to the bundle.
    #[error("the certificate does not lead to this trust domain's bundle: {0}")]
    Path(String),
}
