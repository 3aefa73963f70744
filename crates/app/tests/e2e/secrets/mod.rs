//! Sealed storage from outside: secrets go in, are lent, and come out nowhere.

mod guard;
mod kills;
mod passing;
mod scan;

use std::path::Path;
use std::sync::Arc;

use remit_keys::{Guard, Sealed};
use remit_model::SecretName;
use remit_ports::Secrets as _;
use remit_testkit::{ManualClock, SeededEntropy};
use serde_json::json;

use crate::lend::assert_nowhere;
use crate::operators::knock;
use crate::peers::{Client, peer, python};
use crate::stand::{Plan, Stand};

/// A canary: stands nowhere but where it was put.
const CANARY: &str = "c4nary-3b8d5e07f1a2-in-sealed-storage";

/// A server that is lent the secret `key`.
async fn stand() -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::new()
        .with("[[credential]]\nname = \"key\"\nkind = \"secret\"\nsecret = \"key\"\n\n")
        .stdio(
            "holding",
            &[&python(), &peer("servers/holding.py")],
            "lend = [{ credential = \"key\", variable = { SERVER_KEY = \"{value}\" } }]",
        )
        .template("reading", &["holding/*"], "");
    let state = folder.path().join("state");
    Stand::up(&plan, folder, state).await
}

/// The value of the secret `name` in a state directory that nobody serves; nothing else reads one.
fn value(state: &Path, guard: Guard, name: &str) -> Option<String> {
    let doors = (Arc::new(ManualClock::default()) as _, Arc::new(SeededEntropy::new(9)) as _);
    let sealed = Sealed::open(state, (guard, None), doors).unwrap();
    let name: SecretName = name.parse().unwrap();
    sealed.read(&name).ok().map(|secret| secret.reveal().to_owned())
}

/// What the server's process was lent, as the kernel has it.
async fn lent(stand: &Stand) -> String {
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptSessions.connect(&grant).await;
    let held = talk.text("holding__read_pid", &json!({})).await;
    let environment = std::fs::read(format!("/proc/{held}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let lent = environment.split('\0').find_map(|line| line.strip_prefix("SERVER_KEY="));
    let lent = lent.unwrap_or("nothing").to_owned();
    talk.end().await;
    lent
}

async fn kept(stand: &Stand, args: &[&str], input: &str) {
    let done = stand.with_input(args, input).await;
    assert!(done.ok, "remit {args:?}: {}", done.said());
    assert!(!done.said().contains(input), "remit {args:?} repeats it: {}", done.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_in_is_lent_and_comes_out_nowhere() {
    let stand = stand().await;
    kept(&stand, &["secret", "add", "key"], &format!("{CANARY}\n")).await;
    assert_eq!(lent(&stand).await, CANARY);
    let listed = stand.with_passphrase(&["secret", "list", "--json"]).await.json();
    assert_eq!((&listed[0]["name"], &listed[0]["by"]), (&json!("key"), &json!("operator")));
    assert_eq!(listed[0]["lent_as"], json!(["key"]));
    let again = stand.with_input(&["secret", "add", "key"], "other").await;
    assert!(!again.ok && again.stderr.contains("remit secret rotate key"), "{}", again.said());
    assert_nowhere(&stand, CANARY, Path::new("")).await;

    let other = format!("{CANARY}-two");
    kept(&stand, &["secret", "rotate", "key"], &other).await;
    assert_eq!(lent(&stand).await, other, "the next task is lent the new one");
    stand.act(&["secret", "rotate", "--key"]).await;
    assert_eq!(lent(&stand).await, other, "and finds it under another key");
    stand.act(&["secret", "remove", "key"]).await;
    assert_eq!(stand.with_passphrase(&["secret", "list", "--json"]).await.json(), json!([]));
    assert_nowhere(&stand, CANARY, Path::new("")).await;

    let entries = stand.entries().await;
    let words: Vec<_> = entries
        .iter()
        .filter(|entry| entry["kind"] == "key" && entry["clear"]["actor"] == "operator")
        .map(|entry| entry["clear"]["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        words,
        ["secret_added", "secret_replaced", "secrets_rewrapped", "secret_removed"],
        "each act is on record, and nothing that was refused"
    );
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_operator_neither_sees_nor_changes_anything() {
    let stand = stand().await;
    kept(&stand, &["secret", "add", "key"], CANARY).await;
    for act in
        [&["secret", "list"][..], &["secret", "rotate", "--key"], &["secret", "remove", "key"]]
    {
        for refused in [stand.remit(act).await, stand.with_guess(act).await] {
            assert!(
                !refused.ok && refused.stderr.contains("passphrase"),
                "{act:?}: {}",
                refused.said()
            );
            assert!(!refused.said().contains("MADE"), "{act:?}: {}", refused.said());
        }
    }
    let grant = stand.open("reading").await;
    let value = json!({"value": "mallory's"}).to_string();
    let file = json!({"path": "/x", "content": "", "now": "0".repeat(64)}).to_string();
    let named = json!({"path": "/x"}).to_string();
    for (path, body) in [
        ("/v1/secrets/other/add", &value),
        ("/v1/secrets/key/rotate", &value),
        ("/v1/secrets/key/remove", &value),
        ("/v1/secrets-key/rotate", &value),
        ("/v1/kept-files/keep", &file),
        ("/v1/kept-files/give-back", &named),
        ("/v1/kept-files/forget", &named),
    ] {
        for token in ["", "guess", &grant.token] {
            assert_eq!(knock(&stand, path, token, body).await, 401, "POST {path} with `{token}`");
        }
    }
    assert_eq!(lent(&stand).await, CANARY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_on_the_command_line_is_refused_and_not_repeated() {
    let stand = stand().await;
    for given in [
        &["secret", "add", "key", CANARY][..],
        &["secret", "rotate", "key", CANARY],
        &["secret", "add", "key", "--value", CANARY],
        &["secret", "add", "key", &format!("--value={CANARY}")],
    ] {
        let refused = stand.with_input(given, "from standard input").await;
        assert!(!refused.ok, "{given:?}");
        assert!(!refused.said().contains(CANARY), "{given:?}: {}", refused.said());
    }
    let refused = stand.with_passphrase(&["secret", "add", "key", CANARY]).await;
    assert!(refused.stderr.contains("standard input"), "{}", refused.said());
    let nothing = stand.with_input(&["secret", "add", "key"], "\n").await;
    assert!(!nothing.ok && nothing.stderr.contains("got nothing"), "{}", nothing.said());
    let large = stand.with_input(&["secret", "add", "key"], &"x".repeat(20_000)).await;
    assert!(!large.ok && large.stderr.contains("16384 bytes"), "{}", large.said());
    assert_eq!(stand.with_passphrase(&["secret", "list", "--json"]).await.json(), json!([]));
}
