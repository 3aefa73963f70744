//! HTTP/1.1 connections to one endpoint.
//!
//! Written by hand on hyper's connection API for one reason: a request is handed over only when a
//! connection stands, the gate is asked after that and before the first byte, and a request is
//! tried on another connection only where hyper gives it back as never written.
//!
//! Nor does a connection need a task of its own ([`super::driven`]).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::client::{ResolvesClientCert, Resumption};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::driven::{Connection, Driven};
use crate::config::HttpServer;
use crate::gate::Gate;
use crate::health::Health;
use crate::wire::Ended;

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an unused connection is trusted. Servers close theirs after five seconds and more, and
/// a request written into a closing connection is one whose fate nobody knows.
const IDLE: Duration = Duration::from_secs(2);
/// How many unused connections are kept: one for each call that may be in flight, so that a server
/// that is used by many at once is not connected to anew for each.
const MAX_IDLE: usize = 64;

/// How many connections a request is tried on that close before it is written.
const ATTEMPTS: usize = 17;

/// Connections to one endpoint.
pub(crate) struct Pool {
    connector: HttpsConnector<HttpConnector>,
    uri: Uri,
    health: Arc<Health>,
    idle: Arc<Mutex<Idle>>,
    /// Fires once what is shown on its connections was taken back; none where nothing is.
    ended: Option<CancellationToken>,
}

/// Connections that nobody uses, those that were used last at the end, and since when each is not.
#[derive(Default)]
struct Idle {
    connections: Vec<(Connection, u64)>,
    /// Whether somebody comes for those that are too old.
    watched: bool,
}

impl Idle {
    /// Takes out what was not used for too long by `now`, to be closed.
    fn expired(&mut self, now: u64) -> Vec<(Connection, u64)> {
        let fresh = |since: u64| Duration::from_nanos(now.saturating_sub(since)) < IDLE;
        let old = self.connections.partition_point(|(_, since)| !fresh(*since));
        self.connections.drain(..old).collect()
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// No connection yet; `certificate` is shown on each, if the server asks for one.
    ///
    /// Errors: the certificates of this machine cannot be read.
    pub(crate) fn new(
        server: &HttpServer,
        certificate: Option<Arc<dyn ResolvesClientCert>>,
        health: Arc<Health>,
    ) -> Result<Self, String> {
        let mut tls = server.tls()?;
        // A session that is taken up again brings back who was shown and believed when it began.
        tls.resumption = Resumption::disabled();
        let ended = certificate.as_ref().map(|_| CancellationToken::new());
        if let Some(certificate) = certificate {
            tls.client_auth_cert_resolver = certificate;
        }
        let mut plain = HttpConnector::new();
        plain.set_nodelay(true);
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = connector.enable_http1().wrap_connector(plain);
        Ok(Self { connector, uri: server.uri.clone(), health, idle: Arc::default(), ended })
    }

    /// What is shown on its connections was taken back: ends all of them, whatever goes through them, and
    /// opens no other.
    pub(crate) fn end(&self) {
        if let Some(ended) = &self.ended {
            ended.cancel();
        }
        lock(&self.idle).connections.clear();
    }

    /// Sends `request` once the gate opens.
    ///
    /// Errors: `Unsent` where nothing was written, `Lost` where something may have been.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        gate: &dyn Gate,
    ) -> Result<Response<Driven>, Ended> {
        for _ in 0..ATTEMPTS {
            let connection = self.checkout().await.map_err(Ended::Unsent)?;
            if !gate.open() {
                return Err(Ended::Unsent("it was stopped before it was sent".to_owned()));
            }
            let mut failed = match connection.send(request).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let Some(unwritten) = failed.take_message() else {
                let why = failed.into_error();
                return Err(Ended::Lost(format!("the connection broke: {}", causes(&why))));
            };
            request = unwritten;
        }
        Err(Ended::Unsent("no connection would take the request".to_owned()))
    }

    /// Takes back the connection of an answer that was read to its end.
    pub(crate) fn give_back(&self, answer: Driven) {
        let now = self.health.now();
        let Some(connection) = answer.into_connection() else { return };
        let mut idle = lock(&self.idle);
        // Looked at under the lock, so that none is kept after the end.
        if idle.connections.len() < MAX_IDLE && !self.has_ended() {
            idle.connections.push((connection, now));
            if !std::mem::replace(&mut idle.watched, true) {
                tokio::spawn(close_unused(Arc::clone(&self.idle), Arc::clone(&self.health)));
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.as_ref().is_some_and(CancellationToken::is_cancelled)
    }

    /// The connection that was used last, unless that is too long ago.
    fn reuse(&self) -> Option<Connection> {
        let now = self.health.now();
        let mut idle = lock(&self.idle);
        let expired = idle.expired(now);
        let newest = idle.connections.pop();
        drop(idle);
        drop(expired);
        newest.map(|(connection, _)| connection)
    }

    async fn checkout(&self) -> Result<Connection, String> {
        while let Some(mut connection) = self.reuse() {
            if connection.is_ready().await {
                return Ok(connection);
            }
        }
        let Some(ended) = &self.ended else { return self.connect().await };
        tokio::select! {
            biased;
            () = ended.cancelled() => Err("what is shown on it was taken back".to_owned()),
            connection = self.connect() => connection,
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream =
            tokio::time::timeout(CONNECT, self.connector.clone().oneshot(self.uri.clone()))
                .await
                .map_err(|_| "it did not accept a connection in time".to_owned())?
                .map_err(|e| format!("no connection: {}", causes(&*e)))?;
        let connection = Connection::on(stream, self.ended.clone()).await;
        connection.map_err(|e| format!("no connection: {}", causes(&e)))
    }
}

/// Closes what was not used for too long, until there is nothing more.
async fn close_unused(idle: Arc<Mutex<Idle>>, health: Arc<Health>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let mut all = lock(&idle);
        let expired = all.expired(health.now());
        all.watched = !all.connections.is_empty();
        let done = !all.watched;
        drop(all);
        drop(expired);
        if done {
            return;
        }
    }
}

/// An error with its causes, in one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        // Some say the words of their cause themselves.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    text
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("uri", &self.uri).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http_body_util::BodyExt as _;
    use remit_testkit::ManualClock;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::gate::Own;

    /// Answers every request on it, and says how many there were once it is closed.
    async fn serve(mut stream: TcpStream) -> usize {
        let mut asked = 0;
        while stream.read(&mut [0; 1024]).await.unwrap() > 0 {
            asked += 1;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        }
        asked
    }

    async fn ask(pool: &Pool) -> Driven {
        let request = Request::post("/mcp").header("host", "h").body(Full::default()).unwrap();
        let mut body = pool.send(request, &Own).await.unwrap().into_body();
        (&mut body).collect().await.unwrap();
        body
    }

    #[tokio::test]
    async fn a_connection_that_is_not_needed_any_more_is_closed_while_others_are_used() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let server = HttpServer::new(&url, &BTreeMap::new()).unwrap();
        let clock = Arc::new(ManualClock::default());
        let health = Arc::new(Health::new(Arc::<ManualClock>::clone(&clock), Vec::new()));
        let pool = Pool::new(&server, None, health).unwrap();
        let accepted = tokio::spawn(async move {
            let one = tokio::spawn(serve(listener.accept().await.unwrap().0));
            (one, tokio::spawn(serve(listener.accept().await.unwrap().0)))
        });

        let both = (ask(&pool).await, ask(&pool).await);
        pool.give_back(both.0);
        pool.give_back(both.1);
        for _ in 0..2 {
            clock.advance(Duration::from_millis(1_500));
            let again = ask(&pool).await;
            pool.give_back(again);
        }
        let (older, newer) = accepted.await.unwrap();
        assert_eq!(older.await.unwrap(), 1, "it was closed");
        assert!(!newer.is_finished(), "the other goes on");
    }
}
