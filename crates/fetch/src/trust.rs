//! Whose certificates are believed.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use rustls::client::WantsClientCert;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// Trusts the certificates in `ca_file` as they are now and no other, or those of this machine if there
/// is no such file. Reads files.
///
/// Errors: they cannot be used.
pub fn trusting(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let builder: ConfigBuilder<ClientConfig, WantsClientCert> = match ca_file {
        Some(file) => builder()?.with_root_certificates(certificates(file)?),
        None => builder()?
            .with_native_roots()
            .map_err(|why| format!("the certificates of this machine cannot be read: {why}"))?,
    };
    Ok(builder.with_no_client_auth())
}

/// Trusts nobody: for a way on which no TLS is spoken.
pub(crate) fn nobody() -> Result<ClientConfig, String> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    builder.with_safe_default_protocol_versions().map_err(|why| why.to_string())
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
