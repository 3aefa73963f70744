//! Assertions of a client: the table is `assertions.toml`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use remit_jose::KeySet;
use remit_model::Timestamp;
use remit_token::{AssertionError, Assertions};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::key::{Key, token};

const NOW: Timestamp = Timestamp(1_795_471_210_123);
const SVID_LIFETIME: Duration = Duration::from_mins(5);
const ISSUER: &str = "https://remit.example";

#[derive(Deserialize)]
struct Table {
    row: Vec<Row>,
}

#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Row {
    about: String,
    header: BTreeMap<String, Value>,
    claims: BTreeMap<String, Value>,
    without: Vec<String>,
    first: String,
    fill: usize,
    signed_by: String,
    svid: bool,
    made: i64,
    ends: i64,
    twice: bool,
    error: String,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            about: String::new(),
            header: BTreeMap::new(),
            claims: BTreeMap::new(),
            without: Vec::new(),
            first: String::new(),
            fill: 0,
            signed_by: "first".to_owned(),
            svid: false,
            made: 0,
            ends: 300,
            twice: false,
            error: String::new(),
        }
    }
}

fn registered() -> KeySet {
    let jwk = |who: &str| {
        let mut jwk = Key::of(who).jwk(who);
        jwk["kid"] = json!(who);
        jwk
    };
    KeySet::read(&json!({ "keys": [jwk("first"), jwk("second")] }).to_string()).unwrap()
}

fn later(seconds: i64) -> u64 {
    NOW.as_secs().checked_add_signed(seconds).unwrap()
}

fn assertion(row: &Row) -> String {
    let signer = Key::of(&row.signed_by);
    let mut header = json!({"typ": "JWT", "alg": signer.algorithm(), "kid": "first"});
    let mut claims = json!({
        "iss": "bot", "sub": "bot", "aud": ISSUER, "jti": "one",
        "iat": later(row.made), "exp": later(row.ends),
    });
    for (part, bent) in [(&mut header, &row.header), (&mut claims, &row.claims)] {
        let members = part.as_object_mut().unwrap();
        members.retain(|name, _| !row.without.contains(name));
        members.extend(bent.clone());
    }
    if row.fill > 0 {
        claims["fill"] = json!("x".repeat(row.fill));
    }
    token(&header, (&claims, &row.first), &signer)
}

fn told(row: &Row) -> (Result<String, AssertionError>, String) {
    let started = Timestamp::from_secs(later(-60));
    let (assertions, keys) = (Assertions::new(ISSUER, started), Arc::new(registered()));
    let keys = |client: &str| (client == "bot").then(|| Arc::clone(&keys));
    let text = assertion(row);
    let check = || {
        if !row.svid {
            return assertions.check(&text, &keys, NOW);
        }
        let claims = text.split('.').nth(1).unwrap();
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
        let claims = remit_model::Value::parse(&String::from_utf8(claims).unwrap()).unwrap();
        assertions.check_svid("bot", &claims, SVID_LIFETIME, NOW)
    };
    let believe = || assertions.spend(check()?, NOW);
    if row.twice {
        believe().unwrap();
    }
    let at = |seconds| Timestamp::from_secs(later(seconds)).to_string();
    let expected = row.error.replace("<<made>>", &at(row.made)).replace("<<ends>>", &at(row.ends));
    (believe(), expected.replace("<<size>>", &text.len().to_string()))
}

#[test]
fn each_is_told_what_is_wrong() {
    let table: Table = toml::from_str(include_str!("assertions.toml")).unwrap();
    assert!(table.row.len() > 30);
    for row in table.row {
        match told(&row) {
            (Ok(client), expected) => {
                assert_eq!(expected, "", "{} was believed", row.about);
                assert_eq!(client, "bot");
            }
            (Err(why), expected) => assert_eq!(why.to_string(), expected, "{}", row.about),
        }
    }
}
