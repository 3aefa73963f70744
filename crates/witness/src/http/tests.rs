//! Each answer of the specification, over the routes and over a socket.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::Request;
use remit_signer::{Algorithm, Held, Signer, SignerError};
use remit_tlog::CosigningKey;
use remit_tlog::witness::origin_hash;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

use super::*;
use crate::witness::tests::{Log, clock, witness};

async fn ask(router: &Router, request: Request<Body>) -> (u16, String, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), MAX_BODY).await.unwrap();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

async fn submit(router: &Router, body: impl Into<Body>) -> (u16, String, String) {
    ask(router, Request::post("/add-checkpoint").body(body.into()).unwrap()).await
}

#[tokio::test]
async fn every_case_has_the_status_that_the_specification_gives_it() {
    let dir = tempfile::tempdir().unwrap();
    let (log, fork) = (Log::of("log.example", 20, b""), Log::of("log.example", 20, b"other"));
    let router = router(Arc::new(witness(dir.path(), &[&log])));
    let shown = format!("/{}/checkpoint", origin_hash("log.example"));
    let show = || Request::get(&shown).body(Body::empty()).unwrap();
    assert_eq!(ask(&router, show()).await.0, 404, "never cosigned");

    let body = |log: &Log, old, size| log.submission(old, size).to_string();
    let (status, _, line) = submit(&router, body(&log, 0, 7)).await;
    assert_eq!(status, 200, "{line}");
    assert!(line.starts_with("— witness.example/w1 ") && line.ends_with('\n'), "{line}");
    let (status, kind, size) = submit(&router, body(&log, 3, 9)).await;
    assert_eq!((status, kind.as_str(), size.as_str()), (409, "text/x.tlog.size", "7\n"));
    assert_eq!(submit(&router, body(&fork, 7, 9)).await.0, 422);
    assert_eq!(submit(&router, body(&fork, 7, 7)).await.0, 422);
    assert_eq!(submit(&router, "old 8\n\n".to_owned()).await.0, 400);
    let beyond = body(&log, 7, 7).replace("old 7", "old 8");
    assert_eq!(submit(&router, beyond).await.0, 400);
    let other = Log::of("other.example", 3, b"");
    assert_eq!(submit(&router, body(&other, 0, 3)).await.0, 404);
    let unsigned = body(&log, 7, 9).replace("log.example Mw", "log.example Nw");
    let unsigned = unsigned.replacen("— log.example ", "— else.example ", 1);
    assert_eq!(submit(&router, unsigned).await.0, 403);
    assert_eq!(submit(&router, vec![b'x'; MAX_BODY + 1]).await.0, 413);

    let (status, kind, note) = ask(&router, show()).await;
    assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"));
    assert!(note.contains(line.trim_end()), "{note}");
    let wrong = Request::get("/add-checkpoint").body(Body::empty()).unwrap();
    assert_eq!(ask(&router, wrong).await.0, 405);
}

#[tokio::test]
async fn a_connection_carries_several_requests_and_a_stop_lets_it_finish() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 20, b"");
    let router = router(Arc::new(witness(dir.path(), &[&log])));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, router, stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    for (old, size) in [(0, 7), (7, 20)] {
        let body = log.submission(old, size).to_string();
        let length = body.len();
        let head = format!("POST /add-checkpoint HTTP/1.1\r\nhost: w\r\ncontent-length: {length}");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    stop.cancel();
    tokio::time::timeout(REQUEST, served).await.unwrap().unwrap();
}

/// A key that signs once the other end is gone.
#[derive(Debug)]
struct Slow(Held, Mutex<Receiver<()>>);

impl Signer for Slow {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        drop(self.1.lock().map(|wait| wait.recv()));
        self.0.sign(message)
    }
}

#[tokio::test]
async fn submissions_whose_clients_hung_up_count_until_they_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::of("log.example", 7, b"");
    let (held, wait) = channel();
    let slow = Slow(Held::from_seed(&[2; 32]).unwrap(), Mutex::new(wait));
    let key = CosigningKey::new("witness.example/w1", Arc::new(slow)).unwrap();
    let witness = Witness::open(dir.path(), key, vec![log.key()], clock(1)).unwrap();
    let router = router(Arc::new(witness));
    let submitted = async || {
        let answer = submit(&router, log.body(0, 7));
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").0
    };
    for _ in 0..MAX_UNDER_WAY {
        // As far as it gets at once, and no further: its client is gone.
        let mut gone = Box::pin(submit(&router, log.body(0, 7)));
        let asked = |context: &mut Context<'_>| Poll::Ready(gone.as_mut().poll(context));
        assert!(std::future::poll_fn(asked).await.is_pending());
    }
    assert_eq!(submitted().await, 503);
    drop(held);
    while submitted().await == 503 {
        tokio::task::yield_now().await;
    }
    assert_eq!(submitted().await, 409, "one of them was cosigned");
}

/// How long what happens after a tenth of a second may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_connection_that_reads_no_answers_gives_up_its_place_and_does_not_outlive_a_stop() {
    /// More than the buffers of a connection hold, in answers of which one does.
    const LONG: &[u8] = &[b'x'; 1 << 20];
    const MANY: usize = 64;
    let router = Router::new().route("/", get(|| async { LONG }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let bounds = (Arc::new(Semaphore::new(1)), Duration::from_millis(100));
    let witnessing = Witnessing::new(listener, router, stop.clone());
    let witnessing = Witnessing { places: bounds.0, unread: bounds.1, ..witnessing };
    let served = tokio::spawn(remit_listen::serve(witnessing, "logs", stop.clone()));
    let deaf = async || {
        let mut deaf = TcpStream::connect(address).await.unwrap();
        let requests = b"GET / HTTP/1.1\r\nhost: w\r\n\r\n".repeat(MANY);
        deaf.write_all(&requests).await.unwrap();
        deaf
    };
    let (first, mut second) = (deaf().await, deaf().await);
    let answered = tokio::time::timeout(PATIENCE, second.read_u8()).await;
    assert_eq!(answered.expect("a place in time").unwrap(), b'H');
    stop.cancel();
    tokio::time::timeout(PATIENCE, served).await.expect("an end in time").unwrap();
    drop((first, second));
}
