//! What is lent to a program is in its process alone, for as long as its task.

use std::path::Path;

use serde_json::{Value, json};

use super::{CANARY, CUT, all_returned, assert_nowhere};
use crate::peers::{Client, peer, python};
use crate::stand::{Plan, Stand};

async fn stand() -> (Stand, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, CANARY).unwrap();
    let credential = format!(
        "[[credential]]\nname = \"key\"\nkind = \"secret\"\nfile = \"{}\"\n\n",
        key.display()
    );
    let lend = "lend = [{ credential = \"key\", variable = { SERVER_KEY = \"key={value}\" }, file = { KEY_FILE = \"{value}\" } }]";
    let plan = Plan::new()
        .with(&credential)
        .stdio("holding", &[&python(), &peer("servers/holding.py")], lend)
        .template("reading", &["holding/*"], "");
    let state = folder.path().join("state");
    (Stand::up(&plan, folder, state).await, key)
}

async fn held(talk: &mut crate::peers::Conversation) -> Value {
    serde_json::from_str(&talk.text("holding__read_all", &json!({})).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_holds_what_it_is_lent_and_loses_it_with_its_task() {
    let (stand, key) = stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    let first = held(&mut talk).await;
    assert_eq!(first["environment"]["SERVER_KEY"], format!("key={CUT}"), "it is there, and cut");
    assert_eq!(first["content"], CUT);
    assert_eq!((&first["mode"], &first["folder"]), (&json!("0o600"), &json!("0o700")));
    let file = first["file"].as_str().unwrap().to_owned();
    // It gave away what it holds: that ends the lease, and the process with it.
    let second = held(&mut talk).await;
    assert_ne!(first["pid"], second["pid"], "a process does not outlive what it was lent");
    talk.end().await;
    stand.remit(&["task", "close", &grant.task]).await;
    all_returned(&stand).await;
    assert_nowhere(&stand, CANARY, &key).await;
    for place in [&file, second["file"].as_str().unwrap()] {
        assert!(!Path::new(place).exists(), "{place} is still there");
    }
    for process in [&first, &second] {
        let place = format!("/proc/{}/environ", process["pid"]);
        let environment = std::fs::read(&place).unwrap_or_default();
        assert!(environment.is_empty(), "{place} is still there");
    }
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_remit_left_in_files_is_gone_after_the_next_start() {
    let (mut stand, _) = stand().await;
    let mut talk = Client::TypeScriptStateless.connect(&stand.open("reading").await).await;
    let held = held(&mut talk).await;
    let file = held["file"].as_str().unwrap().to_owned();
    drop(talk);
    stand.kill().await;
    stand.start().await;
    assert!(!Path::new(&file).exists(), "{file}");
}
