//! Stdio servers are supervised children: no inherited secrets, one process per task unless shared, an
//! executable that is pinned, and a death that ends a call without sending it twice.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::peers::{Changing, Client, node, npm_server};
use crate::stand::{Plan, Stand};

fn tool(name: &str, more: &Value) -> Value {
    let mut tool = json!({"name": name, "description": "Reads something.", "answer": "read",
        "inputSchema": {"type": "object", "properties": {}},
        "annotations": {"readOnlyHint": true, "openWorldHint": false}});
    for (key, value) in more.as_object().unwrap() {
        tool[key] = value.clone();
    }
    tool
}

async fn stand(more: &str, tools: &Value) -> (Stand, Changing) {
    let folder = tempfile::tempdir().unwrap();
    let notes = Changing::new(folder.path(), tools);
    let command = notes.command();
    let plan = Plan::new()
        .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), more)
        .template("reading", &["notes/*"], "");
    let state = folder.path().join("state");
    (Stand::up(&plan, folder, state).await, notes)
}

fn processes(notes: &Changing) -> BTreeSet<u64> {
    notes.reached().iter().map(|call| call["pid"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_inherits_no_secret_and_may_not_ask_the_clients_model() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::new()
        .stdio(
            "everything",
            &[&node(), &npm_server("everything"), "stdio"],
            "env = { GIVEN = \"on purpose\" }\n[server.tool.\"*\"]\neffect = \"read\"\nreach = \"local\"\nsensitivity = \"public\"\n",
        )
        .template("work", &["*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    let mut talk = Client::TypeScriptOld.connect(&stand.open("work").await).await;
    let environment = talk.text("everything__get-env", &json!({})).await;
    assert!(environment.contains("on purpose"), "{environment}");
    assert!(!environment.contains(crate::stand::SECRET), "{environment}");

    let sampling = "everything__trigger-sampling-request";
    if talk.tools().await.iter().any(|name| name == sampling) {
        let result = talk.call(sampling, &json!({"prompt": "say yes"})).await;
        assert_eq!(result["isError"], true, "{result}");
    }
    let beside = talk.end().await;
    assert!(beside.iter().all(|line| line.get("asked").is_none()), "{beside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_has_a_process_of_its_own_unless_the_server_is_shared() {
    for (more, expected) in [("", 2), ("shared = true", 1)] {
        let (stand, notes) = stand(more, &json!([tool("read_note", &json!({}))])).await;
        for client in [Client::PythonStateless, Client::TypeScriptOld] {
            let mut talk = client.connect(&stand.open("reading").await).await;
            for _ in 0..3 {
                talk.text("notes__read_note", &json!({})).await;
            }
            talk.end().await;
        }
        assert_eq!(notes.reached().len(), 6);
        assert_eq!(processes(&notes).len(), expected, "with `{more}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_a_call_is_answered_for_started_again_and_never_asked_twice() {
    let tools = json!([tool("read_note", &json!({})), tool("read_bomb", &json!({"die": true}))]);
    let (stand, notes) = stand("", &tools).await;
    for client in [Client::PythonStateless, Client::TypeScriptSessions] {
        let before = notes.reached().len();
        let mut talk = client.connect(&stand.open("reading").await).await;
        talk.text("notes__read_note", &json!({})).await;
        let refusal = talk.refusal("notes__read_bomb", &json!({})).await;
        assert_eq!(refusal["class"], "transient", "{client:?}: {refusal}");
        let read = json!({"do": "tools/call", "name": "notes__read_note", "arguments": {}});
        let mut back = false;
        for _ in 0..50 {
            back = talk.result(&read).await["isError"] != true;
            if back {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(back, "{client:?}: the server was not started again: {}", stand.log());
        let reached = notes.reached();
        let bombs = reached[before..].iter().filter(|call| call["name"] == "read_bomb").count();
        assert_eq!(bombs, 1, "{client:?}: the call was sent again");
        talk.end().await;
    }
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executable_that_changed_is_not_started_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let notes = Changing::new(folder.path(), &json!([tool("read_note", &json!({}))]));
    let program = folder.path().join("notes-server");
    write_script(&program, &notes, "");
    let plan = Plan::new().stdio("notes", &[program.to_str().unwrap()], "").template(
        "reading",
        &["notes/*"],
        "",
    );
    let state = folder.path().join("state");
    let mut stand = Stand::up(&plan, folder, state).await;
    let mut talk = Client::TypeScriptOld.connect(&stand.open("reading").await).await;
    talk.text("notes__read_note", &json!({})).await;
    talk.end().await;
    stand.kill().await;
    write_script(&program, &notes, "# somebody else's line\n");
    stand.start().await;
    let mut talk = Client::TypeScriptOld.connect(&stand.open("reading").await).await;
    let refusal = talk.refusal("notes__read_note", &json!({})).await;
    assert!(refusal.to_string().contains("executable"), "{refusal}");
    assert_eq!(notes.reached().len(), 1);

    let doctor = stand.remit(&["doctor"]).await.said();
    let is_digest = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = doctor.split(|c: char| !c.is_ascii_alphanumeric());
    let digests: Vec<&str> = words.filter(is_digest).collect();
    let [before, found] = digests[..] else { panic!("not two digests in {doctor}") };
    let admit = ["tool", "admit-executable", "notes", "--digest"];
    let stale = stand.with_passphrase(&[&admit[..], &[before]].concat()).await;
    assert!(!stale.ok, "another executable than the one there was admitted: {}", stale.said());
    stand.act(&[&admit[..], &[found]].concat()).await;
    talk.text("notes__read_note", &json!({})).await;
    talk.end().await;
}

fn write_script(program: &std::path::Path, notes: &Changing, line: &str) {
    use std::os::unix::fs::PermissionsExt;
    let words: Vec<_> = notes.command().iter().map(|word| format!("'{word}'")).collect();
    std::fs::write(program, format!("#!/bin/sh\n{line}exec {}\n", words.join(" "))).unwrap();
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
}
