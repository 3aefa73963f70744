//! Drawing Ed25519 signing keys from entropy, as PKCS#8.
//!
//! AWS-LC would draw from its own generator; a key that is a function of the entropy it is given
//! can be made again in a test.

use remit_model::Entropy;
use zeroize::Zeroizing;

/// RFC 8410 section 7: an Ed25519 seed in PKCS#8 version 1.
const ED25519_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// An Ed25519 secret key.
pub(crate) fn draw_ed25519(entropy: &dyn Entropy) -> Zeroizing<Vec<u8>> {
    let mut secret = Zeroizing::new([0; 32]);
    entropy.fill(secret.as_mut_slice());
    let mut der = Zeroizing::new(Vec::with_capacity(ED25519_PREFIX.len() + secret.len()));
    der.extend_from_slice(&ED25519_PREFIX);
    der.extend_from_slice(secret.as_slice());
    der
}

#[cfg(test)]
mod tests {
    use remit_signer::{Algorithm, Held, Signer as _};

    use super::*;

    struct Always(u8);

    impl Entropy for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn keys_follow_from_entropy() {
        assert_eq!(draw_ed25519(&Always(7)), draw_ed25519(&Always(7)));
        let key = Held::from_pkcs8(Algorithm::Ed25519, &draw_ed25519(&Always(7))).unwrap();
        assert_eq!(key.public_key(), Held::from_seed(&[7; 32]).unwrap().public_key());
    }
}
