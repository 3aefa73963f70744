//! What is lent to a server at an address goes into its requests alone.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{CANARY, CUT, all_returned, assert_nowhere, leases, told};
use crate::peers::{Client, Listening, guarded};
use crate::stand::{Plan, Stand};

struct Guarded {
    stand: Stand,
    server: Listening,
    keys: PathBuf,
    journal: PathBuf,
    key: PathBuf,
}

impl Guarded {
    /// A Remit before a server that wants `Bearer CANARY`, which stands in a file.
    async fn up(elsewhere: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (keys, journal, key) = (path("keys.json"), path("journal"), path("key"));
        std::fs::write(&keys, json!([format!("Bearer {CANARY}")]).to_string()).unwrap();
        std::fs::write(&key, format!("{CANARY}\n")).unwrap();
        std::fs::write(&journal, "").unwrap();
        let server = guarded(&keys, &journal, elsewhere).await;
        let credential = format!(
            "[[credential]]\nname = \"shop\"\nkind = \"secret\"\nfile = \"{}\"\n\n",
            key.display()
        );
        let lend =
            "lend = [{ credential = \"shop\", header = { Authorization = \"Bearer {value}\" } }]";
        let plan = Plan::new().with(&credential).http("shop", &server.url, lend).template(
            "reading",
            &["shop/*"],
            "",
        );
        let state = folder.path().join("state");
        let stand = Stand::up(&plan, folder, state).await;
        Self { stand, server, keys, journal, key }
    }

    fn requests(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.journal).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_carries_the_key_and_the_agent_never_sees_it() {
    let guarded = Guarded::up("").await;
    let stand = &guarded.stand;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    assert_eq!(talk.text("shop__read_stock", &json!({})).await, "ok");
    let back = talk.text("shop__read_back", &json!({})).await;
    assert!(back.contains(CUT) && !back.contains(CANARY), "{back}");
    let beside = format!("{:?}", talk.end().await);
    assert!(!beside.contains(CANARY), "{beside}");
    let requests = guarded.requests();
    assert!(requests.iter().any(|request| request["asked"] == "tools/list"), "{requests:?}");
    for request in &requests {
        assert_eq!(request["headers"]["authorization"], format!("Bearer {CANARY}"), "{request}");
    }
    assert_nowhere(stand, CANARY, &guarded.key).await;
    let list = stand.ask(&["credential", "list"]).await;
    assert_eq!(list["configured"][0]["name"], "shop", "{list}");
    stand.remit(&["task", "close", &grant.task]).await;
    all_returned(stand).await;
    // The server gave it away, so it was taken back at once; the task ended before it needed another.
    assert_eq!(told(stand, &grant.task).await, ["lending", "lent", "returned"]);
    let exposure = stand.ask(&["credential", "exposure"]).await;
    let of_agent = exposure["uses"].as_array().unwrap().iter().find(|it| it["agent"] == "worker");
    assert_eq!(of_agent.unwrap()["leases"], 1, "{exposure}");
    assert!(exposure["credential_seconds"].as_u64() < exposure["standing_seconds"].as_u64());
    crate::proof::log_is_good(stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_with_the_key_is_what_is_on_record() {
    let guarded = Guarded::up("").await;
    let stand = &guarded.stand;
    let mut talk = Client::PythonSessions.connect(&stand.open("reading").await).await;
    for shelf in ["upper", "lower \u{1f511}"] {
        talk.text("shop__read_stock", &json!({ "shelf": shelf, "pages": [1, 2.5] })).await;
    }
    talk.end().await;
    stand.all_published().await;
    let bodies = stand.with_passphrase(&["audit", "export", "--format", "jsonl", "--bodies"]).await;
    let entries = bodies.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let decisions = entries.filter(|entry| entry["kind"] == "decision");
    let recorded: Vec<_> =
        decisions.map(|entry| entry["body"]["question"]["asked"]["params"].clone()).collect();
    let requests = guarded.requests();
    let calls: Vec<_> = requests.iter().filter(|it| it["asked"] == "read_stock").collect();
    assert_eq!((recorded.len(), calls.len()), (2, 2), "{recorded:?} {calls:?}");
    for (recorded, call) in recorded.iter().zip(calls) {
        assert_eq!(call["headers"]["authorization"], format!("Bearer {CANARY}"), "{call}");
        let (recorded, body) = (recorded.as_str().unwrap(), call["body"].as_str().unwrap());
        assert!(body.contains(&format!("\"params\":{recorded}")), "{body} is not {recorded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_key_is_taken_up_without_a_restart() {
    let guarded = Guarded::up("").await;
    let (stand, next) = (&guarded.stand, "the-next-key-of-the-shop");
    let mut talk = Client::PythonSessions.connect(&stand.open("reading").await).await;
    talk.text("shop__read_stock", &json!({})).await;
    std::fs::write(&guarded.keys, json!([format!("Bearer {next}")]).to_string()).unwrap();
    let refused = talk.call("shop__read_stock", &json!({})).await;
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(!refused.to_string().contains(CANARY), "the server told what it was sent: {refused}");
    std::fs::write(&guarded.key, next).unwrap();
    stand.act(&["credential", "revoke", "--credential", "shop"]).await;
    assert_eq!(talk.text("shop__read_stock", &json!({})).await, "ok");
    talk.end().await;
    assert_nowhere(stand, CANARY, &guarded.key).await;
    assert_nowhere(stand, next, &guarded.key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_does_not_take_the_key_along() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, journal) = (folder.path().join("keys.json"), folder.path().join("journal"));
    std::fs::write(&keys, "[]").unwrap();
    std::fs::write(&journal, "").unwrap();
    let thief = guarded(&keys, &journal, "").await;
    let guarded = Guarded::up(&thief.url).await;
    let mut talk = Client::TypeScriptStateless.connect(&guarded.stand.open("reading").await).await;
    let moved = talk.call("shop__read_moved", &json!({})).await;
    assert_eq!(moved["isError"], true, "{moved}");
    talk.end().await;
    assert_eq!(std::fs::read_to_string(&journal).unwrap(), "", "the thief was asked");
    drop(guarded.server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_had_refuses_the_call_in_words() {
    let guarded = Guarded::up("").await;
    let stand = &guarded.stand;
    let mut talk = Client::TypeScriptSessions.connect(&stand.open("reading").await).await;
    std::fs::write(&guarded.key, "with\r\nX-Smuggled: yes\r\n\r\nmore").unwrap();
    stand.act(&["credential", "revoke", "--credential", "shop"]).await;
    let refused = talk.call("shop__read_stock", &json!({})).await.to_string();
    assert!(refused.contains("cannot stand in the header"), "{refused}");
    assert!(!refused.contains("Smuggled"), "{refused}");
    std::fs::remove_file(&guarded.key).unwrap();
    stand.act(&["credential", "revoke", "--credential", "shop"]).await;
    let refused = talk.call("shop__read_stock", &json!({})).await.to_string();
    assert!(refused.contains("credential `shop`"), "{refused}");
    talk.end().await;
    let probed = stand.remit(&["credential", "probe"]).await;
    assert!(!probed.ok && probed.said().contains("cannot read the secret"), "{}", probed.said());
    assert!(guarded.requests().iter().all(|it| it["headers"].get("x-smuggled").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_everything_lent_is_taken_back_and_the_task_goes_on() {
    let mut guarded = Guarded::up("").await;
    let grant = guarded.stand.open("reading").await;
    let mut talk = Client::TypeScriptStateless.connect(&grant).await;
    talk.text("shop__read_stock", &json!({})).await;
    talk.end().await;
    let before = guarded.stand.ask(&["credential", "list"]).await;
    assert!(leases(&before).iter().any(|lease| lease["task"] == grant.task), "{before}");
    guarded.stand.kill().await;
    guarded.stand.start().await;
    let gone =
        |all: &Value| leases(all).iter().all(|lease| lease["lease"] != leases(&before)[0]["lease"]);
    guarded.stand.until("what was lent before is taken back", &["credential", "list"], gone).await;
    all_returned(&guarded.stand).await;
    assert_eq!(told(&guarded.stand, &grant.task).await, ["lending", "lent", "returned"]);
    crate::proof::log_is_good(&guarded.stand).await;
}
