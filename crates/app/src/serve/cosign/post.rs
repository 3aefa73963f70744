//! HTTP to a witness: one small request, one small answer, within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use remit_tlog::witness::{ADD_CHECKPOINT, origin_hash};

/// How long a witness may take; it reads a few kilobytes and syncs a file.
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes an answer may have: signature lines, a checkpoint, or a sentence.
const MAX_ANSWER: usize = 64 << 10;

/// The way to one witness.
pub(crate) struct Post {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    prefix: String,
}

/// What came back.
pub(crate) struct Posted {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: String,
}

impl Post {
    /// The way to the witness at `url`.
    ///
    /// Errors: the certificates of this machine cannot be read.
    pub(crate) fn new(url: &str) -> Result<Self, String> {
        let connector = crate::tls::connector(url)?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, prefix: url.trim_end_matches('/').to_owned() })
    }

    /// Submits a checkpoint.
    ///
    /// Errors: no answer within bounds, in words.
    pub(crate) async fn submit(&self, submission: String) -> Result<Posted, String> {
        self.ask(Method::POST, ADD_CHECKPOINT, submission.into()).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Posted, String> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.prefix))
            .header(header::USER_AGENT, concat!("remit/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(Full::new(body))
            .map_err(|why| why.to_string())?;
        let answered = async {
            let response = self.client.request(request).await.map_err(|why| chain(&why))?;
            let (head, body) = response.into_parts();
            let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let kind = kind.unwrap_or_default().to_owned();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|why| chain(&*why))?.to_bytes();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Posted { status: head.status.as_u16(), kind, body })
        };
        tokio::time::timeout(ANSWER, answered)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER.as_secs())))
    }
}

/// What the witness at `url` shows as the newest checkpoint it cosigned of the log `origin`; `None`
/// if it cosigned none.
///
/// Errors: no answer within bounds, in words.
pub(crate) async fn fetch(url: &str, origin: &str) -> Result<Option<String>, String> {
    let path = format!("{}/checkpoint", origin_hash(origin));
    let answer = Post::new(url)?.ask(Method::GET, &path, Bytes::new()).await?;
    match StatusCode::from_u16(answer.status) {
        Ok(StatusCode::OK) => Ok(Some(answer.body)),
        Ok(StatusCode::NOT_FOUND) => Ok(None),
        _ => Err(format!("it answered with status {}", answer.status)),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
