#![cfg(test)]
//! Project Wycheproof's vectors for what is read here: ES256 and Ed25519 signatures, JWS, JWK.

use data_encoding::HEXLOWER;
use remit_jose::{Algorithm, Jws, KeySet, Kind, PublicKey};
use remit_model::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

/// As wide as the vectors: what a kind forbids is tested with the kinds.
static ANY: Kind = Kind {
    name: "vector",
    most: 64 * 1024,
    types: &["", "JWT"],
    types_in_words: "`JWT`",
    algorithms: &[Algorithm::Es256, Algorithm::EdDsa],
    algorithms_in_words: "`ES256` or `EdDSA`",
    members: &["alg", "kid", "typ"],
    members_in_words: "`alg`, `kid` and `typ`",
};

#[derive(Deserialize)]
struct Group {
    #[serde(alias = "keys")]
    key: Box<RawValue>,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    #[serde(default)]
    jws: Value,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    sig: String,
    result: String,
}

impl Vector {
    fn is_valid(&self) -> bool {
        self.result == "valid"
    }
}

fn groups(json: &str) -> Vec<Group> {
    serde_json::from_str(json).unwrap()
}

fn key(jwk: &RawValue) -> Option<PublicKey> {
    PublicKey::from_jwk(&Value::parse(jwk.get()).unwrap()).ok()
}

fn signatures(json: &str) -> usize {
    let mut seen = 0;
    for group in groups(json) {
        let key = key(&group.key);
        for vector in group.tests {
            let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
            let (message, signature) = (bytes(&vector.msg), bytes(&vector.sig));
            let verifies = key.as_ref().is_some_and(|key| key.verifies(&message, &signature));
            assert_eq!(verifies, vector.is_valid(), "{}: {}", vector.tc_id, vector.comment);
            seen += 1;
        }
    }
    seen
}

#[test]
fn ecdsa_on_p256() {
    assert!(signatures(include_str!("wycheproof/ecdsa_secp256r1_sha256_p1363.json")) > 200);
}

#[test]
fn ed25519() {
    assert!(signatures(include_str!("wycheproof/ed25519.json")) > 100);
}

/// Claims must be a JSON object, and the vectors sign `foo`: a valid one gets as far as that.
#[test]
fn tokens() {
    let (mut good, mut bad) = (0, 0);
    for group in groups(include_str!("wycheproof/json_web_signature.json")) {
        let key = key(&group.key);
        for vector in group.tests {
            let text = vector.jws.as_text().map_or_else(|| vector.jws.canonical(), str::to_owned);
            let token = Jws::read(&text, &ANY);
            let signed = key.as_ref().zip(token.ok()).is_some_and(|(key, it)| it.is_signed_by(key));
            // A shared secret is never a key here, valid or not.
            let expected = vector.is_valid() && key.is_some();
            assert_eq!(signed, expected, "{}: {}", vector.tc_id, vector.comment);
            if signed { good += 1 } else { bad += 1 }
        }
    }
    assert!(good >= 2 && bad > 40, "{good} {bad}");
}

#[test]
fn key_sets() {
    let groups = groups(include_str!("wycheproof/json_web_key.json"));
    assert!(groups.len() > 20);
    for group in groups {
        // The valid ones are RSA and shared secrets; what is left is there to be refused.
        let about: Vec<_> = group.tests.iter().map(|vector| vector.comment.as_str()).collect();
        assert!(KeySet::read(group.key.get()).is_err(), "{about:?}");
    }
}
