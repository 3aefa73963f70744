#![cfg(test)]
//! Project Wycheproof's vectors for what is read here: signatures, JWS, JWK.

use data_encoding::HEXLOWER;
use remit_jose::{Algorithm, Jws, JwsError, KeySet, Kind, PublicKey};
use remit_model::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

/// As wide as the vectors: what a kind forbids is tested with the kinds.
static ANY: Kind = Kind {
    name: "vector",
    most: 64 * 1024,
    types: &["", "JWT"],
    types_in_words: "`JWT`",
    algorithms: &Algorithm::ALL,
    algorithms_in_words: "one that is known",
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
    PublicKey::published(&Value::parse(jwk.get()).unwrap(), &["", "sig"]).ok()
}

fn signatures(json: &str, algorithm: Algorithm) -> usize {
    let mut seen = 0;
    for group in groups(json) {
        let key = key(&group.key);
        for vector in group.tests {
            let bytes = |hex: &str| HEXLOWER.decode(hex.as_bytes()).unwrap();
            let (message, signature) = (bytes(&vector.msg), bytes(&vector.sig));
            let verifies =
                key.as_ref().is_some_and(|key| key.verifies(algorithm, &message, &signature));
            assert_eq!(verifies, vector.is_valid(), "{}: {}", vector.tc_id, vector.comment);
            seen += 1;
        }
    }
    seen
}

#[test]
fn ecdsa() {
    let p256 = include_str!("wycheproof/ecdsa_secp256r1_sha256_p1363.json");
    assert!(signatures(p256, Algorithm::Es256) > 200);
    let p384 = include_str!("wycheproof/ecdsa_secp384r1_sha384_p1363.json");
    assert!(signatures(p384, Algorithm::Es384) > 200);
}

#[test]
fn ed25519() {
    let vectors = include_str!("wycheproof/ed25519.json");
    assert!(signatures(vectors, Algorithm::EdDsa) > 100);
}

/// What Wycheproof calls acceptable (a `NULL` that is missing from the padding) is not accepted.
#[test]
fn rsa() {
    let pkcs1 = include_str!("wycheproof/rsa_signature_2048_sha256.json");
    assert!(signatures(pkcs1, Algorithm::Rs256) > 200);
    let pss = include_str!("wycheproof/rsa_pss_2048_sha256_mgf1_32.json");
    assert!(signatures(pss, Algorithm::Ps256) > 100);
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
            let other = matches!(token, Err(JwsError::Algorithm { .. }));
            let signed = key.as_ref().zip(token.ok()).is_some_and(|(key, it)| it.is_signed_by(key));
            // A shared secret is never a key here, nor PS384 an algorithm, valid or not.
            let expected = vector.is_valid() && key.is_some() && !other;
            assert_eq!(signed, expected, "{}: {}", vector.tc_id, vector.comment);
            if signed { good += 1 } else { bad += 1 }
        }
    }
    assert!(good >= 10 && bad > 300, "{good} {bad}");
}

#[test]
fn key_sets() {
    let groups = groups(include_str!("wycheproof/json_web_key.json"));
    assert!(groups.len() > 20);
    for group in groups {
        let about: Vec<_> = group.tests.iter().map(|vector| vector.comment.as_str()).collect();
        // To be registered here: the valid ones are RSA and shared secrets, the rest is there to be
        // refused.
        assert!(KeySet::read(group.key.get()).is_err(), "{about:?}");
        // Published by somebody else: what is not refused as a whole verifies only valid tokens.
        let set = Value::parse(group.key.get()).unwrap();
        let Ok(set) = KeySet::published(&set, &["", "sig"]) else { continue };
        for vector in group.tests {
            let text = vector.jws.as_text().unwrap_or_default();
            // Whatever was signed is no JSON object; how far it gets tells whether the signature fits.
            let token = Jws::read(text, &ANY);
            let signed = token
                .is_ok_and(|jws| matches!(set.verified(&jws), Ok(_) | Err(JwsError::Malformed(_))));
            // AWS-LC does not look for moduli that one maker's chips drew badly (ROCA).
            let excused = vector.comment == "rejectsKeyWithRocaVulnerability";
            assert!(
                !signed || vector.is_valid() || excused,
                "{}: {}",
                vector.tc_id,
                vector.comment
            );
        }
    }
}
