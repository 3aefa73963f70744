//! From the members of a JSON Web Key to what verifies with it (RFC 7518 section 6, RFC 8037).

use std::ops::RangeInclusive;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
};
use data_encoding::BASE64URL_NOPAD;
use remit_model::Value;

use crate::{Algorithm, JwkError};

/// Bits of an RSA modulus: fewer can be broken, more only cost time (R13).
const MODULUS: RangeInclusive<u64> = 2048..=8192;

/// What verifies with a key, and its members in the one form that a thumbprint is taken of (RFC 7638
/// section 3.2).
pub(crate) struct Material {
    pub(crate) verifies: Vec<(Algorithm, ParsedPublicKey)>,
    pub(crate) canonical: String,
}

/// Reads a key of any form that is known here.
///
/// Errors: it is of another form, or no point of its curve.
pub(crate) fn read(jwk: &Value) -> Result<Material, JwkError> {
    let text = |name: &str| jwk.member(name).and_then(Value::as_text);
    let mut material = match (text("kty"), text("crv")) {
        (Some("EC"), Some("P-256")) => curve::<32>(jwk, "P-256", Algorithm::Es256),
        (Some("EC"), Some("P-384")) => curve::<48>(jwk, "P-384", Algorithm::Es384),
        (Some("OKP"), Some("Ed25519")) => ed25519(jwk),
        (Some("RSA"), None) => rsa(jwk),
        _ => Err(JwkError::Form("its `kty` and `crv` are others")),
    }?;
    if let Some(named) = jwk.member("alg") {
        // One that names its algorithm is for that one alone.
        material.verifies.retain(|(algorithm, _)| named.as_text() == Some(algorithm.name()));
        if material.verifies.is_empty() {
            return Err(JwkError::Form("its `alg` is not that of its curve"));
        }
    }
    Ok(material)
}

fn curve<const SIZE: usize>(
    jwk: &Value,
    name: &str,
    algorithm: Algorithm,
) -> Result<Material, JwkError> {
    let (x, y) = (coordinate::<SIZE>(jwk, "x")?, coordinate::<SIZE>(jwk, "y")?);
    let verifies: &'static dyn VerificationAlgorithm =
        if SIZE == 32 { &ECDSA_P256_SHA256_FIXED } else { &ECDSA_P384_SHA384_FIXED };
    let key = parsed(verifies, &[&[4], x.as_slice(), y.as_slice()].concat())?;
    let (x, y) = (BASE64URL_NOPAD.encode(&x), BASE64URL_NOPAD.encode(&y));
    let canonical = format!(r#"{{"crv":"{name}","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Ok(Material { verifies: vec![(algorithm, key)], canonical })
}

fn ed25519(jwk: &Value) -> Result<Material, JwkError> {
    if jwk.member("y").is_some() {
        return Err(JwkError::Form("its `y` has no place on its curve"));
    }
    let x = coordinate::<32>(jwk, "x")?;
    let key = parsed(&ED25519, &x)?;
    let x = BASE64URL_NOPAD.encode(&x);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    Ok(Material { verifies: vec![(Algorithm::EdDsa, key)], canonical })
}

/// AWS-LC looks at the size of a modulus only when it verifies.
fn rsa(jwk: &Value) -> Result<Material, JwkError> {
    let number = |name| {
        // A number has one form (RFC 7518 section 6.3.1), so one key has one thumbprint.
        let bytes = bytes(jwk, name).filter(|bytes| bytes.first().is_some_and(|first| *first > 0));
        bytes.ok_or(JwkError::Form("its `n` or `e` is missing or no number in base64url"))
    };
    let components = PublicKeyComponents { n: number("n")?, e: number("e")? };
    let zeros = components.n.first().map_or(0, |first| u64::from(first.leading_zeros()));
    let bits = u64::try_from(components.n.len()).unwrap_or(u64::MAX).saturating_mul(8) - zeros;
    if !MODULUS.contains(&bits) {
        return Err(JwkError::Form("its modulus is shorter than 2048 bits or longer than 8192"));
    }
    let parsed = |how| {
        let none = JwkError::Form("its numbers are no RSA key");
        components.to_parsed_public_key(how).map_err(|_| none)
    };
    let verifies = vec![
        (Algorithm::Rs256, parsed(&RSA_PKCS1_2048_8192_SHA256)?),
        (Algorithm::Ps256, parsed(&RSA_PSS_2048_8192_SHA256)?),
    ];
    let (n, e) = (BASE64URL_NOPAD.encode(&components.n), BASE64URL_NOPAD.encode(&components.e));
    let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    Ok(Material { verifies, canonical })
}

fn parsed(
    how: &'static dyn VerificationAlgorithm,
    key: &[u8],
) -> Result<ParsedPublicKey, JwkError> {
    ParsedPublicKey::new(how, key).map_err(|_| JwkError::Form("it is no point of its curve"))
}

/// A coordinate of its curve's size. The decoder refuses padding and stray bits, so that one key has
/// one text and so one thumbprint.
fn coordinate<const SIZE: usize>(jwk: &Value, name: &str) -> Result<[u8; SIZE], JwkError> {
    let bytes = bytes(jwk, name).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(JwkError::Form("a coordinate is missing or not of its curve's size in base64url"))
}

fn bytes(jwk: &Value, name: &str) -> Option<Vec<u8>> {
    let text = jwk.member(name).and_then(Value::as_text)?;
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}
