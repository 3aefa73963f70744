//! The network listener: the connections of MCP clients, each served by a task of its own.
//!
//! Nobody has proved anything before a grant is read, so what a mere connection can cost is bounded
//! here: how many there are, and how long a TLS handshake and the head of a request may take
//! (promise R13). One that is slow keeps nobody else waiting.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How many connections may be open; further ones wait to be accepted. Each takes a file descriptor,
/// of which a process commonly has a thousand and tool servers need some, too.
const MAX_CONNECTIONS: usize = 768;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request, counted from when the connection stands
/// or from its last answer.
const HEAD: Duration = Duration::from_secs(30);

/// How long to wait after no connection could be accepted, which says that file descriptors ran out.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` fires and the requests under way are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, place)) => {
                failing = false;
                let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, tls, router, stop).await;
                    drop(place);
                });
            }
            Err(why) => {
                // Once, not at every try.
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%why, "no further connections can be accepted");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // A connection that is gone already shows when it is read.
    drop(stream.set_nodelay(true));
    Ok((stream, place))
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    let Some(tls) = tls else { return http(stream, router, stop).await };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, router, stop).await,
        Ok(Err(why)) => tracing::debug!(%why, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn http<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let service = TowerToHyperService::new(router);
    let connection = http.serve_connection(TokioIo::new(stream), service);
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
