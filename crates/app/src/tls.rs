//! TLS: for listening beyond loopback, and for calling others.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsAcceptor;

use crate::fail::Fail;

/// The way to whoever is at `url`. Only where that is https, this machine's certificates matter; there
/// may be none.
///
/// Errors: the certificates of this machine cannot be read.
pub(crate) fn connector(url: &str) -> Result<HttpsConnector<HttpConnector>, String> {
    let builder = HttpsConnectorBuilder::new();
    let builder = if url.starts_with("https:") {
        builder
            .with_provider_and_native_roots(default_provider())
            .map_err(|why| format!("the certificates of this machine cannot be read: {why}"))?
    } else {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|why| why.to_string())?;
        builder.with_tls_config(
            config.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        )
    };
    Ok(builder.https_or_http().enable_http1().build())
}

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
    let provider = Arc::new(default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|why| said(certificate, &why))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
