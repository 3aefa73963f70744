//! Messages over the standard streams of a child.
//!
//! Owners: the writer task owns standard input and asks each message's gate immediately before its
//! first byte; the reader task owns standard output; the supervisor owns the child and, when it
//! ends, fails what is in flight. A message is written whole or the process is given up.

use std::sync::Arc;
use std::time::Duration;

use remit_mcp::line::{self, Lines};
use remit_mcp::{Frame, Id, Limits as FrameLimits, Notification, Raw, Revision, method};
use remit_ports::BoxFuture;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::process::{self, Process};
use crate::config::Limits;
use crate::gate::{Gate, Own};
use crate::inward::Inward;
use crate::outward;
use crate::table::Table;
use crate::wire::{Ask, Ended, Wire};

/// How many messages may wait to be written.
const QUEUE: usize = 64;
/// How long one message may take to be written; a process that does not read is given up.
const WRITE: Duration = Duration::from_secs(30);
/// How long output that is still in the pipe is read after the process ended.
const DRAIN: Duration = Duration::from_millis(500);

/// A message to be written.
struct Job {
    line: Vec<u8>,
    gate: Arc<dyn Gate>,
    /// The request it is, which ends here if the gate stays shut.
    id: Option<u64>,
}

impl Job {
    /// A message of our own.
    fn own(message: &Raw) -> Self {
        Self { line: line::encode(message), gate: Arc::new(Own), id: None }
    }
}

/// The standard streams of a child, multiplexed.
pub(crate) struct Pipe {
    inward: Arc<Inward>,
    queue: mpsc::Sender<Job>,
    stop: CancellationToken,
}

impl Pipe {
    /// Takes over a started process.
    pub(crate) fn open(process: Process, inward: Arc<Inward>, limits: Limits) -> Arc<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let Process { mut child, stdin, stdout, stderr } = process;
        let health = Arc::clone(&inward.health);
        let started = health.now();
        tokio::spawn(process::keep_stderr(stderr, Arc::clone(&inward)));
        tokio::spawn(write(stdin, jobs, Arc::clone(&inward.table), stop.clone()));
        let reader = tokio::spawn(read(stdout, Arc::clone(&inward), queue.downgrade(), limits));
        let (ending, about) = (stop.clone(), Arc::clone(&inward));
        tokio::spawn(async move {
            let (status, on_its_own) = child.supervise(&ending, limits.grace).await;
            // Answers may still be in the pipe.
            let _ = tokio::time::timeout(DRAIN, reader).await;
            ending.cancel();
            drop(child);
            let why = format!("the server's process ended ({status})");
            if on_its_own {
                health.died(started, &why);
            }
            about.table.close(&why);
        });
        Arc::new(Self { inward, queue, stop })
    }

    async fn exchange(&self, ask: Ask) -> Ended {
        let mut place = match self.inward.table.enter(ask.link.clone()) {
            Ok(place) => place,
            Err(why) => return Ended::Unsent(why),
        };
        let request = match outward::message(place.id, &ask) {
            Ok(request) => request,
            Err(why) => return Ended::Unsent(why),
        };
        let job = Job { line: line::encode(request.raw()), gate: ask.gate, id: Some(place.id) };
        let cancelled = ask.link.map(|link| link.cancelled).unwrap_or_default();
        let answered = async {
            if self.queue.send(job).await.is_err() {
                return Ended::Unsent("the server's process is ending".to_owned());
            }
            match (&mut place.answer).await {
                Ok(Ok(outcome)) => Ended::Reply(outcome),
                Ok(Err(why)) => Ended::Lost(why),
                Err(_) => Ended::Lost("the server's process ended".to_owned()),
            }
        };
        let why = tokio::select! {
            ended = answered => return ended,
            () = cancelled.cancelled() => "the call was cancelled while the server worked on it".to_owned(),
            () = tokio::time::sleep(ask.within) => {
                format!("the server gave no answer within {} ms", ask.within.as_millis())
            }
        };
        self.cancel(place.id, &why);
        Ended::Lost(why)
    }

    /// Tells the server that nobody waits any more. `initialize` must not be cancelled, but then the
    /// whole connection ends.
    fn cancel(&self, id: u64, why: &str) {
        let params = Raw::from(json!({ "requestId": id, "reason": why }));
        if let Ok(message) = Raw::parse(&Notification::text(method::CANCELLED, Some(&params))) {
            let _ = self.queue.try_send(Job::own(&message));
        }
    }
}

impl Wire for Pipe {
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Ended> {
        Box::pin(self.exchange(ask))
    }

    fn tell(&self, message: Raw) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let _ = self.queue.send(Job::own(&message)).await;
        })
    }

    /// Everything arrives on the one stream; a stateless server only has to be asked for it. The
    /// subscription ends with the process.
    fn listen(self: Arc<Self>, revision: Revision) -> BoxFuture<'static, ()> {
        tokio::spawn(async move {
            let ask = crate::listing::subscription(revision);
            let stop = self.stop.clone();
            tokio::select! {
                _ = self.exchange(ask) => {}
                () = stop.cancelled() => {}
            }
        });
        Box::pin(std::future::ready(()))
    }

    fn is_alive(&self) -> bool {
        !self.stop.is_cancelled() && !self.queue.is_closed()
    }

    fn close(&self) {
        self.stop.cancel();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Writes what is queued until the connection ends; then standard input closes.
async fn write(
    mut stdin: ChildStdin,
    mut jobs: mpsc::Receiver<Job>,
    table: Arc<Table>,
    stop: CancellationToken,
) {
    loop {
        let job = tokio::select! {
            job = jobs.recv() => job,
            () = stop.cancelled() => None,
        };
        let Some(job) = job else { break };
        if !job.gate.open() {
            if let Some(id) = job.id {
                table.settle(id, Err("it was stopped before it was sent".to_owned()));
            }
            continue;
        }
        let written = async {
            stdin.write_all(&job.line).await?;
            stdin.flush().await
        };
        match tokio::time::timeout(WRITE, written).await {
            Ok(Ok(())) => {}
            // It has ended, which is about to be seen: nobody has stopped it.
            Ok(Err(_)) => {
                jobs.close();
                let _ = tokio::time::timeout(DRAIN, stop.cancelled()).await;
                break;
            }
            Err(_) => break,
        }
    }
    jobs.close();
    stop.cancel();
}

/// Reads messages until the stream ends.
async fn read(
    mut stdout: ChildStdout,
    inward: Arc<Inward>,
    queue: mpsc::WeakSender<Job>,
    limits: Limits,
) {
    let mut lines = Lines::new(limits.message);
    let mut buffer = vec![0; 1 << 16];
    let bounds = FrameLimits { bytes: limits.message, depth: limits.depth };
    while let Ok(read) = stdout.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        lines.feed(bytes);
        while let Some(line) = lines.next_line() {
            match line {
                Ok(line) => take(&line, bounds, &inward, &queue),
                Err(too_long) => {
                    inward.health.error(&too_long.to_string());
                    inward
                        .table
                        .fail_only(&format!("the server's answer was too long: {too_long}"));
                }
            }
        }
    }
}

fn take(line: &[u8], bounds: FrameLimits, inward: &Arc<Inward>, queue: &mpsc::WeakSender<Job>) {
    match Frame::parse(line, bounds) {
        Ok(Frame::Response(response)) => {
            let id = response.id().and_then(Id::as_u64);
            let known = id.is_some_and(|id| inward.table.settle(id, Ok(response.into_outcome())));
            if known {
                inward.health.works();
            } else {
                inward.health.error("the server answered a request that is not open");
            }
        }
        Ok(Frame::Notification(notification)) => inward.notification(&notification, None),
        Ok(Frame::Request(request)) => {
            let queue = queue.clone();
            inward.answer(request, None, |answer| async move {
                if let Some(queue) = queue.upgrade() {
                    let _ = queue.send(Job::own(&answer)).await;
                }
            });
        }
        Err(malformed) => {
            // Many servers print to standard output by mistake: noted, and nothing more, unless the
            // line is clearly meant as the answer to something.
            inward
                .health
                .error(&format!("the server wrote a line that is no message: {malformed}"));
            if let Some(id) = malformed.id.as_ref().and_then(Id::as_u64) {
                inward
                    .table
                    .settle(id, Err(format!("the server's answer is malformed: {malformed}")));
            }
        }
    }
}
