//! What clients answer to their servers' questions: recorded, then passed on.
//!
//! One place for both eras: every question of a call comes by here on its way to the client.

use std::sync::Arc;

use remit_mcp::Raw;
use remit_model::{Call, TaskId};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::gateway::Gateway;

/// Where the client's answer to a server's question goes. Dropping it refuses.
pub(crate) type Asked = oneshot::Sender<Answered>;

/// A result, or a JSON-RPC error.
type Answered = Result<Box<RawValue>, Box<RawValue>>;

/// How often a server may ask during one call (promise R13): each answer is a record.
pub(crate) const MAX_QUESTIONS: usize = 16;

/// A question of the server of `call`.
#[derive(Debug)]
pub(crate) struct Question {
    /// The method.
    pub(crate) method: String,
    /// The parameters.
    pub(crate) params: Option<Box<RawValue>>,
    /// Where the answer goes.
    pub(crate) answer: Asked,
}

impl Question {
    /// The same question, whose answer is on record before it goes where it would have gone. One
    /// that cannot be recorded goes nowhere, which refuses the question.
    pub(crate) fn on_record(self, gateway: &Arc<Gateway>, task: &TaskId, call: &Call) -> Self {
        let Self { method, params, answer: mut pass } = self;
        let text = params.as_ref().map_or("null", |params| params.get());
        let asked = format!("{{\"method\":{},\"params\":{text}}}", Raw::string(&method));
        let (answer, given) = oneshot::channel::<Answered>();
        let (gateway, task, call) = (Arc::clone(gateway), task.clone(), call.clone());
        tokio::spawn(async move {
            let given = tokio::select! {
                given = given => given,
                () = pass.closed() => return,
            };
            let Ok(given) = given else { return };
            let text = match &given {
                Ok(result) => result.get(),
                Err(error) => error.get(),
            };
            if gateway.engine.answered(&task, &call, (&asked, text)).await.is_ok() {
                // The call may have ended meanwhile; then nobody waits any more.
                drop(pass.send(given));
            }
        });
        Self { method, params, answer }
    }
}
