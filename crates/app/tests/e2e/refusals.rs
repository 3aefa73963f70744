//! A refusal is an answer (R11), nothing is done without a remit (R1), and every client survives it.

use std::time::Duration;

use serde_json::json;

use crate::peers::{Changing, Client};
use crate::stand::{Plan, Stand};
use crate::wire::Request;

fn notes(folder: &std::path::Path) -> Changing {
    Changing::new(
        folder,
        &json!([
            {"name": "read_note", "description": "Reads a note.", "answer": "a note",
             "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}},
             "annotations": {"readOnlyHint": true, "openWorldHint": false}},
            {"name": "read_diary", "description": "Reads the diary.", "answer": "dear diary",
             "inputSchema": {"type": "object", "properties": {}},
             "annotations": {"readOnlyHint": true, "openWorldHint": false}}
        ]),
    )
}

async fn stand(more: &str) -> (Stand, Changing) {
    let folder = tempfile::tempdir().unwrap();
    let notes = notes(folder.path());
    let command = notes.command();
    let plan = Plan::new()
        .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
        .template("reading", &["notes/read_note"], more);
    let state = folder.path().join("state");
    (Stand::up(&plan, folder, state).await, notes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_outside_the_remit_is_refused_in_words_and_in_fields() {
    let (stand, notes) = stand("").await;
    for client in Client::EACH_SDK {
        let grant = stand.open("reading").await;
        let mut talk = client.connect(&grant).await;
        assert_eq!(
            talk.tools().await,
            ["notes__read_note"],
            "{client:?}: shown what it may never call"
        );
        let refusal = talk.refusal("notes__read_diary", &json!({})).await;
        assert_eq!(refusal["class"], "structural", "{client:?}");
        assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
        talk.end().await;
    }
    assert!(notes.reached().iter().all(|call| call["name"] == "read_note"));
    assert_eq!(notes.reached().len(), Client::EACH_SDK.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_no_server_has_is_answered_and_the_session_goes_on() {
    let (stand, _notes) = stand("").await;
    for client in Client::EACH_SDK {
        let grant = stand.open("reading").await;
        let mut talk = client.connect(&grant).await;
        for name in ["notes__no_such_tool", "no_such_server__x", "read_note", ""] {
            let line = talk.step(&json!({"do": "tools/call", "name": name})).await;
            let refused = line["result"]["isError"] == true || line["error"]["code"] == -32602;
            assert!(refused, "{client:?}: {name:?} gave {line}");
        }
        assert_eq!(talk.text("notes__read_note", &json!({"title": "a"})).await, "a note");
        talk.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_ends_and_says_so() {
    let (stand, notes) = stand("budget = { calls = 2 }").await;
    for client in [Client::PythonStateless, Client::TypeScriptOld] {
        let before = notes.reached().len();
        let grant = stand.open("reading").await;
        let mut talk = client.connect(&grant).await;
        talk.refusal("notes__read_diary", &json!({})).await;
        for _ in 0..2 {
            talk.text("notes__read_note", &json!({"title": "a"})).await;
        }
        let refusal = talk.refusal("notes__read_note", &json!({"title": "a"})).await;
        assert_eq!(refusal["class"], "budget", "{client:?}: {refusal}");
        assert_eq!(
            notes.reached().len() - before,
            2,
            "{client:?}: a refused call reached the server"
        );
        talk.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_calls_cannot_overdraw_the_budget() {
    let (stand, notes) = stand("budget = { calls = 5 }").await;
    let grant = stand.open("reading").await;
    let mut talk = Client::PythonStateless.connect(&grant).await;
    let call = json!({"do": "tools/call", "name": "notes__read_note", "arguments": {"title": "a"}});
    let answers = talk.parallel(&vec![call; 20]).await;
    let passed = answers.iter().filter(|line| line["result"]["isError"] != true).count();
    assert_eq!(passed, 5);
    assert_eq!(notes.reached().len(), 5);
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_task_is_refused_until_it_is_thawed_and_a_closed_one_for_good() {
    let (stand, notes) = stand("").await;
    let grant = stand.open("reading").await;
    let other = stand.open("reading").await;
    let mut talk = Client::TypeScriptOld.connect(&grant).await;
    let mut bystander = Client::PythonStateless.connect(&other).await;
    let title = json!({"title": "a"});
    talk.text("notes__read_note", &title).await;

    stand.act(&["task", "freeze", &grant.task]).await;
    talk.refusal("notes__read_note", &title).await;
    bystander.text("notes__read_note", &title).await;

    stand.act(&["task", "thaw", &grant.task]).await;
    talk.text("notes__read_note", &title).await;

    stand.act(&["task", "close", &grant.task]).await;
    let after = talk.refusal("notes__read_note", &title).await;
    assert_eq!(after["class"], "structural", "{after}");
    let thawed = stand.with_passphrase(&["task", "thaw", &grant.task]).await;
    assert!(!thawed.ok, "a closed task came back: {}", thawed.said());
    bystander.text("notes__read_note", &title).await;
    assert_eq!(notes.reached().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_ends_the_call_that_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let slow = json!([{"name": "read_slowly", "description": "Reads.", "delay_ms": 30_000,
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": {"readOnlyHint": true, "openWorldHint": false}}]);
    let notes = Changing::new(folder.path(), &slow);
    let command = notes.command();
    let plan = Plan::new()
        .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
        .template("reading", &["notes/*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    for client in Client::EACH_SDK {
        let before = notes.reached().len();
        let grant = stand.open("reading").await;
        let mut talk = client.connect(&grant).await;
        let no_arguments = json!({});
        let called = talk.refusal("notes__read_slowly", &no_arguments);
        let stopped = async {
            while notes.reached().len() == before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(stand.remit(&["task", "freeze", &grant.task]).await.ok);
        };
        let both = async { tokio::join!(called, stopped).0 };
        let refusal = tokio::time::timeout(Duration::from_secs(15), both)
            .await
            .unwrap_or_else(|_| panic!("{client:?}: the call outlived the freeze"));
        // It was sent, so nobody may claim that it did not happen.
        assert_eq!(
            refusal["reasons"][0]["policy"], "remit:unknown-outcome",
            "{client:?}: {refusal}"
        );
        talk.end().await;
    }
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_grant_nothing_is_served() {
    let (stand, notes) = stand("").await;
    let grant = stand.open("reading").await;
    let (head, signature) = grant.token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for token in ["", "nonsense", forged.as_str(), head] {
        let status = status_of(stand.address(), token).await;
        assert_eq!(status, 401, "with the token `{token}`");
    }
    assert_eq!(status_of(stand.address(), &grant.token).await, 200);
    assert!(notes.reached().is_empty());
}

/// The HTTP status of a `tools/list` with a bearer token.
async fn status_of(address: &str, token: &str) -> u16 {
    Request::new(address, token, "tools/list", json!({})).send(address).await.status
}
