//! Issuing X.509-SVIDs, and the certificates that sign them (SPIFFE X.509-SVID sections 2 to 4).

use std::fmt;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, SanType, SerialNumber,
};
use remit_jose::draw_es256;
use remit_model::{Entropy, Timestamp};
use spiffe::{SpiffeId, TrustDomain};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::secret::Certifier;
use crate::{BACKDATE, Generation, SvidError};

/// An X.509-SVID.
#[derive(Clone)]
pub struct X509Svid {
    /// Whose.
    pub id: SpiffeId,
    /// The certificate, DER. The one that signed it stands in the bundle.
    pub certificate: Vec<u8>,
    /// Its private key, PKCS#8 DER.
    pub key: Zeroizing<Vec<u8>>,
    /// When it runs out.
    pub expires: Timestamp,
}

impl fmt::Debug for X509Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X509Svid").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What the signing certificate of generation `number` has beside times and serial number.
pub(crate) fn authority_params(number: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Remit");
    // Each has a name of its own, so that a verifier need not try all of them.
    params.distinguished_name.push(DnType::CommonName, format!("SVID signer {number}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The signing certificate of generation `number` of `domain`, signed by itself.
pub(crate) fn sign_authority(
    (number, domain): (u64, &TrustDomain),
    key: &Certifier,
    times: (Timestamp, Timestamp),
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, SvidError> {
    let mut params = authority_params(number);
    params.subject_alt_names = vec![uri(domain.id_string())?];
    dated(&mut params, times, entropy)?;
    let signed = params.self_signed(key).map_err(|_| SvidError::Crypto("signing a certificate"))?;
    Ok(signed.der().to_vec())
}

/// A leaf with a new key for `id`, good between `from` and the end of `generation` or `until`.
pub(crate) fn sign_leaf(
    generation: &Generation,
    id: &SpiffeId,
    (from, until): (Timestamp, Timestamp),
    entropy: &dyn Entropy,
) -> Result<X509Svid, SvidError> {
    let expires = Timestamp::from_secs(until.min(generation.ends).as_secs());
    if expires <= from {
        return Err(SvidError::TooShort);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Remit");
    params.subject_alt_names = vec![uri(id.to_string())?];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    // RFC 5280 section 4.1.2.5.2: the last second counts, a timestamp that has come does not.
    dated(&mut params, (from, Timestamp(expires.0.saturating_sub(1000))), entropy)?;
    let key = draw_es256(entropy)?;
    let issuer = Issuer::new(authority_params(generation.number), &generation.signer);
    let signed = params
        .signed_by(&Certifier::open(&key)?, &issuer)
        .map_err(|_| SvidError::Crypto("signing a certificate"))?;
    Ok(X509Svid { id: id.clone(), certificate: signed.der().to_vec(), key, expires })
}

fn uri(text: String) -> Result<SanType, SvidError> {
    let text = Ia5String::try_from(text).map_err(|_| SvidError::Crypto("naming a certificate"))?;
    Ok(SanType::URI(text))
}

/// Sets both ends of its life and draws its serial number (RFC 5280 section 4.1.2.2: positive).
fn dated(
    params: &mut CertificateParams,
    (from, until): (Timestamp, Timestamp),
    entropy: &dyn Entropy,
) -> Result<(), SvidError> {
    let date = |at: Timestamp| {
        let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds)
            .map_err(|_| SvidError::Crypto("dating a certificate"))
    };
    let backdated = from.0.saturating_sub(u64::try_from(BACKDATE.as_millis()).unwrap_or_default());
    params.not_before = date(Timestamp(backdated))?;
    params.not_after = date(until)?;
    let mut serial = [0; 16];
    entropy.fill(&mut serial);
    let [first, ..] = &mut serial;
    *first = *first & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}
