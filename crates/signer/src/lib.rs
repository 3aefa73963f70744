//! What signs: a private key that is used and not read, wherever it lies.
//!
//! Tokens, certificates, checkpoints and cosignatures are all signed by a [`Signer`], so that where a key
//! lies is up to whoever opens it. Today that is the memory of this process ([`Held`]); a device that gives
//! its keys away to nobody is another implementation.
//!
//! *Out of scope:* names and ids of keys, and the form of what is signed: a signer signs bytes. Drawing
//! keys, and keeping them.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Es256 => "ES256 (P-256)",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// A private key.
pub trait Signer: fmt::Debug + Send + Sync {
    /// How it signs.
    fn algorithm(&self) -> Algorithm;

    /// Its public key: for ES256 an uncompressed point (SEC 1 section 2.3.3), for Ed25519 32 bytes.
    fn public_key(&self) -> &[u8];

    /// The signature over `message`: for ES256 `r` and `s`, 32 bytes each. Whoever asks waits for it,
    /// so one that takes long holds others up.
    ///
    /// Errors: the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;
}

/// Why nothing was signed, or no key opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Not a private key of this kind.
    #[error("expected an {expected} private key in PKCS#8: {why}")]
    Key {
        /// What was expected.
        expected: Algorithm,
        /// What the library said.
        why: String,
    },
    /// A key that signs in another way than what it is for.
    #[error("expected a key that signs by {expected}, got one for {got}")]
    Algorithm {
        /// What was expected.
        expected: Algorithm,
        /// What came.
        got: Algorithm,
    },
    /// It did not sign.
    #[error("the key could not sign")]
    Failed,
}

/// That `signer` signs by `expected`.
///
/// Errors: [`SignerError::Algorithm`].
pub fn check(signer: &dyn Signer, expected: Algorithm) -> Result<(), SignerError> {
    let got = signer.algorithm();
    if got == expected { Ok(()) } else { Err(SignerError::Algorithm { expected, got }) }
}

/// A key in this process's memory. It prints nothing of itself, and AWS-LC wipes it when it is dropped.
pub struct Held(Pair);

enum Pair {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Held {
    /// The key in PKCS#8 DER, which is copied; wiping it is its owner's duty.
    ///
    /// Errors: it is not a private key of that kind.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, SignerError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Pair::Es256)
            }
            Algorithm::Ed25519 => {
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Pair::Ed25519)
            }
        };
        pair.map(Self).map_err(|why| SignerError::Key { expected: algorithm, why: why.to_string() })
    }

    /// The Ed25519 key of a seed (RFC 8032 section 5.1.5), which is copied likewise.
    ///
    /// Errors: the library failed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SignerError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        let expected = Algorithm::Ed25519;
        pair.map(|pair| Self(Pair::Ed25519(pair)))
            .map_err(|why| SignerError::Key { expected, why: why.to_string() })
    }
}

impl Signer for Held {
    fn algorithm(&self) -> Algorithm {
        match self.0 {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    fn public_key(&self) -> &[u8] {
        match &self.0 {
            Pair::Es256(pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        match &self.0 {
            Pair::Es256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message);
                signed.map(|it| it.as_ref().to_vec()).map_err(|_| SignerError::Failed)
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn what_a_key_signs_its_public_key_verifies_and_it_prints_nothing_of_itself() {
        let drawn = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let pkcs8 = drawn.to_pkcs8v1().unwrap();
        let es256 = Held::from_pkcs8(Algorithm::Es256, pkcs8.as_ref()).unwrap();
        let signature = es256.sign(b"a").unwrap();
        assert_eq!(signature.len(), 64);
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, es256.public_key());
        public.verify(b"a", &signature).unwrap();
        public.verify(b"b", &signature).unwrap_err();
        let ed25519 = Held::from_seed(&[7; 32]).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, ed25519.public_key());
        public.verify(b"a", &ed25519.sign(b"a").unwrap()).unwrap();
        assert_eq!(format!("{es256:?} {ed25519:?}"), "Held(ES256 (P-256)) Held(Ed25519)");
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let ed25519 = Held::from_seed(&[7; 32]).unwrap();
        check(&ed25519, Algorithm::Ed25519).unwrap();
        let error = check(&ed25519, Algorithm::Es256).unwrap_err().to_string();
        assert_eq!(error, "expected a key that signs by ES256 (P-256), got one for Ed25519");
        for algorithm in [Algorithm::Es256, Algorithm::Ed25519] {
            let error = Held::from_pkcs8(algorithm, b"nonsense").unwrap_err().to_string();
            let expected = format!("expected an {algorithm} private key in PKCS#8");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
