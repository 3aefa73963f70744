//! Whose keys sign what.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use remit_jose::{PublicKey, Thumbprint};
use remit_model::Entropy;
use serde_json::{Value, json};

pub(crate) struct Bytes(pub(crate) u8);

impl Entropy for Bytes {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// A P-256 key in PKCS#8 (RFC 5915 inside RFC 5208) with `byte` repeated as its secret.
pub(crate) fn p256_pkcs8(byte: u8) -> Vec<u8> {
    let prefix = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
    let mut der = data_encoding::HEXLOWER.decode(prefix.as_bytes()).unwrap();
    der.extend_from_slice(&[byte; 32]);
    der
}

pub(crate) enum Key {
    P256(Box<EcdsaKeyPair>),
    Ed(Box<Ed25519KeyPair>),
    Nobody,
}

impl Key {
    pub(crate) fn of(who: &str) -> Self {
        let p256 = |byte: u8| {
            let der = p256_pkcs8(byte);
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
            Self::P256(Box::new(key.unwrap()))
        };
        match who {
            "holder" | "holder, with the private key" | "first" => p256(3),
            "thief" | "stranger" => p256(4),
            "holder's Ed25519 key" | "second" => {
                Self::Ed(Box::new(Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap()))
            }
            "nobody" => Self::Nobody,
            other => panic!("whose key is `{other}`?"),
        }
    }

    pub(crate) fn jwk(&self, who: &str) -> Value {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match self {
            Self::P256(key) => {
                let point = key.public_key().as_ref();
                let mut jwk = json!({
                    "kty": "EC", "crv": "P-256",
                    "x": encode(&point[1..33]), "y": encode(&point[33..]),
                });
                if who.ends_with("with the private key") {
                    jwk["d"] = json!(encode(&[3; 32]));
                }
                jwk
            }
            Self::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
            Self::Nobody => Value::Null,
        }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        if matches!(self, Self::Ed(_)) { "EdDSA" } else { "ES256" }
    }

    pub(crate) fn sign(&self, message: &str) -> String {
        match self {
            Self::P256(key) => {
                let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
                BASE64URL_NOPAD.encode(signature.as_ref())
            }
            Self::Ed(key) => BASE64URL_NOPAD.encode(key.sign(message.as_bytes()).as_ref()),
            Self::Nobody => String::new(),
        }
    }
}

pub(crate) fn thumbprint(who: &str) -> Thumbprint {
    let jwk = Key::of(who).jwk(who).to_string();
    PublicKey::from_jwk(&remit_model::Value::parse(&jwk).unwrap()).unwrap().thumbprint()
}

/// A token of `header` and `claims`, which begin with `first`, as `signer` signs it.
pub(crate) fn token(header: &Value, (claims, first): (&Value, &str), signer: &Key) -> String {
    let claims = claims.to_string().replacen('{', &format!("{{{first}"), 1);
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let message = format!("{}.{}", encode(&header.to_string()), encode(&claims));
    format!("{message}.{}", signer.sign(&message))
}
