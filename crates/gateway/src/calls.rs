//! The requests of one client that are not answered yet, by their ids.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remit_mcp::{Id, Notification};
use tokio_util::sync::CancellationToken;

/// Requests under way, so that `notifications/cancelled` finds them.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<BTreeMap<Id, CancellationToken>>);

/// One request under way; it is forgotten when dropped.
#[derive(Debug)]
pub(crate) struct OpenCall {
    calls: Arc<Calls>,
    id: Id,
    /// Fires when the client no longer wants the answer.
    pub(crate) cancelled: CancellationToken,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a request; `None` if one with this id is under way.
    pub(crate) fn begin(self: &Arc<Self>, id: &Id) -> Option<OpenCall> {
        let mut calls = self.lock();
        if calls.contains_key(id) {
            return None;
        }
        let cancelled = CancellationToken::new();
        calls.insert(id.clone(), cancelled.clone());
        Some(OpenCall { calls: Arc::clone(self), id: id.clone(), cancelled })
    }

    /// Cancels the request that a `notifications/cancelled` names, if it is under way.
    pub(crate) fn cancel(&self, notification: &Notification) {
        let id = notification.params().and_then(|params| params.get("requestId"));
        let call = id.and_then(|id| Id::read(&id)).and_then(|id| self.lock().get(&id).cloned());
        if let Some(call) = call {
            call.cancel();
        }
    }

    /// Cancels everything under way.
    pub(crate) fn cancel_all(&self) {
        self.lock().values().for_each(CancellationToken::cancel);
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().is_empty()
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use remit_mcp::{Frame, Limits};

    use super::*;

    fn cancelled(id: &str) -> Notification {
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        );
        match Frame::parse(text.as_bytes(), Limits::default()).unwrap() {
            Frame::Notification(notification) => notification,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn cancelling_reaches_the_call_of_that_id_alone_while_it_is_open() {
        let calls = Arc::new(Calls::default());
        let one = calls.begin(&Id::number(1)).unwrap();
        let two = calls.begin(&Id::number(2)).unwrap();
        assert!(calls.begin(&Id::number(1)).is_none());
        calls.cancel(&cancelled("1"));
        calls.cancel(&cancelled("\"2\""));
        assert!(one.cancelled.is_cancelled() && !two.cancelled.is_cancelled());
        drop((one, two));
        assert!(calls.is_idle());
    }
}
