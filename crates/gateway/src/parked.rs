//! Calls of stateless clients that wait for the answer to their server's question.
//!
//! A server of the session era asks its client in the middle of a call. A stateless client cannot be
//! asked; its request is answered with the question instead (2026-07-28 *Multi Round-Trip
//! Requests*), the call stays open, and the client's repeated request brings the answer to that same
//! call: nothing is decided, recorded or sent a second time (promise R2).
//!
//! The `requestState` that the client repeats is a key to this table: 128 random bits, so there is
//! nothing in it to forge or to read. It is good once, within its task, for the request it was given
//! to, until it expires.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use remit_mcp::{Edit, Object, Raw, Request, RpcError, method};
use remit_model::{Call, Digest, Entropy, TaskId, Value};
use serde_json::value::RawValue;

use crate::peer::Peer;
use crate::question::{Asked, Question};
use crate::walk::{Askable, Under};

/// What every state of ours begins with; any other is the tool server's own.
const PREFIX: &str = "remit-";
/// The name of the one question of a round.
const INPUT: &str = "input";
/// How many calls of one task may wait for answers (promise R13).
const MAX_PARKED: usize = 32;
/// The requests that may be answered with a question.
const ASKABLE: [&str; 3] = [method::TOOLS_CALL, method::PROMPTS_GET, method::RESOURCES_READ];
/// The members of the parameters by which a repeated request differs from the first.
const OF_THE_ROUND: [&str; 3] = ["_meta", "inputResponses", "requestState"];

/// The calls that wait.
#[derive(Debug)]
pub(crate) struct Parked {
    /// How long a question waits for its answer, and so how long the result of a call that ended
    /// meanwhile is kept for its client.
    lifetime: Duration,
    /// By their states.
    open: Mutex<BTreeMap<String, Waiting>>,
}

/// A call that waits for an answer. Dropped, it is cancelled.
#[derive(Debug)]
struct Waiting {
    task: TaskId,
    bond: Digest,
    answer: Asked,
    under: Under,
}

impl Parked {
    /// A table whose calls wait for `lifetime`.
    pub(crate) fn new(lifetime: Duration) -> Arc<Self> {
        Arc::new(Self { lifetime, open: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the call until its client answers or the time for that is over, and gives the result that puts the question.
    ///
    /// Errors: the client cannot be asked this, or too many calls of its task wait; the call goes
    /// on, and dropping its question refuses it.
    pub(crate) fn keep(
        self: &Arc<Self>,
        under: Under,
        question: Question,
        entropy: &dyn Entropy,
    ) -> Result<String, Box<Under>> {
        let bound = under.askable.as_ref().and_then(|askable| bound(askable, &question));
        let Some((bond, task)) = bound else { return Err(Box::new(under)) };
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        let state = format!("{PREFIX}{}", HEXLOWER.encode(&bytes));
        let result = asking(&question, &state);
        let mut open = self.lock();
        if open.values().filter(|other| other.task == task).count() >= MAX_PARKED {
            return Err(Box::new(under));
        }
        let under = under.on_its_own().cancelled_when_dropped();
        open.insert(state.clone(), Waiting { task, bond, answer: question.answer, under });
        let (parked, lifetime) = (Arc::downgrade(self), self.lifetime);
        tokio::spawn(async move {
            tokio::time::sleep(lifetime).await;
            if let Some(parked) = parked.upgrade() {
                parked.lock().remove(&state);
            }
        });
        Ok(result)
    }

    /// The call that `request`, which repeats `call` for `peer`, goes on with; the answer it brings
    /// is passed on to the server.
    ///
    /// Errors: −32602 where the state is unknown, used, expired or for another request, or where the
    /// answer is missing.
    pub(crate) fn take(
        &self,
        state: &str,
        request: &Request,
        (peer, call): (&Peer, &Call),
    ) -> Result<Under, RpcError> {
        let answer = request.params().and_then(|params| params.object("inputResponses"));
        let answer = answer.and_then(|given| given.object(INPUT)).ok_or_else(|| {
            RpcError::invalid_params(format!(
                "expected an object `{INPUT}` in `inputResponses`: the answer to the question"
            ))
        })?;
        let answer = RawValue::from_string(answer.raw().as_str().to_owned())
            .map_err(|_| RpcError::invalid_params("the answer is no JSON"))?;
        let bond = bond(call);
        let waiting = {
            let mut open = self.lock();
            let fits = open.get(state).is_some_and(|waiting| {
                waiting.task == peer.caller.task && bond == Some(waiting.bond)
            });
            if fits { open.remove(state) } else { None }
        };
        let waiting = waiting.ok_or_else(|| {
            RpcError::invalid_params(
                "the `requestState` is used, expired, or belongs to another request; look whether \
                 the call happened before you make it again without `requestState`",
            )
        })?;
        // The call may have ended meanwhile; its end is then what comes next.
        drop(waiting.answer.send(Ok(answer)));
        Ok(waiting.under)
    }
}

/// The state of ours that `request` repeats, if it is one of a stateless client that does.
pub(crate) fn repeated(peer: &Peer, request: &Request) -> Option<String> {
    let state = request.param("requestState").filter(|_| peer.session.is_none())?.as_text()?;
    state.starts_with(PREFIX).then_some(state)
}

/// What a question that may be put to the client of `askable` is bound to.
fn bound(askable: &Askable, question: &Question) -> Option<(Digest, TaskId)> {
    let Askable { form, call, .. } = askable;
    let may = ASKABLE.contains(&form.method.as_str()) && form.peer.declares(&question.method);
    let bond = bond(call).filter(|_| may)?;
    Some((bond, form.peer.caller.task.clone()))
}

/// What makes two requests the same one but for the round they belong to.
fn bond(call: &Call) -> Option<Digest> {
    let Ok(Value::Record(mut params)) = Value::parse(&call.params) else { return None };
    params.retain(|name, _| !OF_THE_ROUND.contains(&name.as_str()));
    Some(call.digest(&Value::Record(params)))
}

/// The result that puts `question` to a stateless client.
fn asking(question: &Question, state: &str) -> String {
    let params = question.params.as_ref().and_then(|raw| Raw::parse(raw.get()).ok());
    let params = params.and_then(|raw| Object::parse(&raw).ok()).unwrap_or_else(Object::empty);
    // The session era's own handle for a page that is done elsewhere; there is none any more.
    let params = Edit::of(&params).remove("elicitationId").finish();
    let (method, state) = (Raw::string(&question.method), Raw::string(state));
    format!(
        "{{\"resultType\":\"input_required\",\"inputRequests\":{{\"{INPUT}\":{{\"method\":{method},\
         \"params\":{params}}}}},\"requestState\":{state}}}"
    )
}
