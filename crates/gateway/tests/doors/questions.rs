//! What a server asks in the middle of a call, in the form that its client's era has for it.

use std::time::Duration;

use remit_gateway::Config;
use remit_model::Call;
use remit_ports::Kind;
use remit_testkit::Answer as Scripted;
use serde_json::{Value, json};

use crate::bench::{Bench, Post, Work, eventually};

/// What a server wants to know.
const MESSAGE: &str = "who?";

fn answering() -> Value {
    json!({"elicitation": {"form": {}}})
}

/// A call of a stateless client that can answer questions, with `more` parameters.
fn call(work: &Work, tool: &str, more: &Value) -> Post {
    let mut params = json!({"name": tool, "arguments": {},
        "_meta": {"io.modelcontextprotocol/clientCapabilities": answering()}});
    for (name, value) in more.as_object().unwrap() {
        params[name] = value.clone();
    }
    Post::stateless(work, "tools/call", params)
}

/// The same call again, with an answer.
fn repeated(state: &Value) -> Value {
    let answer = json!({"action": "accept", "content": {"name": "ann"}});
    json!({"requestState": state, "inputResponses": {"input": answer}})
}

async fn asked(bench: &Bench, work: &Work) -> Value {
    let params = json!({"message": MESSAGE, "elicitationId": "e1"});
    bench.servers.ask("elicitation/create", params);
    let answer = call(work, "mail__read_mail", &json!({})).send(bench).await.result();
    assert_eq!(answer["resultType"], "input_required", "{answer}");
    let question = &answer["inputRequests"]["input"];
    assert_eq!(*question, json!({"method": "elicitation/create", "params": {"message": MESSAGE}}));
    answer["requestState"].clone()
}

fn inputs(bench: &Bench) -> usize {
    bench.ledger.entries().iter().filter(|entry| entry.entry.kind == Kind::Input).count()
}

fn decisions(bench: &Bench) -> usize {
    usize::try_from(bench.engine.counters.permitted.get()).unwrap()
}

#[tokio::test]
async fn a_stateless_client_is_answered_with_the_question_and_goes_on_with_the_same_call() {
    let bench = Bench::new().await;
    let (work, other) = (bench.task().await, bench.task().await);
    let state = asked(&bench, &work).await;
    assert_eq!(bench.engine.cell(&work.id).unwrap().in_flight(), 1, "the call stays open");
    let good = repeated(&state);
    for (why, post) in [
        ("another task", call(&other, "mail__read_mail", &good)),
        ("another tool", call(&work, "files__read_file", &good)),
        ("other arguments", {
            let mut changed = good.clone();
            changed["arguments"] = json!({"to": "eve"});
            call(&work, "mail__read_mail", &changed)
        }),
        ("no answer", call(&work, "mail__read_mail", &json!({"requestState": state}))),
        ("a state made up", call(&work, "mail__read_mail", &repeated(&json!("remit-00")))),
    ] {
        assert_eq!(post.send(&bench).await.error().1, -32602, "{why}");
    }
    let result = call(&work, "mail__read_mail", &good).send(&bench).await.result();
    assert_eq!(result["content"][0]["text"], "ok", "{result}");
    let given = json!({"action": "accept", "content": {"name": "ann"}});
    assert_eq!(bench.servers.answers(), [Some(Ok(given))]);
    assert_eq!((decisions(&bench), bench.servers.script.sent().len()), (1, 1));
    assert_eq!(inputs(&bench), 1, "what was answered is on record");
    let again = call(&work, "mail__read_mail", &good).send(&bench).await;
    assert_eq!(again.error().1, -32602, "a state is good once");
}

#[tokio::test]
async fn a_question_that_is_never_answered_ends_with_its_call_cancelled() {
    let config = Config { question_time: Duration::from_millis(50), ..Config::default() };
    let bench = Bench::with(config).await;
    let work = bench.task().await;
    let state = asked(&bench, &work).await;
    eventually(|| bench.servers.answers() == [None]).await;
    let late = call(&work, "mail__read_mail", &repeated(&state)).send(&bench).await;
    assert_eq!(late.error().1, -32602);
    eventually(|| bench.engine.cell(&work.id).unwrap().in_flight() == 0).await;
}

#[tokio::test]
async fn a_task_has_so_many_open_questions_and_no_more() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    for _ in 0..32 {
        asked(&bench, &work).await;
    }
    let result = call(&work, "mail__read_mail", &json!({})).send(&bench).await.result();
    assert_eq!(result["resultType"], "complete", "the server was refused and answered: {result}");
    assert_eq!(bench.servers.answers(), [None]);
}

/// A server of the stateless era: it wants input first, and answers once it has it.
fn wants_input(call: &Call) -> Scripted {
    let params: Value = serde_json::from_str(&call.params).unwrap();
    if params["inputResponses"]["name"]["action"] == "accept" && params["requestState"] == "s1" {
        return Scripted::text("hello ann");
    }
    let question = json!({"method": "elicitation/create", "params": {"message": MESSAGE}});
    let wants = json!({"resultType": "input_required", "requestState": "s1",
        "inputRequests": {"name": question}});
    Scripted::Result(wants.to_string())
}

#[tokio::test]
async fn a_client_with_a_session_is_asked_and_its_answer_is_a_call_of_its_own() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    bench.servers.script.set_script(wants_input);
    let session = bench.session(&work, answering()).await;
    let params = json!({"name": "mail__read_mail", "arguments": {}});
    let call = Post::within(&work, &session, 1, ("tools/call", params));
    let mut stream = call.stream(&bench).await;
    let question = stream.next().await.unwrap();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    assert_eq!(question["params"]["message"], MESSAGE);
    let answer = json!({"action": "accept", "content": {"name": "ann"}});
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": answer});
    let taken = Post::bare(&work).with("mcp-session-id", Some(&session)).body(&answer);
    assert_eq!(taken.send(&bench).await.status, 202);
    let result = stream.next().await.unwrap();
    assert_eq!(result["result"]["content"][0]["text"], "hello ann", "{result}");
    assert_eq!((decisions(&bench), bench.servers.script.sent().len()), (2, 2));
}

#[tokio::test]
async fn a_client_with_a_session_that_cannot_be_asked_is_told_so() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    bench.servers.script.set_script(wants_input);
    let session = bench.session(&work, json!({})).await;
    let params = json!({"name": "mail__read_mail", "arguments": {}});
    let call = Post::within(&work, &session, 1, ("tools/call", params));
    let refused = call.send(&bench).await.result();
    let refusal = &refused["structuredContent"];
    assert_eq!(refusal["class"], "structural", "{refused}");
    assert_eq!(refusal["reasons"][0]["policy"], "remit:input-required", "{refused}");
    assert_eq!(bench.servers.script.sent().len(), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_reaches_no_server() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let state = asked(&bench, &work).await;
    bench.ledger.set_busy(true);
    call(&work, "mail__read_mail", &repeated(&state)).send(&bench).await;
    assert_eq!(bench.servers.answers(), [None]);
    assert_eq!(inputs(&bench), 0);
}
