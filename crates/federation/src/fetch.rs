//! One document over HTTP, within bounds.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::{Access, Address};

/// How long it may take to get what is asked for, in all: somebody waits for it.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// Bytes a document may have. The bundle of a large trust domain has some tens of kilobytes.
const MAX_DOCUMENT: usize = 256 << 10;
/// Bytes of a file with a bearer token that are sent.
const MAX_TOKEN: usize = 16 << 10;

/// The way to one server and those that it names.
pub(crate) struct Way {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    bearer: Option<HeaderValue>,
}

impl Way {
    /// The way, with the certificates and the token of `access` as they are now.
    ///
    /// Errors: one of the files cannot be used.
    pub(crate) async fn open(access: &Access, tls: bool) -> Result<Self, String> {
        let access = access.clone();
        let opened = tokio::task::spawn_blocking(move || Self::read(&access, tls)).await;
        opened.unwrap_or_else(|why| Err(why.to_string()))
    }

    fn read(access: &Access, tls: bool) -> Result<Self, String> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match &access.ca_file {
            None if tls => builder
                .with_provider_and_native_roots(default_provider())
                .map_err(|why| format!("the certificates of this machine cannot be read: {why}"))?,
            file => builder.with_tls_config(trusting(file.as_deref())?),
        };
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let bearer = access.token_file.as_deref().map(bearer).transpose()?;
        Ok(Self { client, bearer })
    }

    /// The document at `url`; the bearer token goes along only if `trusted`.
    ///
    /// Errors: no answer within bounds, or another than 200, in words.
    pub(crate) async fn get(&self, url: &Address, trusted: bool) -> Result<String, String> {
        let mut request = Request::get(url.uri().clone())
            .header(USER_AGENT, concat!("remit/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        if let Some(bearer) = self.bearer.as_ref().filter(|_| trusted) {
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request.body(Empty::new()).map_err(|why| why.to_string())?;
        let response = self.client.request(request).await;
        let response = response.map_err(|why| format!("{url}: {}", chain(&why)))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("{url} redirects ({status}), which is not followed"));
        }
        if status != StatusCode::OK {
            return Err(format!("{url} answered with status {status}"));
        }
        let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
        let body = body.map_err(|why| format!("{url}: {}", chain(&*why)))?.to_bytes();
        String::from_utf8(body.into()).map_err(|_| format!("{url} answered with no text"))
    }
}

/// Ends `work` when it takes too long.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(ANSWER, work)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())))
}

/// Trusts the certificates in `file` and no other.
fn trusting(file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        let said = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(|why| said(&why))? {
            let certificate = certificate.map_err(|why| said(&why))?;
            roots.add(certificate).map_err(|why| said(&why))?;
        }
        if roots.is_empty() {
            return Err(said(&"it holds no certificate"));
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|why| why.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn bearer(file: &Path) -> Result<HeaderValue, String> {
    let said = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let token = std::fs::read_to_string(file).map_err(|why| said(&why))?;
    let token = Some(token.trim()).filter(|token| (1..=MAX_TOKEN).contains(&token.len()));
    let token = token.ok_or_else(|| said(&"it holds no token"))?;
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| said(&"it holds no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
