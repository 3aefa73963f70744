//! A server that wants input before it answers, and a client that is asked for it.
//!
//! A server of the stateless era answers with what it wants to know (2026-07-28 *Multi Round-Trip
//! Requests*). A stateless client is given that result as it is. A client with a session is asked,
//! as its era has it, and the call is made again with its answers: a call like any other, with a
//! question, a decision and a record of its own.

use remit_engine::Caller;
use remit_mcp::results::ResultType;
use remit_mcp::{Edit, Object, Raw, method};
use remit_model::{Call, Class, Refusal};
use remit_ports::{Link, Reply, ToClient};
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::gateway::Gateway;
use crate::question::MAX_QUESTIONS;
use crate::render::Form;

/// How often a server may ask before it answers (promise R13).
const MAX_ROUNDS: usize = 8;

/// Makes `call`, again with its client's answers where the server wants input that only a client
/// with a session can be asked for.
pub(crate) async fn call(gateway: &Gateway, form: &Form, call: Call, link: Link) -> Answer {
    let mut call = call;
    for _ in 0..=MAX_ROUNDS {
        let caller = Caller::clone(&form.peer.caller);
        let settled = match gateway.engine.call(caller, call.clone(), link.clone()).await {
            Ok(settled) => settled,
            Err(refusal) => return form.refused(&refusal),
        };
        let (outcome, reply) = settled.into_reply();
        let wanted = reply.as_ref().filter(|_| form.peer.session.is_some()).and_then(wanted);
        let Some(wanted) = wanted else { return form.settled(&outcome, reply) };
        match answered(gateway, &call, &wanted, &link).await {
            Ok(params) => call.params = params.as_str().into(),
            Err(refusal) => return form.refused(&refusal),
        }
    }
    form.refused(&refused(
        &format!("the server asked for input {MAX_ROUNDS} times and still gave no answer"),
        "do not send the call again; tell the operator",
    ))
}

/// The result that wants input, if `reply` is one.
fn wanted(reply: &Reply) -> Option<Object> {
    let Reply::Result(result) = reply else { return None };
    (ResultType::of(result) == ResultType::InputRequired).then(|| result.clone())
}

/// The parameters of `call` with the client's answers to all that `wanted` asks.
async fn answered(
    gateway: &Gateway,
    call: &Call,
    wanted: &Object,
    link: &Link,
) -> Result<Raw, Refusal> {
    let asked = wanted.object("inputRequests").unwrap_or_else(Object::empty);
    if !(1..=MAX_QUESTIONS).contains(&asked.members().count()) {
        return Err(refused(
            &format!(
                "the server wants input and asks nothing, or more than {MAX_QUESTIONS} things"
            ),
            "do not send the call again; tell the operator",
        ));
    }
    let none = Object::empty();
    let mut answers = Edit::of(&none);
    for (key, request) in asked.members() {
        answers = answers.set(key, ask(gateway, &request, link).await?);
    }
    let params = Raw::parse(&call.params).ok().and_then(|raw| Object::parse(&raw).ok());
    let params = params.unwrap_or_else(|| none.clone());
    Ok(Edit::of(&params)
        .set("inputResponses", answers.finish())
        .put("requestState", wanted.get("requestState"))
        .finish())
}

/// Puts one question to the client and waits for its answer.
async fn ask(gateway: &Gateway, request: &Raw, link: &Link) -> Result<Raw, Refusal> {
    let request = Object::parse(request).unwrap_or_else(|_| Object::empty());
    let asked = request.text("method").unwrap_or_default();
    let params = request.object("params").unwrap_or_else(Object::empty);
    if asked == method::ELICIT && params.text("mode").as_deref() == Some("url") {
        return Err(refused(
            "the server wants a person to open a page, and the end of that cannot be told to this \
             client in its protocol revision",
            "use a client that speaks MCP 2026-07-28",
        ));
    }
    let (answer, waiting) = oneshot::channel();
    let params = RawValue::from_string(params.raw().as_str().to_owned()).ok();
    let message = ToClient::Request { method: asked, params, answer };
    let put = link.to_client.send(message);
    let answered = async {
        put.await.ok()?;
        waiting.await.ok()?.ok()
    };
    let answered = tokio::select! {
        answered = tokio::time::timeout(gateway.config.question_time, answered) => answered.ok().flatten(),
        () = link.cancelled.cancelled() => None,
    };
    answered.and_then(|raw| Raw::parse(raw.get()).ok()).filter(Raw::is_object).ok_or_else(|| {
        refused(
            "the server wants input before it answers, and this client did not give it or cannot \
             be asked for it",
            "give the input as arguments if the tool takes it, or use a client that answers \
             questions",
        )
    })
}

fn refused(why: &str, remedy: &str) -> Refusal {
    Refusal::one(Class::Structural, "input-required", why, remedy)
}
