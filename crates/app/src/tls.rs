//! TLS for listening beyond loopback.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::fail::Fail;

/// An acceptor for a certificate chain and its private key, both PEM.
///
/// Errors: a file cannot be read, holds nothing of the kind, or they do not belong together.
pub(crate) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, Fail> {
    let said = |path: &Path, why: &dyn std::fmt::Display| {
        Fail::new(format!("cannot use {} for TLS: {why}", path.display()))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|why| said(certificate, &why))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|why| said(key, &why))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|why| said(certificate, &why))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
