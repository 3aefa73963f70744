//! MCP over newline-delimited JSON (the stdio transport), both eras, on any stream of bytes.
//!
//! The caller is given: whoever opened the stream has authenticated it. Requests are answered as
//! they end, in any order. What the client does not read in time ends the connection, and while many
//! answers wait for that nothing more is read of it (promise R13).

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_engine::Caller;
use remit_mcp::line::{Lines, encode};
use remit_mcp::meta::RequestMeta;
use remit_mcp::{Frame, Id, Notification, Raw, Request, RpcError, method};
use remit_model::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::Answer;
use crate::calls::{Calls, OpenCall};
use crate::gateway::Gateway;
use crate::listen::{Listening, Said};
use crate::methods::{self, Plan};
use crate::peer::{Peer, told};
use crate::session::Session;
use crate::walk::{Step, Walk};
use crate::watch::{Notice, Watch};

/// How many messages may wait to be written.
const QUEUE: usize = 64;
/// How many answers may be under way beside the calls of the task that may be. With one at least, those
/// that wait for the client's own answers never keep these from being read; the rest are refusals,
/// which are short and may wait as messages do.
const REFUSALS: usize = 64;
/// How many subscriptions may be open. A client needs one, and may be opening the next.
const MAX_LISTENING: usize = 16;
/// How much is read at once.
const CHUNK: usize = 16 * 1024;
/// How long answers under way may take once the client has closed its end.
const GRACE: Duration = Duration::from_secs(2);

/// Serves one client over `reader` and `writer` until the client closes its end, its task is closed or
/// `stop` fires. After that nothing more is read, and what is under way is answered: for as long as that
/// takes, since whoever stops bounds it. `server` is the one server it is offered; `None` for all of its
/// remit.
///
/// Errors: reading or writing failed, or the client did not read in time.
pub async fn serve_lines<R, W>(
    gateway: Arc<Gateway>,
    caller: Caller,
    server: Option<ServerName>,
    (mut reader, mut writer): (R, W),
    stop: CancellationToken,
) -> io::Result<()>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (queue, waiting) = mpsc::channel(QUEUE);
    let patience = gateway.config.write_timeout;
    let line = Line::new(gateway, caller, server, queue);
    let read = async {
        let read = line.read(&mut reader, &stop).await;
        line.finish(&stop).await;
        read
    };
    let write = write(waiting, &mut writer, patience);
    tokio::pin!(read, write);
    let (read, written) = tokio::select! {
        written = &mut write => (Ok(()), written),
        read = &mut read => (read, write.await),
    };
    line.abandon();
    read.and(written)
}

/// Writes what waits, one message a line.
async fn write<W: AsyncWrite + Unpin>(
    mut waiting: mpsc::Receiver<Out>,
    writer: &mut W,
    patience: Duration,
) -> io::Result<()> {
    while let Some(out) = waiting.recv().await {
        let Out::Message(message) = out else { break };
        let bytes = Raw::parse(&message).map(|raw| encode(&raw)).map_err(io::Error::other)?;
        let written = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        match tokio::time::timeout(patience, written).await {
            Ok(written) => written?,
            Err(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client does not read its messages",
                ));
            }
        }
    }
    Ok(())
}

/// What goes to the writer.
#[derive(Debug)]
enum Out {
    Message(String),
    /// Nothing comes after this.
    End,
}

/// One connection. Cloned into each request under way.
#[derive(Clone, Debug)]
struct Line {
    gateway: Arc<Gateway>,
    caller: Caller,
    server: Option<ServerName>,
    queue: mpsc::Sender<Out>,
    /// The requests under way, of both eras.
    calls: Arc<Calls>,
    /// The session, once `initialize` was answered. Written by `initialize` alone.
    session: Arc<Mutex<Option<Arc<Session>>>>,
    /// Answers under way: `finish` waits for them.
    answers: TaskTracker,
    /// How many more of them may be.
    room: Arc<Semaphore>,
    /// How many more subscriptions may be open.
    listening: Arc<Semaphore>,
    /// Fires when the connection ends.
    ended: CancellationToken,
}

impl Line {
    fn new(
        gateway: Arc<Gateway>,
        caller: Caller,
        server: Option<ServerName>,
        queue: mpsc::Sender<Out>,
    ) -> Self {
        let room = gateway.config.max_in_flight.saturating_add(REFUSALS);
        Self {
            gateway,
            caller,
            server,
            queue,
            calls: Arc::default(),
            session: Arc::default(),
            answers: TaskTracker::new(),
            room: Arc::new(Semaphore::new(room.min(Semaphore::MAX_PERMITS))),
            listening: Arc::new(Semaphore::new(MAX_LISTENING)),
            ended: CancellationToken::new(),
        }
    }

    /// Reads until the client closes its end, the task is closed or `stop` fires.
    async fn read<R: AsyncRead + Unpin>(
        &self,
        reader: &mut R,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let mut lines = Lines::new(self.gateway.config.max_body);
        let mut chunk = vec![0; CHUNK];
        let closed = self.closed();
        tokio::pin!(closed);
        loop {
            let count = tokio::select! {
                count = reader.read(&mut chunk) => count?,
                () = &mut closed => return Ok(()),
                () = stop.cancelled() => return Ok(()),
            };
            let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else {
                return Ok(());
            };
            lines.feed(bytes);
            while let Some(line) = lines.next_line() {
                match line {
                    Ok(line) => self.take(&line).await,
                    Err(too_long) => {
                        let error = RpcError::invalid_request(too_long.to_string());
                        self.send(error.render(None)).await;
                    }
                }
            }
        }
    }

    /// Returns once the task is closed.
    async fn closed(&self) {
        let mut changes = self.gateway.engine.changes();
        let mut ticks = tokio::time::interval(self.gateway.config.keep_alive);
        loop {
            let cell = self.gateway.engine.cell(&self.caller.task);
            if cell.is_none_or(|cell| cell.lock().is_closed()) {
                return;
            }
            tokio::select! {
                change = changes.recv() => {
                    if matches!(change, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                        return;
                    }
                }
                _ = ticks.tick() => {}
            }
        }
    }

    /// Lets the answers under way end, for a while; if `stop` fired, until whoever stops gives up.
    async fn finish(&self, stop: &CancellationToken) {
        self.ended.cancel();
        self.answers.close();
        if stop.is_cancelled() {
            self.answers.wait().await;
        } else if tokio::time::timeout(GRACE, self.answers.wait()).await.is_err() {
            self.calls.cancel_all();
        }
        // A writer that ended before has nothing left to write.
        drop(self.queue.send(Out::End).await);
    }

    /// Nobody is there any more: what is under way is no longer wanted.
    fn abandon(&self) {
        self.ended.cancel();
        self.calls.cancel_all();
        if let Some(session) = self.session() {
            session.end();
        }
    }

    fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a message that must not be lost.
    async fn send(&self, message: String) {
        // A writer that is gone ends the connection by itself.
        drop(self.queue.send(Out::Message(message)).await);
    }

    async fn take(&self, line: &[u8]) {
        match Frame::parse(line, self.gateway.limits()) {
            Ok(Frame::Request(request)) => self.request(request).await,
            Ok(Frame::Notification(notification)) => self.notified(&notification),
            Ok(Frame::Response(response)) => {
                if let Some(session) = self.session() {
                    session.answered(response);
                }
            }
            Err(malformed) => {
                self.send(malformed.rpc_error().render(malformed.id.as_ref())).await;
            }
        }
    }

    fn notified(&self, notification: &Notification) {
        if notification.method() == method::CANCELLED {
            self.calls.cancel(notification);
        }
    }

    async fn request(&self, request: Request) {
        match self.peer(&request) {
            Ok(Some(peer)) => self.begin(peer, request).await,
            Ok(None) => {
                let answer = self.initialize(&request).unwrap_or_else(Answer::from);
                self.send(answer.text(request.id())).await;
                self.watch();
            }
            Err(error) => self.send(error.render(Some(request.id()))).await,
        }
    }

    /// Who sent `request`; `None` if it opens the session.
    fn peer(&self, request: &Request) -> Result<Option<Peer>, RpcError> {
        let (caller, server) = (self.caller.clone(), self.server.clone());
        if let Some(meta) = RequestMeta::read(request.params())? {
            return Ok(Some(Peer {
                caller,
                server,
                revision: meta.revision,
                capabilities: Some(meta.capabilities),
                log_level: meta.log_level,
                session: None,
            }));
        }
        match self.session() {
            Some(session) => Ok(Some(Peer::of_session(caller, server, &session))),
            None if request.method() == method::INITIALIZE => Ok(None),
            None => Err(RpcError::invalid_request(
                "expected `initialize` first, or the request metadata of MCP 2026-07-28 in `_meta`",
            )),
        }
    }

    fn initialize(&self, request: &Request) -> Result<Answer, RpcError> {
        let server = self.server.as_ref();
        let (opening, result) = methods::opening(&self.gateway, &self.caller, server, request)?;
        let session = Session::new(self.caller.task.clone(), self.server.clone(), opening);
        let session = Some(Arc::new(session));
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
        Ok(Answer::Result(result))
    }

    /// Tells the client of the session what changes outside any call.
    fn watch(&self) {
        let Some(session) = self.session() else { return };
        let peer = Peer::of_session(self.caller.clone(), self.server.clone(), &session);
        let mut watch = Watch::new(&self.gateway, peer);
        let line = self.clone();
        tokio::spawn(async move {
            loop {
                let notice: Notice = tokio::select! {
                    notice = watch.next() => notice,
                    () = line.ended.cancelled() => return,
                };
                if let Some(text) = told(&session, notice) {
                    line.send(text).await;
                }
            }
        });
    }

    async fn begin(&self, peer: Peer, request: Request) {
        let Some(open) = self.calls.begin(request.id()) else {
            let error = RpcError::invalid_request("a request with this id is under way");
            self.send(error.render(Some(request.id()))).await;
            return;
        };
        if request.method() == method::LISTEN && peer.session.is_none() {
            self.subscribe(peer, request, open).await;
            return;
        }
        match methods::plan(&self.gateway, &peer, &request).await {
            Plan::Answer(answer) => self.send(answer.text(request.id())).await,
            Plan::Call(call) => {
                // Nobody closes it.
                let Ok(place) = Arc::clone(&self.room).acquire_owned().await else { return };
                let cancelled = open.cancelled.clone();
                let walk =
                    Walk::begin(&self.gateway, &request, *call, cancelled.clone(), Some(open));
                let answer = self.clone().carry(peer, walk, cancelled);
                self.answers.spawn(self.clone().answer(request.id().clone(), answer, place));
            }
        }
    }

    /// Sends the answer to a call once there is one. A cancelled call is not answered.
    async fn answer(
        self,
        id: Id,
        answer: impl Future<Output = Option<Answer>>,
        _place: OwnedSemaphorePermit,
    ) {
        // The call is gone by the time its answer waits to be read, however large it was.
        if let Some(answer) = answer.await {
            self.send(answer.text(&id)).await;
        }
    }

    /// Relays a call's messages; its answer, unless it is cancelled.
    async fn carry(
        self,
        peer: Peer,
        mut walk: Walk,
        cancelled: CancellationToken,
    ) -> Option<Answer> {
        loop {
            let step = tokio::select! {
                // First, because a call that is cancelled may end in the same moment.
                biased;
                () = cancelled.cancelled() => {
                    walk.cancel();
                    return None;
                }
                step = walk.next() => step,
            };
            match step {
                Step::Message(message) => {
                    let Some(text) = peer.outgoing(message) else { continue };
                    // A full queue drops what can be dropped: a server's request among it, which
                    // is then refused when its call ends.
                    drop(self.queue.try_send(Out::Message(text)));
                }
                Step::Ended(answer) => return Some(answer),
            }
        }
    }

    async fn subscribe(&self, peer: Peer, request: Request, open: OpenCall) {
        let Ok(place) = Arc::clone(&self.listening).try_acquire_owned() else {
            let error = RpcError::internal(format!(
                "{MAX_LISTENING} subscriptions of this connection are open already; cancel one first"
            ));
            self.send(error.render(Some(request.id()))).await;
            return;
        };
        tokio::spawn(self.clone().listen(peer, request, open, place));
    }

    async fn listen(
        self,
        peer: Peer,
        request: Request,
        open: OpenCall,
        _place: OwnedSemaphorePermit,
    ) {
        let mut listening = match Listening::open(&self.gateway, &peer, &request).await {
            Ok(listening) => listening,
            Err(error) => {
                self.send(error.render(Some(request.id()))).await;
                return;
            }
        };
        loop {
            let said = tokio::select! {
                said = listening.next() => said,
                () = open.cancelled.cancelled() => return,
                () = self.ended.cancelled() => return,
            };
            match said {
                Said::Notification(text) => self.send(text).await,
                Said::End(text) => {
                    self.send(text).await;
                    return;
                }
            }
        }
    }
}
