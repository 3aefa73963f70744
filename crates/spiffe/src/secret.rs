//! P-256 keys that sign certificates.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};

use crate::SvidError;

/// A key that signs certificates. It lives in AWS-LC's memory, which wipes it.
pub(crate) struct Signer(EcdsaKeyPair);

impl Signer {
    /// From PKCS#8 DER.
    pub(crate) fn open(pkcs8: &[u8]) -> Result<Self, SvidError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8);
        pair.map(Self).map_err(|_| SvidError::Kept("expected a P-256 private key in PKCS#8"))
    }

    /// The public key as an uncompressed point: 0x04, x, y (SEC 1 section 2.3.3).
    pub(crate) fn point(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        self.point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signed = self.0.sign(&SystemRandom::new(), message);
        signed.map(|it| it.as_ref().to_vec()).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
