//! SVIDs: whatever is signed with our own key is believed only if it is an SVID, as another parser
//! reads it.
//!
//! Input: a line with a JOSE header, then claims; or, if the line is empty, what a certificate says
//! (its `TBSCertificate` in DER). Either is signed with the real key.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use remit_model::Timestamp;
use remit_spiffe::{Authority, Generation, Kept, trust_domain};

use crate::fixture::Sevens;
use crate::input::{cut, read_by_another};

const NOW: Timestamp = Timestamp(1_795_471_200_123);
const AUDIENCE: &str = "bank";

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let domain = trust_domain("example.org").unwrap();
    Generation::draw(1, &domain, Duration::from_hours(24), NOW, &Sevens).unwrap()
});

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let generation = Arc::new(Generation::open(1, &KEPT).unwrap());
    Authority::new(trust_domain("example.org").unwrap(), [generation])
});

static TOKENS: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &KEPT.jwt).unwrap()
});

static CERTIFICATES: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &KEPT.signer).unwrap()
});

/// A DER element.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, content].concat()
}

/// The shortest form of the outer lengths, as DER wants it.
fn sequence(content: &[u8]) -> Vec<u8> {
    match u16::try_from(content.len()) {
        Ok(short) if short < 0x80 => [&[0x30, short.to_be_bytes()[1]][..], content].concat(),
        Ok(short) if short < 0x100 => [&[0x30, 0x81, short.to_be_bytes()[1]][..], content].concat(),
        Ok(long) => [&[0x30, 0x82][..], &long.to_be_bytes(), content].concat(),
        Err(_) => element(0x30, content),
    }
}

/// A certificate that says `tbs`, signed by the authority.
fn certificate(tbs: &[u8]) -> Vec<u8> {
    let ecdsa_with_sha256 =
        [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let signature = CERTIFICATES.sign(&SystemRandom::new(), tbs).unwrap();
    let bits = [&[0][..], signature.as_ref()].concat();
    let length = u8::try_from(bits.len()).unwrap();
    sequence(&[tbs, &ecdsa_with_sha256, &[0x03, length], &bits].concat())
}

fn x509(tbs: &[u8]) {
    let der = certificate(tbs);
    match AUTHORITY.verify_x509(&[&der], NOW) {
        Ok(verified) => {
            let id = verified.id;
            // The spiffe crate reads no signature, but has its own opinion of leaves. Any key will do.
            let theirs = spiffe::X509Svid::parse_from_der(&der, &KEPT.signer);
            let theirs = theirs.expect("an SVID for others, too");
            assert_eq!(theirs.spiffe_id(), &id);
            assert!(id.trust_domain().as_str() == "example.org" && !id.path().is_empty());
        }
        Err(why) => assert!(why.to_string().len() < 400, "{why}"),
    }
}

fn jwt(header: &[u8], claims: &[u8]) {
    let message = format!("{}.{}", BASE64URL_NOPAD.encode(header), BASE64URL_NOPAD.encode(claims));
    let signature = TOKENS.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    let token = format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()));
    match AUTHORITY.verify_jwt(&token, AUDIENCE, NOW) {
        Ok(verified) => {
            let (header, claims) = (read_by_another(header), read_by_another(claims));
            let (Some(header), Some(claims)) = (header, claims) else { return };
            let members = header.as_object().unwrap();
            assert!(members.keys().all(|name| ["alg", "kid", "typ"].contains(&name.as_str())));
            assert_eq!(header["alg"], "ES256");
            assert_eq!(claims["sub"], verified.id.to_string());
            let named = claims["aud"].as_array().cloned().unwrap_or(vec![claims["aud"].clone()]);
            assert!(named.contains(&AUDIENCE.into()));
            assert!(claims["exp"].as_u64().unwrap() + 5 > NOW.as_secs());
            let theirs = spiffe::JwtSvid::parse_insecure(&token).expect("an SVID for others, too");
            assert_eq!(theirs.spiffe_id(), &verified.id);
        }
        Err(why) => assert!(why.to_string().len() < 400, "{why}"),
    }
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    match cut(data) {
        ([], tbs) => x509(tbs),
        (header, claims) => jwt(header, claims),
    }
}
