//! Forwards requests of the processes that we started, with the grant and a proof beside it.

use std::convert::Infallible;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::grant::Holder;
use crate::fail::Fail;
use crate::serve::PATH;

/// Connections at a time (R13); further ones wait.
const MAX_CONNECTIONS: usize = 128;
/// How long the head of a request may take (R13).
const HEAD: Duration = Duration::from_secs(30);
/// The same for whoever has no business here.
const STRANGERS_HEAD: Duration = Duration::from_secs(1);
/// The largest request, in bytes (R13): it is kept until it is answered, because a proof may be asked for
/// once more.
const MAX_REQUEST: usize = 16 * 1024 * 1024;
/// Headers that are about one connection, or say who somebody is.
const NOT_FORWARDED: [HeaderName; 6] =
    [AUTHORIZATION, CONNECTION, HOST, PROOF, TRANSFER_ENCODING, UPGRADE];

const PROOF: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

type Body = BoxBody<Bytes, hyper::Error>;

/// What forwards.
pub(super) struct Proxy {
    holder: Holder,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Scheme and authority of the Remit that is forwarded to.
    origin: String,
    ours: SocketAddrV4,
    /// What is forwarded there.
    path: String,
    started: u32,
}

impl Proxy {
    /// Forwards to where `holder`'s grant is accepted what comes to `path` at `ours` from the process `started` and
    /// those that descend from it.
    ///
    /// Errors: the endpoint is no address, or there is no way to it.
    pub(super) fn new(
        holder: Holder,
        (ours, path): (SocketAddr, String),
        started: u32,
    ) -> Result<Self, Fail> {
        let SocketAddr::V4(ours) = ours else {
            return Err(Fail::new(format!("expected an IPv4 address to listen on, got {ours}")));
        };
        let origin = holder.endpoint.strip_suffix(PATH).map(str::to_owned);
        let origin = origin.ok_or_else(|| {
            Fail::new(format!(
                "expected an endpoint that ends in `{PATH}`, got {}",
                holder.endpoint
            ))
        })?;
        let connector = crate::tls::connector(&origin).map_err(Fail::new)?;
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { holder, client, origin, ours, path, started })
    }

    /// Serves until `stop` fires.
    pub(super) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let (proxy, places) = (Arc::new(self), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = async {
                    let place = Arc::clone(&places).acquire_owned().await;
                    (listener.accept().await, place)
                } => accepted,
            };
            let (Ok((stream, peer)), Ok(place)) = accepted else { continue };
            let (proxy, stop) = (Arc::clone(&proxy), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = proxy.connection(stream, peer) => {}
                }
                drop(place);
            });
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let (started, ours) = (self.started, self.ours);
        let comes = tokio::task::spawn_blocking(move || match peer {
            SocketAddr::V4(peer) => remit_attest::loopback::comes_from(started, peer, ours),
            SocketAddr::V6(_) => Ok(false),
        });
        let known = matches!(comes.await, Ok(Ok(true)));
        let service = service_fn(move |request| {
            let proxy = Arc::clone(&self);
            async move { Ok::<_, Infallible>(proxy.answer(request, known).await) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(if known { HEAD } else { STRANGERS_HEAD })
            .keep_alive(known)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(why) = served {
            tracing::debug!(%why, "a connection broke");
        }
    }

    async fn answer(&self, request: Request<Incoming>, known: bool) -> Response<Body> {
        if !known {
            let why = "only what `remit run` started finds its tools here";
            return failure(StatusCode::FORBIDDEN, why);
        }
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        if host != Some(self.ours.to_string().as_str()) {
            // A page in the agent's own browser, talked into it by its name's address.
            let why = format!("expected the host {}", self.ours);
            return failure(StatusCode::MISDIRECTED_REQUEST, &why);
        }
        if !self.serves(request.uri().path()) {
            let why = format!("nothing but {} is served here", self.path);
            return failure(StatusCode::NOT_FOUND, &why);
        }
        match self.forward(request).await {
            Ok(response) => response,
            Err(why) => failure(StatusCode::BAD_GATEWAY, &why.to_string()),
        }
    }

    /// The endpoint that was handed out; that of all servers has those of each below.
    fn serves(&self, path: &str) -> bool {
        let below = path.strip_prefix(PATH).is_some_and(|below| below.starts_with('/'));
        path == self.path || self.path == PATH && below
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Body>, Fail> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_REQUEST).collect().await.map_err(|why| {
            Fail::new(format!("expected a request of at most {MAX_REQUEST} bytes: {why}"))
        })?;
        let body = body.to_bytes();
        let first = self.send(&head, body.clone()).await?;
        let asks = first.status() == StatusCode::UNAUTHORIZED && self.remember(first.headers());
        // A proof with the nonce that came just now.
        let response = if asks { self.send(&head, body).await? } else { first };
        self.remember(response.headers());
        let (mut head, body) = response.into_parts();
        head.headers.remove(&NONCE);
        Ok(Response::from_parts(head, body.boxed()))
    }

    async fn send(
        &self,
        head: &http::request::Parts,
        body: Bytes,
    ) -> Result<Response<Incoming>, Fail> {
        let url = format!("{}{}", self.origin, head.uri.path());
        let token = self.holder.token().await;
        let proof = self.holder.proof(head.method.as_str(), &url, &token)?;
        let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = format!("{url}{query}").parse::<Uri>()?;
        let headers = request.headers_mut();
        for (name, value) in &head.headers {
            if !NOT_FORWARDED.contains(name) {
                headers.append(name, value.clone());
            }
        }
        headers.insert(AUTHORIZATION, secret(&format!("DPoP {token}"))?);
        headers.insert(PROOF, secret(&proof)?);
        Ok(self.client.request(request).await?)
    }

    /// Remembers the nonce that an answer brought; whether it did.
    fn remember(&self, headers: &HeaderMap) -> bool {
        let nonce = headers.get(&NONCE).and_then(|nonce| nonce.to_str().ok());
        nonce.is_some_and(|nonce| {
            self.holder.remember(nonce);
            true
        })
    }
}

fn secret(text: &str) -> Result<HeaderValue, Fail> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn failure(status: StatusCode, why: &str) -> Response<Body> {
    let body = serde_json::json!({ "error": why }).to_string();
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
