//! An approval is for one thing (R8): this call, in this task, once.

use serde_json::json;

use crate::drift::{pull_the_rug, stand};
use crate::peers::{Changing, Client};
use crate::stand::{Plan, Stand};

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
    stand.act(&["approve", &hold]).await;

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
async fn a_policy_asks_for_a_person_and_says_which_rule_and_control() {
    let folder = tempfile::tempdir().unwrap();
    let tools = json!([{"name": "delete_note", "description": "Deletes a note for ever.",
        "inputSchema": {"type": "object", "properties": {"title": {"type": "string"}}},
        "annotations": {"destructiveHint": true}, "answer": "deleted"}]);
    let notes = Changing::new(folder.path(), &tools);
    let command = notes.command();
    let plan = Plan::new()
        .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
        .template("tidying", &["notes/*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    for client in Client::ALL {
        let before = notes.reached().len();
        let mut talk = client.connect(&stand.open("tidying").await).await;
        let old = json!({"title": "old"});
        let refusal = talk.refusal("notes__delete_note", &old).await;
        assert_eq!(refusal["class"], "needs_approval", "{client:?}: {refusal}");
        let reasons = refusal["reasons"].as_array().unwrap();
        let rule = reasons.iter().find(|reason| reason["policy"] == "destroy-asks");
        let rule = rule.unwrap_or_else(|| panic!("{client:?}: {refusal}"));
        assert!(rule["controls"].to_string().contains("ASI02"), "{rule}");
        let hold = refusal["hold"].as_str().unwrap();
        stand.act(&["approve", hold]).await;
        assert_eq!(talk.text("notes__delete_note", &old).await, "deleted");
        talk.refusal("notes__delete_note", &old).await;
        assert_eq!(notes.reached().len(), before + 1, "{client:?}");
        talk.end().await;
    }
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
    stand.act(&["approve", &hold]).await;
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
    stand.act(&["deny", &hold]).await;
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
    stand.act(&["approve", &hold]).await;
    stand.act(&["task", "freeze", &grant.task]).await;
    talk.refusal("notes__read_note", &a).await;
    stand.act(&["task", "close", &grant.task]).await;
    talk.refusal("notes__read_note", &a).await;
    assert_eq!(notes.reached().len(), reached);
}
