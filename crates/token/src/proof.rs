//! Proofs of possession (DPoP, RFC 9449): that whoever sends a request holds a private key.
//!
//! A proof is a small token for one request: its method, its URL, the grant that goes with it, and
//! a nonce of ours that is a minute or two old. It brings its own public key, the only kind of
//! token that may; what counts is that the key is the one that the grant is bound to.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use remit_jose::{Algorithm, JwkError, Jws, JwsError, Kind, Thumbprint};
use remit_model::{Digest, Entropy, Timestamp, Value};

use crate::nonce::{Nonces, Period};
use crate::seen::{Again, MAX_PROOFS, Seen};
use crate::url;

/// What a proof looks like (RFC 9449 section 4.2). It has some 600 bytes.
pub static PROOF: Kind = Kind {
    name: "proof",
    most: 4 * 1024,
    types: &["dpop+jwt", "application/dpop+jwt"],
    types_in_words: "`dpop+jwt`: expected a DPoP proof, not any other kind of token",
    algorithms: &[Algorithm::Es256, Algorithm::EdDsa],
    algorithms_in_words: "`ES256` or `EdDSA`, the only algorithms accepted",
    members: &["alg", "jwk", "typ"],
    members_in_words: "`typ`, `alg` and `jwk`",
};

/// How far a proof's `iat` may lie from the present, either way. Its nonce says more exactly how old
/// it is; this is for the clocks of clients (RFC 9449 section 11.1).
pub const PROOF_WINDOW: Duration = Duration::from_mins(5);

/// Characters a `jti` may have; it is kept as a digest.
const MAX_ID: usize = 256;

/// Why a proof was not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is not a signed proof.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// The key that it brings is not one that is accepted.
    #[error("the proof's `jwk` cannot be used: {0}")]
    Key(#[from] JwkError),
    /// A claim is missing, or not what it should be.
    #[error("the proof's claim `{0}` is missing or not of the expected form")]
    Claim(&'static str),
    /// It is for a request with another method.
    #[error("the proof's `htm` is not the method of this request: make a proof for each request")]
    Method,
    /// It is for another URL.
    #[error("the proof's `htu` is not this URL: expected `{0}`, as the server names itself")]
    Url(String),
    /// It is for another grant, or for none.
    #[error("the proof's `ath` is not the hash of the grant that was sent with it")]
    Token,
    /// It was made too long ago, or in the future.
    #[error(
        "the proof was made at {at}, more than {} s from now: set the clock right",
        PROOF_WINDOW.as_secs()
    )]
    Time {
        /// When it says that it was made.
        at: Timestamp,
    },
    /// It holds no nonce of ours that is good now.
    #[error(
        "the proof holds no nonce of this server's that is still good: make it again with the one \
         in the header `DPoP-Nonce`"
    )]
    Nonce,
    /// It was used before.
    #[error("the proof was used before: make a new one for each request")]
    Replayed,
    /// It could not be remembered, so that it could be used twice.
    #[error("too many proofs were used in a short time: wait a minute and make a new one")]
    Full,
}

impl ProofError {
    /// Its name in RFC 9449 section 5 and 8.
    pub fn code(&self) -> &'static str {
        if *self == Self::Nonce { "use_dpop_nonce" } else { "invalid_dpop_proof" }
    }
}

/// The request that a proof must be for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its URL as the server names itself, without query.
    pub url: &'a str,
    /// The digest of the grant that goes with it, if one does.
    pub token: Option<&'a Digest>,
}

/// A proof that fits its request, and was not used yet.
#[derive(Debug)]
pub struct Proof {
    key: Thumbprint,
    id: String,
    period: Period,
}

impl Proof {
    /// The key whose possession it proves.
    pub fn key(&self) -> Thumbprint {
        self.key
    }
}

/// What is left of a proof that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The key whose possession it proved.
    pub key: Thumbprint,
    /// The nonce to use from now on, where that is another.
    pub nonce: Option<String>,
}

/// Believes proofs, each once.
pub struct Proofs {
    nonces: Nonces,
    seen: Seen,
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs").field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl Proofs {
    /// Draws the secret of its nonces; remembers at most [`MAX_PROOFS`].
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self::with_room(entropy, MAX_PROOFS)
    }

    /// As [`Self::new`], remembering at most `most`.
    pub fn with_room(entropy: &dyn Entropy, most: usize) -> Self {
        Self { nonces: Nonces::new(entropy), seen: Seen::new(most) }
    }

    /// The nonce to give out at `now`.
    pub fn nonce(&self, now: Timestamp) -> String {
        self.nonces.at(now)
    }

    /// Checks `proof` against the request it came with (RFC 9449 section 4.3). It is not used up:
    /// whoever has checked the rest of the request spends it.
    ///
    /// Errors: it is not a proof, or one for something else or for another time.
    pub fn check(
        &self,
        proof: &str,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Proof, ProofError> {
        let jws = Jws::read(proof, &PROOF)?;
        let key = jws.own_key()?;
        let claims = jws.verified(&key)?;
        let text = |name: &'static str| {
            claims.member(name).and_then(Value::as_text).ok_or(ProofError::Claim(name))
        };
        if text("htm")? != request.method {
            return Err(ProofError::Method);
        }
        if !url::is_same(text("htu")?, request.url) {
            return Err(ProofError::Url(request.url.to_owned()));
        }
        check_time(&claims, now)?;
        check_token(&claims, request.token)?;
        let id = text("jti")?;
        if id.is_empty() || id.len() > MAX_ID {
            return Err(ProofError::Claim("jti"));
        }
        let nonce = claims.member("nonce").and_then(Value::as_text).ok_or(ProofError::Nonce)?;
        let period = self.nonces.known(nonce, now).ok_or(ProofError::Nonce)?;
        Ok(Proof { key: key.thumbprint(), id: id.to_owned(), period })
    }

    /// Uses `proof` up.
    ///
    /// Errors: it was used before, or it cannot be remembered.
    pub fn spend(&self, proof: &Proof, now: Timestamp) -> Result<Spent, ProofError> {
        let owner = Digest::of(proof.key.to_string().as_bytes());
        self.seen.note((&owner, &proof.id), proof.period.ends(), now).map_err(|why| match why {
            Again::Replayed => ProofError::Replayed,
            Again::Full => ProofError::Full,
        })?;
        let nonce = proof.period.is_over(now).then(|| self.nonce(now));
        Ok(Spent { key: proof.key, nonce })
    }

    /// How many used ones it remembers.
    pub fn remembered(&self) -> usize {
        self.seen.len()
    }
}

fn check_time(claims: &Value, now: Timestamp) -> Result<(), ProofError> {
    let made = match claims.member("iat") {
        Some(Value::Number(text)) => text.parse().map_err(|_| ProofError::Claim("iat"))?,
        _ => return Err(ProofError::Claim("iat")),
    };
    let at = Timestamp::from_secs(made);
    if at > now.after(PROOF_WINDOW) || at.after(PROOF_WINDOW) < now {
        return Err(ProofError::Time { at });
    }
    Ok(())
}

fn check_token(claims: &Value, token: Option<&Digest>) -> Result<(), ProofError> {
    let expected = token.map(|digest| BASE64URL_NOPAD.encode(&digest.0));
    match (claims.member("ath"), expected) {
        (None, None) => Ok(()),
        (Some(Value::Text(given)), Some(expected)) if *given == expected => Ok(()),
        _ => Err(ProofError::Token),
    }
}
