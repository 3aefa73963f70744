//! One Streamable HTTP endpoint, in the era its server speaks.
//!
//! Stateless: every request is a POST of its own with headers that mirror its body, and closing its
//! stream cancels it. Sessions: the id that `initialize` returned goes with every request, what the
//! server says unasked comes on a GET stream, answers to its requests are posted. A session that the
//! server no longer knows is given up; the call that met it was not acted on and is not repeated.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::Full;
use remit_mcp::{
    Era, Id, Notification, Outcome, ParamHeaders, Raw, Request, Revision, headers, method,
};
use remit_ports::{BoxFuture, Link};
use serde_json::json;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Aside, Shape};
use super::driven::Driven;
use super::pool::Pool;
use crate::config::{HttpServer, Limits};
use crate::delivery::Equipment;
use crate::gate::Own;
use crate::inward::Inward;
use crate::outward;
use crate::wire::{Ask, Ended, Wire};

/// How long a message that wants no answer may take.
const TELL: Duration = Duration::from_secs(10);
/// The first and the longest wait before a stream of notifications is opened again.
const RELISTEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long the first call of a session waits for the stream of what the server says unasked, so
/// that a server that does not tell the two apart sees that stream first. Some answer a request for
/// it only once they have something to say.
const STANDS: Duration = Duration::from_millis(250);
/// How long to wait before a stream that the server let go of is taken up again, and how often.
const RESUME: Duration = Duration::from_millis(500);
const MAX_RESUMES: usize = 8;
/// The longest session id that is kept.
const MAX_SESSION_ID: usize = 1024;

/// One endpoint.
pub(crate) struct Endpoint {
    me: Weak<Self>,
    server: HttpServer,
    pool: Pool,
    inward: Arc<Inward>,
    limits: Limits,
    session: Mutex<Session>,
    /// What its own messages are sent with.
    equipment: Mutex<Arc<Equipment>>,
    stop: CancellationToken,
}

/// What `initialize` left behind.
#[derive(Clone, Debug, Default)]
struct Session {
    id: Option<HeaderValue>,
    revision: Option<Revision>,
}

type Out = http::Request<Full<Bytes>>;
type Head = http::Request<()>;

impl Endpoint {
    /// The endpoint that `server` configures; connects when first used.
    ///
    /// Errors: see [`Pool::new`].
    pub(crate) fn new(
        server: &HttpServer,
        inward: Arc<Inward>,
        equipment: Arc<Equipment>,
        limits: Limits,
    ) -> Result<Arc<Self>, String> {
        let pool = Pool::new(server, None, Arc::clone(&inward.health))?;
        Ok(Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            server: server.clone(),
            pool,
            inward,
            limits,
            session: Mutex::default(),
            equipment: Mutex::new(equipment),
            stop: CancellationToken::new(),
        }))
    }

    fn equipment(&self) -> Arc<Equipment> {
        Arc::clone(&self.equipment.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The connections that requests with this go through.
    fn way<'a>(&'a self, equipment: &'a Equipment) -> &'a Pool {
        equipment.way.as_deref().unwrap_or(&self.pool)
    }

    fn session(&self) -> Session {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        let stateless = ask.revision.is_some_and(|revision| revision.era() == Era::Stateless);
        let equipment = ask.equipment.clone().unwrap_or_else(|| self.equipment());
        let http = if stateless {
            self.stateless(&request, ask.mirrored.as_deref(), &equipment)
        } else {
            self.post(request.raw(), &equipment)
        };
        let http = match http {
            Ok(http) => http,
            Err(why) => return Ended::Unsent(why),
        };
        let way = self.way(&equipment);
        let ask = Ask { equipment: Some(Arc::clone(&equipment)), ..ask };
        let cancelled = ask.link.as_ref().map(|link| link.cancelled.clone()).unwrap_or_default();
        let why = tokio::select! {
            ended = self.answered((http, way), &ask, place.id) => return ended,
            answer = &mut place.answer => match answer {
                Ok(Ok(outcome)) => return Ended::Reply(outcome),
                Ok(Err(why)) => why,
                Err(_) => "the connection was closed".to_owned(),
            },
            () = cancelled.cancelled() => "the call was cancelled while the server worked on it".to_owned(),
            () = self.stop.cancelled() => "the connection was closed".to_owned(),
            () = tokio::time::sleep(ask.within) => {
                format!("the server gave no answer within {} ms", ask.within.as_millis())
            }
        };
        if !stateless {
            self.cancel(place.id, &why, equipment);
        }
        Ended::Lost(why)
    }

    async fn answered(&self, (http, way): (Out, &Pool), ask: &Ask, id: u64) -> Ended {
        let response = match way.send(http, &*ask.gate).await {
            Ok(response) => response,
            Err(ended) => return ended,
        };
        let (head, mut body) = response.into_parts();
        if head.status == StatusCode::NOT_FOUND && self.session().id.is_some() {
            self.stop.cancel();
            let why =
                "the server no longer knows the session; the next call opens another".to_owned();
            return Ended::Http { status: 404, why };
        }
        if head.status != StatusCode::OK {
            return answer::error(head.status, body, self.limits).await;
        }
        let ended = match answer::shape(&head.headers) {
            Shape::Json => {
                let ended = answer::json(&mut body, id, self.limits).await;
                if matches!(ended, Ended::Reply(_)) {
                    way.give_back(body);
                }
                ended
            }
            Shape::Events => self.streamed(body, ask, id).await,
            Shape::Other => Ended::Lost(
                "the server answered with something else than JSON or an event stream".to_owned(),
            ),
        };
        if let Ended::Reply(outcome) = &ended {
            self.inward.health.works();
            if let (method::INITIALIZE, Outcome::Result(result)) = (ask.method.as_str(), outcome) {
                let id = head.headers.get(headers::SESSION_ID).cloned();
                let id = id.filter(|id| id.len() <= MAX_SESSION_ID);
                let revision = result.text("protocolVersion").and_then(|v| Revision::parse(&v));
                *self.session.lock().unwrap_or_else(PoisonError::into_inner) =
                    Session { id, revision };
            }
        }
        ended
    }

    /// The answer on a stream. In the session era a server may let go of a stream and be asked for
    /// the rest of it (2025-11-25 *Resumability and Redelivery*): that asks for events, it does not
    /// send the call again.
    async fn streamed(&self, body: Driven, ask: &Ask, id: u64) -> Ended {
        let link = ask.link.as_ref();
        // What belongs to a call goes with what that was sent with, to the end of its stream.
        let equipment = ask.equipment.clone().unwrap_or_else(|| self.equipment());
        let mut cursor = None;
        let mut body = body;
        for _ in 0..=MAX_RESUMES {
            let read = answer::events(body, Some(id), self.limits, &mut cursor, |aside| {
                self.aside(aside, link, &equipment);
            });
            let why = match read.await {
                Ok(ended) => return ended,
                Err(why) => why,
            };
            let resumed = match &cursor {
                Some(last) if self.session().id.is_some() => {
                    tokio::time::sleep(RESUME).await;
                    self.open_stream(Some(last), &equipment).await.ok()
                }
                _ => None,
            };
            let Some(resumed) = resumed else { return Ended::Lost(why) };
            body = resumed;
        }
        Ended::Lost("the server let go of the stream too often".to_owned())
    }

    /// Something the server said on a stream that belongs to `link`, or to nobody.
    fn aside(&self, aside: Aside, link: Option<&Link>, equipment: &Arc<Equipment>) {
        match aside {
            Aside::Notification(notification) => self.inward.notification(&notification, link),
            // In the session era a stream that the server let go of may be taken up on any other,
            // so that the answer to a call can come where nobody asked for it.
            Aside::Response(response) => {
                let id = response.id().and_then(Id::as_u64).filter(|_| self.session().id.is_some());
                if let Some(id) = id {
                    self.inward.table.settle(id, Ok(response.into_outcome()));
                }
            }
            Aside::Request(request) => {
                let (me, equipment) = (Weak::clone(&self.me), Arc::clone(equipment));
                self.inward.answer(request, link.cloned(), |answer| async move {
                    if let Some(me) = me.upgrade() {
                        me.tell_with(answer, &equipment).await;
                    }
                });
            }
        }
    }

    fn cancel(&self, id: u64, why: &str, equipment: Arc<Equipment>) {
        let params = Raw::from(json!({ "requestId": id, "reason": why }));
        let message = Raw::parse(&Notification::text(method::CANCELLED, Some(&params)));
        if let (Some(me), Ok(message)) = (self.me.upgrade(), message) {
            tokio::spawn(async move { me.tell_with(message, &equipment).await });
        }
    }

    /// Sends a message that wants no answer; best effort.
    async fn tell_with(&self, message: Raw, equipment: &Equipment) {
        let Ok(http) = self.post(&message, equipment) else { return };
        let way = self.way(equipment);
        let told = tokio::time::timeout(TELL, way.send(http, &Own)).await;
        match told {
            Ok(Ok(response)) if response.status().is_success() => {}
            Ok(Ok(response)) => {
                let status = response.status();
                self.inward.health.error(&format!("a notification met HTTP status {status}"));
            }
            Ok(Err(ended)) => self.inward.health.error(&ended.why()),
            Err(_) => self.inward.health.error("a notification was not taken in time"),
        }
    }

    fn stateless(
        &self,
        request: &Request,
        mirrored: Option<&ParamHeaders>,
        equipment: &Equipment,
    ) -> Result<Out, String> {
        let mut http = self.bare(Method::POST, equipment)?;
        let ours = headers::generate(request, Revision::LATEST, mirrored).map_err(|e| e.message)?;
        for (name, value) in ours {
            let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header"))?;
            let value = value.parse().map_err(|_| format!("`{name}` has no usable value"))?;
            http.headers_mut().insert(name, value);
        }
        self.finished(http, request.raw().as_str(), equipment)
    }

    fn post(&self, message: &Raw, equipment: &Equipment) -> Result<Out, String> {
        let mut http = self.bare(Method::POST, equipment)?;
        self.add_session(&mut http);
        self.finished(http, message.as_str(), equipment)
    }

    fn add_session(&self, http: &mut Head) {
        let session = self.session();
        if let Some(id) = session.id {
            http.headers_mut().insert(HeaderName::from_static(headers::SESSION_ID), id);
        }
        if let Some(revision) = session.revision.filter(|r| r.has_version_header()) {
            let value = HeaderValue::from_static(revision.as_str());
            http.headers_mut().insert(HeaderName::from_static(headers::PROTOCOL_VERSION), value);
        }
    }

    /// What every request to it begins with.
    fn bare(&self, method: Method, equipment: &Equipment) -> Result<Head, String> {
        let uri = &self.server.uri;
        let host = match (uri.host().unwrap_or_default(), uri.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut http = http::Request::builder()
            .method(method)
            .uri(equipment.target(target))
            .header(HOST, host)
            .header(USER_AGENT, outward::NAME)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .body(())
            .map_err(|e| e.to_string())?;
        for (name, value) in &self.server.headers {
            http.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(http)
    }

    /// The request as it is sent: with its body, and what is lent for it, which comes last because it may
    /// sign all the rest.
    fn finished(&self, http: Head, body: &str, equipment: &Equipment) -> Result<Out, String> {
        let (mut head, ()) = http.into_parts();
        let lent = equipment.headers(&self.server.uri, &head, body, self.inward.health.wall())?;
        for (name, value) in lent {
            head.headers.insert(name, value);
        }
        Ok(Out::from_parts(head, Full::new(Bytes::from(body.to_owned()))))
    }

    /// Opens the GET stream of a session, from the event after `last` on.
    ///
    /// Errors: there is none; `true` if it may be tried again.
    async fn open_stream(&self, last: Option<&str>, equipment: &Equipment) -> Result<Driven, bool> {
        let mut http = self.bare(Method::GET, equipment).map_err(|_| false)?;
        self.add_session(&mut http);
        http.headers_mut().remove(CONTENT_TYPE);
        http.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(last) = last {
            let value = HeaderValue::from_str(last).map_err(|_| false)?;
            http.headers_mut().insert(HeaderName::from_static("last-event-id"), value);
        }
        let http = self.finished(http, "", equipment).map_err(|_| false)?;
        let way = self.way(equipment);
        let response = way.send(http, &Own).await.map_err(|_| true)?;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK && answer::shape(&head.headers) == Shape::Events {
            Ok(body)
        } else {
            Err(head.status.is_server_error())
        }
    }

    /// Reads the GET stream of a session to its end: `true` if it may be opened again. `stands` is
    /// dropped once it is known whether there is one.
    async fn unasked(&self, stands: Option<oneshot::Sender<()>>) -> bool {
        let equipment = self.equipment();
        let opened = self.open_stream(None, &equipment).await;
        drop(stands);
        let body = match opened {
            Ok(body) => body,
            Err(again) => return again,
        };
        let mut cursor = None;
        let read = answer::events(body, None, self.limits, &mut cursor, |aside| {
            self.aside(aside, None, &equipment);
        });
        read.await.is_err()
    }

    /// The subscription at a stateless server: `true` if it may be opened again.
    async fn subscribed(&self, revision: Revision) -> bool {
        match self.exchange(crate::listing::subscription(revision)).await {
            Ended::Reply(Outcome::Error(_)) => false,
            Ended::Http { status, .. } => status >= 500,
            _ => true,
        }
    }
}

impl Wire for Endpoint {
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Ended> {
        Box::pin(self.exchange(ask))
    }

    fn tell(&self, message: Raw) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.tell_with(message, &self.equipment()).await })
    }

    fn listen(self: Arc<Self>, revision: Revision) -> BoxFuture<'static, ()> {
        let (stands, standing) = oneshot::channel();
        // A stateless server says nothing on it that a call would have to wait for.
        let mut stands = Some(stands).filter(|_| revision.era() == Era::Sessions);
        tokio::spawn(async move {
            let mut wait = RELISTEN.0;
            loop {
                let stands = stands.take();
                let once = async {
                    match revision.era() {
                        Era::Sessions => self.unasked(stands).await,
                        Era::Stateless => self.subscribed(revision).await,
                    }
                };
                let again = tokio::select! {
                    again = once => again,
                    () = self.stop.cancelled() => return,
                };
                if !again {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.stop.cancelled() => return,
                }
                wait = (wait * 2).min(RELISTEN.1);
            }
        });
        Box::pin(async move {
            // Either way the call goes on: with the stream, without one, or tired of waiting.
            let _ = tokio::time::timeout(STANDS, standing).await;
        })
    }

    fn equip(&self, equipment: &Arc<Equipment>) {
        let mut held = self.equipment.lock().unwrap_or_else(PoisonError::into_inner);
        if held.leases != equipment.leases {
            self.inward.hide(&equipment.veil);
        }
        *held = Arc::clone(equipment);
    }

    fn is_alive(&self) -> bool {
        !self.stop.is_cancelled()
    }

    /// Ends the session at the server too, best effort.
    fn close(&self) {
        let open = !self.stop.is_cancelled() && self.session().id.is_some();
        self.stop.cancel();
        self.inward.table.close("the connection was closed");
        let (Some(me), true) = (self.me.upgrade(), open) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let equipment = me.equipment();
            let Ok(mut http) = me.bare(Method::DELETE, &equipment) else { return };
            me.add_session(&mut http);
            if let Ok(http) = me.finished(http, "", &equipment) {
                let way = me.way(&equipment);
                let _ = tokio::time::timeout(TELL, way.send(http, &Own)).await;
            }
        });
    }
}
