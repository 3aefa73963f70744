//! Public keys: from a JSON Web Key, to a thumbprint (RFC 7638) and to a verdict on a signature.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::ParsedPublicKey;
use data_encoding::BASE64URL_NOPAD;
use remit_model::{Digest, Value};
use serde::{Deserialize, Serialize};

use crate::{JwkError, material};

/// Members of a JWK that hold, or belong to, a private or shared key (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "dp", "dq", "k", "oth", "p", "q", "qi"];

/// Members of a JWK that are read or mean nothing here.
const KNOWN: [&str; 9] = ["alg", "crv", "ext", "key_ops", "kid", "kty", "use", "x", "y"];

/// How a signature is made (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSA with PKCS #1 v1.5 padding and SHA-256.
    Rs256,
    /// RSA with PSS padding and SHA-256.
    Ps256,
}

impl Algorithm {
    /// All that signatures of others may be made with; what is signed for us alone is made with less.
    pub const ALL: [Self; 5] = [Self::Es256, Self::Es384, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// Its name in `alg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
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
    /// An RSA key can verify with either padding, unless it says with which.
    verifies: Vec<(Algorithm, ParsedPublicKey)>,
    thumbprint: Thumbprint,
    id: Option<String>,
}

/// The same key, called the same and good for the same.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        let algorithms =
            |key: &Self| -> Vec<_> { key.verifies.iter().map(|(it, _)| *it).collect() };
        (self.thumbprint, &self.id, algorithms(self))
            == (other.thumbprint, &other.id, algorithms(other))
    }
}

impl Eq for PublicKey {}

impl PublicKey {
    /// Reads a JSON Web Key that is registered with us or that a token brings: `EC` on `P-256` or
    /// `OKP` on `Ed25519`, and nothing that is not understood.
    ///
    /// Errors: it is of another kind, holds a private member or one that is not understood, is not
    /// for verifying signatures, or is no point of its curve.
    pub fn from_jwk(jwk: &Value) -> Result<Self, JwkError> {
        let Value::Record(members) = jwk else { return Err(JwkError::Form("it is no object")) };
        check_private(jwk)?;
        if members.keys().any(|name| !KNOWN.contains(&name.as_str())) {
            return Err(JwkError::Form("it holds a member that is not understood here"));
        }
        let text = |name: &str| jwk.member(name).and_then(Value::as_text);
        if !matches!((text("kty"), text("crv")), (Some("EC"), Some("P-256")) | (Some("OKP"), _)) {
            return Err(JwkError::Form("its `kty` and `crv` are others"));
        }
        Self::for_use(jwk, &["sig"])
    }

    /// Reads a JSON Web Key that somebody else publishes for all, of any form that is known here.
    /// Members that are not understood mean nothing (RFC 7517 section 4). `uses` are the values of
    /// `use` that it may have; `""` is among them if it may have none.
    ///
    /// Errors: as [`Self::from_jwk`].
    pub fn published(jwk: &Value, uses: &[&str]) -> Result<Self, JwkError> {
        check_private(jwk)?;
        if jwk.member("use").is_none() && !uses.contains(&"") {
            return Err(JwkError::Use("use"));
        }
        Self::for_use(jwk, uses)
    }

    fn for_use(jwk: &Value, uses: &[&str]) -> Result<Self, JwkError> {
        check_use(jwk, uses)?;
        let read = material::read(jwk)?;
        let id = match jwk.member("kid") {
            None => None,
            Some(id) => Some(id.as_text().ok_or(JwkError::Form("its `kid` is no string"))?),
        };
        let thumbprint = Thumbprint(Digest::of(read.canonical.as_bytes()).0);
        Ok(Self { verifies: read.verifies, thumbprint, id: id.map(str::to_owned) })
    }

    /// Whether `signature` is one of this key's over `message`, made with `algorithm`.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.with(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    /// Whether it is for signatures that are made with `algorithm`.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.with(algorithm).is_some()
    }

    fn with(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifies.iter().find(|(it, _)| *it == algorithm).map(|(_, key)| key)
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

/// Whoever could read it could sign with it.
pub(crate) fn check_private(jwk: &Value) -> Result<(), JwkError> {
    let private = PRIVATE.iter().find(|name| jwk.member(name).is_some());
    private.map_or(Ok(()), |name| Err(JwkError::Private(name)))
}

fn check_use(jwk: &Value, uses: &[&str]) -> Result<(), JwkError> {
    match jwk.member("use") {
        None => {}
        Some(Value::Text(text)) if uses.contains(&text.as_str()) => {}
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
        assert!(key.is_for(Algorithm::EdDsa) && !key.is_for(Algorithm::Es256));
        assert_eq!(key.id(), Some("any"));
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
        assert!(read(&format!("{{{good}}}")).unwrap().is_for(Algorithm::Es256));
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
