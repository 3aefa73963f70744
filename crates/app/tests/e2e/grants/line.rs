//! A client over TLS that keeps its connection, with a certificate of its own or without: rustls as
//! anybody would set it up.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use serde_json::Value;
use spiffe::{X509Source, X509Svid};
use spiffe_rustls::{authorizer, mtls_client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::wire::Request;

/// What came back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) challenge: String,
    pub(super) nonce: String,
    pub(super) body: String,
}

impl Reply {
    /// The JSON document in it.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }
}

fn roots(trusted: &Path) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    Arc::new(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// What a client is set up with once, for all its connections.
#[derive(Clone)]
pub(super) struct Setup(Arc<ClientConfig>);

impl Setup {
    /// Trusts the server's certificate in the file `trusted`, and shows `svid` if there is one.
    pub(super) fn new(trusted: &Path, svid: Option<&X509Svid>) -> Self {
        Self::speaking(rustls::ALL_VERSIONS, trusted, svid)
    }

    /// The same in these versions of TLS only.
    pub(super) fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        trusted: &Path,
        svid: Option<&X509Svid>,
    ) -> Self {
        let shown = svid.map(|svid| {
            let chain = svid.cert_chain().iter();
            let chain = chain.map(|it| CertificateDer::from(it.as_bytes().to_vec())).collect();
            (chain, svid.private_key().as_bytes().to_vec())
        });
        Self::with(versions, trusted, shown)
    }

    /// Shows any certificate and key, whoever made them.
    pub(super) fn with(
        versions: &[&'static SupportedProtocolVersion],
        trusted: &Path,
        shown: Option<(Vec<CertificateDer<'static>>, Vec<u8>)>,
    ) -> Self {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots(trusted));
        let config = match shown {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self(Arc::new(config))
    }

    /// Shows a certificate and signs with whatever key.
    pub(super) fn resolving(trusted: &Path, shown: CertifiedKey) -> Self {
        let Self(config) = Self::new(trusted, None);
        let mut config = ClientConfig::clone(&config);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(shown));
        Self(Arc::new(config))
    }

    /// Shows whatever SVID `source` holds at each connection, as the `spiffe-rustls` crate has it. The
    /// server is known by its name here, not by an SVID.
    pub(super) fn following(trusted: &Path, source: X509Source) -> Self {
        let anyone = authorizer::any();
        let mut config = mtls_client(source).authorize(anyone).build().unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(roots(trusted), provider());
        config.dangerous().set_certificate_verifier(verifier.build().unwrap());
        Self(Arc::new(config))
    }

    /// The same, and the server is known by its SPIFFE ID.
    pub(super) fn meeting(source: X509Source, server: &str) -> Self {
        let only = authorizer::exact([server]).unwrap();
        Self(Arc::new(mtls_client(source).authorize(only).build().unwrap()))
    }

    /// The same, but shows an SVID of somebody's choice.
    pub(super) fn meeting_with(source: X509Source, server: &str, svid: &X509Svid) -> Self {
        let Self(config) = Self::meeting(source, server);
        let chain = svid.cert_chain().iter();
        let chain = chain.map(|it| CertificateDer::from(it.as_bytes().to_vec())).collect();
        let key = PrivatePkcs8KeyDer::from(svid.private_key().as_bytes().to_vec());
        let shown = CertifiedKey::from_der(chain, key.into(), &provider()).unwrap();
        let mut config = ClientConfig::clone(&config);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(shown));
        Self(Arc::new(config))
    }

    /// Connects. One whose certificate is refused learns that from what it reads first.
    pub(super) async fn connect(&self, address: &str) -> Result<Line, String> {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await;
        let mut stream = stream.map_err(|why| why.to_string())?;
        // It may be refused by now, which the alert says better than the broken pipe.
        let _ = stream
            .write_all(format!("HEAD / HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
            .await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = stream.read_buf(&mut head).await.map_err(|why| why.to_string())?;
            assert_ne!(read, 0, "an answer or an alert");
        }
        let kind = stream.get_ref().1.handshake_kind();
        let server = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Ok(Line { address: address.to_owned(), sender, kind, server })
    }
}

/// A connection.
pub(super) struct Line {
    address: String,
    sender: SendRequest<Full<Bytes>>,
    /// Whether the handshake was a whole one.
    pub(super) kind: Option<HandshakeKind>,
    /// The server's certificate.
    server: Vec<u8>,
}

impl Line {
    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: String,
    ) -> Result<Reply, hyper::Error> {
        let mut request = hyper::Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name == "Host") {
            request = request.header("host", &self.address);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
        };
        let (challenge, nonce) = (header("www-authenticate"), header("dpop-nonce"));
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Reply { status, challenge, nonce, body })
    }

    /// The server's certificate.
    pub(super) fn server(&self) -> Vec<u8> {
        self.server.clone()
    }

    /// Reads a document.
    pub(super) async fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, &[], String::new()).await.unwrap()
    }

    /// Sends a form, with a proof if there is one.
    pub(super) async fn post(
        &mut self,
        path: &str,
        proof: Option<&str>,
        form: &[(&str, &str)],
    ) -> Reply {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let kind = "application/x-www-form-urlencoded".to_owned();
        let mut headers = vec![("Content-Type".to_owned(), kind)];
        headers.extend(proof.map(|proof| ("DPoP".to_owned(), proof.to_owned())));
        self.ask("POST", path, &headers, form).await.unwrap()
    }

    /// Sends a message to the endpoint.
    pub(super) async fn send(&mut self, request: &Request) -> Reply {
        self.ask("POST", "/mcp", &request.headers, request.body.to_string()).await.unwrap()
    }

    /// Reads a note with a grant in the header `Authorization`, as `scheme`.
    pub(super) async fn call(&mut self, (scheme, token): (&str, &str)) -> Reply {
        let params = serde_json::json!({"name": "notes__read_note", "arguments": {"title": "a"}});
        let request = Request::new(&self.address, token, "tools/call", params);
        self.send(&request.with("Authorization", Some(&format!("{scheme} {token}")))).await
    }
}
