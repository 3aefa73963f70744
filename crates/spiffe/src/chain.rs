//! Verifying X.509-SVIDs (SPIFFE X.509-SVID section 5).
//!
//! `rustls-webpki` follows a chain to the bundle. Beside it stand the rules that are SPIFFE's own and
//! that no general verifier knows: one URI, no signing leaf.

use std::time::Duration;

use remit_model::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use spiffe::{SpiffeId, TrustDomain};
use webpki::{EndEntityCert, anchor_from_trusted_cert};
use x509_parser::extensions::{GeneralName, KeyUsage, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

#[cfg(doc)]
use crate::{Authority, ForeignRoots};
use crate::{BundleError, SvidError, id};

/// How many certificates of a chain are read (R13): the leaf, and intermediates of others.
pub const MAX_CHAIN: usize = 8;

/// An X.509-SVID that was followed to the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedX509 {
    /// Whose.
    pub id: SpiffeId,
    /// From when on it is no longer good.
    pub expires: Timestamp,
    /// What signed it: a generation of ours by its `kid`, a certificate of others by its digest.
    /// [`Authority::vouches_for`] and [`ForeignRoots::vouches_for`] look for it again.
    pub(crate) signer: String,
}

/// What a signing certificate says.
pub(crate) struct Authorised {
    pub(crate) domain: TrustDomain,
    pub(crate) from: Timestamp,
    pub(crate) ends: Timestamp,
}

/// Reads a signing certificate of ours, whose public key must be `point`.
pub(crate) fn read_authority(der: &[u8], point: &[u8]) -> Result<Authorised, SvidError> {
    let kept = SvidError::Kept;
    let read = read(der).map_err(|_| kept("its certificate is none"))?;
    if !read.usage.key_cert_sign() {
        return Err(kept("its certificate may not sign others"));
    }
    if read.certificate.public_key().subject_public_key.data.as_ref() != point {
        return Err(kept("its certificate belongs to another key"));
    }
    let id = single_uri(&read).map_err(|_| kept("its certificate does not name one SPIFFE ID"))?;
    if !id.path().is_empty() {
        return Err(kept("its certificate names a workload instead of a trust domain"));
    }
    let validity = read.certificate.validity();
    let (from, ends) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Ok(Authorised { domain: id.trust_domain().clone(), from: seconds(from), ends: seconds(ends) })
}

/// The subject of a certificate in DER.
pub(crate) fn subject(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.subject().as_raw().to_vec())
}

/// Nobody vouches for a trust domain that is not theirs: what a signing certificate that came as one of
/// `domain` names, if it names one, must be that.
///
/// Errors: it names another, or is no certificate.
pub(crate) fn check_authority(
    der: &[u8],
    domain: &str,
    ours: &TrustDomain,
) -> Result<(), BundleError> {
    match authority_domain(der)? {
        Some(named) if named == *ours => Err(BundleError::Ours),
        Some(named) if named.as_str() != domain => Err(BundleError::Other(domain.to_owned())),
        _ => Ok(()),
    }
}

/// The trust domain that a signing certificate names, if it names one (X.509-SVID section 4.1 advises
/// that).
fn authority_domain(der: &[u8]) -> Result<Option<TrustDomain>, BundleError> {
    let form = |why: &str| BundleError::Form(why.to_owned());
    let read = read(der).map_err(|_| form("a certificate is not X.509"))?;
    match read.uris.as_slice() {
        [] => Ok(None),
        [_] => single_uri(&read)
            .map(|id| Some(id.trust_domain().clone()))
            .map_err(|_| form("a signing certificate names something else than a SPIFFE ID")),
        _ => Err(form("a signing certificate names more than one URI")),
    }
}

/// See [`Authority::verify_x509`] and [`ForeignRoots::verify_x509`]. `roots` are the signing certificates
/// of a trust domain, each in DER and with what it is called; `None` where it is not known.
pub(crate) fn verify<'a>(
    chain: &[&[u8]],
    now: Timestamp,
    roots: impl FnOnce(&TrustDomain) -> Option<Vec<(&'a [u8], &'a str)>>,
) -> Result<VerifiedX509, SvidError> {
    let [leaf, intermediates @ ..] = chain else {
        return Err(SvidError::Certificates("there is none"));
    };
    if chain.len() > MAX_CHAIN {
        return Err(SvidError::Certificates("there are more"));
    }
    let read = read(leaf)?;
    let id = leaf_id(&read)?;
    let roots = roots(id.trust_domain()).ok_or(SvidError::Foreign)?;
    let roots: Vec<_> =
        roots.into_iter().map(|(der, name)| (CertificateDer::from(der), name)).collect();
    let signers = roots.iter().filter_map(|(certificate, name)| {
        Some((anchor_from_trusted_cert(certificate).ok()?, *name))
    });
    let (anchors, names): (Vec<_>, Vec<_>) = signers.unzip();
    let intermediates: Vec<_> =
        intermediates.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    let der = CertificateDer::from(*leaf);
    let end = EndEntityCert::try_from(&der).map_err(|why| SvidError::Path(why.to_string()))?;
    let path = end
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &intermediates,
            UnixTime::since_unix_epoch(now.since(Timestamp(0))),
            webpki::KeyUsage::client_auth(),
            None,
            None,
        )
        .map_err(|why| path_error(&why))?;
    let mut signers = anchors.iter().zip(names);
    let signer = signers.find(|(anchor, _)| *anchor == path.anchor()).map(|(_, name)| name);
    let signer = signer.ok_or(SvidError::NoKey)?.to_owned();
    // RFC 5280 section 4.1.2.5: the last second counts.
    let last = seconds(read.certificate.validity().not_after.timestamp());
    Ok(VerifiedX509 { id, expires: last.after(Duration::from_secs(1)), signer })
}

fn seconds(at: i64) -> Timestamp {
    Timestamp::from_secs(u64::try_from(at).unwrap_or_default())
}

fn path_error(why: &webpki::Error) -> SvidError {
    match why {
        webpki::Error::CertExpired { not_after, .. } => {
            SvidError::Expired { at: Timestamp::from_secs(not_after.as_secs()) }
        }
        webpki::Error::CertNotValidYet { not_before, .. } => {
            SvidError::Future { at: Timestamp::from_secs(not_before.as_secs()) }
        }
        webpki::Error::InvalidSignatureForPublicKey => SvidError::Signature,
        other => SvidError::Path(other.to_string()),
    }
}

/// A certificate, and what of it matters to SPIFFE.
struct Read<'a> {
    certificate: X509Certificate<'a>,
    uris: Vec<String>,
    is_authority: bool,
    /// Nothing, if the certificate does not say.
    usage: KeyUsage,
    /// `None` if the certificate does not say.
    for_tls: Option<bool>,
}

fn read(der: &[u8]) -> Result<Read<'_>, SvidError> {
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| SvidError::Certificates("one is not X.509"))?;
    if !rest.is_empty() {
        return Err(SvidError::Certificates("one has something behind it"));
    }
    let mut read = Read {
        uris: Vec::new(),
        is_authority: false,
        usage: KeyUsage { flags: 0 },
        for_tls: None,
        certificate: certificate.clone(),
    };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                let uris = names.general_names.iter().filter_map(|name| match name {
                    GeneralName::URI(uri) => Some((*uri).to_owned()),
                    _ => None,
                });
                read.uris.extend(uris);
            }
            ParsedExtension::BasicConstraints(basic) => read.is_authority = basic.ca,
            ParsedExtension::KeyUsage(usage) => read.usage = *usage,
            ParsedExtension::ExtendedKeyUsage(usage) => {
                read.for_tls = Some(usage.server_auth && usage.client_auth);
            }
            ParsedExtension::ParseError { .. } => {
                return Err(SvidError::Certificates("an extension cannot be read"));
            }
            _ => {}
        }
    }
    Ok(read)
}

/// Whose leaf it is (X.509-SVID sections 2, 4 and 5).
fn leaf_id(read: &Read<'_>) -> Result<SpiffeId, SvidError> {
    if read.is_authority {
        return Err(SvidError::Leaf("it may sign other certificates (CA:TRUE)"));
    }
    if read.usage.key_cert_sign() || read.usage.crl_sign() {
        return Err(SvidError::Leaf("its key usage is that of a signing certificate"));
    }
    if !read.usage.digital_signature() {
        return Err(SvidError::Leaf("its key usage does not name `digitalSignature`"));
    }
    if read.for_tls == Some(false) {
        return Err(SvidError::Leaf(
            "its extended key usage is not both `serverAuth` and `clientAuth`",
        ));
    }
    let id = single_uri(read)?;
    if id.path().is_empty() {
        return Err(SvidError::Leaf("its SPIFFE ID names a trust domain and no workload"));
    }
    Ok(id)
}

fn single_uri(read: &Read<'_>) -> Result<SpiffeId, SvidError> {
    match read.uris.as_slice() {
        [one] => id::read(one).map_err(|_| SvidError::Leaf("its URI is not a SPIFFE ID")),
        [] => Err(SvidError::Leaf("it names no URI")),
        _ => Err(SvidError::Leaf("it names more than one URI")),
    }
}
