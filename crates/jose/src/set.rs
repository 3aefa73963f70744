//! Sets of public keys (RFC 7517 section 5): as somebody registers them here, and as somebody else
//! publishes them for all.

use remit_model::Value;

use crate::{JwkError, Jws, JwsError, PublicKey, Thumbprint};

/// How many keys a set may have (R13): a token that names none is checked with each.
pub const MAX_KEYS: usize = 8;

/// How many keys of a set that somebody publishes are looked at (R13).
pub const MAX_PUBLISHED: usize = 64;

/// Public keys, each told from the others by its `kid` and its thumbprint.
#[derive(Debug, Default, PartialEq, Eq)]
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
        let mut keys = Self::default();
        for jwk in listed {
            keys.add(PublicKey::from_jwk(jwk)?)?;
        }
        Ok(keys)
    }

    /// Reads the keys for `uses` ([`PublicKey::published`]) out of a set that somebody else publishes.
    /// What is not a key of a form that is known here, or for something else, is left out (RFC 7517
    /// section 5); there may be none.
    ///
    /// Errors: it is no set or has more than [`MAX_PUBLISHED`], two keys share a `kid`, or one is
    /// private or a shared secret: then whoever read it can sign, and none of them says anything.
    pub fn published(set: &Value, uses: &[&str]) -> Result<Self, JwkError> {
        let Some(Value::List(listed)) = set.member("keys") else {
            return Err(JwkError::Set("it has no list `keys`".to_owned()));
        };
        if listed.len() > MAX_PUBLISHED {
            let text = format!("it holds {} of them; {MAX_PUBLISHED} are read", listed.len());
            return Err(JwkError::Set(text));
        }
        let mut keys = Self::default();
        for jwk in listed {
            match PublicKey::published(jwk, uses) {
                Ok(key) => keys.add(key)?,
                Err(why @ JwkError::Private(_)) => return Err(why),
                Err(_) => {}
            }
        }
        Ok(keys)
    }

    fn add(&mut self, key: PublicKey) -> Result<(), JwkError> {
        let twin = |other: &PublicKey| {
            other.thumbprint() == key.thumbprint() || other.id().is_some() && other.id() == key.id()
        };
        if self.0.iter().any(twin) {
            return Err(JwkError::Set("two of them are the same or share a `kid`".to_owned()));
        }
        self.0.push(key);
        Ok(())
    }

    /// Whether one of them is called `id`.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id() == Some(id))
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

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#""kty":"EC","crv":"P-256","x":"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY","y":"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw""#;
    const OKP: &str =
        r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

    fn published(keys: &str, uses: &[&str]) -> Result<usize, String> {
        let set = Value::parse(&format!(r#"{{"keys":[{keys}],"more":1}}"#)).unwrap();
        let set = KeySet::published(&set, uses).map_err(|why| why.to_string())?;
        Ok(set.thumbprints().len())
    }

    #[test]
    fn of_a_published_set_only_what_is_for_this_use_is_read() {
        for (keys, uses, expected) in [
            (
                format!(r#"{{{EC},"kid":"a","x5t":"?","unknown":[]}},{{{OKP}}}"#),
                &["", "sig"][..],
                2,
            ),
            (format!(r#"{{{EC},"use":"enc"}},{{{OKP},"key_ops":["sign"]}}"#), &["", "sig"], 0),
            (format!(r#"{{{EC},"use":"sig"}},{{{OKP}}}"#), &["jwt-svid"], 0),
            (format!(r#"{{{EC},"use":"jwt-svid"}},{{{OKP},"use":"x509-svid"}}"#), &["jwt-svid"], 1),
            (format!(r#"{{{EC},"alg":"ES384"}},{{"kty":"new"}},7"#), &["", "sig"], 0),
            (r#"{"kty":"RSA","e":"AQAB","n":"_w"}"#.to_owned(), &["", "sig"], 0),
            (String::new(), &["jwt-svid"], 0),
        ] {
            assert_eq!(published(&keys, uses), Ok(expected), "{keys}");
        }
    }

    #[test]
    fn a_set_that_gives_away_a_secret_says_nothing() {
        for (keys, why) in [
            (format!(r#"{{{EC}}},{{{OKP},"d":"AA"}}"#), "private member `d`"),
            (format!(r#"{{{EC}}},{{"kty":"oct","k":"AA"}}"#), "private member `k`"),
            (format!(r#"{{{EC},"use":"enc","d":"AA"}}"#), "private member `d`"),
            (format!(r#"{{{EC},"kid":"a"}},{{{OKP},"kid":"a"}}"#), "share a `kid`"),
            (vec!["0"; MAX_PUBLISHED + 1].join(","), "it holds 65"),
        ] {
            let error = published(&keys, &["", "sig"]).unwrap_err();
            assert!(error.contains(why), "{keys}: {error}");
        }
        let no_set = KeySet::published(&Value::parse("[]").unwrap(), &[""]);
        assert!(no_set.unwrap_err().to_string().contains("no list `keys`"));
    }
}
