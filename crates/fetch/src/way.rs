//! The way to a server: TLS, one request, one answer of bounded size.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, StatusCode, request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use zeroize::Zeroizing;

use crate::Address;
use crate::trust::trusting;

/// How long it may take to get what is asked for, in all: somebody waits for it.
pub const ANSWER: Duration = Duration::from_secs(10);
/// Bytes an answer may have. The bundle of a large trust domain has some tens of kilobytes.
pub const MAX_DOCUMENT: usize = 256 << 10;

/// The way to one server and those that it names.
pub struct Way(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// What a server answered, whatever its status; redirects are errors.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, which may hold secrets.
    pub body: Zeroizing<Vec<u8>>,
}

impl Way {
    /// The way, with the certificates in `ca_file` as they are now, or those of this machine if there is
    /// none and `tls` is to be spoken.
    ///
    /// Errors: the certificates cannot be used.
    pub async fn open(ca_file: Option<PathBuf>, tls: bool) -> Result<Self, String> {
        let opened = tokio::task::spawn_blocking(move || Self::read(ca_file.as_deref(), tls)).await;
        opened.unwrap_or_else(|why| Err(why.to_string()))
    }

    fn read(ca_file: Option<&Path>, tls: bool) -> Result<Self, String> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(trusting(ca_file, tls)?);
        let connector = builder.https_or_http().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// The document at `url`, asked for with these credentials.
    ///
    /// Errors: no answer within bounds, or another than 200, in words.
    pub async fn get(
        &self,
        url: &Address,
        authorization: Option<&HeaderValue>,
    ) -> Result<String, String> {
        let request = Request::get(url.uri().clone());
        let Answer { status, mut body } =
            self.send(url, request, (authorization, Bytes::new())).await?;
        if status != StatusCode::OK {
            return Err(format!("{url} answered with status {status}"));
        }
        let body = std::mem::take(&mut *body);
        String::from_utf8(body).map_err(|_| format!("{url} answered with no text"))
    }

    /// Posts `form` to `url` with these credentials.
    ///
    /// Errors: no answer within bounds, or a redirect, in words.
    pub async fn post(
        &self,
        url: &Address,
        authorization: Option<&HeaderValue>,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        // Reserved at once, since growing would leave copies of what may be secret: an escaped byte takes
        // three.
        let length: usize =
            form.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
        let text = String::with_capacity(length);
        let text = form_urlencoded::Serializer::new(text).extend_pairs(form).finish();
        let body = Bytes::from_owner(Zeroizing::new(text.into_bytes()));
        let request = Request::post(url.uri().clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(url, request, (authorization, body)).await
    }

    /// Posts `body` to `url` with `headers`, such as a signature over both.
    ///
    /// Errors: as [`Self::post`].
    pub async fn post_as(
        &self,
        url: &Address,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, String> {
        let mut request = Request::post(url.uri().clone());
        if let Some(own) = request.headers_mut() {
            own.extend(headers);
        }
        self.send(url, request, (None, body)).await
    }

    async fn send(
        &self,
        url: &Address,
        mut request: request::Builder,
        (authorization, body): (Option<&HeaderValue>, Bytes),
    ) -> Result<Answer, String> {
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if request.headers_ref().is_some_and(|own| !own.contains_key(ACCEPT)) {
            request = request.header(ACCEPT, "application/json");
        }
        let request = request
            .header(USER_AGENT, concat!("remit/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|why| why.to_string())?;
        let response = self.0.request(request).await;
        let response = response.map_err(|why| format!("{url}: {}", chain(&why)))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("{url} redirects ({status}), which is not followed"));
        }
        let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
        let body = body.map_err(|why| format!("{url}: {}", chain(&*why)))?.to_bytes();
        Ok(Answer { status, body: Zeroizing::new(body.into()) })
    }
}

/// Ends `work` when it takes longer than [`ANSWER`].
///
/// Errors: those of `work`, and that there was no answer.
pub async fn in_time<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(ANSWER, work)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())))
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}
