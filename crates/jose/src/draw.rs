//! What tokens need that nobody can guess, drawn from entropy: private keys for ES256, and names.
//!
//! AWS-LC would draw from its own generator; a key that is a function of the entropy it is given
//! can be made again in a test.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::HEXLOWER;
use remit_model::Entropy;
use zeroize::Zeroizing;

/// RFC 5208 around RFC 5915: a P-256 secret without its public key. The secret follows.
const BARE: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
];

/// The same with its public key, which follows the secret after [`POINT`].
const WHOLE: [u8; 36] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
    0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02,
    0x01, 0x01, 0x04, 0x20,
];

/// RFC 5915 section 3: `[1] BIT STRING` of an uncompressed point.
const POINT: [u8; 5] = [0xa1, 0x44, 0x03, 0x42, 0x00];

/// How often a secret is drawn. One draw in 2^32 is not below the group's order.
const DRAWS: usize = 8;

/// No key could be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no ES256 key could be drawn: the machine's source of randomness is broken")]
pub struct DrawError;

/// An ES256 private key in PKCS#8 DER, with its public key beside it: not every reader of PKCS#8
/// computes that itself.
///
/// Errors: the entropy never yields a number below the group's order.
pub fn draw_es256(entropy: &dyn Entropy) -> Result<Zeroizing<Vec<u8>>, DrawError> {
    for _ in 0..DRAWS {
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(secret.as_mut_slice());
        let bare = joined(&[&BARE, secret.as_slice()]);
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bare) {
            let point = pair.public_key().as_ref();
            return Ok(joined(&[&WHOLE, secret.as_slice(), &POINT, point]));
        }
    }
    Err(DrawError)
}

/// A name for one token (`jti`, RFC 7519 section 4.1.7), 16 bytes in hex: no two are the same, so that
/// whoever takes each but once can tell them apart.
pub fn draw_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    HEXLOWER.encode(&bytes)
}

/// Reserved at once: growing would leave copies behind.
fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut whole = Zeroizing::new(Vec::with_capacity(length));
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole
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
        let key = draw_es256(&Always(7)).unwrap();
        assert_eq!(key, draw_es256(&Always(7)).unwrap());
        assert_ne!(key, draw_es256(&Always(8)).unwrap());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key).unwrap();
        assert!(key.ends_with(pair.public_key().as_ref()), "the public key is in it");
    }

    #[test]
    fn broken_entropy_is_told() {
        // Zero and all ones are no secrets of P-256.
        for byte in [0, 0xff] {
            assert_eq!(draw_es256(&Always(byte)), Err(DrawError));
        }
    }
}
