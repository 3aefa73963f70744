//! The least that a gateway can cost: hyper in, the method and the tool's name read from the body,
//! hyper out over a kept connection, the bytes back. No identity, no decision, no record.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::fail::Fail;
use crate::service;

/// How many unused connections to the server are kept: more than any round has callers.
const MAX_IDLE: usize = 256;

/// What a gateway must at least have read before it forwards.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    method: &'a str,
    #[serde(borrow)]
    params: Option<Named<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    name: Option<&'a str>,
}

struct Proxy {
    upstream: String,
    host: HeaderValue,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// Serves on `address`, forwarding to the server at `upstream`, until the process ends.
///
/// Errors: the address is taken.
pub(crate) async fn run(address: SocketAddr, upstream: String) -> Result<(), Fail> {
    let host = HeaderValue::from_str(&upstream)?;
    let proxy = Arc::new(Proxy { upstream, host, idle: Mutex::default() });
    service::serve(address, move |request| {
        let proxy = Arc::clone(&proxy);
        async move { Ok(proxy.forward(request).await.unwrap_or_else(|_| unavailable())) }
    })
    .await
}

fn unavailable() -> Response<Full<Bytes>> {
    service::empty(StatusCode::BAD_GATEWAY)
}

impl Proxy {
    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Fail> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let asked: Asked<'_> = serde_json::from_slice(&body)?;
        if asked.method.is_empty() || asked.params.is_some_and(|params| params.name == Some("")) {
            return Ok(service::empty(StatusCode::BAD_REQUEST));
        }
        head.headers.insert(HOST, self.host.clone());
        let mut connection = self.connection().await?;
        let answer = connection.send_request(Request::from_parts(head, Full::new(body))).await?;
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        self.give_back(connection);
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = head.status;
        if let Some(kind) = head.headers.remove(CONTENT_TYPE) {
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        Ok(response)
    }

    fn give_back(&self, connection: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }

    fn kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, Fail> {
        if let Some(mut kept) = self.kept() {
            kept.ready().await?;
            return Ok(kept);
        }
        let stream = TcpStream::connect(&self.upstream).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // The error also reaches whoever waits for the answer.
            drop(driver.await);
        });
        Ok(sender)
    }
}
