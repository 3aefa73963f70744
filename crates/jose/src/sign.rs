//! Signing: ES256, with one key.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use remit_model::Value;
use serde::Serialize;
use serde_json::json;

use crate::PublicKey;

/// A private key that signs tokens. Prints nothing of itself; AWS-LC wipes it when it is dropped.
pub struct SigningKey {
    key: EcdsaKeyPair,
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
#[error("expected an ES256 (P-256) private key in PKCS#8: {0}")]
pub struct SigningError(pub String);

impl SigningKey {
    /// The key in PKCS#8 DER. Its id (`kid`) is its RFC 7638 thumbprint, so that no two keys share
    /// one. `pkcs8` is copied; wiping it is its owner's duty.
    ///
    /// Errors: it is not a P-256 private key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, SigningError> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|why| SigningError(why.to_string()))?;
        // SEC 1 section 2.3.3: 0x04, then both coordinates.
        let point = key.public_key().as_ref();
        let (x, y) = match point.split_first() {
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
        Ok(Self { key, public: Arc::new(public), id, x, y })
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
        let signature = self
            .key
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| SigningError("it could not sign".to_owned()))?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut token);
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
