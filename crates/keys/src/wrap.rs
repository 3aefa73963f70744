//! Wrapping: a body key encrypted under the key-encryption key (KEK), bound to its name.
//!
//! AES-256-GCM with a random nonce, the name as associated data. Format: version (1), nonce (12),
//! ciphertext (32), tag (16). Random nonces are safe up to 2^32 wraps under one KEK (NIST SP
//! 800-38D section 8.3); each erasure starts a new one.

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
        let failed = |_| KeysError::Crypto("wrapping a key");
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = key.as_bytes().to_vec();
        let aad = Aad::from(name.as_bytes());
        let nonce_value = Nonce::assume_unique_for_key(nonce);
        self.cipher()?.seal_in_place_append_tag(nonce_value, aad, &mut sealed).map_err(failed)?;
        Ok([&[VERSION][..], &nonce, &sealed].concat())
    }

    /// The key that was wrapped under `name`; `None` if this is not such a wrap by this KEK.
    pub(crate) fn unwrap(&self, name: &str, wrapped: &[u8]) -> Option<BodyKey> {
        let (version, rest) = wrapped.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *version != VERSION {
            return None;
        }
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(name.as_bytes());
        let key = self.cipher().ok()?.open_in_place(nonce, aad, &mut opened).ok()?;
        let key: &[u8; 32] = (&*key).try_into().ok()?;
        Some(BodyKey::new(Zeroizing::new(*key)))
    }

    fn cipher(&self) -> Result<LessSafeKey, KeysError> {
        let key = UnboundKey::new(&AES_256_GCM, self.0.as_slice());
        key.map(LessSafeKey::new).map_err(|_| KeysError::Crypto("reading the wrapping key"))
    }
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
