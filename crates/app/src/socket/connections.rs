//! The connections of the socket, each with the process that made it.
//!
//! Agents connect here as well as operators, and stops come in here alone. So what a connection can
//! cost is bounded, and agents cannot take all places: each user has some, and some are kept for those
//! who may be operators (promise R13).

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http_body_util::LengthLimitError;
use hyper::http::Extensions;
use remit_listen::{Accept, Connection, Limited, Place, Users, limited};
use remit_operator::{Authority, Failure, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::network::http;

/// What a connection may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many anybody may have open; further ones are closed.
    connections: usize,
    /// How many more may be open of those who may be operators.
    kept: usize,
    /// How many of all these one user may have.
    of_a_user: usize,
    /// How long the head of a request may take, counted from when the connection stands or from its
    /// last answer; and then its body.
    request: Duration,
    /// How long what is written may be left unread, so that nothing more can be written.
    unread: Duration,
}

/// Each connection takes two file descriptors, of which a process commonly has a thousand. Each
/// `remit mcp` of an agent has one for as long as it runs; an operator's command has one for a moment.
pub(crate) const BOUNDS: Bounds = Bounds {
    connections: 192,
    kept: 64,
    of_a_user: 128,
    request: Duration::from_secs(30),
    unread: Duration::from_secs(30),
};

/// The most bytes of a request's body (R13); as many as are read into a value anyway.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// What is served to every connection alike.
#[derive(Clone)]
pub(crate) struct Service {
    /// What answers requests.
    pub(crate) router: Router,
    /// Who come first.
    pub(crate) people: Arc<Authority>,
    /// What a connection may cost.
    pub(crate) bounds: Bounds,
}

/// The service on its socket.
struct Socket {
    listener: UnixListener,
    router: Router,
    places: Places,
    bounds: Bounds,
    stop: CancellationToken,
}

/// Serves on `listener` until `stop` fires and the requests under way are answered.
pub(crate) async fn serve(listener: UnixListener, service: Service, stop: CancellationToken) {
    let Service { router, people, bounds } = service;
    let router = router.layer(from_fn_with_state(bounds.request, whole));
    let places = Places::new(bounds, people);
    let socket = Socket { listener, router, places, bounds, stop: stop.clone() };
    remit_listen::serve(socket, "the socket", stop).await;
}

impl Accept for Socket {
    async fn accept(&self) -> std::io::Result<Connection> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let peer = Peer::of(&stream);
            let Some(place) = peer.uid.and_then(|uid| self.places.take(uid)) else {
                tracing::debug!(uid = ?peer.uid, "there is no place for a further connection");
                continue;
            };
            let stream = limited(stream, self.bounds.unread);
            let stream = Placed { stream, _place: place };
            // Who made it goes beside each of its requests.
            let beside = move |beside: &mut Extensions| {
                beside.insert(ConnectInfo(peer.clone()));
            };
            let served = (self.router.clone(), self.bounds.request);
            return Ok(Box::pin(http(stream, beside, served, self.stop.clone())));
        }
    }
}

/// Has a request looked at once all of it is there, so that none is waited for without end.
async fn whole(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(patience, to_bytes(body, MAX_BODY)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, Body::from(body))).await,
        Ok(Err(why)) if why.source().is_some_and(<dyn Error>::is::<LengthLimitError>) => {
            let text = format!("expected a body of at most {MAX_BODY} bytes, got more");
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
        }
        Ok(Err(why)) => Failure::bad(format!("the body cannot be read: {why}")).into_response(),
        Err(_) => {
            let text = format!("expected the whole request within {} s", patience.as_secs());
            Failure::new(StatusCode::REQUEST_TIMEOUT, text).into_response()
        }
    }
}

/// Who may have how many connections.
struct Places {
    users: Arc<Users>,
    open: Arc<Semaphore>,
    kept: Arc<Semaphore>,
    people: Arc<Authority>,
}

impl Places {
    fn new(bounds: Bounds, people: Arc<Authority>) -> Self {
        let of_all = |places| Arc::new(Semaphore::new(places));
        let (open, kept) = (of_all(bounds.connections), of_all(bounds.kept));
        Self { users: Users::new(bounds.of_a_user), open, kept, people }
    }

    /// A place for a connection of `uid`; `None` if there is none for it.
    fn take(&self, uid: u32) -> Option<(Place, OwnedSemaphorePermit)> {
        let of_user = self.users.place(uid)?;
        let first = self.people.comes_first(uid);
        let free = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let of_all = free(&self.open).or_else(|| first.then(|| free(&self.kept)).flatten())?;
        Some((of_user, of_all))
    }
}

/// A connection with its place, which it keeps when it is made into one that speaks another protocol.
struct Placed {
    stream: Limited<UnixStream>,
    _place: (Place, OwnedSemaphorePermit),
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.stream.as_mut().poll_read(context, into)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use hyper_util::rt::TokioIo;
    use remit_operator::Passphrases;
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::environment::{SystemEntropy, own_uid};

    const QUICK: Duration = Duration::from_millis(100);
    const BOUNDS: Bounds =
        Bounds { connections: 1, kept: 0, of_a_user: 1, request: QUICK, unread: QUICK };
    /// More than the buffers of a connection hold, in answers of which one does.
    const LONG: &[u8] = &[b'x'; 1 << 20];
    const MANY: usize = 64;
    /// How long what happens after a tenth of a second may take on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(20);

    struct Nobody;
    impl Passphrases for Nobody {
        fn verify(&self, _: &str) -> bool {
            false
        }
    }

    fn people(operators: Vec<u32>) -> Arc<Authority> {
        Arc::new(Authority::new(Box::new(Nobody), Arc::new(SystemEntropy), operators, own_uid()))
    }

    /// Turns the connection into one that says `hi` and then nothing.
    async fn turn(mut request: Request) -> (StatusCode, [(&'static str, &'static str); 2]) {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.unwrap());
            stream.write_all(b"hi").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        });
        (StatusCode::SWITCHING_PROTOCOLS, [("connection", "upgrade"), ("upgrade", "silence")])
    }

    struct Served {
        dir: TempDir,
        stop: CancellationToken,
        ended: tokio::task::JoinHandle<()>,
    }

    impl Served {
        fn new(bounds: Bounds) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let listener = UnixListener::bind(dir.path().join("sock")).unwrap();
            let router = Router::new()
                .route(
                    "/",
                    get(|ConnectInfo(peer): ConnectInfo<Peer>| async move {
                        format!("uid {:?}", peer.uid)
                    }),
                )
                .route("/", post(|_: axum::body::Bytes| async { "taken" }))
                .route("/long", get(|| async { LONG }))
                .route("/turn", post(turn));
            let (stop, people) = (CancellationToken::new(), people(Vec::new()));
            let service = Service { router, people, bounds };
            let ended = tokio::spawn(serve(listener, service, stop.clone()));
            Self { dir, stop, ended }
        }

        async fn connect(&self) -> UnixStream {
            UnixStream::connect(self.dir.path().join("sock")).await.unwrap()
        }

        /// Asks on new connections until one of them is served.
        async fn served(&self) {
            let here = format!("uid {:?}", Some(own_uid()));
            let asking = async {
                while !answer(&mut self.connect().await).await.ends_with(&here) {
                    tokio::time::sleep(QUICK / 10).await;
                }
            };
            tokio::time::timeout(PATIENCE, asking).await.expect("a place in time");
        }
    }

    async fn said(stream: &mut UnixStream) -> String {
        let mut bytes = [0; 512];
        let read = stream.read(&mut bytes).await.unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    /// What is answered; nothing if the connection was closed.
    async fn answer(stream: &mut UnixStream) -> String {
        drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await);
        said(stream).await
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_ends_and_gives_up_its_place() {
        let served = Served::new(BOUNDS);
        let mut silent = served.connect().await;
        assert_eq!(answer(&mut served.connect().await).await, "", "there is one place");
        let ended = tokio::time::timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await;
        ended.expect("an end").unwrap();
        served.served().await;
    }

    #[tokio::test]
    async fn a_request_whose_body_does_not_come_is_refused_and_gives_up_its_place() {
        let served = Served::new(BOUNDS);
        let mut slow = served.connect().await;
        slow.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n").await.unwrap();
        let refused = tokio::time::timeout(PATIENCE, said(&mut slow)).await.expect("an answer");
        assert!(refused.starts_with("HTTP/1.1 408 "), "{refused}");
        served.served().await;
    }

    #[tokio::test]
    async fn a_connection_that_reads_no_answers_ends_and_gives_up_its_place() {
        let served = Served::new(BOUNDS);
        let mut deaf = served.connect().await;
        let requests = b"GET /long HTTP/1.1\r\nhost: a\r\n\r\n".repeat(MANY);
        deaf.write_all(&requests).await.unwrap();
        served.served().await;
        drop(deaf);
    }

    #[tokio::test]
    async fn a_connection_that_speaks_another_protocol_keeps_its_place_and_may_be_silent() {
        let served = Served::new(BOUNDS);
        let mut turned = served.connect().await;
        let request = b"POST /turn HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\
            upgrade: silence\r\ncontent-length: 0\r\n\r\n";
        turned.write_all(request).await.unwrap();
        let mut heard = String::new();
        while !heard.ends_with("hi") {
            heard.push_str(&said(&mut turned).await);
        }
        tokio::time::sleep(QUICK * 3).await;
        assert_eq!(answer(&mut served.connect().await).await, "", "it is still there");
        drop(turned);
        served.served().await;
    }

    #[tokio::test]
    async fn a_stop_ends_idle_connections_and_lets_go_of_the_socket() {
        let patient = Bounds { request: PATIENCE * 10, ..BOUNDS };
        let served = Served::new(patient);
        let mut idle = served.connect().await;
        assert!(answer(&mut idle).await.contains("uid"));
        served.stop.cancel();
        tokio::time::timeout(PATIENCE, served.ended).await.expect("an end").unwrap();
        assert_eq!(said(&mut idle).await, "");
    }

    #[test]
    fn agents_leave_places_for_each_other_and_for_operators() {
        let (agents, operator) = ([70_001, 70_002, 70_003], 70_009);
        let bounds = Bounds { connections: 4, kept: 2, of_a_user: 2, ..BOUNDS };
        let places = Places::new(bounds, people(vec![operator]));
        let mut taken = Vec::new();
        for agent in agents {
            taken.extend(std::iter::from_fn(|| places.take(agent)));
        }
        assert_eq!(taken.len(), 4, "two of each, while there are any");
        let operators = [places.take(operator).unwrap(), places.take(own_uid()).unwrap()];
        assert!(places.take(0).is_none(), "there is an end to them, too");
        drop(operators);
        assert!(places.take(0).is_some());
        taken.truncate(3);
        assert!(places.take(agents[2]).is_some(), "given back");
    }
}
