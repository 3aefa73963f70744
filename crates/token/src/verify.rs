//! Verify: from a token back to its grant.
//!
//! Everything is decided by what the verifier holds, nothing by what the token says: one key, one
//! algorithm, one type, one issuer, one audience. The header is checked before the signature and
//! may hold three members; the claims are read only after it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use remit_jose::{Algorithm, Jws, JwsError, Kind, PublicKey};
use remit_model::{Digest, Timestamp};

use crate::{Cache, Grant, Realm, TokenError, claims};

/// The longest token that is read, in bytes (R13). A grant has about 600.
pub const MAX_TOKEN: usize = 8 * 1024;

/// How far clocks may differ.
pub const SKEW: Duration = Duration::from_secs(5);

/// What a grant looks like (RFC 9068 section 2.1).
pub static GRANT: Kind = Kind {
    name: "token",
    most: MAX_TOKEN,
    types: &["at+jwt", "application/at+jwt"],
    types_in_words: "`at+jwt`: expected an access token, not any other kind",
    algorithms: &[Algorithm::Es256],
    algorithms_in_words: "`ES256`, the only algorithm accepted",
    members: &["alg", "kid", "typ"],
    members_in_words: "`typ`, `alg` and `kid`",
};

/// Believes the tokens of one minter.
pub struct Verifier {
    key: Arc<PublicKey>,
    kid: String,
    realm: Realm,
    cache: Cache,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("kid", &self.kid)
            .field("realm", &self.realm)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier for tokens of `realm` under the P-256 public key `key` with the id `kid`.
    pub(crate) fn new(key: Arc<PublicKey>, kid: String, realm: Realm) -> Self {
        Self { key, kid, realm, cache: Cache::default() }
    }

    /// What `token` grants at `now`.
    ///
    /// Errors: it is not one of ours, or not good now; the text says which check failed and never
    /// repeats any of the token.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Grant, TokenError> {
        let jws = Jws::read(token, &GRANT)?;
        if jws.key_id() != Some(self.kid.as_str()) {
            return Err(TokenError::Key);
        }
        claims::read(&jws.verified(&self.key)?, &self.realm, now)
    }

    /// As [`Self::verify`], but remembers what it verified by its SHA-256, which it also returns
    /// (at most [`crate::CACHE_BOUND`]); a remembered token is only checked for having run out.
    ///
    /// Errors: as [`Self::verify`]. Refusals are not remembered.
    pub fn verify_once(&self, token: &str, now: Timestamp) -> Result<(Grant, Digest), TokenError> {
        if token.len() > MAX_TOKEN {
            let (of, got, most) = (GRANT.name, token.len(), MAX_TOKEN);
            return Err(JwsError::TooLarge { of, got, most }.into());
        }
        let digest = Digest::of(token.as_bytes());
        if let Some(grant) = self.cache.get(&digest, now) {
            return Ok((grant, digest));
        }
        let grant = self.verify(token, now)?;
        self.cache.insert(digest, grant.clone(), now);
        Ok((grant, digest))
    }

    /// The names in every token.
    pub(crate) fn realm(&self) -> &Realm {
        &self.realm
    }
}
