//! What is lent to a program is in its process alone, for as long as its task.

use std::path::Path;

use serde_json::{Value, json};

use super::{CANARY, CUT, all_returned, assert_nowhere};
use crate::peers::{Client, peer, python};
use crate::stand::{Plan, Stand};

const EVERYWHERE: &str =
    "variable = { SERVER_KEY = \"key={value}\" }, file = { KEY_FILE = \"{value}\" }";

/// What is lent goes to these `places` of the program.
async fn stand(places: &str) -> (Stand, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, CANARY).unwrap();
    let credential = format!(
        "[[credential]]\nname = \"key\"\nkind = \"secret\"\nfile = \"{}\"\n\n",
        key.display()
    );
    let lend = format!("lend = [{{ credential = \"key\", {places} }}]");
    let plan = Plan::new()
        .with(&credential)
        .stdio("holding", &[&python(), &peer("servers/holding.py")], &lend)
        .template("reading", &["holding/*"], "");
    let state = folder.path().join("state");
    (Stand::up(&plan, folder, state).await, key)
}

async fn held(talk: &mut crate::peers::Conversation) -> Value {
    serde_json::from_str(&talk.text("holding__read_all", &json!({})).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_holds_what_it_is_lent_and_loses_it_with_its_task() {
    let (stand, key) = stand(EVERYWHERE).await;
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
    let (mut stand, _) = stand(EVERYWHERE).await;
    let mut talk = Client::TypeScriptStateless.connect(&stand.open("reading").await).await;
    let held = held(&mut talk).await;
    let file = held["file"].as_str().unwrap().to_owned();
    drop(talk);
    stand.kill().await;
    stand.start().await;
    assert!(!Path::new(&file).exists(), "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_holds_it_and_nothing_that_others_can_read_does() {
    let (stand, key) = stand("descriptor = { KEY_FD = \"{value}\" }").await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    let pid = talk.text("holding__read_pid", &json!({})).await;
    for shown in ["environ", "cmdline"] {
        let place = format!("/proc/{pid}/{shown}");
        let text = String::from_utf8_lossy(&std::fs::read(&place).unwrap()).into_owned();
        assert!(
            text.contains(if shown == "environ" { "KEY_FD=3" } else { "holding.py" }),
            "{text}"
        );
        assert!(!text.contains(CANARY), "{place}: {text}");
    }
    assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/fd/3")).unwrap(), CANARY);
    let held = held(&mut talk).await;
    assert_eq!(held["pid"].to_string(), pid);
    assert_eq!(held["environment"]["KEY_FD"], "3");
    assert_eq!(
        held["descriptor"],
        json!([CUT, CUT]),
        "it is there, as often as it is read, and cut"
    );
    assert_eq!(held["written"], "Operation not permitted");
    talk.end().await;
    stand.remit(&["task", "close", &grant.task]).await;
    all_returned(&stand).await;
    assert!(!Path::new(&format!("/proc/{pid}/fd/3")).exists(), "it ends with its process");
    let ours = std::fs::read_dir(format!("/proc/{}/fd", stand.process().as_raw_nonzero())).unwrap();
    let ours = ours.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    assert!(ours.into_iter().all(|to| !to.to_string_lossy().contains("memfd:lent")));
    assert_nowhere(&stand, CANARY, &key).await;
}
