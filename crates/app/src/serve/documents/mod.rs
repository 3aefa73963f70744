//! Brings the documents by which clients introduce themselves, from addresses that somebody else chose.
//!
//! So nothing is reached that only this machine could (server-side request forgery): the name is resolved
//! once, every address of it must be public, and the connection goes to one of those very addresses, not to
//! what the name means a moment later. No redirect is followed, no credential sent; bytes and time are
//! bounded.

mod address;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use remit_consent::{Clients, Documents, Fetched, MAX_DOCUMENT, Reach};
use remit_fetch::trusting;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use self::address::is_public;
use crate::config::Config;
use crate::fail::Fail;

/// How long it may take from the name to the last byte: a person waits.
const ANSWER: Duration = Duration::from_secs(5);

/// The port of https, the only one that is reached out there.
const PORT: u16 = 443;

/// The clients of a configuration, which documents from the web introduce.
///
/// Errors: one of them is not of the form that its kind needs.
pub(crate) fn clients(config: &Config) -> Result<Arc<Clients>, Fail> {
    let clients = Clients::new(Box::new(Web));
    clients.configure(config.clients()?);
    Ok(Arc::new(clients))
}

/// Documents from the web.
#[derive(Debug)]
struct Web;

impl Documents for Web {
    fn fetch<'a>(&'a self, url: &'a str, reach: Reach) -> Fetched<'a> {
        Box::pin(async move {
            tokio::time::timeout(ANSWER, brought(url, reach))
                .await
                .unwrap_or_else(|_| Err(format!("it did not come within {} s", ANSWER.as_secs())))
        })
    }
}

async fn brought(url: &str, reach: Reach) -> Result<Vec<u8>, String> {
    let uri: Uri = url.parse().map_err(|_| "its address cannot be read".to_owned())?;
    let host = uri.host().ok_or("its address has no host")?;
    let port = uri.port_u16().unwrap_or(PORT);
    let found = lookup_host((host, port)).await;
    let found: Vec<SocketAddr> = found.map_err(|_| "its host is not found".to_owned())?.collect();
    if reach == Reach::Public && (port != PORT || !found.iter().all(|it| is_public(it.ip()))) {
        return Err("its address is none that everybody reaches".to_owned());
    }
    let unreachable = |_| "its host is not reached".to_owned();
    let stream = TcpStream::connect(found.as_slice()).await.map_err(unreachable)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|why| why.to_string())?;
    // It reads the certificates of this machine.
    let trusted = tokio::task::spawn_blocking(|| trusting(None, true)).await;
    let trusted = trusted.unwrap_or_else(|why| Err(why.to_string()))?;
    let tls = TlsConnector::from(Arc::new(trusted));
    let stream = tls.connect(name, stream).await.map_err(|why| format!("TLS failed: {why}"))?;
    get(stream, &uri).await
}

async fn get(
    stream: tokio_rustls::client::TlsStream<TcpStream>,
    uri: &Uri,
) -> Result<Vec<u8>, String> {
    let broken = |why: hyper::Error| format!("the connection broke: {why}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get(uri.path())
        .header(header::HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("remit/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|why| why.to_string())?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return Err(format!("its host answered with status {}", head.status.as_u16()));
        }
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(is_json) {
            return Err("it is not of the type `application/json`".to_owned());
        }
        let body = Limited::new(body, MAX_DOCUMENT).collect().await;
        let body =
            body.map_err(|_| format!("it is larger than {MAX_DOCUMENT} bytes, or broke off"))?;
        Ok(body.to_bytes().to_vec())
    };
    // The connection makes progress only while it is polled, and ends with the answer.
    tokio::select! {
        answered = answered => answered,
        ended = connection => Err(ended.err().map_or_else(
            || "the connection ended before the answer".to_owned(),
            broken,
        )),
    }
}

/// `application/json`, or a type that ends in `+json`.
fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}
