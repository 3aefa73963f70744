#![cfg(test)]
//! Tokens an attacker would send. Each test forges one thing, with the real key where the attack
//! assumes that, and says which check must stop it.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use remit_jose::{JwsError, Thumbprint};
use remit_model::agent::AttestationMethod;
use remit_model::task::{Ancestor, Charter};
use remit_model::{Attestation, Entropy, Label, Remit, Timestamp, ToolScope};
use remit_token::{
    Binding, CACHE_BOUND, Grant, GrantKey, MAX_TOKEN, Minter, Realm, Terms, TokenError, Verifier,
};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_795_471_200_123);

struct Bytes(u8);

impl Entropy for Bytes {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

/// A P-256 key in PKCS#8 (RFC 5915 inside RFC 5208) with `byte` repeated as its secret.
fn pkcs8(byte: u8) -> Vec<u8> {
    let prefix = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
    let mut der = data_encoding::HEXLOWER.decode(prefix.as_bytes()).unwrap();
    der.extend_from_slice(&[byte; 32]);
    der
}

fn realm() -> Realm {
    Realm::new("https://remit.example", "https://remit.example/mcp", "example.org").unwrap()
}

fn grant_key(number: u8) -> GrantKey {
    GrantKey::open(number.into(), NOW, &pkcs8(number)).unwrap()
}

/// The minter whose newest key is that of the last of these numbers.
fn minter_of(numbers: &[u8]) -> Minter {
    Minter::new(numbers.iter().map(|number| grant_key(*number)).collect(), realm())
}

fn minter() -> Minter {
    minter_of(&[7])
}

fn verifier() -> Verifier {
    minter().verifier()
}

fn charter() -> Charter {
    Charter {
        id: "tsk_00000000000000000000000000".parse().unwrap(),
        agent: "bot".parse().unwrap(),
        template: "t".into(),
        purpose: "p".into(),
        purpose_given: true,
        declares: false,
        plan: ToolScope::default(),
        known: Vec::new(),
        foreseen: Vec::new(),
        remit: Remit { deadline: NOW.after(Duration::from_hours(1)), ..Remit::default() },
        attestation: Attestation::own(AttestationMethod::UnixPeer, NOW),
        uid: None,
        consent: None,
        on_behalf: None,
        lineage: Vec::new(),
        workers: std::collections::BTreeSet::new(),
        unsettled: std::collections::BTreeSet::new(),
        inherited: Label::default(),
        opened: NOW,
    }
}

fn terms() -> Terms {
    Terms { lifetime: Duration::from_mins(5), ..Terms::default() }
}

fn minted(terms: &Terms) -> (String, Grant) {
    minter().mint(&charter(), terms, NOW, &Bytes(1)).unwrap()
}

fn token() -> String {
    minted(&terms()).0
}

fn header() -> Value {
    json!({"typ": "at+jwt", "alg": "ES256", "kid": grant_key(7).kid()})
}

fn claims() -> Value {
    json!({
        "iss": "https://remit.example", "aud": "https://remit.example/mcp",
        "sub": "spiffe://example.org/agent/bot/task/tsk_00000000000000000000000000",
        "client_id": "bot", "task": "tsk_00000000000000000000000000",
        "iat": NOW.as_secs(), "exp": NOW.as_secs() + 300, "jti": "01",
    })
}

/// `header` and `claims` (JSON texts, possibly strange ones) under a good signature by our key.
fn sign(header: &str, claims: &str) -> String {
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = EncodingKey::from_ec_der(&pkcs8(7));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

fn with(mut object: Value, name: &str, value: Value) -> String {
    object[name] = value;
    object.to_string()
}

fn without(mut object: Value, name: &str) -> String {
    object.as_object_mut().unwrap().remove(name);
    object.to_string()
}

fn is_for_its_algorithm(error: &TokenError) -> bool {
    matches!(error, TokenError::Jws(JwsError::Algorithm { .. }))
}

fn is_for_its_type(error: &TokenError) -> bool {
    matches!(error, TokenError::Jws(JwsError::Type { .. }))
}

fn is_for_its_form(error: &TokenError) -> bool {
    matches!(error, TokenError::Jws(JwsError::Malformed(_)))
}

const FORGED: TokenError = TokenError::Jws(JwsError::Signature { of: "token" });

fn refused(token: &str) -> TokenError {
    let error = verifier().verify(token, NOW).unwrap_err();
    assert_eq!(verifier().verify_once(token, NOW).unwrap_err(), error);
    let text = error.to_string();
    for part in token.split('.').filter(|part| part.len() > 8) {
        assert!(!text.contains(part), "the error repeats the token: {text}");
    }
    error
}

#[test]
fn what_was_minted_verifies_and_says_what_the_charter_said() {
    let (token, minted) = minted(&terms());
    let grant = verifier().verify(&token, NOW).unwrap();
    assert_eq!(grant, minted);
    assert_eq!(grant.task, charter().id);
    assert_eq!(grant.subject, claims()["sub"].as_str().unwrap());
    assert_eq!(grant.expires, Timestamp::from_secs(NOW.as_secs() + 300));
    assert_eq!(grant.id, "01".repeat(16));
    // The forger of this file makes good tokens too, so that its refusals mean something.
    assert!(verifier().verify(&sign(&header().to_string(), &claims().to_string()), NOW).is_ok());
    let long = with(header(), "typ", json!("application/at+jwt"));
    assert!(verifier().verify(&sign(&long, &claims().to_string()), NOW).is_ok());
}

#[test]
fn a_grant_says_which_key_and_which_server_it_is_for() {
    let key: Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".parse().unwrap();
    let server = Some("mail".parse().unwrap());
    let (token, minted) = minted(&Terms { binding: Binding::Key(key), server, ..terms() });
    assert_eq!(verifier().verify(&token, NOW).unwrap(), minted);
    let part = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&part).unwrap();
    assert_eq!(claims["aud"], "https://remit.example/mcp/mail");
    assert_eq!(claims["cnf"], json!({ "jkt": key }));
}

#[test]
fn the_published_key_verifies_elsewhere() {
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(minter().jwks()).unwrap();
    let jwk = set.find(grant_key(7).kid()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
    let token = token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let verify = |message: &str| {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::ES256).unwrap()
    };
    assert!(verify(message));
    assert!(!verify(&message.replace("ey", "ez")));
    assert!(!minter().jwks().to_string().contains("\"d\""), "the private part is not published");
}

#[test]
fn no_algorithm_and_other_algorithms() {
    for alg in ["none", "None", "HS256", "RS256", "ES384", "EdDSA", "es256", ""] {
        let forged = sign(&with(header(), "alg", json!(alg)), &claims().to_string());
        assert!(is_for_its_algorithm(&refused(&forged)), "{alg}");
    }
    let unsigned = with(header(), "alg", json!("none"));
    let bare = sign(&unsigned, &claims().to_string());
    let bare = format!("{}.", bare.rsplit_once('.').unwrap().0);
    assert!(is_for_its_algorithm(&refused(&bare)));
    assert!(is_for_its_algorithm(&refused(&sign(&without(header(), "alg"), "{}"))));
}

#[test]
fn the_public_key_as_an_hmac_secret() {
    let jwks = minter().jwks();
    let coordinate = |name: &str| {
        BASE64URL_NOPAD.decode(jwks["keys"][0][name].as_str().unwrap().as_bytes()).unwrap()
    };
    let public = [vec![4], coordinate("x"), coordinate("y")].concat();
    let hmac = |header: &Value| {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", encode(header), encode(&claims()));
        let key = EncodingKey::from_secret(&public);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        format!("{message}.{}", signature.unwrap())
    };
    let mut header = header();
    assert_eq!(refused(&hmac(&header)), FORGED);
    header["alg"] = json!("HS256");
    assert!(is_for_its_algorithm(&refused(&hmac(&header))));
}

#[test]
fn other_kinds_of_token() {
    for typ in ["JWT", "jwt", "AT+JWT", "dpop+jwt", "at+jwt ", "id+jwt", "secevent+jwt", ""] {
        let forged = sign(&with(header(), "typ", json!(typ)), &claims().to_string());
        assert!(is_for_its_type(&refused(&forged)), "{typ}");
    }
    assert!(is_for_its_type(&refused(&sign(&without(header(), "typ"), "{}"))));
}

#[test]
fn another_key() {
    let other = minter_of(&[8]);
    let (foreign, _) = other.mint(&charter(), &terms(), NOW, &Bytes(1)).unwrap();
    assert_eq!(refused(&foreign), TokenError::Key);
    let (_, rest) = foreign.split_once('.').unwrap();
    let relabelled = format!("{}.{rest}", token().split_once('.').unwrap().0);
    assert_eq!(refused(&relabelled), FORGED);
    assert_eq!(refused(&sign(&without(header(), "kid"), "{}")), TokenError::Key);
    let path = with(header(), "kid", json!("../../dev/null"));
    assert_eq!(refused(&sign(&path, &claims().to_string())), TokenError::Key);
}

#[test]
fn each_key_that_counts_is_found_by_its_id_and_the_newest_signs() {
    let both = minter_of(&[7, 8]);
    let (newer, _) = both.mint(&charter(), &terms(), NOW, &Bytes(1)).unwrap();
    let verifier = both.verifier();
    assert!(verifier.verify(&newer, NOW).is_ok() && verifier.verify(&token(), NOW).is_ok());
    assert_eq!(refused(&newer), TokenError::Key, "to the one before it is unknown");
    let (_, rest) = newer.split_once('.').unwrap();
    let as_the_old = format!("{}.{rest}", token().split_once('.').unwrap().0);
    assert_eq!(verifier.verify(&as_the_old, NOW), Err(FORGED), "each signs in its own name only");
    let ids: Vec<_> =
        both.jwks()["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(ids, [grant_key(7).kid(), grant_key(8).kid()]);
}

#[test]
fn a_key_that_no_longer_counts_signs_nothing_also_not_what_was_verified_before() {
    let before = minter_of(&[7]).verifier();
    before.verify_once(&token(), NOW).unwrap();
    let after = minter_of(&[8]).verifier();
    assert_eq!(after.verify_once(&token(), NOW).map(drop), Err(TokenError::Key));
    // One that was still being verified when the key was taken back.
    before.verify_once(&token(), NOW).unwrap();
    assert_eq!(after.verify_once(&token(), NOW).map(drop), Err(TokenError::Key));
}

#[test]
fn without_a_key_nothing_is_made_and_nothing_believed() {
    let none = minter_of(&[]);
    let made = none.mint(&charter(), &terms(), NOW, &Bytes(1));
    assert_eq!(made.map(drop), Err(TokenError::NoKey));
    assert_eq!(none.verifier().verify(&token(), NOW), Err(TokenError::Key));
    assert_eq!(none.jwks(), json!({ "keys": [] }));
}

#[test]
fn a_token_that_brings_its_own_key() {
    let other = minter_of(&[8]);
    let jwks = other.jwks();
    for (name, value) in [
        ("jwk", jwks["keys"][0].clone()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!(["MII"])),
        ("x5t#S256", json!("x")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
    ] {
        let error = refused(&sign(&with(header(), name, value), &claims().to_string()));
        assert!(matches!(error, TokenError::Jws(JwsError::Header { .. })), "{name}: {error}");
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    let odd = sign(&with(header(), "anything", json!(1)), &claims().to_string());
    assert!(refused(&odd).to_string().contains("header holds an unknown member"));
}

#[test]
fn too_late_and_too_early() {
    let token = token();
    let expires = NOW.as_secs() + 300;
    let at = |secs| verifier().verify(&token, Timestamp::from_secs(secs));
    assert!(at(expires + 4).is_ok(), "within the skew");
    assert_eq!(at(expires + 5), Err(TokenError::Expired { at: Timestamp::from_secs(expires) }));
    assert!(at(NOW.as_secs() - 5).is_ok(), "within the skew");
    let made = Timestamp::from_secs(NOW.as_secs());
    assert_eq!(at(NOW.as_secs() - 6), Err(TokenError::Future { at: made }));
    let ever = sign(&header().to_string(), &with(claims(), "exp", json!(u64::MAX)));
    assert_eq!(refused(&ever), TokenError::Claim("exp"));
    let backwards = sign(&header().to_string(), &with(claims(), "exp", json!(NOW.as_secs())));
    assert_eq!(refused(&backwards), TokenError::Claim("exp"));
}

#[test]
fn for_somebody_else_or_by_somebody_else() {
    let claim = |name: &str, value: Value| {
        refused(&sign(&header().to_string(), &with(claims(), name, value)))
    };
    assert_eq!(claim("aud", json!("https://other.example")), TokenError::Audience);
    assert_eq!(claim("aud", json!("https://remit.example/mcp/")), TokenError::Audience);
    let list = json!(["https://remit.example/mcp", "https://other.example"]);
    assert_eq!(claim("aud", list), TokenError::Claim("aud"));
    assert_eq!(claim("iss", json!("https://remit.example/")), TokenError::Issuer);
    assert_eq!(claim("sub", json!("spiffe://example.org/agent/root")), TokenError::Claim("sub"));
    assert_eq!(claim("client_id", json!("boss")), TokenError::Claim("sub"));
    assert_eq!(claim("client_id", json!("../boss")), TokenError::Claim("client_id"));
    assert_eq!(claim("task", json!("tsk_1")), TokenError::Claim("task"));
    assert_eq!(claim("jti", json!("")), TokenError::Claim("jti"));
    assert_eq!(claim("jti", json!("x".repeat(65))), TokenError::Claim("jti"));
}

#[test]
fn a_grant_says_who_acts_for_whom() {
    let first = "spiffe://example.org/agent/planner/task/tsk_00000000000000000000000001";
    let second = "spiffe://example.org/agent/clerk/task/tsk_00000000000000000000000002";
    let own = claims()["sub"].as_str().unwrap().to_owned();
    let ancestor = |agent: &str, n: u8| Ancestor {
        agent: agent.parse().unwrap(),
        task: format!("tsk_{n:026}").parse().unwrap(),
    };
    let lineage = vec![ancestor("planner", 1), ancestor("clerk", 2)];
    let (token, minted) =
        minter().mint(&Charter { lineage, ..charter() }, &terms(), NOW, &Bytes(1)).unwrap();
    assert_eq!(
        (minted.subject.as_str(), &minted.actors),
        (first, &vec![own.clone(), second.to_owned()])
    );
    assert_eq!(verifier().verify(&token, NOW).unwrap(), minted);
    let part = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&part).unwrap();
    assert_eq!(claims["act"], json!({"sub": own, "act": {"sub": second}}));
}

#[test]
fn an_actor_that_is_not_the_holder() {
    let own = claims()["sub"].clone();
    let deep = (0..17).fold(json!({ "sub": own }), |act, _| json!({ "sub": own, "act": act }));
    for act in [
        json!(own),
        json!({}),
        json!([{ "sub": own }]),
        json!({ "sub": "spiffe://example.org/agent/boss/task/tsk_00000000000000000000000000" }),
        json!({ "sub": own, "iss": "https://evil.example" }),
        json!({ "sub": own, "act": "spiffe://example.org/agent/boss" }),
        json!({ "sub": own, "act": { "act": { "sub": own } } }),
        deep,
    ] {
        let error = refused(&sign(&header().to_string(), &with(claims(), "act", act.clone())));
        assert_eq!(error, TokenError::Claim("act"), "{act}");
    }
}

#[test]
fn missing_foreign_and_mistyped_claims() {
    for name in ["iss", "aud", "sub", "client_id", "task", "iat", "exp", "jti"] {
        let error = refused(&sign(&header().to_string(), &without(claims(), name)));
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        let error = refused(&sign(&header().to_string(), &with(claims(), name, json!([1]))));
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    for number in [json!("1795471500"), json!(1_795_471_500.5), json!(-1), json!(1e10)] {
        let error = refused(&sign(&header().to_string(), &with(claims(), "exp", number)));
        assert_eq!(error, TokenError::Claim("exp"));
    }
    let scoped = with(claims(), "scope", json!("all"));
    assert_eq!(refused(&sign(&header().to_string(), &scoped)), TokenError::ForeignClaim);
}

#[test]
fn bound_to_something_else_or_to_several_things() {
    let print = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    for (cnf, why) in [
        (json!(print), "is no object"),
        (json!({}), "is empty"),
        (json!({"jkt": "x"}), "holds no SHA-256 thumbprint"),
        (json!({"jkt": 1}), "holds no SHA-256 thumbprint"),
        (json!({"x5t#S256": format!("{print}=")}), "holds no SHA-256 thumbprint"),
        (json!({"jkt": print, "x5t#S256": print}), "has more than one member"),
        (json!({"x5t#S256": print, "kid": "x"}), "has more than one member"),
        (json!({"x5t": print}), "has a member that is not understood"),
        (json!({"jwk": {}}), "has a member that is not understood"),
    ] {
        let error = refused(&sign(&header().to_string(), &with(claims(), "cnf", cnf)));
        assert!(matches!(error, TokenError::Confirmation(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_payload_changed_after_signing() {
    let token = token();
    let parts: Vec<_> = token.split('.').collect();
    let other = claims().to_string().replace("bot", "boss");
    let swapped = BASE64URL_NOPAD.encode(other.as_bytes());
    let forged = format!("{}.{swapped}.{}", parts[0], parts[2]);
    assert_eq!(refused(&forged), FORGED);
    let mut raw = BASE64URL_NOPAD.decode(parts[2].as_bytes()).unwrap();
    raw[40] ^= 1;
    let forged = format!("{}.{}.{}", parts[0], parts[1], BASE64URL_NOPAD.encode(&raw));
    assert_eq!(refused(&forged), FORGED);
    let zero = format!("{}.{}.{}", parts[0], parts[1], BASE64URL_NOPAD.encode(&[0; 64]));
    assert_eq!(refused(&zero), FORGED);
}

#[test]
fn names_that_stand_twice() {
    let twice = claims().to_string().replacen('{', "{\"task\":\"tsk_other\",", 1);
    assert!(is_for_its_form(&refused(&sign(&header().to_string(), &twice))));
    let twice = header().to_string().replacen('{', "{\"alg\":\"none\",", 1);
    let forged = sign(&twice, &claims().to_string());
    assert!(is_for_its_form(&refused(&forged)));
}

#[test]
fn what_is_no_token_at_all() {
    let token = token();
    let parts: Vec<_> = token.split('.').collect();
    let padded = format!("{}=.{}.{}", parts[0], parts[1], parts[2]);
    let five = format!("{token}.{}.{}", parts[1], parts[2]);
    let deep = "[".repeat(3000);
    let deep = sign(&header().to_string(), &deep);
    for bad in ["", ".", "..", "a.b", "a.b.c", "ü.ü.ü", padded.as_str(), five.as_str(), &deep] {
        assert!(is_for_its_form(&refused(bad)), "{bad}");
    }
    let short = format!("{}.{}.AAAA", parts[0], parts[1]);
    assert_eq!(refused(&short), FORGED);
    let array = sign("[1]", "{}");
    assert!(is_for_its_form(&refused(&array)));
}

#[test]
fn huge() {
    let fill = with(claims(), "jti", json!("x".repeat(MAX_TOKEN)));
    let huge = sign(&header().to_string(), &fill);
    assert_eq!(
        refused(&huge),
        JwsError::TooLarge { of: "token", got: huge.len(), most: MAX_TOKEN }.into()
    );
}

#[test]
fn a_remembered_token_still_runs_out() {
    let verifier = verifier();
    let token = token();
    assert!(verifier.verify_once(&token, NOW).is_ok());
    assert!(format!("{verifier:?}").contains(&format!("Cache(1 of {CACHE_BOUND})")));
    assert!(verifier.verify_once(&token, NOW).is_ok());
    let late = NOW.after(Duration::from_secs(306));
    assert!(matches!(verifier.verify_once(&token, late), Err(TokenError::Expired { .. })));
}

#[test]
fn a_grant_never_outlives_its_task() {
    let mut charter = charter();
    charter.remit.deadline = NOW.after(Duration::from_secs(20));
    let mint = |charter: &Charter, secs| {
        let terms = Terms { lifetime: Duration::from_secs(secs), ..Terms::default() };
        minter().mint(charter, &terms, NOW, &Bytes(1))
    };
    assert_eq!(mint(&charter, 300).unwrap().1.expires.as_secs(), NOW.as_secs() + 20);
    charter.remit.deadline = NOW;
    assert_eq!(mint(&charter, 300).unwrap_err(), TokenError::TaskEnded { deadline: NOW });
    for secs in [0, 3601] {
        assert_eq!(mint(&charter, secs).unwrap_err(), TokenError::Lifetime { asked: secs });
    }
}

#[test]
fn a_minter_prints_nothing_secret_and_takes_only_its_kind_of_key() {
    let text = format!("{:?}", minter());
    assert!(text.contains("https://remit.example") && text.contains(grant_key(7).kid()), "{text}");
    assert!(!text.contains("[7,") && !text.contains("7, 7") && !text.contains("0707"), "{text}");
    for bad in [&b"nonsense"[..], &pkcs8(7)[..40], &[]] {
        let error = GrantKey::open(1, NOW, bad).unwrap_err();
        assert!(matches!(error, TokenError::Secret(_)), "{error}");
    }
}

#[test]
fn any_one_character_changed() {
    let (verifier, token) = (verifier(), token());
    for at in 0..token.len() {
        for other in ["A", "B", "_", "=", "."] {
            let mut bent = token.clone();
            bent.replace_range(at..=at, other);
            let accepted = verifier.verify(&bent, NOW).is_ok();
            assert_eq!(accepted, bent == token, "character {at} changed to {other}");
        }
    }
}
