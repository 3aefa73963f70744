//! Answers over HTTP: one JSON body, or a stream of events.
//!
//! A stream is fed by a task of its own through a short queue. Where a client does not read, the
//! queue fills, the write times out and the stream ends: nothing waits for such a client longer
//! than that (promise R13).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::poll_fn;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use remit_mcp::{Id, RpcError, sse};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

use crate::answer::Answer;
use crate::gateway::Gateway;
use crate::http::accept::Accepts;
use crate::peer::Peer;
use crate::walk::{Step, Walk};

/// How many events may wait for a client to read.
const QUEUE: usize = 16;

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A response with a JSON body.
pub(crate) fn json_body(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A refusal of the transport's own, outside JSON-RPC.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response {
    json_body(status, json!({ "error": text }).to_string())
}

/// A JSON-RPC error about a message whose id is not known.
pub(crate) fn unaddressed(status: StatusCode, text: &str) -> Response {
    json_body(status, RpcError::invalid_request(text).render(None))
}

/// The answer to the request `id`, in whichever form the client takes.
pub(crate) fn answered(peer: &Peer, id: &Id, answer: &Answer, accepts: Accepts) -> Response {
    let text = answer.text(id);
    let status = StatusCode::from_u16(answer.status(peer.era())).unwrap_or(StatusCode::OK);
    if accepts.json || status != StatusCode::OK {
        return json_body(status, text);
    }
    event_stream(Body::from(sse::encode(&text, None)))
}

fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    headers.insert(unbuffered, HeaderValue::from_static("no"));
    response
}

/// The writing end of an event stream.
#[derive(Debug)]
pub(crate) struct Events {
    queue: mpsc::Sender<Bytes>,
    patience: Duration,
    ticks: Interval,
}

/// The client reads no more.
#[derive(Debug)]
pub(crate) struct Gone;

/// An event stream: its response and the end that writes it.
pub(crate) fn events(gateway: &Gateway) -> (Response, Events) {
    let (queue, mut waiting) = mpsc::channel::<Bytes>(QUEUE);
    let stream = poll_fn(move |context| {
        waiting.poll_recv(context).map(|next| next.map(Ok::<_, std::convert::Infallible>))
    });
    let mut ticks = tokio::time::interval(gateway.config.keep_alive);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let events = Events { queue, patience: gateway.config.write_timeout, ticks };
    (event_stream(Body::from_stream(stream)), events)
}

impl Events {
    /// Writes one message.
    pub(crate) async fn send(&mut self, message: &str) -> Result<(), Gone> {
        self.ticks.reset();
        let bytes = Bytes::from(sse::encode(message, None));
        match tokio::time::timeout(self.patience, self.queue.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// Keeps the quiet stream open, and returns once the client is gone. Dropping the future
    /// loses nothing.
    pub(crate) async fn keep(&mut self) -> Gone {
        loop {
            tokio::select! {
                () = self.queue.closed() => return Gone,
                _ = self.ticks.tick() => {
                    // A full queue is not quiet: nothing is needed to keep it open.
                    drop(self.queue.try_send(Bytes::from_static(sse::KEEP_ALIVE.as_bytes())));
                }
            }
        }
    }
}

/// One call under way and how to answer it.
#[derive(Debug)]
pub(crate) struct Running {
    /// The call.
    pub(crate) walk: Walk,
    /// Who asked.
    pub(crate) peer: Peer,
    /// The id to answer to.
    pub(crate) id: Id,
}

/// Answers a call: as one JSON body if it ends before the server says anything, else as a stream.
pub(crate) async fn run(gateway: &Arc<Gateway>, mut call: Running, accepts: Accepts) -> Response {
    let mut first = None;
    if accepts.json {
        let long = tokio::time::sleep(gateway.config.keep_alive);
        tokio::pin!(long);
        loop {
            tokio::select! {
                step = call.walk.next() => match step {
                    Step::Ended(answer) => {
                        return answered(&call.peer, &call.id, &answer, accepts);
                    }
                    Step::Message(message) if accepts.events => {
                        first = call.peer.outgoing(message);
                        if first.is_some() {
                            break;
                        }
                    }
                    // Nobody to tell it to; dropping a server's request refuses it.
                    Step::Message(_) => {}
                },
                () = &mut long, if accepts.events => break,
            }
        }
    }
    // A client that does not read its stream does not hold up its call.
    call.walk = call.walk.on_its_own();
    let (response, events) = events(gateway);
    tokio::spawn(feed(call, events, first));
    response
}

/// Writes a call's messages and its answer; ends early when the client is gone.
async fn feed(mut call: Running, mut events: Events, first: Option<String>) {
    if let Some(first) = first
        && events.send(&first).await.is_err()
    {
        return;
    }
    loop {
        let step = tokio::select! {
            step = call.walk.next() => step,
            Gone = events.keep() => return,
        };
        let (text, last) = match step {
            Step::Message(message) => match call.peer.outgoing(message) {
                Some(text) => (text, false),
                None => continue,
            },
            Step::Ended(answer) => (answer.text(&call.id), true),
        };
        if events.send(&text).await.is_err() || last {
            return;
        }
    }
}
