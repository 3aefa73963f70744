//! Drawing signing keys from entropy, as PKCS#8.
//!
//! AWS-LC would draw from its own generator; a key that is a function of the entropy it is given
//! can be made again in a test.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use remit_model::Entropy;
use zeroize::Zeroizing;

use crate::KeysError;

/// RFC 8410 section 7: an Ed25519 seed in PKCS#8 version 1.
const ED25519_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// RFC 5208 around RFC 5915: a P-256 secret without its public key, which readers compute.
const P256_PREFIX: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
];

/// How often a P-256 secret is drawn. One draw in 2^32 is not below the group's order.
const DRAWS: usize = 8;

/// An Ed25519 secret key.
pub(crate) fn draw_ed25519(entropy: &dyn Entropy) -> Zeroizing<Vec<u8>> {
    draw(&ED25519_PREFIX, entropy)
}

/// An ES256 secret key.
///
/// Errors: the entropy never yields a number below the group's order: it is broken.
pub(crate) fn draw_es256(entropy: &dyn Entropy) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let usable = |der: &Zeroizing<Vec<u8>>| {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).is_ok()
    };
    let mut draws = (0..DRAWS).map(|_| draw(&P256_PREFIX, entropy));
    draws.find(usable).ok_or(KeysError::Crypto("drawing an ES256 key"))
}

fn draw(prefix: &[u8], entropy: &dyn Entropy) -> Zeroizing<Vec<u8>> {
    let mut secret = Zeroizing::new([0; 32]);
    entropy.fill(secret.as_mut_slice());
    let mut der = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.len()));
    der.extend_from_slice(prefix);
    der.extend_from_slice(secret.as_slice());
    der
}

#[cfg(test)]
mod tests {
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
        assert_ne!(draw_es256(&Always(7)).unwrap(), draw_es256(&Always(8)).unwrap());
        let key = remit_tlog::SigningKey::from_pkcs8("log.test", &draw_ed25519(&Always(7)));
        let same = remit_tlog::SigningKey::from_seed("log.test", &[7; 32]).unwrap();
        assert_eq!(key.unwrap().verifier(), same.verifier());
    }

    #[test]
    fn broken_entropy_is_told() {
        // Zero and all ones are no secrets of P-256.
        for byte in [0, 0xff] {
            assert!(matches!(draw_es256(&Always(byte)), Err(KeysError::Crypto(_))));
        }
    }
}
