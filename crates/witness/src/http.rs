//! The witness's surface: two routes, and a listener that nobody can hold open for long.
//!
//! Unauthenticated by design: whoever has a checkpoint that the log signed may submit it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use remit_listen::{Accept, Connection, Limited, limited};
use remit_tlog::witness::{ADD_CHECKPOINT, SIZE_TYPE};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{Refused, Witness};

/// Bytes of a submission: 63 hashes are 2.8 KiB, a checkpoint with a hundred signatures is not
/// ten times that.
pub const MAX_BODY: usize = 64 << 10;

/// How long the head of a request may take, and how long a connection may idle.
pub const HEAD: Duration = Duration::from_secs(30);

/// How long a request may take, its body included: a submission is a few kilobytes and a sync.
pub const REQUEST: Duration = Duration::from_secs(10);

/// How long a client may leave what is written to it unread. A log reads an answer of a line at once; this is as
/// long as it may take over a head.
pub const UNREAD: Duration = Duration::from_secs(30);

/// Submissions at once that wait for their turn or for the disk: whoever hangs up leaves theirs behind, body and
/// all. A log has one, so these are as many logs in the same moment; further ones are asked to come again.
pub const MAX_UNDER_WAY: usize = 64;

/// Connections at once; a log has one.
pub const MAX_CONNECTIONS: usize = 256;

/// The routes.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route(&format!("/{ADD_CHECKPOINT}"), post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Desk { witness, places: Arc::new(Semaphore::new(MAX_UNDER_WAY)) })
}

/// Where submissions are taken in.
#[derive(Clone)]
struct Desk {
    witness: Arc<Witness>,
    /// One for each submission.
    places: Arc<Semaphore>,
}

async fn add_checkpoint(State(desk): State<Desk>, body: Bytes) -> Response {
    let Ok(place) = desk.places.try_acquire_owned() else {
        let why = "too many submissions are under way: submit it again later\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    // The disk is waited for, and a client that hangs up must not leave a write half done.
    let done = tokio::task::spawn_blocking(move || {
        let done = desk.witness.add_checkpoint(&body);
        drop(place);
        done
    });
    match done.await {
        Ok(Ok(lines)) => lines.into_response(),
        Ok(Err(refused)) => refusal(&refused),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refusal(refused: &Refused) -> Response {
    let status = match refused {
        Refused::Conflict(size) => {
            let kind = [(header::CONTENT_TYPE, SIZE_TYPE)];
            return (StatusCode::CONFLICT, kind, format!("{size}\n")).into_response();
        }
        Refused::Malformed(_) => StatusCode::BAD_REQUEST,
        Refused::Unknown(_) => StatusCode::NOT_FOUND,
        Refused::Unsigned(_) => StatusCode::FORBIDDEN,
        Refused::Inconsistent { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{refused}\n")).into_response()
}

async fn checkpoint(State(desk): State<Desk>, Path(origin): Path<String>) -> Response {
    match desk.witness.checkpoint(&origin) {
        Some(note) => ([(header::CACHE_CONTROL, "no-cache")], note.to_string()).into_response(),
        None => (StatusCode::NOT_FOUND, "no checkpoint of such a log was cosigned here\n")
            .into_response(),
    }
}

/// The witness on its address.
struct Witnessing {
    listener: TcpListener,
    router: Router,
    /// One for each connection.
    places: Arc<Semaphore>,
    /// See [`UNREAD`].
    unread: Duration,
    stop: CancellationToken,
}

/// Serves `router` on `listener` until `stop`. Ends when the connections that were open have
/// answered what they were asked.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    remit_listen::serve(Witnessing::new(listener, router, stop.clone()), "logs", stop).await;
}

impl Witnessing {
    fn new(listener: TcpListener, router: Router, stop: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { listener, router, places, unread: UNREAD, stop }
    }
}

impl Accept for Witnessing {
    async fn accept(&self) -> std::io::Result<Connection> {
        let places = Arc::clone(&self.places);
        let place = places.acquire_owned().await.map_err(std::io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        let (router, stop) = (self.router.clone(), self.stop.clone());
        let stream = limited(stream, self.unread);
        Ok(Box::pin(async move {
            connection(stream, router, stop).await;
            drop(place);
        }))
    }
}

async fn connection(stream: Limited<TcpStream>, router: Router, stop: CancellationToken) {
    let routed = bounded(router);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routed));
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a connection ended");
    }
}

/// The routes, each request within [`REQUEST`].
fn bounded(router: Router) -> Router {
    router.layer(axum::middleware::from_fn(
        async |request: axum::extract::Request, next: axum::middleware::Next| {
            tokio::time::timeout(REQUEST, next.run(request))
                .await
                .unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
        },
    ))
}

#[cfg(test)]
mod tests;
