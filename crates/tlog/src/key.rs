//! Keys of signed notes: Ed25519 signing keys, and verifier keys in their text form
//! `<name>+<key id>+<base64(type ‖ public key)>` (C2SP signed-note).
//!
//! A log's key and a witness's differ in their type byte and in what they sign, so they are two
//! types here: nobody can verify a checkpoint of a log against the key of a witness by mistake.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::HEXLOWER;
use remit_signer::{Algorithm, Held, Signer, SignerError};

use crate::base64;
use crate::hash::sha256;

/// The signature type of plain Ed25519.
const TYPE_ED25519: u8 = 1;

/// The signature type of timestamped Ed25519 cosignatures (C2SP tlog-cosignature).
const TYPE_COSIGNATURE: u8 = 4;

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
    /// A key of another type than the one that belongs here.
    #[error("`{name}` is a key of type {kind:#04x}, expected {expected}")]
    Type {
        /// The key's name.
        name: String,
        /// Its type.
        kind: u8,
        /// What belongs here, in words.
        expected: &'static str,
    },
    /// The secret key is of no use here.
    #[error(transparent)]
    Secret(#[from] SignerError),
}

/// The rules of C2SP signed-note for a key name.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// What a key signs, as its type byte says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Notes as they are: a log's checkpoints.
    Plain,
    /// Notes with the time in front: a witness's cosignatures.
    Cosignature,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Plain => TYPE_ED25519,
            Self::Cosignature => TYPE_COSIGNATURE,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Plain => "a log's key, plain Ed25519 (0x01)",
            Self::Cosignature => "a witness's key, Ed25519 cosignatures (0x04)",
        }
    }
}

/// A public key, its kind and its name.
#[derive(Clone, PartialEq, Eq)]
struct Named {
    kind: Kind,
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl Named {
    fn new(kind: Kind, name: &str, public: [u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name { name: name.to_owned() });
        }
        // SHA-256(name ‖ 0x0A ‖ type ‖ public key), first four bytes.
        let [a, b, c, d, ..] = sha256(&[name.as_bytes(), &[b'\n', kind.byte()], &public]);
        Ok(Self { kind, name: name.to_owned(), id: [a, b, c, d], public })
    }

    fn parse(expected: Kind, text: &str) -> Result<Self, KeyError> {
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
        if *kind != expected.byte() {
            let (name, kind, expected) = (name.to_owned(), *kind, expected.words());
            return Err(KeyError::Type { name, kind, expected });
        }
        let named = Self::new(expected, name, public.try_into().map_err(|_| syntax())?)?;
        if named.id != id {
            return Err(KeyError::Id {
                name: name.to_owned(),
                expected: HEXLOWER.encode(&named.id),
                got: HEXLOWER.encode(&id),
            });
        }
        Ok(named)
    }

    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind.byte()];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), base64::encode(&key))
    }
}

/// An Ed25519 public key with its name: a log's.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey(Named);

impl VerifierKey {
    /// The key `public` under `name`.
    ///
    /// Errors: [`KeyError::Name`].
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, KeyError> {
        Named::new(Kind::Plain, name, public).map(Self)
    }

    /// Its name; for a log's own key, the log's origin.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its key id.
    pub fn id(&self) -> [u8; 4] {
        self.0.id
    }

    /// The public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.0.public
    }

    /// Whether `signature` is this key's over `text`.
    pub(crate) fn accepts(&self, text: &str, signature: &[u8]) -> bool {
        self.0.accepts(text.as_bytes(), signature)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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
        Named::parse(Kind::Plain, text).map(Self)
    }
}

/// The public key of a witness, with its name.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey(Named);

impl WitnessKey {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its key id.
    pub fn id(&self) -> [u8; 4] {
        self.0.id
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.accepts(message, signature)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({self})")
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Named::parse(Kind::Cosignature, text).map(Self)
    }
}

/// An Ed25519 secret key with its name. Never printed.
pub struct SigningKey {
    signer: Arc<dyn Signer>,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key from its seed (RFC 8032 section 5.1.5). The seed is borrowed: wiping it is its
    /// owner's duty.
    ///
    /// Errors: the name breaks the rules.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, Arc::new(Held::from_seed(seed)?))
    }

    /// The key that `signer` is.
    ///
    /// Errors: the name breaks the rules, or it does not sign by Ed25519.
    pub fn new(name: &str, signer: Arc<dyn Signer>) -> Result<Self, KeyError> {
        let verifier = VerifierKey::new(name, public(signer.as_ref())?)?;
        Ok(Self { signer, verifier })
    }

    /// The key that verifies what this one signs.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signature over `text`.
    pub(crate) fn sign(&self, text: &str) -> Result<Vec<u8>, SignerError> {
        self.signer.sign(text.as_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(… of {})", self.verifier)
    }
}

/// Its public key.
fn public(signer: &dyn Signer) -> Result<[u8; 32], KeyError> {
    remit_signer::check(signer, Algorithm::Ed25519)?;
    let unexpected = |_| {
        let why = "its public key has not 32 bytes".to_owned();
        KeyError::Secret(SignerError::Key { expected: Algorithm::Ed25519, why })
    };
    signer.public_key().try_into().map_err(unexpected)
}

/// The secret key of a witness. Never printed.
pub struct CosigningKey {
    signer: Arc<dyn Signer>,
    witness: WitnessKey,
}

impl CosigningKey {
    /// The key from its seed, as [`SigningKey::from_seed`].
    ///
    /// Errors: the name breaks the rules.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        Self::new(name, Arc::new(Held::from_seed(seed)?))
    }

    /// The key that `signer` is.
    ///
    /// Errors: the name breaks the rules, or it does not sign by Ed25519.
    pub fn new(name: &str, signer: Arc<dyn Signer>) -> Result<Self, KeyError> {
        let public = public(signer.as_ref())?;
        let witness = WitnessKey(Named::new(Kind::Cosignature, name, public)?);
        Ok(Self { signer, witness })
    }

    /// The key that verifies what this one cosigns.
    pub fn witness(&self) -> &WitnessKey {
        &self.witness
    }

    /// The signature over `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.signer.sign(message)
    }
}

impl fmt::Debug for CosigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosigningKey(… of {})", self.witness)
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
    fn the_keys_of_logs_and_witnesses_are_told_apart() {
        let log = SigningKey::from_seed("example.com/a", &[7; 32]).unwrap();
        let witness = CosigningKey::from_seed("example.com/a", &[7; 32]).unwrap();
        let (log, witness) = (log.verifier().to_string(), witness.witness().to_string());
        assert_ne!(log, witness, "the type is part of the id");
        assert_eq!(witness.parse::<WitnessKey>().unwrap().to_string(), witness);
        let error = log.parse::<WitnessKey>().unwrap_err().to_string();
        assert!(error.contains("type 0x01, expected a witness's key"), "{error}");
        let error = witness.parse::<VerifierKey>().unwrap_err().to_string();
        assert!(error.contains("type 0x04, expected a log's key"), "{error}");
    }

    #[test]
    fn a_secret_key_never_prints() {
        let key = SigningKey::from_seed("log.example", &[7; 32]).unwrap();
        assert!(format!("{key:?}").starts_with("SigningKey(… of log.example+"));
        let witness = CosigningKey::from_seed("w.example", &[7; 32]).unwrap();
        assert!(format!("{witness:?}").starts_with("CosigningKey(… of w.example+"));
        assert!(SigningKey::from_seed("a b", &[7; 32]).is_err());
    }
}
