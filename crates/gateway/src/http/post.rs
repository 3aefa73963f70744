//! POST: one message from the client.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use remit_mcp::frame::Fault;
use remit_mcp::meta::RequestMeta;
use remit_mcp::revision::Era;
use remit_mcp::{Frame, Malformed, Notification, Request, Revision, RpcError, headers, method};
use tokio_util::sync::CancellationToken;

use super::Visit;
use crate::http::reply::{self, Running, json_body, plain};
use crate::http::{accept, stream};
use crate::listen::Listening;
use crate::methods::{self, Plan};
use crate::peer::Peer;
use crate::session::Session;
use crate::walk::Walk;

/// Answers one POST.
pub(crate) async fn serve(visit: Visit, request: http::Request<Body>) -> Response {
    if !accept::sends_json(request.headers()) {
        let text = "expected `Content-Type: application/json`";
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text);
    }
    if visit.accepts.is_none() {
        let text = "expected `Accept: application/json, text/event-stream`";
        return plain(StatusCode::NOT_ACCEPTABLE, text);
    }
    let body = match read(&visit, request).await {
        Ok(body) => body,
        Err(refused) => return *refused,
    };
    match Frame::parse(&body, visit.gateway.limits()) {
        Ok(Frame::Request(request)) => answer(&visit, request).await,
        Ok(Frame::Notification(notification)) => notified(&visit, &notification),
        Ok(Frame::Response(response)) => match visit.session() {
            Ok(session) => {
                session.answered(response);
                reply::empty(StatusCode::ACCEPTED)
            }
            Err(refused) => *refused,
        },
        Err(malformed) => unreadable(&malformed),
    }
}

async fn read(visit: &Visit, request: http::Request<Body>) -> Result<Bytes, Box<Response>> {
    let most = visit.gateway.config.max_body;
    let body = Limited::new(request.into_body(), most).collect();
    match tokio::time::timeout(visit.gateway.config.read_timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(why)) if why.is::<LengthLimitError>() => Err(Box::new(reply::unaddressed(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("expected a message of at most {most} bytes, got a longer one; send less"),
        ))),
        Ok(Err(_)) => Err(Box::new(reply::unaddressed(
            StatusCode::BAD_REQUEST,
            "the body ended before its announced length",
        ))),
        Err(_) => Err(Box::new(reply::unaddressed(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive; send the message again",
        ))),
    }
}

fn unreadable(malformed: &Malformed) -> Response {
    let status = match malformed.fault {
        Fault::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    json_body(status, malformed.rpc_error().render(malformed.id.as_ref()))
}

fn notified(visit: &Visit, notification: &Notification) -> Response {
    if visit.is_stateless() {
        return reply::empty(StatusCode::ACCEPTED);
    }
    match visit.session() {
        Ok(session) => {
            if notification.method() == method::CANCELLED {
                session.calls.cancel(notification);
            }
            reply::empty(StatusCode::ACCEPTED)
        }
        Err(refused) => *refused,
    }
}

/// Answers a request, by the rules of the era that it belongs to.
async fn answer(visit: &Visit, request: Request) -> Response {
    let refuse = |error: RpcError, era: Era| {
        let status = StatusCode::from_u16(error.status(era)).unwrap_or(StatusCode::BAD_REQUEST);
        json_body(status, error.render(Some(request.id())))
    };
    match RequestMeta::read(request.params()) {
        // Where header and body disagree, that is the error, whatever else is wrong with the body.
        Err(error) => {
            let stated = RequestMeta::stated_version(request.params());
            let given = given(visit);
            let mismatch = stated.and_then(|it| headers::check_version(&given, &it).err());
            refuse(mismatch.unwrap_or(error), Era::Stateless)
        }
        Ok(Some(meta)) => match agree(visit, &request, meta.revision) {
            Ok(()) => stateless(visit, request, meta).await,
            Err(error) => refuse(error, Era::Stateless),
        },
        Ok(None) => match visit.version() {
            Err(version) => refuse(RpcError::unsupported_version(&version), Era::Stateless),
            Ok(Some(revision)) if revision.era() == Era::Stateless => refuse(
                RpcError::invalid_meta(format!(
                    "expected `_meta` with `{}`, as MCP {revision} wants it in every request",
                    remit_mcp::meta::PROTOCOL_VERSION
                )),
                Era::Stateless,
            ),
            Ok(_) if request.method() == method::INITIALIZE => initialize(visit, &request),
            Ok(_) => match visit.session() {
                Ok(session) => in_session(visit, request, &session).await,
                Err(refused) => *refused,
            },
        },
    }
}

fn given(visit: &Visit) -> Vec<(&str, &str)> {
    visit.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Checks that the headers say what the body says.
fn agree(visit: &Visit, request: &Request, revision: Revision) -> Result<(), RpcError> {
    let given = given(visit);
    let sheet = methods::called(&visit.gateway, visit.server.as_ref(), request);
    let mirrored = sheet.as_ref().and_then(|sheet| sheet.mirrored.as_ref());
    headers::check(&given, request, revision, mirrored)
}

async fn stateless(visit: &Visit, request: Request, meta: RequestMeta) -> Response {
    let peer = Peer {
        caller: visit.caller.clone(),
        server: visit.server.clone(),
        revision: meta.revision,
        capabilities: Some(meta.capabilities),
        log_level: meta.log_level,
        session: None,
    };
    if request.method() == method::LISTEN {
        return listen(visit, &peer, &request).await;
    }
    let call = match methods::plan(&visit.gateway, &peer, &request).await {
        Plan::Answer(answer) => {
            return reply::answered(&peer, request.id(), &answer, visit.accepts);
        }
        Plan::Call(call) => call,
    };
    let cancelled = CancellationToken::new();
    let walk = Walk::begin(&visit.gateway, &request, *call, cancelled, None);
    let id = request.id().clone();
    let running = Running { walk: walk.cancelled_when_dropped(), peer, id };
    reply::run(&visit.gateway, running, visit.accepts).await
}

async fn listen(visit: &Visit, peer: &Peer, request: &Request) -> Response {
    if !visit.accepts.events {
        let text = "expected `Accept: text/event-stream`, because a subscription is a stream";
        return plain(StatusCode::NOT_ACCEPTABLE, text);
    }
    match Listening::open(&visit.gateway, peer, request).await {
        Ok(listening) => stream::listen(&visit.gateway, listening),
        Err(error) => reply::answered(peer, request.id(), &error.into(), visit.accepts),
    }
}

fn initialize(visit: &Visit, request: &Request) -> Response {
    let gateway = &visit.gateway;
    let server = visit.server.as_ref();
    let opened =
        methods::opening(gateway, &visit.caller, server, request).and_then(|(opening, result)| {
            let session = Session::new(visit.caller.task.clone(), visit.server.clone(), opening);
            let entropy = gateway.engine.ports().entropy.as_ref();
            let id = gateway.sessions.open(session, entropy, gateway.engine.now());
            let id = id.map_err(|why| RpcError::internal(why.to_string()))?;
            Ok((id, result))
        });
    match opened {
        Ok((id, result)) => {
            let text = remit_mcp::Response::result_text(request.id(), &result);
            let mut response = json_body(StatusCode::OK, text);
            if let Ok(id) = HeaderValue::from_str(&id) {
                response.headers_mut().insert(headers::SESSION_ID, id);
            }
            response
        }
        Err(error) => json_body(StatusCode::OK, error.render(Some(request.id()))),
    }
}

async fn in_session(visit: &Visit, request: Request, session: &Arc<Session>) -> Response {
    let peer = Peer::of_session(visit.caller.clone(), visit.server.clone(), session);
    let call = match methods::plan(&visit.gateway, &peer, &request).await {
        Plan::Answer(answer) => {
            return reply::answered(&peer, request.id(), &answer, visit.accepts);
        }
        Plan::Call(call) => call,
    };
    let Some(open) = session.calls.begin(request.id()) else {
        let error = RpcError::invalid_request("a request with this id is under way; use another");
        return reply::answered(&peer, request.id(), &error.into(), visit.accepts);
    };
    let cancelled = open.cancelled.clone();
    let walk = Walk::begin(&visit.gateway, &request, *call, cancelled, Some(open));
    let id = request.id().clone();
    // A client with a session that drops its connection has not cancelled (2025-11-25 *Streamable
    // HTTP*): only `notifications/cancelled` does that.
    let running = Running { walk, peer, id };
    reply::run(&visit.gateway, running, visit.accepts).await
}
