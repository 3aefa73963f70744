//! Keys that sign certificates.

use std::sync::Arc;

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use remit_signer::{Algorithm, Held, Signer, SignerError};

use crate::SvidError;

/// A P-256 key that signs certificates.
pub(crate) struct Certifier(Arc<dyn Signer>);

impl Certifier {
    /// From PKCS#8 DER.
    pub(crate) fn open(pkcs8: &[u8]) -> Result<Self, SvidError> {
        let held = Held::from_pkcs8(Algorithm::Es256, pkcs8);
        Self::new(Arc::new(held.map_err(unusable)?))
    }

    /// The key that `signer` is.
    pub(crate) fn new(signer: Arc<dyn Signer>) -> Result<Self, SvidError> {
        remit_signer::check(signer.as_ref(), Algorithm::Es256).map_err(unusable)?;
        Ok(Self(signer))
    }

    /// The public key as an uncompressed point: 0x04, x, y (SEC 1 section 2.3.3).
    pub(crate) fn point(&self) -> &[u8] {
        self.0.public_key()
    }
}

fn unusable(_: SignerError) -> SvidError {
    SvidError::Kept("expected a P-256 private key in PKCS#8")
}

impl PublicKeyData for Certifier {
    fn der_bytes(&self) -> &[u8] {
        self.point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Certifier {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.0.sign(message).ok();
        signature.and_then(|it| der(&it)).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// `r` and `s` as X.509 has them: a SEQUENCE of two INTEGERs (RFC 3279 section 2.2.3).
fn der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(32).filter(|(_, s)| s.len() == 32)?;
    let numbers = [integer(r)?, integer(s)?].concat();
    Some([&[0x30, u8::try_from(numbers.len()).ok()?], numbers.as_slice()].concat())
}

/// A positive INTEGER: without zeros before it, but with one where its first bit is set, which would make it
/// negative (X.690 section 8.3).
fn integer(number: &[u8]) -> Option<Vec<u8>> {
    let start = number.iter().position(|byte| *byte != 0)?;
    let number = number.get(start..)?;
    let sign: &[u8] = if number.first()? & 0x80 == 0 { &[] } else { &[0] };
    let length = u8::try_from(sign.len() + number.len()).ok()?;
    Some([&[0x02, length], sign, number].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_certificates_are_the_shortest_positive_numbers() {
        let signature = |r: &[u8], s: &[u8]| {
            let mut bytes = [0; 64];
            bytes[32 - r.len()..32].copy_from_slice(r);
            bytes[64 - s.len()..].copy_from_slice(s);
            der(&bytes)
        };
        let small = signature(&[0x7f], &[0x80]).unwrap();
        assert_eq!(small, [0x30, 7, 0x02, 1, 0x7f, 0x02, 2, 0, 0x80]);
        let large = signature(&[0xff; 32], &[0x01; 32]).unwrap();
        assert_eq!(large[..5], [0x30, 69, 0x02, 33, 0]);
        assert_eq!(large[37..39], [0x02, 32]);
        assert_eq!(signature(&[], &[1]), None, "zero is no part of a signature");
        assert_eq!([der(&[1; 63]), der(&[1; 65]), der(&[])], [None, None, None]);
    }
}
