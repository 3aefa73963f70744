//! What a server says on its own: notifications, and requests to the client.
//!
//! All of it is input from outside. Notifications go to the client whose call they belong to, or
//! become events. Requests are answered here: `ping` by us, elicitation and roots by the client if
//! it declared that it can, everything else is refused; sampling always, so that a server cannot
//! speak through the agent's model.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_mcp::meta::PROGRESS_TOKEN;
use remit_mcp::{Edit, Notification, Object, Raw, Request, Response, RpcError, method};
use remit_model::{ServerName, TaskId};
use remit_ports::{Link, ToClient, UpstreamEvent, Veil};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, broadcast, oneshot};

use crate::health::Health;
use crate::table::Table;

/// How many requests of a server may wait for its client at once.
const MAX_REQUESTS: usize = 8;
/// How many requests of a server are answered at once: those that wait for its client, and some
/// whose answers it has not read yet. A server that asks on without reading gets no further ones.
const MAX_ANSWERS: usize = 32;
/// The longest notification that is passed on. What MCP has there names one thing, reports progress or
/// is a line of a log, and many are kept for whoever is slow to read them.
const MAX_EVENT: usize = 64 << 10;

/// Where what servers say goes, besides to clients.
#[derive(Clone)]
pub(crate) struct Outlet {
    /// To whoever wants to know what servers say outside any call.
    pub(crate) events: broadcast::Sender<UpstreamEvent>,
    /// The task whose own server announced last that its tools changed.
    pub(crate) drifted: Arc<Mutex<Option<TaskId>>>,
    /// How long a client has to answer a server's request.
    pub(crate) wait: Duration,
    /// What goes nowhere at first.
    pub(crate) veil: Veil,
}

/// Judges what one connection's server says on its own.
pub(crate) struct Inward {
    /// Which server.
    pub(crate) server: ServerName,
    /// The task the connection is for; `None` if shared.
    pub(crate) task: Option<TaskId>,
    /// Its requests in flight.
    pub(crate) table: Arc<Table>,
    /// How it is doing.
    pub(crate) health: Arc<Health>,
    outlet: Outlet,
    /// What goes nowhere: what is lent now, and what was lent before it.
    veils: Mutex<(Veil, Veil)>,
    room: Semaphore,
    /// One for each answer that may be under way.
    answers: Arc<Semaphore>,
}

impl Inward {
    /// For the connection of `task` to `server`.
    pub(crate) fn new(
        server: ServerName,
        task: Option<TaskId>,
        table: Arc<Table>,
        health: Arc<Health>,
        outlet: Outlet,
    ) -> Self {
        let room = Semaphore::new(MAX_REQUESTS);
        let veils = Mutex::new((outlet.veil.clone(), Veil::default()));
        let answers = Arc::new(Semaphore::new(MAX_ANSWERS));
        Self { server, task, table, health, outlet, veils, room, answers }
    }

    /// Takes a notification. `via` is the client on whose stream it came, where streams are
    /// separate.
    pub(crate) fn notification(&self, notification: &Notification, via: Option<&Link>) {
        match notification.method() {
            method::PROGRESS => self.progress(notification),
            method::MESSAGE | "notifications/elicitation/complete" => {
                let link = via.cloned().or_else(|| self.table.sole(self.task.is_none()));
                if let Some(link) = link {
                    self.forward(&link, notification.raw());
                }
            }
            method::ACKNOWLEDGED | method::CANCELLED => {}
            _ => self.publish(notification, via),
        }
    }

    /// Tells whoever listens what the server said outside any call.
    fn publish(&self, notification: &Notification, via: Option<&Link>) {
        let (method, message) = (notification.method(), notification.raw().as_str());
        if self.is_over(message) {
            return;
        }
        if method == method::TOOLS_CHANGED && self.task.is_some() {
            let mut drifted = self.outlet.drifted.lock().unwrap_or_else(PoisonError::into_inner);
            drifted.clone_from(&self.task);
        }
        let event = UpstreamEvent {
            server: self.server.clone(),
            task: self.task.clone(),
            method: method.to_owned(),
            message: via
                .map_or(&Veil::default(), |link| &link.veil)
                .cleaned(self.cleaned(message.to_owned())),
        };
        // Nobody may be listening yet; that is no error.
        let _ = self.outlet.events.send(event);
    }

    /// Whether a notification is too long to be passed on, which is noted.
    fn is_over(&self, message: &str) -> bool {
        let over = message.len() > MAX_EVENT;
        if over {
            self.health.error(&format!(
                "expected a notification of at most {MAX_EVENT} bytes, got {}; it was not passed on",
                message.len(),
            ));
        }
        over
    }

    /// Progress carries our token; the client gets its own back.
    fn progress(&self, notification: &Notification) {
        let Some(params) = notification.params() else { return };
        let token = params.get(PROGRESS_TOKEN).and_then(|raw| raw.as_str().parse().ok());
        let Some(link) = token.and_then(|token| self.table.link(token)) else { return };
        let theirs = link.progress_token.as_deref().and_then(|text| Raw::parse(text).ok());
        let Some(theirs) = theirs else { return };
        let params = Edit::of(params).set(PROGRESS_TOKEN, theirs).finish();
        self.forward(&link, &notification.rewritten(params));
    }

    /// Answers a request of the server beside everything else; `hand_over` takes the response to it.
    /// What is asked while as many answers are under way as may be gets none.
    pub(crate) fn answer<H: Future<Output = ()> + Send>(
        self: &Arc<Self>,
        request: Request,
        via: Option<Link>,
        hand_over: impl FnOnce(Raw) -> H + Send + 'static,
    ) {
        let Ok(under_way) = Arc::clone(&self.answers).try_acquire_owned() else {
            self.health.error(&format!(
                "expected at most {MAX_ANSWERS} requests of the server to be open, got another; \
                 it was not answered",
            ));
            return;
        };
        let me = Arc::clone(self);
        tokio::spawn(async move {
            let response = me.respond(request, via).await;
            hand_over(response).await;
            drop(under_way);
        });
    }

    /// The response to a request of the server, which is gone when this is over: it may be large,
    /// and a response may have to wait.
    async fn respond(&self, request: Request, via: Option<Link>) -> Raw {
        let id = request.id().clone();
        let answer = match request.method() {
            method::PING => Ok(Object::empty().raw().clone()),
            method::SAMPLE => Err(refuse("sampling is switched off here")),
            method::ELICIT | method::ROOTS_LIST => self.ask_client(&request, via).await,
            other => Err(RpcError::method_not_found(other).to_raw()),
        };
        let text = match answer {
            Ok(result) => Response::result_text(&id, &result),
            Err(error) => format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}"),
        };
        // INVARIANT: built from JSON values; should it ever not parse, the server gets nothing.
        Raw::parse(&text).unwrap_or_else(|_| Object::empty().raw().clone())
    }

    async fn ask_client(&self, request: &Request, via: Option<Link>) -> Result<Raw, Raw> {
        let Ok(_room) = self.room.try_acquire() else {
            return Err(refuse("too many requests to the client are open"));
        };
        let link = via.or_else(|| self.table.sole(self.task.is_none()));
        let Some(link) = link else {
            return Err(refuse("no single call is open whose client could be asked"));
        };
        if !can(&link, request.method()) {
            return Err(refuse("the client did not declare that it can answer this"));
        }
        let (answer, answered) = oneshot::channel();
        let params = request.params().and_then(|params| self.veiled(&link, params.raw()));
        let message = ToClient::Request { method: request.method().to_owned(), params, answer };
        if link.to_client.try_send(message).is_err() {
            return Err(refuse("the client cannot be reached"));
        }
        let answered = tokio::select! {
            answered = tokio::time::timeout(self.outlet.wait, answered) => answered,
            () = link.cancelled.cancelled() => return Err(refuse("the client gave up")),
        };
        match answered {
            Ok(Ok(Ok(result))) => Raw::parse(result.get()).map_err(|_| refuse("no usable answer")),
            Ok(Ok(Err(error))) => {
                Err(Raw::parse(error.get()).unwrap_or_else(|_| refuse("the client refused")))
            }
            Ok(Err(_)) => Err(refuse("the client refused")),
            Err(_) => Err(refuse("the client did not answer in time")),
        }
    }
}

impl Inward {
    /// A client that is slow loses notifications rather than holding up the server.
    fn forward(&self, link: &Link, notification: &Raw) {
        if self.is_over(notification.as_str()) {
            return;
        }
        if let Some(message) = self.veiled(link, notification) {
            let _ = link.to_client.try_send(ToClient::Notification(message));
        }
    }

    /// What the server said, without what this connection was lent.
    pub(crate) fn cleaned(&self, text: String) -> String {
        let veils = self.veils.lock().unwrap_or_else(PoisonError::into_inner);
        veils.1.cleaned(veils.0.cleaned(text))
    }

    /// The connection is lent something else from now on.
    pub(crate) fn hide(&self, veil: &Veil) {
        let mut veils = self.veils.lock().unwrap_or_else(PoisonError::into_inner);
        veils.1 = std::mem::replace(&mut veils.0, veil.clone());
    }

    /// A message without what was lent, for the client of `link`.
    fn veiled(&self, link: &Link, raw: &Raw) -> Option<Box<RawValue>> {
        let text = link.veil.cleaned(self.cleaned(raw.as_str().to_owned()));
        RawValue::from_string(text).ok()
    }
}

/// The error for a request of a server that nobody answers.
fn refuse(why: &str) -> Raw {
    RpcError::new(remit_mcp::error::METHOD_NOT_FOUND, why, None).to_raw()
}

fn can(link: &Link, method: &str) -> bool {
    let wanted = if method == method::ELICIT { "elicitation" } else { "roots" };
    let declared = link.capabilities.as_deref().and_then(|text| Raw::parse(text).ok());
    declared.and_then(|raw| Object::parse(&raw).ok()).is_some_and(|caps| caps.has(wanted))
}

#[cfg(test)]
mod tests {
    use remit_mcp::{Frame, Limits};
    use remit_testkit::{ManualClock, samples};
    use tokio::sync::mpsc;

    use super::*;

    fn inward() -> (Arc<Inward>, broadcast::Receiver<UpstreamEvent>) {
        let (events, listening) = broadcast::channel(4);
        let health = Health::new(Arc::new(ManualClock::default()), Vec::new());
        let outlet = Outlet {
            events,
            drifted: Arc::default(),
            wait: Duration::from_secs(1),
            veil: Veil::default(),
        };
        let (server, table) = ("t".parse().unwrap(), Arc::new(Table::new(1)));
        (Arc::new(Inward::new(server, None, table, Arc::new(health), outlet)), listening)
    }

    fn frame(text: &str) -> Frame {
        Frame::parse(text.as_bytes(), Limits { bytes: 1 << 20, depth: 8 }).unwrap()
    }

    fn ping(inward: &Arc<Inward>, queue: &mpsc::Sender<Raw>) {
        let Frame::Request(ping) = frame(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#) else {
            panic!("no request")
        };
        let queue = queue.clone();
        inward.answer(ping, None, |answer| async move { queue.send(answer).await.unwrap() });
    }

    #[tokio::test]
    async fn a_server_that_asks_and_does_not_read_has_a_bounded_number_of_answers_under_way() {
        let (inward, _events) = inward();
        let (queue, mut answers) = mpsc::channel(1);
        for _ in 0..1000 {
            ping(&inward, &queue);
        }
        assert!(inward.health.report().1.unwrap().contains("it was not answered"));
        for _ in 0..MAX_ANSWERS {
            let answer = answers.recv().await.unwrap();
            assert_eq!(answer.as_str(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        }
        while inward.answers.available_permits() < MAX_ANSWERS {
            tokio::task::yield_now().await;
        }
        assert!(answers.try_recv().is_err(), "the others get none");
        ping(&inward, &queue);
        assert!(answers.recv().await.is_some(), "whoever reads is answered again");
    }

    #[test]
    fn a_long_line_of_a_log_is_not_kept_for_the_client_of_a_call() {
        let (inward, _events) = inward();
        let (to_client, mut heard) = mpsc::channel(4);
        let link = Link { to_client, ..samples::link() };
        for length in [MAX_EVENT, 1] {
            let data = "x".repeat(length);
            let line = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{data}"}}}}"#
            );
            let Frame::Notification(line) = frame(&line) else { panic!("no notification") };
            inward.notification(&line, Some(&link));
        }
        let Ok(ToClient::Notification(short)) = heard.try_recv() else { panic!("nothing came") };
        assert!(short.get().len() < MAX_EVENT && heard.try_recv().is_err());
        assert!(inward.health.report().1.unwrap().contains("it was not passed on"));
    }

    #[tokio::test]
    async fn a_long_message_outside_any_call_is_not_kept_for_those_who_listen() {
        let (inward, mut events) = inward();
        for length in [MAX_EVENT, 1] {
            let uri = "x".repeat(length);
            let updated = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#
            );
            let Frame::Notification(updated) = frame(&updated) else { panic!("no notification") };
            inward.notification(&updated, None);
        }
        assert!(events.try_recv().unwrap().message.len() < MAX_EVENT);
        assert!(events.try_recv().is_err());
        assert!(inward.health.report().1.unwrap().contains("it was not passed on"));
    }
}
