//! TLS: for listening beyond loopback, with the certificates of clients where they show some, and for
//! calling others.
//!
//! What is believed of a client is an X.509-SVID of our own trust domain, or of one whose bundle a
//! Workload API hands out, under the keys that sign SVIDs at the moment of the handshake. Every connection has a verifier of its own, so no key that was
//! replaced or taken back counts for a later one, and what it believed is this connection's. A client
//! without a certificate comes in; one whose certificate is not believed is refused in the handshake,
//! with an alert that says roughly why.
//!
//! A session is not taken up again where certificates are asked for: it would bring back the
//! certificate of the first handshake, unverified, and a client that renewed its own would go on
//! showing the old one without knowing.

mod expected;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use remit_engine::{Engine, Peer, Trust};
use remit_fetch::trusting;
use remit_listen::Limited;
use remit_spiffe::SvidError;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoClientAuth, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, ServerConfig,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::sync::watch::Receiver;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

pub(crate) use self::expected::Vouching;
use crate::fail::Fail;

/// The way to whoever is at `url`. Only where that is https, this machine's certificates matter; there
/// may be none.
///
/// Errors: the certificates of this machine cannot be read.
pub(crate) fn connector(url: &str) -> Result<HttpsConnector<HttpConnector>, String> {
    let trusted = trusting(None, url.starts_with("https:"))?;
    let builder = HttpsConnectorBuilder::new().with_tls_config(trusted);
    Ok(builder.https_or_http().enable_http1().build())
}

/// What clients' certificates are verified with.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// For the time.
    pub(crate) engine: Arc<Engine>,
    /// What verifies SVIDs, as it is now and from now on.
    pub(crate) trust: Trust,
}

/// How to speak TLS.
#[derive(Clone)]
pub(crate) enum Tls {
    /// With whoever comes.
    Anonymous(TlsAcceptor),
    /// With clients that are asked for certificates.
    Asking {
        /// Our own certificate and its key.
        own: Arc<dyn ResolvesServerCert>,
        provider: Arc<CryptoProvider>,
        clients: Clients,
    },
}

impl Tls {
    /// Reads a certificate chain and its private key, both PEM. With `clients`, those who connect are
    /// asked for certificates.
    ///
    /// Errors: a file cannot be read, holds nothing of the kind, or they do not belong together.
    pub(crate) fn open(
        certificate: &Path,
        key: &Path,
        clients: Option<Clients>,
    ) -> Result<Self, Fail> {
        let said = |path: &Path, why: &dyn fmt::Display| {
            Fail::new(format!("cannot use {} for TLS: {why}", path.display()))
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|why| said(certificate, &why))?;
        let read = PrivateKeyDer::from_pem_file(key).map(Zeroizing::new);
        let key = read.map_err(|why| said(key, &why))?;
        let own = any_supported_type(&key).and_then(|key| {
            let own = CertifiedKey::new(chain, key);
            own.keys_match().map(|()| own)
        });
        let own = own.map_err(|why| said(certificate, &why))?;
        let provider = Arc::new(default_provider());
        Self::with(Arc::new(SingleCertAndKey::from(own)), provider, clients)
    }

    /// With our X.509-SVID, which each handshake takes as it is then: one that is renewed ends no
    /// connection, and before there is one there is none.
    ///
    /// Errors: as [`Self::open`], but for the files.
    pub(crate) fn following(
        svid: Receiver<Option<Arc<CertifiedKey>>>,
        clients: Option<Clients>,
    ) -> Result<Self, Fail> {
        Self::with(Arc::new(Svid(svid)), Arc::new(default_provider()), clients)
    }

    fn with(
        own: Arc<dyn ResolvesServerCert>,
        provider: Arc<CryptoProvider>,
        clients: Option<Clients>,
    ) -> Result<Self, Fail> {
        if let Some(clients) = clients {
            return Ok(Self::Asking { own, provider, clients });
        }
        let config = config(&provider, Arc::new(NoClientAuth), own)?;
        Ok(Self::Anonymous(TlsAcceptor::from(Arc::new(config))))
    }

    /// Shakes hands; the client, if it showed a certificate, which is one of ours then.
    ///
    /// Errors: the handshake fails.
    pub(crate) async fn accept(
        &self,
        stream: Limited<TcpStream>,
    ) -> std::io::Result<(TlsStream<Limited<TcpStream>>, Option<Arc<Peer>>)> {
        let (own, provider, clients) = match self {
            Self::Anonymous(acceptor) => return Ok((acceptor.accept(stream).await?, None)),
            Self::Asking { own, provider, clients } => (own, provider, clients),
        };
        let verifier = Arc::new(Verifier::new(clients.clone(), Arc::clone(provider)));
        let asking = Arc::<Verifier>::clone(&verifier);
        let mut config =
            config(provider, asking, Arc::clone(own)).map_err(std::io::Error::other)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
        // Set by a verification that a finished handshake has confirmed.
        Ok((stream, verifier.believed.get().cloned()))
    }
}

/// Our X.509-SVID.
#[derive(Debug)]
struct Svid(Receiver<Option<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Svid {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().clone()
    }
}

fn config(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ClientCertVerifier>,
    own: Arc<dyn ResolvesServerCert>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(own);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Verifies the certificate of one connection's client, and keeps whom it believed.
struct Verifier {
    clients: Clients,
    provider: Arc<CryptoProvider>,
    /// Whose certificates are asked for.
    names: Vec<DistinguishedName>,
    believed: OnceLock<Arc<Peer>>,
}

impl Verifier {
    fn new(clients: Clients, provider: Arc<CryptoProvider>) -> Self {
        let names = clients.trust.names(clients.engine.now());
        let names = names.into_iter().map(DistinguishedName::from).collect();
        Self { clients, provider, names, believed: OnceLock::new() }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("believed", &self.believed).finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain: Vec<&[u8]> = std::iter::once(leaf).chain(others).map(AsRef::as_ref).collect();
        let now = self.clients.engine.now();
        let peer = Peer::verified(&chain, &self.clients.trust, now).map_err(alert)?;
        drop(self.believed.set(Arc::new(peer)));
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The other end learns of it by a TLS alert alone, which has room for a kind and no words.
fn alert(why: SvidError) -> rustls::Error {
    let kind = match why {
        SvidError::Expired { .. } => CertificateError::Expired,
        SvidError::Future { .. } => CertificateError::NotValidYet,
        SvidError::Foreign | SvidError::Signature | SvidError::Path(_) => {
            CertificateError::UnknownIssuer
        }
        other => CertificateError::Other(OtherError(Arc::new(other))),
    };
    rustls::Error::InvalidCertificate(kind)
}
