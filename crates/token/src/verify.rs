//! Verify: from a token back to its grant.
//!
//! Everything is decided by what the verifier holds, nothing by what the token says: one key, one
//! algorithm, one type, one issuer, one audience. The header is checked before the signature and
//! may hold three members; the claims are read only after it.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use remit_model::{Digest, Timestamp, Value};

use crate::{Cache, Grant, Realm, TokenError, claims};

/// The longest token that is read, in bytes (R13). A grant has about 600.
pub const MAX_TOKEN: usize = 8 * 1024;

/// How far clocks may differ.
pub const SKEW: Duration = Duration::from_secs(5);

/// Header members that would let a token choose its own key or meaning, to be named in errors.
const NOTABLE: [(&str, &str); 9] = [
    ("b64", "`b64`, which changes what is signed"),
    ("crit", "`crit`, which demands an extension"),
    ("cty", "`cty`, as nested tokens do"),
    ("jku", "`jku`, which brings its own key set"),
    ("jwk", "`jwk`, which brings its own key"),
    ("x5c", "`x5c`, which brings its own certificates"),
    ("x5t", "`x5t`, which names a certificate"),
    ("x5t#S256", "`x5t#S256`, which names a certificate"),
    ("x5u", "`x5u`, which brings its own certificates"),
];

/// Believes the tokens of one minter.
pub struct Verifier {
    key: DecodingKey,
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
    pub(crate) fn new(key: DecodingKey, kid: String, realm: Realm) -> Self {
        Self { key, kid, realm, cache: Cache::default() }
    }

    /// What `token` grants at `now`.
    ///
    /// Errors: it is not one of ours, or not good now; the text says which check failed and never
    /// repeats any of the token.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Grant, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLarge { got: token.len() });
        }
        let count = TokenError::Malformed("it has another number of parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(count.clone())?;
        let (header, claims) =
            signed.split_once('.').filter(|(_, claims)| !claims.contains('.')).ok_or(count)?;
        self.check_header(&part(header, "its first part is not a JSON object")?)?;
        self.check_signature(signed, signature)?;
        let claims = part(claims, "its second part is not JSON without duplicate names")?;
        claims::read(&claims, &self.realm, now)
    }

    /// As [`Self::verify`], but remembers what it verified (by SHA-256, at most
    /// [`crate::CACHE_BOUND`]); a remembered token is only checked for having run out.
    ///
    /// Errors: as [`Self::verify`]. Refusals are not remembered.
    pub fn verify_cached(&self, token: &str, now: Timestamp) -> Result<Grant, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::TooLarge { got: token.len() });
        }
        let digest = Digest::of(token.as_bytes());
        if let Some(grant) = self.cache.get(&digest, now) {
            return Ok(grant);
        }
        let grant = self.verify(token, now)?;
        self.cache.insert(digest, grant.clone(), now);
        Ok(grant)
    }

    fn check_header(&self, header: &Value) -> Result<(), TokenError> {
        let Value::Record(members) = header else {
            return Err(TokenError::Malformed("its first part is not a JSON object"));
        };
        if let Some(name) =
            members.keys().find(|name| !matches!(name.as_str(), "typ" | "alg" | "kid"))
        {
            let notable = NOTABLE.iter().find(|(known, _)| known == name);
            return Err(TokenError::Header(notable.map_or("an unknown member", |(_, text)| text)));
        }
        let text = |name| header.member(name).and_then(Value::as_text);
        if text("alg") != Some("ES256") {
            return Err(TokenError::Algorithm);
        }
        if !matches!(text("typ"), Some("at+jwt" | "application/at+jwt")) {
            return Err(TokenError::Type);
        }
        if text("kid") != Some(self.kid.as_str()) {
            return Err(TokenError::Key);
        }
        Ok(())
    }

    fn check_signature(&self, signed: &str, signature: &str) -> Result<(), TokenError> {
        let verified =
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, Algorithm::ES256);
        match verified {
            Ok(true) => Ok(()),
            Ok(false) => Err(TokenError::Signature),
            Err(_) => Err(TokenError::Malformed("its third part is not base64url")),
        }
    }
}

/// One part of a token. The base64url decoder refuses padding, other alphabets and stray bits;
/// [`Value::parse`] refuses duplicate names, which two parsers could read differently.
fn part(text: &str, otherwise: &'static str) -> Result<Value, TokenError> {
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| TokenError::Malformed("a part is not base64url"))?;
    let json = String::from_utf8(bytes).map_err(|_| TokenError::Malformed(otherwise))?;
    Value::parse(&json).map_err(|_| TokenError::Malformed(otherwise))
}
