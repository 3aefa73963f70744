//! What is issued, through a rotation, and what nobody should believe.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use rcgen::{CertificateParams, IsCa, Issuer, KeyUsagePurpose, SanType};
use remit_jose::{JwsError, draw_es256};
use remit_model::Timestamp;
use remit_testkit::SeededEntropy;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;
use crate::secret::Certifier;

const DAY: Duration = Duration::from_hours(24);
const LIFE: Duration = Duration::from_mins(10);
const NOW: Timestamp = Timestamp(1_795_471_200_000);

fn domain() -> TrustDomain {
    trust_domain("remit.test").unwrap()
}

fn bot() -> SpiffeId {
    agent_id(&domain(), &"bot".parse().unwrap()).unwrap()
}

fn generation(number: u64, domain: &TrustDomain, now: Timestamp) -> Arc<Generation> {
    let entropy = SeededEntropy::new(number);
    let kept = Generation::draw(number, domain, DAY, now, &entropy).unwrap();
    Arc::new(Generation::open(number, &kept).unwrap())
}

fn authority(generations: &[(u64, Timestamp)]) -> Authority {
    let made = generations.iter().map(|(number, at)| generation(*number, &domain(), *at));
    Authority::new(domain(), made)
}

/// A trust domain with a key of its own for each `seed`.
pub(crate) fn authority_of(name: &str, seed: u64) -> Authority {
    let domain = trust_domain(name).unwrap();
    let kept = Generation::draw(1, &domain, DAY, NOW, &SeededEntropy::new(seed)).unwrap();
    Authority::new(domain, [Arc::new(Generation::open(1, &kept).unwrap())])
}

fn leaf(authority: &Authority, now: Timestamp) -> X509Svid {
    authority.x509(&bot(), now.after(LIFE), now, &SeededEntropy::new(9)).unwrap()
}

fn jwt(authority: &Authority, to: &[String], now: Timestamp) -> Result<JwtSvid, SvidError> {
    authority.jwt((&bot(), to), now.after(LIFE), now, &SeededEntropy::new(9))
}

fn token(authority: &Authority, now: Timestamp) -> String {
    jwt(authority, &["bank".to_owned()], now).unwrap().token
}

fn keys(authority: &Authority, now: Timestamp) -> Value {
    serde_json::from_str(&authority.bundle(now)).unwrap()
}

#[test]
fn an_svid_is_believed_until_it_runs_out() {
    let authority = authority(&[(1, NOW)]);
    let svid = leaf(&authority, NOW);
    assert_eq!((&svid.id, svid.expires), (&bot(), NOW.after(LIFE)));
    let x509 = |at| authority.verify_x509(&[&svid.certificate], at).map(|verified| verified.id);
    assert_eq!(x509(NOW).unwrap(), bot());
    assert_eq!(x509(Timestamp(svid.expires.0 - 1000)).unwrap(), bot());
    assert!(matches!(x509(svid.expires), Err(SvidError::Expired { .. })));
    let before = Timestamp(NOW.0 - 60_000);
    assert!(matches!(x509(before), Err(SvidError::Future { .. })), "{:?}", x509(before));

    let token = token(&authority, NOW);
    let jwt = |at| authority.verify_jwt(&token, "bank", at).map(|verified| verified.id);
    assert_eq!(jwt(NOW).unwrap(), bot());
    assert_eq!(jwt(Timestamp(NOW.after(LIFE).0 + 4999)).unwrap(), bot(), "clocks may differ");
    assert!(matches!(jwt(NOW.after(LIFE).after(SKEW)), Err(SvidError::Expired { .. })));
    assert!(matches!(jwt(before), Err(SvidError::Future { .. })));
    let shop = authority.verify_jwt(&token, "shop", NOW);
    assert_eq!(shop, Err(SvidError::Audience));
}

#[test]
fn no_svid_outlives_its_key_or_is_made_for_nothing() {
    let authority = authority(&[(1, NOW)]);
    let late = Timestamp(NOW.after(DAY * 2).0 - 1_500);
    assert_eq!(leaf(&authority, late).expires, NOW.after(DAY * 2));
    let over = NOW.after(DAY * 2);
    let entropy = SeededEntropy::new(1);
    let error = authority.x509(&bot(), over.after(LIFE), over, &entropy).unwrap_err();
    assert_eq!(error, SvidError::NoKey);
    assert_eq!(authority.x509(&bot(), NOW, NOW, &entropy).unwrap_err(), SvidError::TooShort);
    let long = "x".repeat(MAX_AUDIENCE + 1);
    let many = vec!["a".to_owned(); MAX_AUDIENCES + 1];
    for audience in [vec![], vec![String::new()], vec![long], many] {
        let error = jwt(&authority, &audience, NOW).unwrap_err();
        assert_eq!(error, SvidError::Audiences);
    }
}

/// A new generation is in the bundle before it signs, and an old one until what it signed is over.
#[test]
fn a_rotation_overlaps() {
    let first = authority(&[(1, NOW)]);
    assert!(authority(&[]).is_due(NOW) && !first.is_due(NOW));
    let half = NOW.after(DAY);
    assert!(first.is_due(half));
    let both = authority(&[(1, NOW), (2, half)]);
    assert!(!both.is_due(half));
    let signed_by = |authority: &Authority, at: Timestamp| -> Vec<u64> {
        let svid = leaf(authority, at);
        let alone = |generation: &Arc<Generation>| {
            let alone = Authority::new(domain(), [Arc::clone(generation)]);
            alone.verify_x509(&[&svid.certificate], at).is_ok()
        };
        let signers = authority.generations().iter().filter(|generation| alone(generation));
        signers.map(|generation| generation.number()).collect()
    };
    assert_eq!(signed_by(&both, half), [1], "nobody who polls can know the new one yet");
    let known = half.after(DAY / 4);
    assert_eq!(signed_by(&both, Timestamp(known.0 - 1)), [1]);
    assert_eq!(signed_by(&both, known), [2]);
    let (last, new) = (leaf(&both, Timestamp(known.0 - 1)), leaf(&both, known));
    let (last_token, new_token) = (token(&both, Timestamp(known.0 - 1)), token(&both, known));
    for (svid, token) in [(last, last_token), (new, new_token)] {
        assert_eq!(both.verify_x509(&[&svid.certificate], known).unwrap().id, bot());
        assert!(both.verify_jwt(&token, "bank", known).is_ok());
    }
    let over = NOW.after(DAY * 2);
    assert_eq!(both.alive(over).count(), 1);
    assert_eq!(both.alive(Timestamp(over.0 - 1)).count(), 2);
}

#[test]
fn a_rotation_that_comes_late_cuts_nothing_short() {
    let almost_over = Timestamp(NOW.after(DAY * 2).0 - 60_000);
    let late = authority(&[(1, NOW), (2, almost_over)]);
    assert_eq!(leaf(&late, almost_over).expires, almost_over.after(LIFE));
}

#[test]
fn the_bundle_says_what_verifies() {
    let half = NOW.after(DAY);
    let both = authority(&[(1, NOW), (2, half)]);
    let document = keys(&both, half);
    let uses: Vec<_> =
        document["keys"].as_array().unwrap().iter().map(|key| key["use"].clone()).collect();
    assert_eq!(uses, ["jwt-svid", "x509-svid", "jwt-svid", "x509-svid"]);
    assert_eq!(document["spiffe_refresh_hint"], 300);
    let x509 = &document["keys"][1];
    assert_eq!(x509["x5c"].as_array().unwrap().len(), 1);
    assert!(x509.get("kid").is_none() && document["keys"][0]["kid"].is_string());
    let der = BASE64.decode(x509["x5c"][0].as_str().unwrap().as_bytes()).unwrap();
    assert!(both.x509_bundle(half).starts_with(&der));
    let x = BASE64URL_NOPAD.decode(x509["x"].as_str().unwrap().as_bytes()).unwrap();
    assert!(x.len() == 32 && der.windows(32).any(|part| part == x));
    let jwt: Value = serde_json::from_str(&both.jwt_bundle(half)).unwrap();
    assert_eq!(jwt["keys"], json!([document["keys"][0], document["keys"][2]]));
}

#[test]
fn the_sequence_grows_with_each_change_of_the_bundle() {
    let sequence =
        |authority: &Authority, now| keys(authority, now)["spiffe_sequence"].as_u64().unwrap();
    let half = NOW.after(DAY);
    let first = sequence(&authority(&[(1, NOW)]), NOW);
    let both = authority(&[(1, NOW), (2, half)]);
    let (second, third) = (sequence(&both, half), sequence(&both, NOW.after(DAY * 2)));
    assert!(first < second && second < third, "{first} {second} {third}");
    let pruned = authority(&[(2, half)]);
    assert_eq!(sequence(&pruned, NOW.after(DAY * 2)), third, "what is over counts as gone");
}

/// A certificate signed by the true key that is not what an authority signs.
fn forged(bend: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let generation = generation(1, &domain(), NOW);
    let key = Certifier::open(&draw_es256(&SeededEntropy::new(5)).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.not_before = OffsetDateTime::from_unix_timestamp(1_795_471_000).unwrap();
    params.not_after = OffsetDateTime::from_unix_timestamp(1_795_472_000).unwrap();
    params.subject_alt_names = vec![san(&bot().to_string())];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    bend(&mut params);
    let issuer = Issuer::new(x509::authority_params(1), &generation.signer);
    params.signed_by(&key, &issuer).unwrap().der().to_vec()
}

fn san(uri: &str) -> SanType {
    SanType::URI(uri.try_into().unwrap())
}

#[test]
fn a_leaf_that_is_no_x509_svid_is_refused_though_the_true_key_signed_it() {
    use rcgen::ExtendedKeyUsagePurpose::ServerAuth;
    let authority = authority(&[(1, NOW)]);
    let verify = |der: Vec<u8>| authority.verify_x509(&[&der], NOW);
    assert_eq!(verify(forged(|_| ())).unwrap().id, bot(), "the frame of these cases is good");
    let ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    for (why, der) in [
        ("more than one URI", forged(|it| it.subject_alt_names.push(san("spiffe://remit.test/x")))),
        ("more than one URI", forged(|it| it.subject_alt_names.push(san("https://remit.test/x")))),
        ("no URI", forged(|it| it.subject_alt_names.clear())),
        ("not a SPIFFE ID", forged(|it| it.subject_alt_names = vec![san("https://remit.test")])),
        ("not a SPIFFE ID", forged(|it| it.subject_alt_names = vec![san("SPIFFE://remit.test/x")])),
        ("not a SPIFFE ID", forged(|it| it.subject_alt_names = vec![san("spiffe://REMIT.test/x")])),
        ("no workload", forged(|it| it.subject_alt_names = vec![san("spiffe://remit.test")])),
        ("CA:TRUE", forged(|it| it.is_ca = ca)),
        ("signing certificate", forged(|it| it.key_usages.push(KeyUsagePurpose::KeyCertSign))),
        ("signing certificate", forged(|it| it.key_usages.push(KeyUsagePurpose::CrlSign))),
        ("digitalSignature", forged(|it| it.key_usages = vec![KeyUsagePurpose::KeyAgreement])),
        ("digitalSignature", forged(|it| it.key_usages.clear())),
        ("clientAuth", forged(|it| it.extended_key_usages = vec![ServerAuth])),
        ("somebody else", forged(|it| it.subject_alt_names = vec![san("spiffe://evil.test/x")])),
    ] {
        let error = verify(der).unwrap_err().to_string();
        assert!(error.contains(why), "expected {why}, got: {error}");
    }
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let ours = authority(&[(1, NOW)]);
    let theirs = Authority::new(
        domain(),
        [{
            let kept = Generation::draw(1, &domain(), DAY, NOW, &SeededEntropy::new(77)).unwrap();
            Arc::new(Generation::open(1, &kept).unwrap())
        }],
    );
    let (svid, good) = (leaf(&theirs, NOW), leaf(&ours, NOW));
    assert_eq!(ours.verify_x509(&[&svid.certificate], NOW), Err(SvidError::Signature));
    let root = theirs.x509_bundle(NOW);
    assert!(ours.verify_x509(&[&svid.certificate, &root], NOW).is_err(), "with its own root");
    let mut bent = good.certificate.clone();
    *bent.last_mut().unwrap() ^= 1;
    assert!(ours.verify_x509(&[&bent], NOW).is_err());
    let mut longer = good.certificate.clone();
    longer.push(0);
    assert!(matches!(ours.verify_x509(&[&longer], NOW), Err(SvidError::Certificates(_))));
    assert!(matches!(ours.verify_x509(&[], NOW), Err(SvidError::Certificates(_))));
    let der = good.certificate.as_slice();
    assert!(matches!(ours.verify_x509(&[der; 9], NOW), Err(SvidError::Certificates(_))));
}

/// A token signed by the true key, with this header and these claims.
fn signed(header: &Value, claims: &Value) -> String {
    let kept = Generation::draw(1, &domain(), DAY, NOW, &SeededEntropy::new(1)).unwrap();
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &kept.jwt).unwrap();
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

#[test]
fn a_token_that_is_no_jwt_svid_is_refused_though_the_true_key_signed_it() {
    let authority = authority(&[(1, NOW)]);
    let kid = keys(&authority, NOW)["keys"][0]["kid"].clone();
    let header = json!({"alg": "ES256", "kid": kid, "typ": "JWT"});
    let soon = NOW.as_secs() + 60;
    let claims = json!({"sub": bot().to_string(), "aud": "bank", "exp": soon});
    let with = |value: &Value, name: &str, member: Value| {
        let mut value = value.clone();
        value[name] = member;
        value
    };
    let verify =
        |header: &Value, claims: &Value| authority.verify_jwt(&signed(header, claims), "bank", NOW);
    assert_eq!(verify(&header, &claims).unwrap().id, bot(), "the frame of these cases is good");
    for (why, name, member) in [
        ("`alg`", "alg", json!("none")),
        ("`alg`", "alg", json!("HS256")),
        ("`alg`", "alg", json!("ES384")),
        ("`typ`", "typ", json!("at+jwt")),
        ("`typ`", "typ", json!("dpop+jwt")),
        ("`typ`", "typ", json!("secevent+jwt")),
        ("`typ`", "typ", json!("application/JWT")),
        ("`jwk`, which brings", "jwk", json!({})),
        ("`x5u`, which brings", "x5u", json!("https://evil.test")),
        ("`crit`, which demands", "crit", json!([])),
        ("an unknown member", "x", json!("")),
        ("`kid` is not in", "kid", json!("../../dev/null")),
        ("no `kid`", "kid", json!(1)),
    ] {
        let error = verify(&with(&header, name, member), &claims).unwrap_err().to_string();
        assert!(error.contains(why), "expected {why}, got: {error}");
    }
    for (why, name, member) in [
        ("`sub`", "sub", json!("bot")),
        ("`sub`", "sub", json!("spiffe://remit.test")),
        ("`sub`", "sub", json!("spiffe://Remit.test/agent/bot")),
        ("somebody else", "sub", json!("spiffe://evil.test/agent/bot")),
        ("`aud` does not", "aud", json!(["shop", "bank/"])),
        ("claim `aud`", "aud", json!([])),
        ("claim `aud`", "aud", Value::Null),
        ("claim `exp`", "exp", json!("soon")),
        ("claim `exp`", "exp", Value::Null),
        ("claim `exp`", "exp", json!(NOW.after(DAY * 2).as_secs() + 1)),
        ("ran out", "exp", json!(NOW.as_secs() - 60)),
        ("good from", "nbf", json!(soon)),
        ("good from", "iat", json!(soon)),
    ] {
        let error = verify(&header, &with(&claims, name, member)).unwrap_err().to_string();
        assert!(error.contains(why), "expected {why}, got: {error}");
    }
}

#[test]
fn a_token_that_nobody_signed_is_refused() {
    let authority = authority(&[(1, NOW)]);
    let good = token(&authority, NOW);
    let verify = |token: &str| authority.verify_jwt(token, "bank", NOW).unwrap_err();
    assert!(matches!(
        verify(&"x".repeat(MAX_TOKEN + 1)),
        SvidError::Jws(JwsError::TooLarge { .. })
    ));
    let unsigned = good.rsplit_once('.').unwrap().0.to_owned();
    let forged = SvidError::Jws(JwsError::Signature { of: "JWT-SVID" });
    assert_eq!(verify(&format!("{unsigned}.")), forged);
    assert!(matches!(verify(&unsigned), SvidError::Jws(JwsError::Malformed(_))));
    for token in ["", ".", "..", "a.b.c", &format!("{good}.x"), &format!("{good}=")] {
        assert!(matches!(verify(token), SvidError::Jws(JwsError::Malformed(_))), "{token}");
    }
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = head.split_once('.').unwrap();
    let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
    let claims = String::from_utf8(claims).unwrap().replace("/agent/bot", "/agent/bos");
    let claims = BASE64URL_NOPAD.encode(claims.as_bytes());
    assert_eq!(verify(&format!("{header}.{claims}.{signature}")), forged);
}

#[test]
fn what_was_kept_is_what_opens() {
    let entropy = SeededEntropy::new(1);
    let draw = |seed| Generation::draw(1, &domain(), DAY, NOW, &SeededEntropy::new(seed)).unwrap();
    let kept = draw(1);
    let opened = Generation::open(1, &kept).unwrap();
    assert_eq!((opened.domain(), opened.ends()), (&domain(), NOW.after(DAY * 2)));
    assert_eq!((opened.made, opened.number()), (NOW, 1));
    let mixed = Kept { certificate: draw(2).certificate, ..draw(1) };
    assert!(matches!(Generation::open(1, &mixed), Err(SvidError::Kept(_))));
    let svid =
        Authority::new(domain(), [Arc::new(opened)]).x509(&bot(), NOW.after(LIFE), NOW, &entropy);
    let leaf = Kept { certificate: svid.unwrap().certificate, ..draw(1) };
    assert!(matches!(Generation::open(1, &leaf), Err(SvidError::Kept(_))), "a leaf signs nothing");
}

#[test]
fn nothing_secret_prints() {
    let authority = authority(&[(1, NOW)]);
    let (svid, token) = (leaf(&authority, NOW), token(&authority, NOW));
    let jwt = jwt(&authority, &["bank".to_owned()], NOW).unwrap();
    let text = format!("{authority:?} {svid:?} {jwt:?}");
    let header = token.split('.').next().unwrap();
    assert!(!text.contains(header) && !text.contains("key:"), "{text}");
}
