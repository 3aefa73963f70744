//! What tells one secret from another without saying either.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};

/// Under what fingerprints are made. Whoever has it can try values, so it is drawn anew by each process
/// and kept nowhere.
#[derive(Clone)]
pub struct Key(hmac::Key);

/// Of one secret under one key. Short: it tells the secrets of a task apart and gives nothing to guess by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 4]);

impl Key {
    /// From 32 random bytes.
    pub fn new(random: &[u8; 32]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, random))
    }

    /// The fingerprint of `secret`.
    pub fn fingerprint(&self, secret: &[u8]) -> Fingerprint {
        let [a, b, c, d, ..] = self.digest(secret);
        Fingerprint([a, b, c, d])
    }

    /// All of what a fingerprint is the beginning of.
    pub(crate) fn digest(&self, secret: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        let tag = hmac::sign(&self.0, secret);
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        digest
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
