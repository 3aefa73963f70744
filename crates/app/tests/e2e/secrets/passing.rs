//! Other people's secrets on their way through a running Remit, between a server and a client that other people wrote.

use std::fs;

use serde_json::json;

use crate::peers::{Client, node, npm_server};
use crate::secrets::{CANARY, kept};
use crate::stand::{Plan, Stand};
use crate::wire::metric;

/// Has a form that is looked for, and is nobody's; put together here, so that no file holds one.
fn token() -> String {
    ["glp", "at-q7Zt3VbK9xWm2RdLp8Yc"].concat()
}

/// What nobody has a use for.
const BAIT: &str = "payroll-Zw41-nothing-opens-by-this";

const COMMIT: &str = "8f14e45fceea167a5a36dedd4bea2543a1b2c3d4";

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_file_reaches_neither_client_nor_record_and_goes_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    let text = format!("token {}\npassphrase {CANARY}\ncommit {COMMIT}\n", token());
    fs::write(files.join("notes"), text).unwrap();
    fs::write(files.join("payroll"), format!("root / {BAIT}\n")).unwrap();
    let files = files.to_str().unwrap().to_owned();
    let outward = "[server.tool.echo]\neffect = \"send\"\nreach = \"external\"\n";
    let plan = Plan::new()
        .stdio("filesystem", &[&node(), &npm_server("filesystem"), &files], "")
        .stdio("everything", &[&node(), &npm_server("everything"), "stdio"], outward)
        .template("reading", &["filesystem/*", "everything/*"], "")
        .with("[secrets]\ncanaries = [\"bait\"]\n");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    kept(&stand, &["secret", "add", "key"], &format!("{CANARY}\n")).await;
    assert!(stand.log().contains("a canary is not in sealed storage"), "{}", stand.log());
    let listed = stand.with_passphrase(&["secret", "list", "--json"]).await.json();
    let missing = json!({ "name": "bait", "lent_as": [], "canary": true });
    assert_eq!((&listed[0], &listed[1]["name"]), (&missing, &json!("key")));
    kept(&stand, &["secret", "add", "bait"], &format!("{BAIT}\n")).await;

    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    let path = json!({ "path": format!("{files}/notes") });
    let said = talk.text("filesystem__read_text_file", &path).await;
    assert!(said.contains("token [cut: gitlab-pat "), "{said}");
    assert!(said.contains("passphrase [cut: sealed ") && said.contains(COMMIT), "{said}");
    assert!(!said.contains(&token()) && !said.contains(CANARY), "{said}");

    let listed = stand.with_passphrase(&["secret", "list"]).await.stdout;
    assert!(listed.contains("bait") && listed.contains("(a canary)"), "{listed}");
    let message = json!({ "message": format!("here it is: {}", token()) });
    let refusal = talk.refusal("everything__echo", &message).await;
    assert!(refusal.to_string().contains("secret-o"), "{refusal}");

    let payroll = json!({ "path": format!("{files}/payroll") });
    let said = talk.text("filesystem__read_text_file", &payroll).await;
    assert!(said.contains("root / [cut: canary ") && !said.contains(BAIT), "{said}");
    let harmless = json!({ "path": format!("{files}/copy"), "content": "nothing of it" });
    let refusal = talk.refusal("filesystem__write_file", &harmless).await;
    assert!(refusal.to_string().contains("canary-seen-asks"), "{refusal}");
    let moved = json!({ "path": format!("{files}/copy"), "content": BAIT });
    let refusal = talk.refusal("filesystem__write_file", &moved).await;
    assert!(refusal.to_string().contains("canary-refused"), "{refusal}");
    assert!(refusal["hold"].is_null(), "no approval helps: {refusal}");
    talk.end().await;

    stand.all_published().await;
    let bodies = stand.with_passphrase(&["audit", "export", "--format", "jsonl", "--bodies"]).await;
    let results: Vec<&str> =
        bodies.stdout.lines().filter(|line| line.contains("outcome")).collect();
    assert!(results.iter().any(|line| line.contains("gitlab-pat")), "{}", bodies.said());
    let none = |line: &&str| [&token(), CANARY, BAIT].iter().all(|secret| !line.contains(*secret));
    assert!(results.iter().all(none));
    let signals = bodies.stdout.lines().filter(|line| line.contains(r#""kind":"signal""#));
    assert_eq!(signals.filter(|line| line.contains("canary")).count(), 1, "{}", bodies.said());
    assert!(metric(&stand, "remit_secrets_cut_total").await > 0);
    assert_eq!(metric(&stand, "remit_secrets_in_calls_total").await, 2);
    assert_eq!(metric(&stand, "remit_canaries_seen_total").await, 2);

    let config = fs::read_to_string(stand.config()).unwrap();
    let another = config.replace("canaries = [\"bait\"]", "canaries = [\"bait\", \"lure\"]");
    fs::write(stand.config(), another).unwrap();
    stand.logged("`remit secret add` name=lure").await;
    let listed = stand.with_passphrase(&["secret", "list"]).await.stdout;
    let lure = listed.lines().find(|line| line.starts_with("lure")).unwrap();
    assert!(lure.contains("missing") && lure.contains("(a canary)"), "{listed}");
}
