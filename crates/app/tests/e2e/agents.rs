//! Agents as their operators see them: listed, stopped, and ended for good.

use serde_json::{Value, json};

use crate::drift;
use crate::peers::Client;
use crate::stand::Stand;

async fn shown(stand: &Stand) -> Value {
    stand.ask(&["agent", "show", "worker"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_agents_session_is_told_and_it_begins_anew_when_resumed() {
    let (stand, notes) = drift::stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptOld.connect(&grant).await;
    talk.text("notes__read_note", &json!({"title": "a"})).await;
    let list = stand.remit(&["agent", "list"]).await;
    assert!(list.ok && list.stdout.contains("worker  active"), "{}", list.said());

    // A stop needs no passphrase.
    let done = stand.remit(&["agent", "suspend", "worker", "--reason", "it went astray"]).await;
    assert!(
        done.ok && done.stdout.contains("worker is suspended; its task has ended"),
        "{}",
        done.said()
    );
    let refused = talk.refusal("notes__read_note", &json!({"title": "b"})).await;
    assert!(refused.to_string().contains("closed"), "{refused}");
    talk.end().await;
    assert_eq!(notes.reached().len(), 1);
    let open = ["task", "open", "--template", "reading", "--purpose", "again"];
    let no = stand.remit(&open).await;
    assert!(!no.ok && no.said().contains("agent `worker` is suspended"), "{}", no.said());

    let guessed = stand.with_guess(&["agent", "resume", "worker"]).await;
    assert!(!guessed.ok, "{}", guessed.said());
    stand.act(&["agent", "resume", "worker", "--reason", "looked into"]).await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptOld.connect(&grant).await;
    talk.text("notes__read_note", &json!({"title": "c"})).await;
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_agent_stays_so_through_a_kill_and_a_new_configuration() {
    let (mut stand, _notes) = drift::stand().await;
    let nobody = stand.remit(&["agent", "retire", "worker"]).await;
    assert!(!nobody.ok, "a peer alone ends nobody for ever: {}", nobody.said());
    stand.act(&["agent", "retire", "worker", "--reason", "replaced"]).await;
    stand.kill().await;
    stand.start().await;
    assert_eq!(shown(&stand).await["lifecycle"], "retired");
    let back = stand.with_passphrase(&["agent", "resume", "worker"]).await;
    assert!(!back.ok && back.said().contains("another name"), "{}", back.said());

    let config = std::fs::read_to_string(stand.config()).unwrap();
    std::fs::write(
        stand.config(),
        config.replace("name = \"worker\"", "name = \"worker\"\npurpose = \"new\""),
    )
    .unwrap();
    let read = |agent: &Value| agent["configured"]["purpose"] == "new";
    stand.until("the file is read again", &["agent", "show", "worker"], read).await;
    let open = ["task", "open", "--template", "reading", "--purpose", "again"];
    let no = stand.remit(&open).await;
    assert!(!no.ok && no.said().contains("agent `worker` is retired"), "{}", no.said());
    let words: Vec<Value> = stand
        .entries()
        .await
        .into_iter()
        .filter(|entry| entry["kind"] == "agent")
        .map(|entry| entry["clear"]["what"].clone())
        .collect();
    assert_eq!(words, ["retired"]);
}
