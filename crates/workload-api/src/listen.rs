//! The connections of the socket, each with the process that made it.
//!
//! Whoever reaches the socket has proved nothing yet, so what a connection can cost is bounded: how
//! many there are, of one user and of all, and how many streams each carries (promise R13).

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use remit_attest::Peer;
use remit_listen::{Accept, Connection, Users};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
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
/// The Workload API on its socket.
struct Workloads {
    listener: UnixListener,
    door: Arc<Door>,
    /// One for each connection.
    places: Arc<Semaphore>,
    users: Arc<Users>,
    stop: CancellationToken,
}

/// Serves the Workload API on `listener` until `stop` fires.
pub async fn serve(listener: UnixListener, door: Door, stop: CancellationToken) {
    let workloads = Workloads {
        listener,
        door: Arc::new(door),
        places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        users: Users::new(MAX_USERS_CONNECTIONS),
        stop: stop.clone(),
    };
    remit_listen::serve(workloads, "workloads", stop).await;
}

impl Accept for Workloads {
    async fn accept(&self) -> std::io::Result<Connection> {
        loop {
            let places = Arc::clone(&self.places);
            let of_all = places.acquire_owned().await.map_err(std::io::Error::other)?;
            let (stream, _) = self.listener.accept().await?;
            let Ok(peer) = Peer::of(&stream) else { continue };
            let Some(place) = self.users.place(peer.uid()) else { continue };
            let caller = Caller { door: Arc::clone(&self.door), peer: Arc::new(peer) };
            let stop = self.stop.clone();
            return Ok(Box::pin(async move {
                connection(stream, caller, stop).await;
                drop((place, of_all));
            }));
        }
    }
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
