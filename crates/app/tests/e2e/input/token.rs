//! Tokens that Remit did not mint, some of them under its very own key.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::Value;

use super::fill::Names;

/// A token to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forged {
    header: String,
    claims: String,
    key: Key,
}

/// Who signs.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Key {
    /// Remit's key, as if it had been stolen.
    Ours,
    /// Somebody else's.
    Theirs,
    /// Nobody: the signature is left out.
    None,
}

/// The parts of a good token as names for rows.
pub(crate) fn parts(names: Names, token: &str) -> Names {
    let part = |number| -> Value {
        let text = token.split('.').nth(number).unwrap();
        serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
    };
    let (header, claims) = (part(0), part(1));
    let signature = token.rsplit_once('.').unwrap().1;
    let mut names = names.with("kid", header["kid"].as_str().unwrap());
    for claim in ["iss", "aud", "sub", "client_id", "task", "jti"] {
        names = names.with(claim, claims[claim].as_str().unwrap());
    }
    for time in ["iat", "exp"] {
        names = names.with(time, &claims[time].to_string());
    }
    names.with("signature", signature).with("token", token)
}

impl Forged {
    /// The token; `state` is the directory whose key was stolen.
    pub(crate) fn make(&self, names: &Names, state: &Path) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(&names.fill(text));
        let message = format!("{}.{}", part(&self.header), part(&self.claims));
        let sign = |key: &EcdsaKeyPair| {
            let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
            format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        };
        match self.key {
            Key::None => format!("{message}."),
            Key::Ours => {
                let pkcs8 = crate::thief::signing_key(state, "token-1.key").unwrap();
                let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
                sign(&EcdsaKeyPair::from_pkcs8(signing, &pkcs8).unwrap())
            }
            Key::Theirs => sign(&EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
        }
    }
}
