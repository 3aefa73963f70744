//! An approval is for one thing (R8): this call, in this task, once.

use serde_json::json;

use crate::drift::{pull_the_rug, stand};
use crate::peers::Client;

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_lets_exactly_that_call_pass_once() {
    let (stand, notes) = stand().await;
    let grant = stand.open("reading").await;
    let other = stand.open("reading").await;
    let mut talk = Client::TypeScriptOld.connect(&grant).await;
    let mut bystander = Client::PythonStateless.connect(&other).await;
    talk.text("notes__read_list", &json!({})).await;
    bystander.text("notes__read_list", &json!({})).await;
    pull_the_rug(&stand, &notes).await;
    let reached = notes.reached().len();

    let (a, b) = (json!({"title": "a"}), json!({"title": "b"}));
    let hold = talk.refusal("notes__read_note", &a).await["hold"].as_str().unwrap().to_owned();
    let again = talk.refusal("notes__read_note", &a).await["hold"].as_str().unwrap().to_owned();
    assert_eq!(hold, again, "the same call held twice under two ids");
    let approved = stand.with_passphrase(&["approve", &hold]).await;
    assert!(approved.ok, "{}", approved.said());

    talk.refusal("notes__read_note", &b).await;
    bystander.refusal("notes__read_note", &a).await;
    assert_eq!(notes.reached().len(), reached, "an approval reached further than its call");
    assert_eq!(talk.text("notes__read_note", &a).await, "a note");
    talk.refusal("notes__read_note", &a).await;
    assert_eq!(notes.reached().len(), reached + 1, "an approval was used twice");
    talk.end().await;
    bystander.end().await;
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_racing_calls_use_one_approval_once() {
    let (stand, notes) = stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::PythonStateless.connect(&grant).await;
    talk.text("notes__read_list", &json!({})).await;
    pull_the_rug(&stand, &notes).await;
    let reached = notes.reached().len();
    let a = json!({"title": "a"});
    let hold = talk.refusal("notes__read_note", &a).await["hold"].as_str().unwrap().to_owned();
    assert!(stand.with_passphrase(&["approve", &hold]).await.ok);
    let call = json!({"do": "tools/call", "name": "notes__read_note", "arguments": a});
    let answers = talk.parallel(&vec![call; 20]).await;
    assert_eq!(answers.iter().filter(|line| line["result"]["isError"] != true).count(), 1);
    assert_eq!(notes.reached().len(), reached + 1);
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_hold_stays_denied_and_a_decided_one_cannot_be_decided_again() {
    let (stand, notes) = stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    talk.text("notes__read_list", &json!({})).await;
    pull_the_rug(&stand, &notes).await;
    let reached = notes.reached().len();
    let a = json!({"title": "a"});
    let hold = talk.refusal("notes__read_note", &a).await["hold"].as_str().unwrap().to_owned();
    let denied = stand.with_passphrase(&["deny", &hold]).await;
    assert!(denied.ok, "{}", denied.said());
    let approved = stand.with_passphrase(&["approve", &hold]).await;
    assert!(!approved.ok, "a denied hold was approved: {}", approved.said());
    talk.refusal("notes__read_note", &a).await;
    assert_eq!(notes.reached().len(), reached);
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_outlives_neither_its_task_nor_a_freeze() {
    let (stand, notes) = stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    talk.text("notes__read_list", &json!({})).await;
    pull_the_rug(&stand, &notes).await;
    let reached = notes.reached().len();
    let a = json!({"title": "a"});
    let hold = talk.refusal("notes__read_note", &a).await["hold"].as_str().unwrap().to_owned();
    assert!(stand.with_passphrase(&["approve", &hold]).await.ok);
    assert!(stand.with_passphrase(&["task", "freeze", &grant.task]).await.ok);
    talk.refusal("notes__read_note", &a).await;
    assert!(stand.with_passphrase(&["task", "close", &grant.task]).await.ok);
    talk.refusal("notes__read_note", &a).await;
    assert_eq!(notes.reached().len(), reached);
}
