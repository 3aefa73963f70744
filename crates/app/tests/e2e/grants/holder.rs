//! Somebody who holds a key: makes proofs of possession and signs assertions, as the specifications
//! have it and with nothing of Remit's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::svids::pem;

/// The holder of a P-256 key.
pub(crate) struct Holder {
    key: EcdsaKeyPair,
    made: AtomicU64,
}

impl Holder {
    /// With a new key.
    pub(crate) fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { key, made: AtomicU64::new(0) }
    }

    /// The private key as PEM, for other programs.
    pub(crate) fn pem(&self) -> String {
        pem("PRIVATE KEY", self.key.to_pkcs8v1().unwrap().as_ref())
    }

    /// An assertion that names itself `client` (RFC 7523); `beside` are claims that take the place of
    /// others.
    pub(crate) fn assertion(&self, (client, issuer): (&str, &str), beside: &Value) -> String {
        let mut claims = json!({
            "iss": client, "sub": client, "aud": issuer, "jti": self.name(),
            "iat": now(), "exp": now() + 60,
        });
        claims.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        self.sign(&json!({"typ": "JWT", "alg": "ES256"}), &claims)
    }

    /// The public key.
    pub(crate) fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let encode = |part: &[u8]| BASE64URL_NOPAD.encode(part);
        json!({
            "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]),
        })
    }

    /// Its thumbprint (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
        hash(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    }

    /// A proof for one request; `beside` are claims that take the place of others or come to them.
    pub(crate) fn proof(&self, url: &str, beside: &Value) -> String {
        let mut claims = json!({
            "jti": self.name(), "htm": "POST", "htu": url, "iat": now(),
        });
        claims.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
        self.sign(&json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()}), &claims)
    }

    /// A token.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A token of these very texts.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let encode = |part: &str| BASE64URL_NOPAD.encode(part.as_bytes());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// A name that was not given before.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", now(), self.made.fetch_add(1, Ordering::Relaxed))
    }
}

/// SHA-256 in base64url.
pub(crate) fn hash(text: &str) -> String {
    BASE64URL_NOPAD.encode(digest(&SHA256, text.as_bytes()).as_ref())
}

/// Seconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the holder has a clock of its own")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
