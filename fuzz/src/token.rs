//! Grants: a token that we did not sign is never believed; one that we did sign is believed only if
//! it says exactly what a grant says, as another parser reads it.
//!
//! Input: a line with the header, then the claims (signed with the real key); or, if the line is
//! empty, the token itself.

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use remit_model::{ServerName, Timestamp};
use remit_token::{GrantKey, GrantKeys, Minter, Realm, Verifier};
use serde_json::{Value, json};

use crate::fixture::{KEY, pkcs8};
use crate::input::cut;

const NOW: Timestamp = Timestamp(1_795_471_200_123);
const AUDIENCE: &str = "https://remit.example/mcp";
const ISSUER: &str = "https://remit.example";

static MINTER: LazyLock<Minter> = LazyLock::new(|| {
    let key = GrantKey::open(1, Timestamp(0), &pkcs8()).unwrap();
    let realm = Realm::new(ISSUER, AUDIENCE, "example.org").unwrap();
    Minter::new(GrantKeys::from_iter([key]), realm)
});

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| MINTER.verifier());

fn signed(header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", BASE64URL_NOPAD.encode(header), BASE64URL_NOPAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &KEY, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

/// What must hold of a token that was believed.
fn is_grant(header: &[u8], claims: &[u8]) {
    let header: Value = serde_json::from_slice(header).expect("the header is JSON");
    let keys = MINTER.keys();
    let kid = keys.newest().map(GrantKey::kid);
    let plain = json!({"typ": "at+jwt", "alg": "ES256", "kid": kid});
    let long = json!({"typ": "application/at+jwt", "alg": "ES256", "kid": kid});
    assert!(header == plain || header == long, "{header}");
    let claims: Value = serde_json::from_slice(claims).expect("the claims are JSON");
    assert_eq!(claims["iss"], ISSUER);
    let rest = claims["aud"].as_str().unwrap().strip_prefix(AUDIENCE).unwrap();
    let server = rest.get(1..).map(str::parse::<ServerName>);
    assert!(server.is_none_or(|it| it.is_ok()), "{rest}");
    let (made, expires) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert!(made <= NOW.as_secs() + 5 && expires + 5 > NOW.as_secs() && expires - made <= 3600);
    let bound = usize::from(claims.get("cnf").is_some());
    assert_eq!(claims.as_object().unwrap().len(), 8 + bound);
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let (header, claims) = cut(data);
    let token = match (header, std::str::from_utf8(claims)) {
        ([], Ok(token)) => {
            assert!(VERIFIER.verify(token, NOW).is_err(), "a token that nobody signed");
            return;
        }
        _ => signed(header, claims),
    };
    match VERIFIER.verify(&token, NOW) {
        Ok(grant) => {
            is_grant(header, claims);
            assert_eq!(VERIFIER.verify_once(&token, NOW).unwrap().0, grant);
            assert_eq!(VERIFIER.verify_once(&token, NOW).unwrap().0, grant);
            let later = grant.expires.after(remit_token::SKEW);
            assert!(VERIFIER.verify_once(&token, later).is_err(), "remembered beyond its end");
        }
        Err(why) => {
            let why = why.to_string();
            assert!(why.len() < 400, "{why}");
            assert_eq!(VERIFIER.verify_once(&token, NOW).unwrap_err().to_string(), why);
        }
    }
}
