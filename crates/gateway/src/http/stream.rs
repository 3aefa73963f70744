//! Streams of what happens outside any call: GET for clients with a session, `subscriptions/listen`
//! for stateless ones.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use remit_mcp::headers;
use tokio_util::sync::CancellationToken;

use super::{Visit, not_allowed};
use crate::gateway::{Gateway, Place};
use crate::http::reply::{self, Events, Gone, plain};
use crate::listen::{Listening, Said};
use crate::peer::{Peer, told};
use crate::session::Session;
use crate::watch::{Notice, Watch};

/// Opens the stream of a session.
pub(crate) fn open(visit: &Visit) -> Response {
    if visit.is_stateless() || visit.header(headers::SESSION_ID).is_none() {
        return not_allowed();
    }
    if !visit.accepts.events {
        let text = "expected `Accept: text/event-stream`, because GET opens a stream";
        return plain(StatusCode::NOT_ACCEPTABLE, text);
    }
    let session = match visit.session() {
        Ok(session) => session,
        Err(refused) => return *refused,
    };
    let task = &visit.caller.task;
    let gateway = &visit.gateway;
    if !gateway.engine.cell(task).is_some_and(|cell| cell.lock().is_open()) {
        return plain(StatusCode::FORBIDDEN, "the task takes no calls, so nothing can change");
    }
    let Some(place) = gateway.enter_stream(task) else {
        return plain(StatusCode::TOO_MANY_REQUESTS, "too many streams of this task are open");
    };
    let peer = Peer::of_session(visit.caller.clone(), visit.server.clone(), &session);
    let (response, events) = reply::events(gateway);
    let ended = session.stream();
    let watch = Watch::new(gateway, peer);
    let feed = Feed { gateway: Arc::clone(gateway), session, ended, _place: place };
    tokio::spawn(feed.run(events, watch));
    response
}

/// A session's stream.
#[derive(Debug)]
struct Feed {
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    ended: CancellationToken,
    _place: Place,
}

impl Feed {
    async fn run(self, mut events: Events, mut watch: Watch) {
        loop {
            let notice = tokio::select! {
                notice = watch.next() => notice,
                Gone = events.keep() => break,
                () = self.ended.cancelled() => break,
            };
            self.session.touch(self.gateway.engine.now());
            if notice == Notice::Stopped {
                break;
            }
            if let Some(text) = told(&self.session, notice)
                && events.send(&text).await.is_err()
            {
                break;
            }
        }
        self.ended.cancel();
    }
}

/// Answers `subscriptions/listen`.
pub(crate) fn listen(gateway: &Arc<Gateway>, mut listening: Listening) -> Response {
    let (response, mut events) = reply::events(gateway);
    tokio::spawn(async move {
        loop {
            let said = tokio::select! {
                said = listening.next() => said,
                Gone = events.keep() => return,
            };
            let (text, last) = match said {
                Said::Notification(text) => (text, false),
                Said::End(text) => (text, true),
            };
            if events.send(&text).await.is_err() || last {
                return;
            }
        }
    });
    response
}
