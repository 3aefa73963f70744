//! Sets of public keys (RFC 7517 section 5), as somebody registers them.

use remit_model::Value;

use crate::{JwkError, Jws, JwsError, PublicKey, Thumbprint};

/// How many keys a set may have (R13): a token that names none is checked with each.
pub const MAX_KEYS: usize = 8;

/// Public keys, each told from the others by its `kid` and its thumbprint.
#[derive(Debug, Default)]
pub struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// Reads a JSON Web Key Set.
    ///
    /// Errors: one of its keys is none that is accepted, two are the same or have the same `kid`,
    /// there are none or more than [`MAX_KEYS`].
    pub fn read(text: &str) -> Result<Self, JwkError> {
        let set = Value::parse(text).map_err(|why| JwkError::Set(why.to_string()))?;
        let Some(Value::List(listed)) = set.member("keys") else {
            return Err(JwkError::Set("it has no list `keys`".to_owned()));
        };
        if listed.is_empty() || listed.len() > MAX_KEYS {
            let text = format!("it holds {} of them; 1 to {MAX_KEYS} are read", listed.len());
            return Err(JwkError::Set(text));
        }
        let mut keys: Vec<PublicKey> = Vec::with_capacity(listed.len());
        for jwk in listed {
            let key = PublicKey::from_jwk(jwk)?;
            let twin = |other: &PublicKey| {
                other.thumbprint() == key.thumbprint()
                    || other.id().is_some() && other.id() == key.id()
            };
            if keys.iter().any(twin) {
                return Err(JwkError::Set("two of them are the same or share a `kid`".to_owned()));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// What tells each of them from all others.
    pub fn thumbprints(&self) -> Vec<Thumbprint> {
        self.0.iter().map(PublicKey::thumbprint).collect()
    }

    /// What `token` claims, if one of these keys signed it: the one that it names, or any if it
    /// names none.
    ///
    /// Errors: it names none of them, or none of them signed it.
    pub fn verified(&self, token: &Jws<'_>) -> Result<Value, JwsError> {
        let unknown = JwsError::KeyId { of: token.kind() };
        let key = match token.key_id() {
            Some(id) => self.0.iter().find(|key| key.id() == Some(id)).ok_or(unknown)?,
            // One that none of them signed is refused in the name of the first.
            None => self
                .0
                .iter()
                .find(|key| token.is_signed_by(key))
                .or(self.0.first())
                .ok_or(unknown)?,
        };
        token.verified(key)
    }
}
