//! Sealing: something secret encrypted under a key, bound to its name; first of all wrapping, where
//! that is another key and the key the key-encryption key (KEK).
//!
//! AES-256-GCM with a random nonce, the name as associated data. Format: version (1), nonce (12),
//! ciphertext (32 of a key), tag (16). Random nonces are safe up to 2^32 uses of one key (NIST SP
//! 800-38D section 8.3); each erasure starts a new KEK, a secret's own key seals one value,
//! and what closes a KEK is used once for each.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use remit_model::{Digest, Entropy};
use remit_ports::BodyKey;
use zeroize::Zeroizing;

use crate::KeysError;

const VERSION: u8 = 1;

/// The key-encryption key.
pub(crate) struct Kek(Zeroizing<[u8; 32]>);

impl Kek {
    /// A fresh one.
    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(bytes.as_mut_slice());
        Self(bytes)
    }

    /// From its file; `None` if it has not 32 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        Some(Self(Zeroizing::new(*bytes)))
    }

    /// For its file.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A name for it that says nothing of it: a hash of 256 random bits.
    pub(crate) fn id(&self) -> Digest {
        Digest::of_parts(&[b"remit/kek/v1", self.0.as_slice()])
    }

    /// Wraps `key`, to be opened under `name` only.
    ///
    /// Errors: the cryptographic library failed.
    pub(crate) fn wrap(
        &self,
        name: &str,
        key: &BodyKey,
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, KeysError> {
        seal(&self.0, name.as_bytes(), key.as_bytes(), entropy)
    }

    /// The key that was wrapped under `name`; `None` if this is not such a wrap by this KEK.
    pub(crate) fn unwrap(&self, name: &str, wrapped: &[u8]) -> Option<BodyKey> {
        let key = open(&self.0, name.as_bytes(), wrapped)?;
        let key: &[u8; 32] = key.as_slice().try_into().ok()?;
        Some(BodyKey::new(Zeroizing::new(*key)))
    }
}

/// Seals `secret` under `key`, to be opened under `name` only.
///
/// Errors: the cryptographic library failed.
pub(crate) fn seal(
    key: &[u8; 32],
    name: &[u8],
    secret: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, KeysError> {
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce);
    // Encrypted where it stands, behind what is written before it: no further copy, none that grows.
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + secret.len() + AES_256_GCM.tag_len());
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    let start = sealed.len();
    sealed.extend_from_slice(secret);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let (_, plain) = sealed.split_at_mut(start);
    let tag = cipher(key)?.seal_in_place_separate_tag(nonce, Aad::from(name), plain);
    let tag = tag.map_err(|_| KeysError::Crypto("sealing"))?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// What was sealed under `key` and `name`; `None` if this was not.
pub(crate) fn open(key: &[u8; 32], name: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    if *version != VERSION {
        return None;
    }
    let mut opened = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = cipher(key).ok()?.open_in_place(nonce, Aad::from(name), &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, KeysError> {
    let key = UnboundKey::new(&AES_256_GCM, key);
    key.map(LessSafeKey::new).map_err(|_| KeysError::Crypto("reading a key"))
}

/// A fresh body key.
pub(crate) fn draw_body_key(entropy: &dyn Entropy) -> BodyKey {
    let mut bytes = Zeroizing::new([0; 32]);
    entropy.fill(bytes.as_mut_slice());
    BodyKey::new(bytes)
}

#[cfg(test)]
mod tests {
    use remit_testkit::SeededEntropy;

    use super::*;

    #[test]
    fn opens_only_under_its_name_and_key() {
        let entropy = SeededEntropy::new(1);
        let (kek, other) = (Kek::draw(&entropy), Kek::draw(&entropy));
        let key = draw_body_key(&entropy);
        let wrapped = kek.wrap("a", &key, &entropy).unwrap();
        assert_eq!(wrapped.len(), 61);
        assert_eq!(kek.unwrap("a", &wrapped).unwrap().as_bytes(), key.as_bytes());
        assert!(kek.unwrap("b", &wrapped).is_none());
        assert!(other.unwrap("a", &wrapped).is_none());
        for at in 0..wrapped.len() {
            let mut bent = wrapped.clone();
            bent[at] ^= 1;
            assert!(kek.unwrap("a", &bent).is_none(), "byte {at}");
            assert!(kek.unwrap("a", &wrapped[..at]).is_none(), "cut at {at}");
        }
        assert_ne!(wrapped, kek.wrap("a", &key, &entropy).unwrap(), "a nonce is never used twice");
        assert_ne!(kek.id(), other.id());
    }
}
