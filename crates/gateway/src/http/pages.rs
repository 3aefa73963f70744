//! Browser pages: what a page of an allowed origin is told, so that its browser lets it speak MCP
//! (the CORS protocol of the Fetch standard). Pages of other origins were refused before, and
//! nothing is allowed that a browser adds by itself: no cookie, no certificate.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use remit_mcp::headers;

use crate::http::reply;

/// What a client does at the endpoint.
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");

/// What a client sends in MCP's revisions, and with a grant; beside mirrored arguments.
const HEADERS: [&str; 9] = [
    "authorization",
    "dpop",
    "content-type",
    "accept",
    "last-event-id",
    headers::SESSION_ID,
    headers::PROTOCOL_VERSION,
    headers::METHOD,
    headers::NAME,
];

/// What a client needs of an answer's headers: its session, its next nonce, how to get in.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Mcp-Session-Id, DPoP-Nonce, WWW-Authenticate");

/// How many seconds a browser may go by one answer, instead of asking before each call. Each call is
/// checked itself, so it only matters for how soon a browser hears of headers of a later version.
const GOOD_FOR: HeaderValue = HeaderValue::from_static("600");

/// The answer to the question whether the page may send what it wants to, which comes without a
/// grant; none to anything else.
pub(crate) fn asked(request: &Request<Body>) -> Option<Response> {
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    asks.then(|| {
        let mut response = reply::empty(StatusCode::NO_CONTENT);
        let told = response.headers_mut();
        told.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        told.insert(ACCESS_CONTROL_MAX_AGE, GOOD_FOR);
        if let Ok(allowed) = HeaderValue::from_str(&allowed(request)) {
            told.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        response
    })
}

/// Those of the headers that the page wants to send which a client sends.
fn allowed(request: &Request<Body>) -> String {
    let wanted = request.headers().get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let wanted = wanted.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let named = wanted.filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let sent = named.filter(|name| {
        HEADERS.contains(&name.as_str()) || name.as_str().starts_with(headers::PARAM_PREFIX)
    });
    sent.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

/// The origin of the page that sent the request, if a page did.
pub(crate) fn origin(request: &Request<Body>) -> Option<HeaderValue> {
    request.headers().get(ORIGIN).cloned()
}

/// Lets the page of the allowed `origin` read the answer.
pub(crate) fn show(response: &mut Response, origin: HeaderValue) {
    let told = response.headers_mut();
    told.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    told.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    told.append(VARY, HeaderValue::from_static("Origin"));
}
