//! The network listener: the connections of MCP clients, each served by a task of its own.
//!
//! Nobody has proved anything before a grant is read, so what a mere connection can cost is bounded
//! here: how many there are, how long a TLS handshake and the head of a request may take, and how long
//! an answer may be left unread (promise R13). One that is slow keeps nobody else waiting.

mod patience;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::http::Extensions;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use remit_listen::{Accept, Connection, limited};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::patience::Patience;
use crate::tls::Tls;

/// What a connection may cost before anybody has proved anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many may be open; further ones wait to be accepted.
    pub(crate) connections: usize,
    /// How long a TLS handshake may take.
    pub(crate) handshake: Duration,
    /// How long a client may take to send the head of a request, counted from when the connection
    /// stands or from its last answer.
    pub(crate) head: Duration,
    /// How long a client may leave what is written to it unread, so that nothing more can be written.
    /// A client that sends requests and reads no answer is not asked for a further head meanwhile.
    pub(crate) unread: Duration,
}

/// Each connection takes a file descriptor, of which a process commonly has a thousand and tool
/// servers need some, too.
pub(crate) const BOUNDS: Bounds = Bounds {
    connections: 768,
    handshake: Duration::from_secs(10),
    head: Duration::from_secs(30),
    unread: Duration::from_secs(30),
};

/// What is served to every connection alike.
#[derive(Clone)]
pub(crate) struct Service {
    /// How to speak TLS; `None` for plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// What answers requests.
    pub(crate) router: Router,
    /// What a connection may cost.
    pub(crate) bounds: Bounds,
}

/// The service on its address.
struct Network {
    listener: TcpListener,
    service: Service,
    /// One for each connection.
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Serves on `listener` until `stop` fires and the requests under way are answered.
pub(crate) async fn serve(listener: TcpListener, service: Service, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(service.bounds.connections));
    let network = Network { listener, service, places, stop: stop.clone() };
    remit_listen::serve(network, "clients", stop).await;
}

impl Accept for Network {
    async fn accept(&self) -> std::io::Result<Connection> {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await.map_err(std::io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        // A connection that is gone already shows when it is read.
        drop(stream.set_nodelay(true));
        let (service, stop) = (self.service.clone(), self.stop.clone());
        Ok(Box::pin(async move {
            connection(stream, service, stop).await;
            drop(place);
        }))
    }
}

async fn connection(stream: TcpStream, service: Service, stop: CancellationToken) {
    let Service { tls, router, bounds } = service;
    let served = (router, bounds.head);
    let stream = limited(stream, bounds.unread);
    let Some(tls) = &tls else { return http(stream, |_| {}, served, stop).await };
    match tokio::time::timeout(bounds.handshake, tls.accept(stream)).await {
        // Whose certificate its client showed goes beside each of its requests.
        Ok(Ok((stream, Some(peer)))) => {
            let beside = move |beside: &mut Extensions| {
                beside.insert(Arc::clone(&peer));
            };
            http(stream, beside, served, stop).await;
        }
        Ok(Ok((stream, None))) => http(stream, |_| {}, served, stop).await,
        Ok(Err(why)) => tracing::debug!(%why, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Serves a connection by `router`, where the head of a request may take as long as that, until it ends;
/// when `stop` fires, until what is under way is answered. `beside` puts beside each request what is
/// known of who sent it.
pub(crate) async fn http<S>(
    stream: S,
    beside: impl Fn(&mut Extensions),
    (router, head): (Router, Duration),
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(Patience).header_read_timeout(head);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        beside(request.extensions_mut());
        router.call(request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a connection broke");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const BOUNDS: Bounds = Bounds {
        connections: 1,
        handshake: Duration::from_millis(100),
        head: Duration::from_millis(100),
        unread: Duration::from_millis(100),
    };

    /// More than the buffers of a connection hold, in answers of which one does.
    const LONG: &[u8] = &[b'x'; 1 << 20];
    const MANY: usize = 64;
    /// How long what happens after a tenth of a second may take on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn served() -> (std::net::SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/long", get(|| async { LONG }));
        let service = Service { tls: None, router, bounds: BOUNDS };
        tokio::spawn(serve(listener, service, stop.clone()));
        (address, stop)
    }

    async fn answer(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut bytes = [0; 512];
        let read = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_ends_and_gives_up_its_place() {
        let (address, _stop) = served().await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut other = TcpStream::connect(address).await.unwrap();
        assert!(answer(&mut other).await.ends_with("here"));
        let mut rest = Vec::new();
        silent.read_to_end(&mut rest).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_was_used_ends_when_it_is_silent_again() {
        let (address, _stop) = served().await;
        let mut used = TcpStream::connect(address).await.unwrap();
        assert!(answer(&mut used).await.ends_with("here"));
        assert!(answer(&mut used).await.ends_with("here"));
        assert_eq!(used.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_reads_no_answers_ends_and_gives_up_its_place() {
        let (address, _stop) = served().await;
        let mut deaf = TcpStream::connect(address).await.unwrap();
        let requests = b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n".repeat(MANY);
        deaf.write_all(&requests).await.unwrap();
        let mut other = TcpStream::connect(address).await.unwrap();
        let answered = tokio::time::timeout(PATIENCE, answer(&mut other)).await;
        assert!(answered.expect("a place in time").ends_with("here"));
        drop(deaf);
    }
}
