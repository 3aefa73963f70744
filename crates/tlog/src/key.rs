//! Keys of signed notes: Ed25519 signing keys, and verifier keys in their text form
//! `<name>+<key id>+<base64(type ‖ public key)>` (C2SP signed-note).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::HEXLOWER;

use crate::base64;
use crate::hash::sha256;

/// The signature type of plain Ed25519.
const TYPE_ED25519: u8 = 1;

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name breaks the rules.
    #[error("a key name must not be empty nor hold a blank, a control character or `+`: `{name}`")]
    Name {
        /// The name.
        name: String,
    },
    /// Not a verifier key.
    #[error("expected a verifier key `<name>+<8 hex digits>+<base64>`, got `{got}`")]
    Syntax {
        /// The text.
        got: String,
    },
    /// The key id is not the one that follows from name and key.
    #[error("the key id of `{name}` should be {expected}, it is {got}: the key was copied wrongly")]
    Id {
        /// The key's name.
        name: String,
        /// The id that follows from name and key.
        expected: String,
        /// The id written.
        got: String,
    },
    /// A key of a type this crate does not verify.
    #[error("`{name}` is a key of type {kind:#04x}, only Ed25519 (0x01) can be verified here")]
    Type {
        /// The key's name.
        name: String,
        /// Its type.
        kind: u8,
    },
    /// The secret key is not one.
    #[error("expected an Ed25519 secret key (a seed of 32 bytes, or PKCS#8): {0}")]
    Secret(String),
}

/// The rules of C2SP signed-note for a key name.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// SHA-256(name ‖ 0x0A ‖ type ‖ public key), first four bytes.
fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let [a, b, c, d, ..] = sha256(&[name.as_bytes(), &[b'\n', TYPE_ED25519], public]);
    [a, b, c, d]
}

/// An Ed25519 public key with its name.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl VerifierKey {
    /// The key `public` under `name`.
    ///
    /// Errors: [`KeyError::Name`].
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), id: key_id(name, &public), public })
    }

    /// Its name; for a log's own key, the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its key id.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether `signature` is this key's over `text`.
    pub(crate) fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.public);
        key.verify(text.as_bytes(), signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![TYPE_ED25519];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), base64::encode(&key))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let syntax = || KeyError::Syntax { got: text.chars().take(200).collect() };
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().ok_or_else(syntax);
        let (name, id, key) = (part()?, part()?, part()?);
        if !is_name(name) {
            return Err(KeyError::Name { name: name.to_owned() });
        }
        let id = HEXLOWER.decode(id.as_bytes()).map_err(|_| syntax())?;
        let id: [u8; 4] = id.try_into().map_err(|_| syntax())?;
        let key = base64::decode(key).ok_or_else(syntax)?;
        let (kind, public) = key.split_first().ok_or_else(syntax)?;
        if *kind != TYPE_ED25519 {
            return Err(KeyError::Type { name: name.to_owned(), kind: *kind });
        }
        let verifier = Self::new(name, public.try_into().map_err(|_| syntax())?)?;
        if verifier.id != id {
            return Err(KeyError::Id {
                name: name.to_owned(),
                expected: HEXLOWER.encode(&verifier.id),
                got: HEXLOWER.encode(&id),
            });
        }
        Ok(verifier)
    }
}

/// An Ed25519 secret key with its name. Never printed; the memory that holds it belongs to AWS-LC,
/// which overwrites what it frees, so it is wiped when this is dropped.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key from its seed (RFC 8032 section 5.1.5). The seed is borrowed: wiping it is its
    /// owner's duty.
    ///
    /// Errors: the name breaks the rules.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, Ed25519KeyPair::from_seed_unchecked(seed))
    }

    /// The key from PKCS#8 (RFC 5958, version 1 or 2).
    ///
    /// Errors: the name breaks the rules, or this is not such a key.
    pub fn from_pkcs8(name: &str, der: &[u8]) -> Result<Self, KeyError> {
        Self::new(name, Ed25519KeyPair::from_pkcs8_maybe_unchecked(der))
    }

    fn new(
        name: &str,
        pair: Result<Ed25519KeyPair, aws_lc_rs::error::KeyRejected>,
    ) -> Result<Self, KeyError> {
        let pair = pair.map_err(|why| KeyError::Secret(why.to_string()))?;
        let public: [u8; 32] = pair
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::Secret("its public key has not 32 bytes".to_owned()))?;
        Ok(Self { verifier: VerifierKey::new(name, public)?, pair })
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signature over `text`.
    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        self.pair.sign(text.as_bytes()).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(… of {})", self.verifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn the_specifications_key_reads_and_prints() {
        let key: VerifierKey = SPEC.parse().unwrap();
        assert_eq!(key.name(), "example.com/foo");
        assert_eq!(key.to_string(), SPEC);
    }

    #[test]
    fn a_key_copied_wrongly_is_told_apart() {
        let text = |error: KeyError| error.to_string();
        let parse = |text: &str| text.parse::<VerifierKey>().unwrap_err();
        assert!(text(parse(&SPEC.replace("foo", "fop"))).contains("copied wrongly"));
        assert!(text(parse(&SPEC.replace("530d", "530e"))).contains("should be 530d903a"));
        assert!(text(parse(&SPEC.replace("530d", "530D"))).contains("8 hex digits"));
        assert!(text(parse(&SPEC.replace("+Aek", "+Bek"))).contains("type 0x05"));
        assert!(text(parse(&SPEC.replace("/foo", "/f oo"))).contains("key name"));
        for bad in ["", "a", "a+b", "a+00000000+", "+530d903a+AekyeRrm56hApGFkyQR4"] {
            assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_key_never_prints() {
        let key = SigningKey::from_seed("log.example", &[7; 32]).unwrap();
        assert!(format!("{key:?}").starts_with("SigningKey(… of log.example+"));
        assert!(SigningKey::from_seed("a b", &[7; 32]).is_err());
        assert!(SigningKey::from_pkcs8("a", b"nonsense").is_err());
    }

    #[test]
    fn pkcs8_and_seed_make_the_same_key() {
        // RFC 8410 section 10.3: the seed after the fixed prefix of a version 1 document.
        let mut der = HEXLOWER.decode(b"302e020100300506032b657004220420").unwrap();
        der.extend_from_slice(&[7; 32]);
        let one = SigningKey::from_pkcs8("log.example", &der).unwrap();
        let two = SigningKey::from_seed("log.example", &[7; 32]).unwrap();
        assert_eq!(one.verifier(), two.verifier());
    }
}
