//! Reading what an endpoint answers: one JSON body, or a stream of events that ends with it.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};
use remit_mcp::sse::Events;
use remit_mcp::{Frame, Id, Limits as FrameLimits, Notification, Outcome, Request, Response};

use super::driven::Driven;
use super::pool::causes;
use crate::config::Limits;
use crate::wire::Ended;

/// The most bytes of the body of an HTTP error.
const ERROR_BODY: usize = 64 << 10;

/// What a body is, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Json,
    Events,
    Other,
}

/// Something else than the answer, seen on the way to it.
pub(crate) enum Aside {
    Notification(Notification),
    Request(Request),
    /// The answer to something else than what the stream belongs to.
    Response(Response),
}

/// The shape that `headers` announce.
pub(crate) fn shape(headers: &HeaderMap) -> Shape {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Shape::Json,
        "text/event-stream" => Shape::Events,
        _ => Shape::Other,
    }
}

/// The answer in a JSON body to the request `id`.
pub(crate) async fn json(body: &mut Driven, id: u64, limits: Limits) -> Ended {
    let bytes = match Limited::new(body, limits.message).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(e) if e.is::<http_body_util::LengthLimitError>() => {
            return Ended::Lost(format!(
                "the server's answer has more than {} bytes",
                limits.message
            ));
        }
        Err(e) => return Ended::Lost(format!("the server's answer broke off: {}", causes(&*e))),
    };
    match Frame::parse(&bytes, bounds(limits)) {
        Ok(Frame::Response(response)) if response.id().and_then(Id::as_u64) == Some(id) => {
            Ended::Reply(response.into_outcome())
        }
        Ok(Frame::Response(response))
            if response.id().is_none() && matches!(response.outcome(), Outcome::Error(_)) =>
        {
            Ended::Reply(response.into_outcome())
        }
        Ok(_) => Ended::Lost("the server answered something else than what was asked".to_owned()),
        Err(malformed) => Ended::Lost(format!("the server's answer is malformed: {malformed}")),
    }
}

/// Reads events until the answer to the request `id`, or to the end of the stream if there is no
/// such request. Everything else goes to `aside`; `cursor` is left at the last event id.
///
/// Errors: the stream ended or broke off before the answer, in words. What was read until then was
/// well formed, so the stream may be taken up again where it was left.
pub(crate) async fn events(
    mut body: Driven,
    id: Option<u64>,
    limits: Limits,
    cursor: &mut Option<String>,
    mut aside: impl FnMut(Aside),
) -> Result<Ended, String> {
    let mut events = Events::new(limits.message);
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    events.feed(&data);
                }
            }
            Some(Err(e)) => return Err(format!("the stream broke off: {}", causes(&e))),
            None => return Err("the stream ended before the answer".to_owned()),
        }
        while let Some(event) = events.next_event() {
            let event = match event {
                Ok(event) => event,
                Err(e) => return Ok(Ended::Lost(format!("the server's stream is malformed: {e}"))),
            };
            cursor.clone_from(&event.id);
            if event.data.is_empty() {
                continue;
            }
            match Frame::parse(event.data.as_bytes(), bounds(limits)) {
                Ok(Frame::Notification(notification)) => aside(Aside::Notification(notification)),
                Ok(Frame::Request(request)) => aside(Aside::Request(request)),
                Ok(Frame::Response(response)) => {
                    let addressed = response.id().and_then(Id::as_u64);
                    if id.is_some() && addressed == id {
                        return Ok(Ended::Reply(response.into_outcome()));
                    }
                    aside(Aside::Response(response));
                }
                Err(malformed) => {
                    let why = format!("the server's answer is malformed: {malformed}");
                    return Ok(Ended::Lost(why));
                }
            }
        }
    }
}

/// What an error status means: the JSON-RPC error in its body if there is one.
pub(crate) async fn error(status: StatusCode, body: Driven, limits: Limits) -> Ended {
    let collected = Limited::new(body, ERROR_BODY).collect().await;
    let bytes = collected.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    if let Ok(Frame::Response(response)) = Frame::parse(&bytes, bounds(limits))
        && matches!(response.outcome(), Outcome::Error(_))
    {
        return Ended::Reply(response.into_outcome());
    }
    let why = format!("the server answered with HTTP status {status}");
    Ended::Http { status: status.as_u16(), why }
}

fn bounds(limits: Limits) -> FrameLimits {
    FrameLimits { bytes: limits.message, depth: limits.depth }
}
