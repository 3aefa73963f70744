//! Proofs of possession and assertions of clients: what nobody signed is never believed; what a
//! holder did sign is believed only if it is for this very request and says so to another parser
//! too, and never twice.
//!
//! Input: a line with the header, then the claims, signed with the holder's key, where `<<jwk>>` and
//! `<<nonce>>` stand for the holder's key and a nonce that is good now; or, if the line is empty,
//! the token itself.

use std::sync::{Arc, LazyLock};

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use remit_jose::{KeySet, SigningKey};
use remit_model::Timestamp;
use remit_token::{Assertions, Proofs, Request};
use serde_json::{Value, json};

use crate::fixture::{KEY, Sevens, pkcs8};
use crate::input::{cut, read_by_another};

const NOW: Timestamp = Timestamp(1_795_471_210_123);
const URL: &str = "https://remit.example/mcp";
const ISSUER: &str = "https://remit.example";

static JWKS: LazyLock<String> = LazyLock::new(|| {
    let key = SigningKey::from_pkcs8(&pkcs8()).unwrap();
    json!({ "keys": [key.jwk("sig")] }).to_string()
});

static KEYS: LazyLock<Arc<KeySet>> = LazyLock::new(|| Arc::new(KeySet::read(&JWKS).unwrap()));

fn signed(header: &str, claims: &str) -> String {
    let encode = |part: &str| BASE64URL_NOPAD.encode(part.as_bytes());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &KEY, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

fn believe(token: &str, parts: Option<(&str, &str)>) {
    let proofs = Proofs::new(&Sevens);
    let request = Request { method: "POST", url: URL, token: None };
    match proofs.check(token, &request, NOW) {
        Ok(proof) => {
            let (header, claims) = parts.expect("a proof that nobody signed");
            let (Some(header), Some(claims)) = (read_by_another(header), read_by_another(claims))
            else {
                return;
            };
            assert!(header["typ"].as_str().unwrap().ends_with("dpop+jwt"), "{header}");
            assert_eq!((&header["alg"], &claims["htm"]), (&json!("ES256"), &json!("POST")));
            assert_eq!(claims["nonce"], proofs.nonce(NOW));
            assert!(claims.get("ath").is_none() && header["jwk"].get("d").is_none());
            proofs.spend(&proof, NOW).unwrap();
            proofs.spend(&proof, NOW).unwrap_err();
        }
        Err(why) => assert!(why.to_string().len() < 400, "{why}"),
    }
    let assertions = Assertions::new(ISSUER, NOW);
    match assertions.check(token, &|_| Some(Arc::clone(&KEYS)), NOW) {
        Ok(assertion) => {
            let (_, claims) = parts.expect("an assertion that nobody signed");
            let Some(claims) = read_by_another(claims) else { return };
            assert_eq!(claims["iss"], claims["sub"]);
            assert!(claims["aud"] == ISSUER || claims["aud"] == json!([ISSUER]), "{claims}");
            assert_eq!(assertions.spend(assertion, NOW).unwrap(), claims["iss"]);
        }
        Err(why) => assert!(why.to_string().len() < 400, "{why}"),
    }
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let (header, claims) = cut(data);
    let (Ok(header), Ok(claims)) = (std::str::from_utf8(header), std::str::from_utf8(claims))
    else {
        return;
    };
    if header.is_empty() {
        return believe(claims, None);
    }
    let set: Value = serde_json::from_str(&JWKS).unwrap();
    let header = header.replace("<<jwk>>", &set["keys"][0].to_string());
    let claims = claims.replace("<<nonce>>", &Proofs::new(&Sevens).nonce(NOW));
    believe(&signed(&header, &claims), Some((&header, &claims)));
}
