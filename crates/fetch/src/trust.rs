//! Whose certificates are believed.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Trusts the certificates in `ca_file` as they are now and no other; without such a file those of this
/// machine if `tls` is to be spoken, else nobody: there may be none. Reads files.
///
/// Errors: they cannot be used.
pub fn trusting(ca_file: Option<&Path>, tls: bool) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|why| why.to_string())?;
    let builder = match ca_file {
        Some(file) => builder.with_root_certificates(certificates(file)?),
        None if tls => builder
            .with_native_roots()
            .map_err(|why| format!("the certificates of this machine cannot be read: {why}"))?,
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}

fn certificates(file: &Path) -> Result<RootCertStore, String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|why| said(&why))? {
        let certificate = certificate.map_err(|why| said(&why))?;
        roots.add(certificate).map_err(|why| said(&why))?;
    }
    if roots.is_empty() { Err(said(&"it holds no certificate")) } else { Ok(roots) }
}
