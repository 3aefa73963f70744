//! The connections of the socket, each with the process that made it.
//!
//! Whoever reaches the socket has proved nothing yet, so what a connection can cost is bounded: how
//! many there are, of one user and of all, and how many streams each carries (promise R13).

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use remit_attest::{Peer, Users};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::issue::Caller;
use crate::{Door, route};

/// How many connections may be open; further ones wait to be accepted. Each workload needs one.
pub const MAX_CONNECTIONS: usize = 256;
/// How many of them one user may have, so that none shuts out the others; further ones are closed.
pub const MAX_USERS_CONNECTIONS: usize = 64;
/// How many streams one connection may carry; a client needs three, and calls beside them.
pub const MAX_STREAMS: u32 = 8;
/// How large the headers of a request may be.
const MAX_HEADERS: u32 = 16 * 1024;
/// How often a silent peer is asked whether it is still there, and how long it has to answer.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// How long to wait after no connection could be accepted, which says that file descriptors ran out.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the Workload API on `listener` until `stop` fires.
pub async fn serve(listener: UnixListener, door: Door, stop: CancellationToken) {
    let door = Arc::new(door);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let users = Users::new(MAX_USERS_CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, of_all)) => {
                let Ok(peer) = Peer::of(&stream) else { continue };
                let Some(place) = users.place(peer.uid()) else { continue };
                let caller = Caller { door: Arc::clone(&door), peer: Arc::new(peer) };
                let stop = stop.clone();
                connections.spawn(async move {
                    connection(stream, caller, stop).await;
                    drop((place, of_all));
                });
            }
            Err(why) => {
                tracing::warn!(%why, "no further workloads can be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(stream: UnixStream, caller: Caller, stop: CancellationToken) {
    let service = service_fn(move |request| route::answer(caller.clone(), request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a workload's connection broke");
    }
}
