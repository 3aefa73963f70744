//! What Remit never saw shows against the server's own log, and what it says was done shows there too.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::drift::stand;
use crate::peers::{Changing, Client};
use crate::stand::{Ran, Stand};

async fn reconcile(stand: &Stand, notes: &Changing) -> (bool, Value) {
    let ran = compare(stand, notes).await;
    let found = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|why| panic!("not one JSON document ({why}): {}", ran.said()));
    (ran.ok, found)
}

async fn compare(stand: &Stand, notes: &Changing) -> Ran {
    stand.all_published().await;
    let journal = notes.journal();
    let journal = journal.to_str().unwrap();
    let args = ["audit", "reconcile", "--upstream", journal, "--server", "notes", "--json"];
    stand.remit(&args).await
}

/// Calls the server without Remit, as somebody with a shell on its machine can.
fn behind_its_back(notes: &Changing, title: &str) {
    let command = notes.command();
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "read_note", "arguments": {"title": title}}});
    writeln!(child.stdin.take().unwrap(), "{call}").unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_behind_its_back_and_a_call_that_never_came_are_both_found() {
    let (stand, notes) = stand().await;
    let mut talk = Client::TypeScriptOld.connect(&stand.open("reading").await).await;
    for title in ["a", "b", "b", "ä \"quoted\" \\ and more"] {
        talk.text("notes__read_note", &json!({"title": title})).await;
    }
    talk.text("notes__read_list", &json!({})).await;
    let (agree, found) = reconcile(&stand, &notes).await;
    assert!(agree, "{found}");
    assert_eq!((&found["matched"], &found["permits"]), (&json!(5), &json!(5)), "{found}");

    behind_its_back(&notes, "secret");
    let (agree, found) = reconcile(&stand, &notes).await;
    assert!(!agree, "{found}");
    assert_eq!(found["unrecorded"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["unrecorded"][0]["tool"], "read_note");
    assert_eq!(found["unrecorded"][0]["lines"], json!([6]), "{found}");
    assert_eq!(found["unseen"], json!([]));

    // A server that denies a call it answered, and one that keeps names only.
    let journal = std::fs::read_to_string(notes.journal()).unwrap();
    let lines: Vec<&str> = journal.lines().collect();
    std::fs::write(notes.journal(), lines[1..5].join("\n") + "\n").unwrap();
    let (agree, found) = reconcile(&stand, &notes).await;
    assert!(!agree && found["unrecorded"] == json!([]), "{found}");
    assert_eq!(
        (&found["unseen"][0]["tool"], &found["unseen"][0]["count"]),
        (&json!("read_note"), &json!(1))
    );
    let counted =
        "{\"tool\": \"read_note\", \"count\": 4, \"at\": \"today\"}\n{\"tool\": \"read_list\"}\n";
    std::fs::write(notes.journal(), counted).unwrap();
    assert!(reconcile(&stand, &notes).await.0);

    std::fs::write(notes.journal(), "{\"tool\": \"read_note\"}\nnot json\n").unwrap();
    let bad = compare(&stand, &notes).await;
    assert!(!bad.ok && bad.stderr.contains("line 2"), "{}", bad.said());
    talk.end().await;
}
