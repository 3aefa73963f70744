//! MCP over Streamable HTTP, both eras on one endpoint.
//!
//! The order of the checks is the order of what they cost and of what they may be told: address and
//! origin (against DNS rebinding), whether a browser only asks, the grant, the media types, the size, the message.

mod accept;
mod grant;
mod guard;
mod pages;
mod post;
mod reply;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use http::{HeaderName, Method, Request, StatusCode};
use remit_engine::{Caller, Peer};
use remit_mcp::revision::{Era, Revision};
use remit_mcp::{RpcError, headers};
use remit_model::ServerName;

use crate::gateway::Gateway;
use crate::http::accept::Accepts;
use crate::http::grant::Target;
use crate::http::reply::plain;
use crate::session::Session;

/// The endpoints `/mcp` (every server of the caller's remit) and `/mcp/{server}` (that one).
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().route("/mcp", any(common)).route("/mcp/{server}", any(single)).with_state(gateway)
}

/// `other` pages of the same listener, for requests that name this server alone (DNS rebinding).
pub fn by_our_names(gateway: Arc<Gateway>, other: Router) -> Router {
    // Its routes alone: what nobody serves is answered as ever.
    other.route_layer(from_fn_with_state(gateway, named))
}

async fn named(
    State(gateway): State<Arc<Gateway>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    match guard::our_name(&gateway.config, &request) {
        Some(_) => next.run(request).await,
        None => guard::strange(),
    }
}

async fn common(State(gateway): State<Arc<Gateway>>, request: Request<Body>) -> Response {
    serve(gateway, None, request).await
}

async fn single(
    State(gateway): State<Arc<Gateway>>,
    Path(server): Path<String>,
    request: Request<Body>,
) -> Response {
    serve(gateway, Some(server), request).await
}

/// One request that passed the guards.
#[derive(Debug)]
struct Visit {
    gateway: Arc<Gateway>,
    caller: Caller,
    server: Option<ServerName>,
    accepts: Accepts,
    /// Those that MCP gives a meaning.
    headers: Vec<(HeaderName, String)>,
}

async fn serve(gateway: Arc<Gateway>, named: Option<String>, request: Request<Body>) -> Response {
    if let Err(refused) = guard::check_address(&gateway.config, &request) {
        return *refused;
    }
    let page = pages::origin(&request);
    let mut response = match pages::asked(&request) {
        Some(answer) if page.is_some() => answer,
        _ => addressed(gateway, named, request).await,
    };
    if let Some(origin) = page {
        pages::show(&mut response, origin);
    }
    response
}

/// One request by our name, and not of a page that may not come.
async fn addressed(
    gateway: Arc<Gateway>,
    named: Option<String>,
    request: Request<Body>,
) -> Response {
    let (visit, nonce) = match visit(gateway, named, &request) {
        Ok(visit) => visit,
        Err(refused) => return *refused,
    };
    let mut response = match *request.method() {
        Method::POST => post::serve(visit, request).await,
        Method::GET => stream::open(&visit),
        Method::DELETE => delete(&visit),
        _ => not_allowed(),
    };
    if let Some(nonce) = nonce {
        grant::tell(&mut response, &nonce);
    }
    response
}

/// The request as one that passed the guards, and the nonce that its client should use from now on.
fn visit(
    gateway: Arc<Gateway>,
    named: Option<String>,
    request: &Request<Body>,
) -> Result<(Visit, Option<String>), Box<Response>> {
    let url = endpoint(&gateway, named.as_deref());
    let peer = request.extensions().get::<Arc<Peer>>().map(Arc::as_ref);
    let target = Target { method: request.method(), url: &url, peer };
    let (caller, nonce) = grant::authenticate(&gateway, request.headers(), target)?;
    let server = match named {
        None => None,
        Some(name) => Some(known_server(&gateway, &name).ok_or_else(|| {
            Box::new(plain(
                StatusCode::NOT_FOUND,
                "no such server; use `/mcp` for all, or `/mcp/<name>` with a configured name",
            ))
        })?),
    };
    let accepts = Accepts::of(request.headers());
    let of_mcp = |(name, _): &(&HeaderName, _)| name.as_str().starts_with(headers::PREFIX);
    let headers = request.headers().iter().filter(of_mcp).map(|(name, value)| {
        (name.clone(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let headers = headers.collect();
    Ok((Visit { gateway, caller, server, accepts, headers }, nonce))
}

/// The endpoint that a request was sent to, as the server names itself.
fn endpoint(gateway: &Gateway, named: Option<&str>) -> String {
    let all = gateway.engine.realm().audience();
    named.map_or_else(|| all.to_owned(), |server| format!("{all}/{server}"))
}

fn known_server(gateway: &Gateway, name: &str) -> Option<ServerName> {
    let name: ServerName = name.parse().ok()?;
    gateway.engine.settings().servers.contains_key(&name).then_some(name)
}

impl Visit {
    /// The value of a header; of one that stands twice, both as HTTP joins them (RFC 9110 section
    /// 5.3), which is a value that nobody gave out.
    fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().filter(|(other, _)| other.as_str() == name);
        let values: Vec<&str> = found.map(|(_, value)| value.trim()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The revision that `MCP-Protocol-Version` names.
    ///
    /// Errors: it names none that is spoken here.
    fn version(&self) -> Result<Option<Revision>, String> {
        match self.header(headers::PROTOCOL_VERSION) {
            None => Ok(None),
            Some(text) => Revision::parse(&text).map(Some).ok_or(text),
        }
    }

    fn is_stateless(&self) -> bool {
        matches!(self.version(), Ok(Some(revision)) if revision.era() == Era::Stateless)
    }

    /// The session that `Mcp-Session-Id` names.
    ///
    /// Errors: the answer if it names none, or one of another task or endpoint, or if the request is of
    /// a revision that is not spoken here (MCP 2025-11-25 *Protocol Version Header*).
    fn session(&self) -> Result<Arc<Session>, Box<Response>> {
        if let Err(version) = self.version() {
            let error = RpcError::unsupported_version(&version);
            return Err(Box::new(reply::json_body(StatusCode::BAD_REQUEST, error.render(None))));
        }
        let id = self.header(headers::SESSION_ID).ok_or_else(|| {
            Box::new(reply::unaddressed(
                StatusCode::BAD_REQUEST,
                "expected `Mcp-Session-Id` as `initialize` gave it, or the request metadata of \
                 MCP 2026-07-28 in `_meta`",
            ))
        })?;
        let (task, server) = (&self.caller.task, self.server.as_ref());
        let found = self.gateway.sessions.find(&id, task, server, self.gateway.engine.now());
        found.ok_or_else(|| {
            Box::new(reply::unaddressed(
                StatusCode::NOT_FOUND,
                "the session is unknown or has ended; send `initialize` to open a new one",
            ))
        })
    }
}

/// Ends a session at its client's wish.
fn delete(visit: &Visit) -> Response {
    let id = match visit.header(headers::SESSION_ID) {
        Some(id) if !visit.is_stateless() => id,
        _ => return not_allowed(),
    };
    match visit.session() {
        Ok(_) => {
            visit.gateway.sessions.close(&id);
            reply::empty(StatusCode::NO_CONTENT)
        }
        Err(refused) => *refused,
    }
}

fn not_allowed() -> Response {
    let mut response = plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "expected POST; GET and DELETE are for clients with a session",
    );
    response.headers_mut().insert(http::header::ALLOW, http::HeaderValue::from_static("POST"));
    response
}
