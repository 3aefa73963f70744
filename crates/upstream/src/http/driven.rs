//! One HTTP/1.1 connection, driven by whoever uses it.
//!
//! hyper wants each connection to be polled beside what goes through it, commonly by a task of its own. Every
//! request then takes several hops from task to task, often between threads; but a connection has one
//! user at a time, who waits for nothing else. So that one polls it: as long as it waits for the head of the answer,
//! and with each look at the body. A connection that nobody uses stands still; whether the server has
//! closed it shows at the next look, before anything is written.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use tokio::task::coop::unconstrained;
use tokio_util::sync::CancellationToken;

/// What a request is made of.
type Out = Request<Full<Bytes>>;

/// A connection that carries one request at a time.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Reads and writes; `None` once it has ended.
    driver: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Connection {
    /// Begins to speak HTTP on `stream`, until `ended` fires.
    ///
    /// Errors: it closed at once.
    pub(crate) async fn on<S>(
        stream: S,
        ended: Option<CancellationToken>,
    ) -> Result<Self, hyper::Error>
    where
        S: Read + Write + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(stream).await?;
        // Why it ended also reaches whoever waits for the answer.
        let driver: Pin<Box<dyn Future<Output = ()> + Send>> = match ended {
            None => Box::pin(async { drop(connection.await) }),
            Some(ended) => Box::pin(async move {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => {}
                    _ = connection => {}
                }
            }),
        };
        let mut this = Self { sender, driver: Some(driver) };
        poll_fn(|cx| this.poll_ready(cx)).await?;
        Ok(this)
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.drive(cx);
        self.sender.poll_ready(cx)
    }

    /// Whether it takes a request now: it is open, and nothing is left of the one before.
    pub(crate) async fn is_ready(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(matches!(self.poll_ready(cx), Poll::Ready(Ok(()))))).await
    }

    /// Sends `request` and waits for the head of the answer.
    ///
    /// Errors: it holds the request if nothing of that was written.
    pub(crate) async fn send(
        mut self,
        request: Out,
    ) -> Result<Response<Driven>, TrySendError<Out>> {
        // Nothing but driving brings the answer about, and whoever drives is awake: it has no waker of its own,
        // so it may not be put off for that of others' turns.
        let mut answer = pin!(unconstrained(self.sender.try_send_request(request)));
        let response = poll_fn(|cx| {
            self.drive(cx);
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        });
        let response = response.await?;
        Ok(response.map(|body| Driven { body, over: false, connection: self }))
    }
}

/// The body of an answer, and the connection on which it comes.
pub(crate) struct Driven {
    body: Incoming,
    /// It was read to its end.
    over: bool,
    connection: Connection,
}

impl Driven {
    /// The connection, if it can carry another request: the body was read to its end.
    pub(crate) fn into_connection(self) -> Option<Connection> {
        let Self { body, over, mut connection } = self;
        drop(body);
        // It notices that the answer is over. Nobody has to be woken by what comes on it now.
        connection.drive(&mut Context::from_waker(Waker::noop()));
        (over && connection.driver.is_some()).then_some(connection)
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.connection.drive(cx);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.over = frame.is_none();
        Poll::Ready(frame)
    }
}

impl Body for Driven {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = self.poll_body(cx) {
            return Poll::Ready(frame);
        }
        // Only now the connection was asked for more.
        self.poll_body(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("open", &self.driver.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    const SIZED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none";
    const CHUNKED: &str =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n";

    async fn open(ended: Option<CancellationToken>) -> (Connection, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(4096);
        (Connection::on(TokioIo::new(ours), ended).await.unwrap(), theirs)
    }

    fn request() -> Out {
        Request::post("/mcp").header("host", "h").body(Full::new("{}".into())).unwrap()
    }

    /// The server reads one request, says `answer`, and gives its end back.
    async fn serve(mut server: DuplexStream, answer: &str) -> DuplexStream {
        let mut read = Vec::new();
        while !read.ends_with(b"{}") {
            assert_ne!(server.read_buf(&mut read).await.unwrap(), 0, "the whole request comes");
        }
        server.write_all(answer.as_bytes()).await.unwrap();
        server
    }

    async fn exchange(
        connection: Connection,
        server: DuplexStream,
        answer: &str,
    ) -> (Driven, DuplexStream) {
        let (response, server) = tokio::join!(connection.send(request()), serve(server, answer));
        (response.map_err(TrySendError::into_error).unwrap().into_body(), server)
    }

    #[tokio::test]
    async fn an_answer_that_was_read_leaves_a_connection_for_the_next_however_it_ends() {
        let (mut connection, mut server) = open(None).await;
        for (answer, text) in [(SIZED, "one"), (CHUNKED, "two"), (SIZED, "one")] {
            assert!(connection.is_ready().await);
            let (mut body, theirs) = exchange(connection, server, answer).await;
            let read = (&mut body).collect().await.unwrap().to_bytes();
            assert_eq!(read, text);
            (connection, server) = (body.into_connection().unwrap(), theirs);
        }
    }

    #[tokio::test]
    async fn an_answer_that_was_not_read_leaves_none() {
        let (connection, server) = open(None).await;
        let (body, mut server) = exchange(connection, server, SIZED).await;
        assert!(body.into_connection().is_none());
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0, "it is closed");
    }

    #[tokio::test]
    async fn what_the_server_closed_meanwhile_takes_no_request() {
        let (connection, server) = open(None).await;
        let (mut body, server) = exchange(connection, server, SIZED).await;
        (&mut body).collect().await.unwrap();
        let mut connection = body.into_connection().unwrap();
        drop(server);
        assert!(!connection.is_ready().await);
        let failed = connection.send(request()).await.map(drop).unwrap_err();
        assert!(failed.message().is_some(), "nothing of it was written");
    }

    #[tokio::test]
    async fn what_was_shown_on_it_can_be_taken_back_at_any_time() {
        let ended = CancellationToken::new();
        let (connection, server) = open(Some(ended.clone())).await;
        let asked = tokio::spawn(connection.send(request()));
        let mut server = serve(server, "").await;
        ended.cancel();
        let failed = asked.await.unwrap().map(drop).unwrap_err();
        assert!(failed.message().is_none(), "it was written: nobody knows");
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0, "it is closed");

        let ended = CancellationToken::new();
        let (connection, server) = open(Some(ended.clone())).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n";
        let (mut body, _server) = exchange(connection, server, head).await;
        ended.cancel();
        assert!((&mut body).collect().await.is_err() && body.into_connection().is_none());
    }
}
