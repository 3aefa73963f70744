//! Other people's secrets on their way through a running Remit, between a server and a client that other people wrote.

use std::fs;

use serde_json::json;

use crate::peers::{Client, node, npm_server};
use crate::secrets::{CANARY, kept};
use crate::stand::{Plan, Stand};
use crate::wire::get;

/// Has a form that is looked for, and is nobody's; put together here, so that no file holds one.
fn token() -> String {
    ["glp", "at-q7Zt3VbK9xWm2RdLp8Yc"].concat()
}

const COMMIT: &str = "8f14e45fceea167a5a36dedd4bea2543a1b2c3d4";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_file_reaches_neither_client_nor_record_and_goes_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    let text = format!("token {}\npassphrase {CANARY}\ncommit {COMMIT}\n", token());
    fs::write(files.join("notes"), text).unwrap();
    let files = files.to_str().unwrap().to_owned();
    let outward = "[server.tool.echo]\neffect = \"send\"\nreach = \"external\"\n";
    let plan = Plan::new()
        .stdio("filesystem", &[&node(), &npm_server("filesystem"), &files], "")
        .stdio("everything", &[&node(), &npm_server("everything"), "stdio"], outward)
        .template("reading", &["filesystem/*", "everything/*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    kept(&stand, &["secret", "add", "key"], &format!("{CANARY}\n")).await;

    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    let path = json!({ "path": format!("{files}/notes") });
    let said = talk.text("filesystem__read_text_file", &path).await;
    assert!(said.contains("token [cut: gitlab-pat "), "{said}");
    assert!(said.contains("passphrase [cut: sealed ") && said.contains(COMMIT), "{said}");
    assert!(!said.contains(&token()) && !said.contains(CANARY), "{said}");

    let message = json!({ "message": format!("here it is: {}", token()) });
    let refusal = talk.refusal("everything__echo", &message).await;
    assert!(refusal.to_string().contains("secret-o"), "{refusal}");
    talk.end().await;

    stand.all_published().await;
    let bodies = stand.with_passphrase(&["audit", "export", "--format", "jsonl", "--bodies"]).await;
    let results: Vec<&str> =
        bodies.stdout.lines().filter(|line| line.contains("outcome")).collect();
    assert!(results.iter().any(|line| line.contains("gitlab-pat")), "{}", bodies.said());
    assert!(results.iter().all(|line| !line.contains(&token()) && !line.contains(CANARY)));
    let metrics = get(stand.address(), "/metrics").await.body;
    for counted in ["remit_secrets_cut_total ", "remit_secrets_in_calls_total 1\n"] {
        assert!(metrics.contains(counted), "{metrics}");
    }
}
