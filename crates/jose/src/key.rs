//! Public keys: from a JSON Web Key, to a thumbprint (RFC 7638) and to a verdict on a signature.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use remit_model::{Digest, Value};
use serde::{Deserialize, Serialize};

use crate::JwkError;

/// Members of a JWK that hold, or belong to, a private or shared key (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "dp", "dq", "k", "oth", "p", "q", "qi"];

/// Members of a JWK that are read or mean nothing here.
const KNOWN: [&str; 9] = ["alg", "crv", "ext", "key_ops", "kid", "kty", "use", "x", "y"];

/// How a signature is made (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Its name in `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// The SHA-256 thumbprint of a public key (RFC 7638): what a token is bound to. Its text form is
/// base64url, as in `cnf.jkt`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint([u8; 32]);

/// A text that is not a thumbprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the SHA-256 thumbprint of a public key (RFC 7638), 43 characters of base64url; \
     `jkt` of a DPoP library, or the `thumbprint` of a JOSE one, prints it"
)]
pub struct ThumbprintError;

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    fn from_str(text: &str) -> Result<Self, ThumbprintError> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| ThumbprintError)?;
        Ok(Self(bytes.try_into().map_err(|_| ThumbprintError)?))
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = ThumbprintError;

    fn try_from(text: String) -> Result<Self, ThumbprintError> {
        text.parse()
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.to_string()
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

/// A public key. Only one that lies on its curve can be had.
#[derive(Debug)]
pub struct PublicKey {
    algorithm: Algorithm,
    key: ParsedPublicKey,
    thumbprint: Thumbprint,
    id: Option<String>,
}

impl PublicKey {
    /// Reads a JSON Web Key.
    ///
    /// Errors: it is of another kind, holds a private member or one that is not understood, is not
    /// for verifying signatures, or is no point of its curve.
    pub fn from_jwk(jwk: &Value) -> Result<Self, JwkError> {
        let Value::Record(members) = jwk else { return Err(JwkError::Form("it is no object")) };
        let is_in = |name: &&str| members.contains_key(*name);
        if let Some(name) = PRIVATE.iter().find(|name| is_in(name)) {
            return Err(JwkError::Private(name));
        }
        if members.keys().any(|name| !KNOWN.contains(&name.as_str())) {
            return Err(JwkError::Form("it holds a member that is not understood here"));
        }
        let text = |name: &str| jwk.member(name).and_then(Value::as_text);
        let (algorithm, point, canonical) = match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => p256(jwk)?,
            (Some("OKP"), Some("Ed25519")) => ed25519(jwk)?,
            _ => return Err(JwkError::Form("its `kty` and `crv` are others")),
        };
        if jwk.member("alg").is_some() && text("alg") != Some(algorithm.name()) {
            return Err(JwkError::Form("its `alg` is not that of its curve"));
        }
        check_use(jwk)?;
        let key = match algorithm {
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
            Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, point),
        };
        let key = key.map_err(|_| JwkError::Form("it is no point of its curve"))?;
        let thumbprint = Thumbprint(Digest::of(canonical.as_bytes()).0);
        let id = match jwk.member("kid") {
            None => None,
            Some(id) => Some(id.as_text().ok_or(JwkError::Form("its `kid` is no string"))?),
        };
        Ok(Self { algorithm, key, thumbprint, id: id.map(str::to_owned) })
    }

    /// Whether `signature` is one of this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its thumbprint.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// Its `kid`, if it was given one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

/// Algorithm, point as AWS-LC takes it, and what the thumbprint is taken of (RFC 7638 section 3.2).
type Curve = (Algorithm, Vec<u8>, String);

fn p256(jwk: &Value) -> Result<Curve, JwkError> {
    let (x, y) = (coordinate(jwk, "x")?, coordinate(jwk, "y")?);
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let (x, y) = (BASE64URL_NOPAD.encode(&x), BASE64URL_NOPAD.encode(&y));
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Ok((Algorithm::Es256, point, canonical))
}

fn ed25519(jwk: &Value) -> Result<Curve, JwkError> {
    if jwk.member("y").is_some() {
        return Err(JwkError::Form("its `y` has no place on its curve"));
    }
    let x = coordinate(jwk, "x")?;
    let text = BASE64URL_NOPAD.encode(&x);
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{text}"}}"#);
    Ok((Algorithm::EdDsa, x.to_vec(), canonical))
}

/// A coordinate of 32 bytes. The decoder refuses padding and stray bits, so that one key has one
/// text and so one thumbprint.
fn coordinate(jwk: &Value, name: &str) -> Result<[u8; 32], JwkError> {
    let text = jwk.member(name).and_then(Value::as_text);
    let bytes = text.and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(JwkError::Form("a coordinate is missing or not 32 bytes in base64url"))
}

fn check_use(jwk: &Value) -> Result<(), JwkError> {
    match jwk.member("use") {
        None => {}
        Some(Value::Text(text)) if text == "sig" => {}
        Some(_) => return Err(JwkError::Use("use")),
    }
    match jwk.member("key_ops") {
        None => Ok(()),
        Some(Value::List(uses)) if uses.iter().any(|it| it.as_text() == Some("verify")) => Ok(()),
        Some(_) => Err(JwkError::Use("key_ops")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(jwk: &str) -> Result<PublicKey, JwkError> {
        PublicKey::from_jwk(&Value::parse(jwk).unwrap())
    }

    /// RFC 8037 appendix A.2 and A.3.
    #[test]
    fn the_thumbprint_is_that_of_the_specification() {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","kid":"any",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let key = read(jwk).unwrap();
        assert_eq!(key.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!((key.algorithm(), key.id()), (Algorithm::EdDsa, Some("any")));
        let text = key.thumbprint().to_string();
        assert_eq!(text.parse::<Thumbprint>().unwrap(), key.thumbprint());
        for bad in
            ["", "x", text.trim_start_matches('k'), &format!("{text}="), &text.replace('_', "/")]
        {
            assert!(bad.parse::<Thumbprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_that_is_off_its_curve_or_says_too_much_is_none() {
        let good = r#""kty":"EC","crv":"P-256","x":"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY","y":"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw""#;
        assert_eq!(read(&format!("{{{good}}}")).unwrap().algorithm(), Algorithm::Es256);
        let swapped = good.replace(r#""x":"0"#, r#""x":"1"#);
        assert_eq!(
            read(&format!("{{{swapped}}}")).unwrap_err(),
            JwkError::Form("it is no point of its curve")
        );
        for (more, why) in [
            (r#""d":"AA""#, "private member `d`"),
            (r#""k":"AA""#, "private member `k`"),
            (r#""x5c":[]"#, "not understood"),
            (r#""alg":"EdDSA""#, "`alg`"),
            (r#""use":"enc""#, "`use`"),
            (r#""key_ops":["sign"]"#, "`key_ops`"),
            (r#""kid":1"#, "`kid`"),
        ] {
            let error = read(&format!("{{{good},{more}}}")).unwrap_err().to_string();
            assert!(error.contains(why), "{more}: {error}");
        }
        for jwk in [
            "[]",
            "{}",
            r#"{"kty":"oct","k":"AA"}"#,
            r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#,
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        ] {
            assert!(read(jwk).is_err(), "{jwk}");
        }
    }
}
