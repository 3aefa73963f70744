//! Signing: ES256, with one key.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use remit_model::Value;
use remit_signer::{Algorithm, Held, Signer, SignerError};
use serde::Serialize;
use serde_json::json;

use crate::PublicKey;

/// A private key that signs tokens. Prints nothing of itself.
pub struct SigningKey {
    signer: Arc<dyn Signer>,
    public: Arc<PublicKey>,
    id: String,
    x: String,
    y: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a key cannot sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SigningError(pub String);

impl From<SignerError> for SigningError {
    fn from(why: SignerError) -> Self {
        Self(why.to_string())
    }
}

impl SigningKey {
    /// The key in PKCS#8 DER, which is copied; wiping it is its owner's duty.
    ///
    /// Errors: it is not a P-256 private key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, SigningError> {
        Self::new(Arc::new(Held::from_pkcs8(Algorithm::Es256, pkcs8)?))
    }

    /// The key that `signer` is. Its id (`kid`) is its RFC 7638 thumbprint, so that no two keys share
    /// one.
    ///
    /// Errors: it does not sign by ES256.
    pub fn new(signer: Arc<dyn Signer>) -> Result<Self, SigningError> {
        remit_signer::check(signer.as_ref(), Algorithm::Es256)?;
        // SEC 1 section 2.3.3: 0x04, then both coordinates.
        let (x, y) = match signer.public_key().split_first() {
            Some((4, coordinates)) if coordinates.len() == 64 => coordinates.split_at(32),
            _ => return Err(SigningError("its public key has an unexpected form".to_owned())),
        };
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        let text = |text: &str| Value::Text(text.to_owned());
        let members = [("kty", "EC"), ("crv", "P-256"), ("x", &x), ("y", &y)];
        let members = members.map(|(name, value)| (name.to_owned(), text(value)));
        let public = PublicKey::from_jwk(&Value::Record(members.into()))
            .map_err(|why| SigningError(why.to_string()))?;
        let id = public.thumbprint().to_string();
        Ok(Self { signer, public: Arc::new(public), id, x, y })
    }

    /// A token of type `typ` with these claims.
    ///
    /// Errors: the claims cannot be written as JSON, or AWS-LC cannot sign.
    pub fn sign<C: Serialize>(&self, typ: &str, claims: &C) -> Result<String, SigningError> {
        self.signed(&json!({ "typ": typ, "alg": "ES256", "kid": self.id }), claims)
    }

    /// The same with the public key itself in the header (`jwk`) instead of its id, as proofs of
    /// possession have it (RFC 9449 section 4.2).
    ///
    /// Errors: as [`Self::sign`].
    pub fn sign_showing_key<C: Serialize>(
        &self,
        typ: &str,
        claims: &C,
    ) -> Result<String, SigningError> {
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y });
        self.signed(&json!({ "typ": typ, "alg": "ES256", "jwk": jwk }), claims)
    }

    fn signed<C: Serialize>(
        &self,
        header: &serde_json::Value,
        claims: &C,
    ) -> Result<String, SigningError> {
        let header = header.to_string();
        let claims = serde_json::to_vec(claims).map_err(|why| SigningError(why.to_string()))?;
        let mut token = BASE64URL_NOPAD.encode(header.as_bytes());
        token.push('.');
        BASE64URL_NOPAD.encode_append(&claims, &mut token);
        let signature = self.signer.sign(token.as_bytes())?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        Ok(token)
    }

    /// The public key.
    pub fn public(&self) -> Arc<PublicKey> {
        Arc::clone(&self.public)
    }

    /// The public key as a JWK (RFC 7517) whose `use` is `usage`.
    pub fn jwk(&self, usage: &str) -> serde_json::Value {
        json!({
            "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y,
            "kid": self.id, "alg": "ES256", "use": usage,
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw_es256;

    struct Sevens;

    impl remit_model::Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    /// A key whose device has gone.
    #[derive(Debug)]
    struct Gone(Held);

    impl Signer for Gone {
        fn algorithm(&self) -> Algorithm {
            self.0.algorithm()
        }

        fn public_key(&self) -> &[u8] {
            self.0.public_key()
        }

        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignerError> {
            Err(SignerError::Failed)
        }
    }

    #[test]
    fn a_key_is_known_by_its_public_part_and_one_that_cannot_sign_makes_no_token() {
        let pkcs8 = draw_es256(&Sevens).unwrap();
        let held = SigningKey::from_pkcs8(&pkcs8).unwrap();
        let gone = Gone(Held::from_pkcs8(Algorithm::Es256, &pkcs8).unwrap());
        let gone = SigningKey::new(Arc::new(gone)).unwrap();
        assert_eq!(gone.id(), held.id());
        assert!(held.sign("JWT", &json!({})).is_ok());
        let error = gone.sign("JWT", &json!({})).unwrap_err().to_string();
        assert_eq!(error, "the key could not sign");
    }

    #[test]
    fn a_key_of_another_kind_signs_no_tokens() {
        let log = Arc::new(Held::from_seed(&[7; 32]).unwrap());
        let error = SigningKey::new(log).unwrap_err().to_string();
        assert!(error.contains("ES256 (P-256), got one for Ed25519"), "{error}");
    }
}
