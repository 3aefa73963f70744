//! One client of the session era (2025-11-25 *Lifecycle* and before).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remit_mcp::frame::{Outcome, Request, Response};
use remit_mcp::revision::Revision;
use remit_mcp::{Id, Raw};
use remit_model::{ServerName, TaskId, Timestamp};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::question::Asked;

/// How many questions to one client may be open (promise R13).
const MAX_ASKS: usize = 64;
/// How many resources one session may be subscribed to (promise R13).
const MAX_SUBSCRIPTIONS: usize = 1024;

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    /// Its task: a grant for another one does not open it.
    pub(crate) task: TaskId,
    /// The endpoint it was opened on.
    pub(crate) server: Option<ServerName>,
    /// What both sides agreed to speak.
    pub(crate) revision: Revision,
    /// What the client says it can do.
    pub(crate) capabilities: Raw,
    /// Its requests under way.
    pub(crate) calls: Arc<Calls>,
    /// Fires when the session ends.
    pub(crate) ended: CancellationToken,
    used: AtomicU64,
    next_ask: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    asks: BTreeMap<Id, Asked>,
    subscriptions: BTreeSet<String>,
    log_level: Option<String>,
    stream: Option<CancellationToken>,
}

/// What `initialize` settles.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    /// What both sides speak from now on.
    pub(crate) revision: Revision,
    /// What the client says it can do.
    pub(crate) capabilities: Raw,
}

impl Session {
    /// A session of `task` on the endpoint of `server`.
    pub(crate) fn new(task: TaskId, server: Option<ServerName>, opening: Opening) -> Self {
        Self {
            task,
            server,
            revision: opening.revision,
            capabilities: opening.capabilities,
            calls: Arc::default(),
            ended: CancellationToken::new(),
            used: AtomicU64::new(0),
            next_ask: AtomicU64::new(1),
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was used at `now`.
    pub(crate) fn touch(&self, now: Timestamp) {
        self.used.fetch_max(now.0, Ordering::Relaxed);
    }

    /// When it was last used.
    pub(crate) fn used(&self) -> Timestamp {
        Timestamp(self.used.load(Ordering::Relaxed))
    }

    /// Whether nothing of it is under way.
    pub(crate) fn is_idle(&self) -> bool {
        let streaming = self.lock().stream.as_ref().is_some_and(|old| !old.is_cancelled());
        !streaming && self.calls.is_idle()
    }

    /// Ends it and everything of it that is under way.
    pub(crate) fn end(&self) {
        self.ended.cancel();
        self.calls.cancel_all();
    }

    /// Puts a server's request to the client: the text to send, or `None` if too many are open.
    pub(crate) fn ask(&self, method: &str, params: Option<&Raw>, answer: Asked) -> Option<String> {
        let id = Id::number(self.next_ask.fetch_add(1, Ordering::Relaxed));
        let request = Request::build(&id, method, params).ok()?;
        let mut state = self.lock();
        state.asks.retain(|_, asked| !asked.is_closed());
        if state.asks.len() >= MAX_ASKS {
            return None;
        }
        state.asks.insert(id, answer);
        Some(request.raw().to_string())
    }

    /// Takes the client's answer to where it is waited for; an answer nobody waits for is dropped.
    pub(crate) fn answered(&self, response: Response) {
        let Some(asked) = response.id().and_then(|id| self.lock().asks.remove(id)) else { return };
        let value = |raw: &Raw| RawValue::from_string(raw.to_string()).ok();
        let answer = match response.into_outcome() {
            Outcome::Result(result) => value(result.raw()).map(Ok),
            Outcome::Error(error) => value(&error.to_raw()).map(Err),
        };
        if let Some(answer) = answer {
            // The call may have ended meanwhile; then nobody waits any more.
            drop(asked.send(answer));
        }
    }

    /// The client wants to hear of changes of `uri`.
    pub(crate) fn subscribe(&self, uri: String) {
        let mut state = self.lock();
        if state.subscriptions.len() < MAX_SUBSCRIPTIONS {
            state.subscriptions.insert(uri);
        }
    }

    /// It no longer does.
    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.lock().subscriptions.remove(uri);
    }

    /// Whether the client wants to hear of changes of `uri`.
    pub(crate) fn is_subscribed(&self, uri: &str) -> bool {
        self.lock().subscriptions.contains(uri)
    }

    /// The least level of log messages it wants; `None` for all.
    pub(crate) fn log_level(&self) -> Option<String> {
        self.lock().log_level.clone()
    }

    /// Sets [`Session::log_level`].
    pub(crate) fn set_log_level(&self, level: String) {
        self.lock().log_level = Some(level);
    }

    /// Begins a stream of messages outside any call; ends the one before. The token fires when it
    /// is this one's turn to end.
    pub(crate) fn stream(&self) -> CancellationToken {
        let fresh = self.ended.child_token();
        if let Some(old) = self.lock().stream.replace(fresh.clone()) {
            old.cancel();
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use remit_mcp::{Frame, Limits};
    use tokio::sync::oneshot;

    use super::*;

    fn session() -> Session {
        let task = "tsk_00000000000000000000000000".parse().unwrap();
        let capabilities = Raw::parse("{}").unwrap();
        let revision = Revision::LATEST_WITH_SESSIONS;
        Session::new(task, None, Opening { revision, capabilities })
    }

    fn response(text: &str) -> Response {
        match Frame::parse(text.as_bytes(), Limits::default()).unwrap() {
            Frame::Response(response) => response,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_answer_reaches_the_question_of_its_id() {
        let session = session();
        let (one, first) = oneshot::channel();
        let (two, second) = oneshot::channel();
        let text = session.ask("elicitation/create", None, one).unwrap();
        assert_eq!(text, r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}"#);
        session.ask("roots/list", None, two).unwrap();
        session.answered(response(r#"{"jsonrpc":"2.0","id":2,"error":{"code":-1,"message":"x"}}"#));
        session.answered(response(r#"{"jsonrpc":"2.0","id":1,"result":{"action":"decline"}}"#));
        session.answered(response(r#"{"jsonrpc":"2.0","id":9,"result":{}}"#));
        assert_eq!(first.await.unwrap().unwrap().get(), r#"{"action":"decline"}"#);
        assert!(second.await.unwrap().unwrap_err().get().contains("-1"));
    }

    #[tokio::test]
    async fn open_questions_are_bounded_and_abandoned_ones_forgotten() {
        let session = session();
        let mut waiting = Vec::new();
        for _ in 0..MAX_ASKS {
            let (answer, wait) = oneshot::channel();
            session.ask("roots/list", None, answer).unwrap();
            waiting.push(wait);
        }
        assert!(session.ask("roots/list", None, oneshot::channel().0).is_none());
        waiting.pop();
        let (answer, _wait) = oneshot::channel();
        assert!(session.ask("roots/list", None, answer).is_some());
    }

    #[test]
    fn a_new_stream_ends_the_one_before_and_the_session_ends_all() {
        let session = session();
        let one = session.stream();
        let two = session.stream();
        assert!(one.is_cancelled() && !two.is_cancelled() && !session.is_idle());
        session.end();
        assert!(two.is_cancelled() && session.is_idle());
    }
}
