//! A person connects an account of theirs elsewhere: two pages around the visit to the authorization
//! server ([`Connections`]).
//!
//! The first page says in whose tasks the account will be used before anybody is sent anywhere, because
//! the address may have come from somebody who wants the account for themselves. It gives the browser a
//! cookie without which what comes back counts for nothing.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use http::header::{REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use remit_ports::{BroughtBack, CALLBACK, CONNECT, ConnectError, Connections, SentOn};

use crate::form::Form;
use crate::session::{self, Cookie};
use crate::{origin, page};

/// The cookie is for the way there and back. `Lax`, since it is another site that sends the browser back.
const COOKIE: Cookie = Cookie { name: "remit_connect", same_site: "Lax" };

/// What a stale or foreign ticket is told.
const STALE: &str = "This address was used already, is too old or incomplete. Ask for another with `remit \
                     credential connect`.";

/// What the pages need.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Who connects.
    pub connections: Arc<dyn Connections>,
    /// Whether people come here over TLS.
    pub secure: bool,
}

/// The pages. Whoever serves them checks `Host` first (DNS rebinding).
pub fn connect(door: Connect) -> Router {
    Router::new()
        .route(&format!("{CONNECT}{{ticket}}"), get(ask).post(send))
        .route(&format!("{CALLBACK}{{credential}}"), get(end))
        .with_state(door)
}

/// What is asked. Looking at it uses nothing up: browsers look ahead.
async fn ask(State(door): State<Connect>, Path(ticket): Path<String>) -> Response {
    match door.connections.asked(&ticket) {
        Some(connection) => page::connect(&connection, &ticket),
        None => page::stop(StatusCode::NOT_FOUND, STALE),
    }
}

async fn send(
    State(door): State<Connect>,
    Path(ticket): Path<String>,
    request: Request<Body>,
) -> Response {
    if !origin::is_own(request.headers(), request.uri()) {
        return page::stop(StatusCode::FORBIDDEN, "This form was not sent from its own page.");
    }
    let Some(SentOn { address, browser }) = door.connections.send(&ticket) else {
        return page::stop(StatusCode::NOT_FOUND, STALE);
    };
    // Not by a redirect: some browsers hold the whole way after a form against its page's policy, and
    // where that server leads on to is not known here.
    let refresh = HeaderValue::from_str(&format!("0; url={address}"));
    let cookie = session::set_cookie(&COOKIE, browser.reveal(), door.secure);
    let (Ok(refresh), Some(cookie)) = (refresh, cookie) else {
        return page::stop(StatusCode::BAD_GATEWAY, "The address to go on to is of no use.");
    };
    let mut response = page::going_on(&address);
    response.headers_mut().insert(REFRESH, refresh);
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}

/// What came back.
async fn end(
    State(door): State<Connect>,
    Path(credential): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let Some(brought) = brought(credential, &headers, &uri, door.secure) else {
        return page::stop(StatusCode::BAD_REQUEST, "A parameter is given twice.");
    };
    let ended = door.connections.end(brought).await;
    let mut response = match ended {
        Ok(connection) => page::connected(&connection),
        Err(why) => {
            let status = match &why {
                ConnectError::Failed(_) => StatusCode::BAD_GATEWAY,
                _ => StatusCode::BAD_REQUEST,
            };
            page::not_connected(status, &why.to_string())
        }
    };
    if let Some(cookie) = session::end_cookie(&COOKIE, door.secure) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// The parameters of the answer; `None` if one of them stands twice.
fn brought(
    credential: String,
    headers: &HeaderMap,
    uri: &Uri,
    secure: bool,
) -> Option<BroughtBack> {
    let form = Form::query(uri.query());
    let one = |name: &str| form.one(name).ok().map(|value| value.map(str::to_owned));
    Some(BroughtBack {
        credential,
        browser: session::cookie(headers, &COOKIE, secure).unwrap_or_default().to_owned(),
        state: one("state")?.unwrap_or_default(),
        code: one("code")?,
        error: one("error")?,
        iss: one("iss")?,
    })
}
