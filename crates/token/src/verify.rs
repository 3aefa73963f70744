//! Verify: from a token back to its grant.
//!
//! Everything is decided by what the verifier holds, nothing by what the token says: few keys, one
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

/// Believes the tokens of one minter. What it has verified is its own: another one, for other keys,
/// believes nothing because this one did, also not what was being verified when it was made.
pub struct Verifier {
    /// By their ids.
    keys: Vec<(String, Arc<PublicKey>)>,
    realm: Realm,
    cache: Cache,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.keys.iter().map(|(id, _)| id).collect::<Vec<_>>())
            .field("realm", &self.realm)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// A verifier for tokens of `realm` under these P-256 public keys.
    pub(crate) fn new(keys: Vec<(String, Arc<PublicKey>)>, realm: Realm) -> Self {
        Self { keys, realm, cache: Cache::default() }
    }

    /// What `token` grants at `now`.
    ///
    /// Errors: it is not one of ours, or not good now; the text says which check failed and never
    /// repeats any of the token.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Grant, TokenError> {
        let jws = Jws::read(token, &GRANT)?;
        let named = self.keys.iter().find(|(id, _)| jws.key_id() == Some(id));
        let (_, key) = named.ok_or(TokenError::Key)?;
        claims::read(&jws.verified(key)?, &self.realm, now)
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
