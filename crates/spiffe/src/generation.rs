//! One generation of keys: a signing certificate and a JWT key that come and go together.
//!
//! Everything about its life follows from its certificate. With `made` and `ends` the start and
//! end, and `life` between them: it signs from `made` + 1/8 `life` on, so that whoever polls the
//! bundle knows it by then; at `made` + 1/2 `life` the next one is made. So two overlap for half
//! their lives, which is why an SVID may live a quarter of that at most.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use remit_jose::{SigningError, SigningKey, draw_es256};
use remit_model::{Digest, Entropy, Timestamp};
use remit_signer::Signer;
use rustls_pki_types::CertificateDer;
use spiffe::TrustDomain;
use zeroize::Zeroizing;

use crate::secret::Certifier;
use crate::{SvidError, chain, x509};

/// How much earlier than now certificates begin, for peers whose clock is a little behind.
pub const BACKDATE: Duration = Duration::from_secs(10);

/// What has to be kept of a generation.
pub struct Kept {
    /// The key of the signing certificate, PKCS#8 DER.
    pub signer: Zeroizing<Vec<u8>>,
    /// The key of JWT-SVIDs, PKCS#8 DER.
    pub jwt: Zeroizing<Vec<u8>>,
    /// The signing certificate, DER.
    pub certificate: Vec<u8>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(…)")
    }
}

/// One generation of keys. Prints nothing of them.
pub struct Generation {
    pub(crate) number: u64,
    pub(crate) domain: TrustDomain,
    pub(crate) signer: Certifier,
    pub(crate) certificate: CertificateDer<'static>,
    /// The key of JWT-SVIDs.
    pub(crate) jwt: SigningKey,
    pub(crate) made: Timestamp,
    pub(crate) ends: Timestamp,
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .field("kid", &self.jwt.id())
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

fn unusable(_: SigningError) -> SvidError {
    SvidError::Kept("expected an ES256 private key in PKCS#8")
}

impl Generation {
    /// Draws generation `number` of `domain`, of which the next is made after `rotation`.
    ///
    /// Errors: the entropy is broken, or the library fails.
    pub fn draw(
        number: u64,
        domain: &TrustDomain,
        rotation: Duration,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Kept, SvidError> {
        let (signer, jwt) = (draw_es256(entropy)?, draw_es256(entropy)?);
        let ends = now.after(rotation.saturating_mul(2));
        let key = Certifier::open(&signer)?;
        let certificate = x509::sign_authority((number, domain), &key, (now, ends), entropy)?;
        Ok(Kept { signer, jwt, certificate })
    }

    /// Opens what was kept of generation `number`. The secrets in `kept` are copied.
    ///
    /// Errors: they are not what [`Self::draw`] made, or do not belong together.
    pub fn open(number: u64, kept: &Kept) -> Result<Self, SvidError> {
        let jwt = SigningKey::from_pkcs8(&kept.jwt).map_err(unusable)?;
        Self::of(number, (Certifier::open(&kept.signer)?, jwt), kept.certificate.clone())
    }

    /// Generation `number` by the keys that sign its certificates and its tokens, and its certificate.
    ///
    /// Errors: they do not sign by ES256, or do not belong together.
    pub fn new(
        number: u64,
        (signer, jwt): (Arc<dyn Signer>, Arc<dyn Signer>),
        certificate: Vec<u8>,
    ) -> Result<Self, SvidError> {
        let jwt = SigningKey::new(jwt).map_err(unusable)?;
        Self::of(number, (Certifier::new(signer)?, jwt), certificate)
    }

    fn of(
        number: u64,
        (signer, jwt): (Certifier, SigningKey),
        certificate: Vec<u8>,
    ) -> Result<Self, SvidError> {
        let chain::Authorised { domain, from, ends } =
            chain::read_authority(&certificate, signer.point())?;
        let (certificate, made) = (CertificateDer::from(certificate), from.after(BACKDATE));
        Ok(Self { number, domain, signer, certificate, jwt, made, ends })
    }

    /// Its number: the first has 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its name in records.
    pub fn name(&self) -> String {
        format!("svid-{}", self.number)
    }

    /// The trust domain it signs for.
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The SHA-256 of its signing certificate in hex, as others name certificates.
    pub fn certificate_id(&self) -> String {
        Digest::of(&self.certificate).to_string()
    }

    /// The `kid` of its key for JWT-SVIDs: the thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        self.jwt.id()
    }

    /// When it was made.
    pub fn made(&self) -> Timestamp {
        self.made
    }

    /// When it ends, and with it all that it signed.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// Whether it is over at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.ends
    }

    fn life(&self) -> Duration {
        self.ends.since(self.made)
    }

    /// From when on it has been in the bundle for long enough to sign; the only one there is signs
    /// before that.
    pub fn takes_over(&self) -> Timestamp {
        self.made.after(self.life() / 8)
    }

    /// When the next one is due.
    pub fn next_is_due(&self) -> Timestamp {
        self.made.after(self.life() / 2)
    }

    /// How often whoever polls the bundle has to, so as to know a generation before it signs.
    pub(crate) fn refresh(&self) -> Duration {
        self.life() / 16
    }
}
