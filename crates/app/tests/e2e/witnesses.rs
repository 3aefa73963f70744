//! Other people watch that the log only grows (R9): real `remit witness` processes cosign, refuse a
//! fork and a shrunken log, are killed, are down, are somebody else; calls go on meanwhile.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::drift::stand;
use crate::peers::{Client, Conversation, peer, python};
use crate::stand::{Ran, Stand};
use crate::watcher::Watcher;

/// The log's key, as its operator gives it to a witness.
pub(crate) async fn log_key(stand: &Stand) -> String {
    stand.remit(&["audit", "key"]).await.stdout.trim().to_owned()
}

/// Two witnesses of the log, which `stand` was told of while it ran.
pub(crate) async fn witnesses(stand: &Stand) -> [Watcher; 2] {
    let key = log_key(stand).await;
    let one = Watcher::up("witness.example/one", &key).await;
    let two = Watcher::up("witness.example/two", &key).await;
    stand.configure(&format!("{}\n{}", one.table(), two.table()));
    [one, two]
}

pub(crate) async fn reading(stand: &Stand) -> Conversation {
    Client::TypeScriptOld.connect(&stand.open("reading").await).await
}

pub(crate) async fn read(talk: &mut Conversation, count: usize, what: &str) {
    for n in 0..count {
        talk.text("notes__read_note", &json!({"title": format!("{what} {n}")})).await;
    }
}

/// Waits until both witnesses have cosigned all there is; one that was down is visited again after
/// half a minute at most in these tests.
pub(crate) async fn all_cosigned(stand: &Stand) -> u64 {
    for _ in 0..180 {
        let status = stand.ask(&["status"]).await;
        let all = &status["entries"];
        let witnesses = status["witnesses"].as_array().unwrap();
        let done = witnesses.len() == 2 && witnesses.iter().all(|one| one["cosigned"] == *all);
        if done && *all == status["published"] {
            return all.as_u64().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("not everything is cosigned: {}", stand.ask(&["status"]).await);
}

pub(crate) fn trouble(status: &Value, name: &str) -> String {
    let witnesses = status["witnesses"].as_array().unwrap();
    let one = witnesses.iter().find(|one| one["name"] == name).unwrap();
    one["last_error"].as_str().unwrap_or_default().to_owned()
}

/// A verifier that shares no code with ours, on a copy of the log.
pub(crate) async fn python_verifies(log: &Path, key: &str, witnesses: &[&str]) -> (bool, String) {
    let mut command = Command::new(python());
    command.arg(peer("verify_log.py")).arg(log).arg(key);
    command.args(witnesses.iter().flat_map(|witness| ["--witness", witness]));
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

pub(crate) async fn verify(stand: &Stand, more: &[&str]) -> Ran {
    stand.remit(&[&["audit", "verify"], more].concat()).await
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_witnesses_cosign_and_anyone_can_check() {
    let (mut stand, _notes) = stand().await;
    let mut talk = reading(&stand).await;
    let [one, two] = witnesses(&stand).await;
    read(&mut talk, 5, "first").await;
    talk.end().await;
    let size = all_cosigned(&stand).await;
    let verified = verify(&stand, &["--witnessed", "2", "--json"]).await.json();
    assert_eq!(verified["witnessed"], size, "{verified}");
    let checkpoint = std::fs::read_to_string(stand.state().join("ledger/checkpoint")).unwrap();
    for name in ["one", "two"] {
        assert!(checkpoint.contains(&format!("— witness.example/{name} ")), "{checkpoint}");
    }

    // Whoever has a copy and the keys needs nothing else, and none of our code.
    let (key, elsewhere) = (log_key(&stand).await, tempfile::tempdir().unwrap());
    let published = elsewhere.path().join("log");
    copy(&stand.state().join("ledger"), &published);
    let log = published.to_str().unwrap();
    let copied = ["--log", log, "--key", &key, "--witness", &one.key, "--witness", &two.key];
    let checked = verify(&stand, &[&copied[..], &["--witnessed", "2"]].concat()).await;
    assert!(checked.ok, "{}", checked.said());
    let theirs = python_verifies(&published, &key, &[&one.key, &two.key]).await;
    assert!(theirs.0 && theirs.1.contains("witness.example/two cosigned"), "{}", theirs.1);
    let stranger = Watcher::up("witness.example/three", &key).await;
    let three = [&copied[..], &["--witness", &stranger.key, "--witnessed", "3"]].concat();
    let lacking = verify(&stand, &three).await;
    assert!(!lacking.ok && lacking.stderr.contains("2 did"), "{}", lacking.said());
    assert!(!python_verifies(&published, &key, &[&stranger.key]).await.0);

    // A restart loses none of it, even while nobody watches.
    drop([one, two]);
    stand.kill().await;
    stand.start().await;
    let status = stand.ask(&["status"]).await;
    assert_eq!(status["witnesses"][0]["cosigned"], size, "{status}");
    let verified = verify(&stand, &["--witnessed", "2"]).await;
    assert!(verified.ok && verified.stdout.contains("are not covered"), "{}", verified.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_rolled_back_and_goes_on_differently_is_found() {
    let (mut stand, _notes) = stand().await;
    let mut talk = reading(&stand).await;
    let [one, two] = witnesses(&stand).await;
    read(&mut talk, 3, "before").await;
    let backup = tempfile::tempdir().unwrap();
    all_cosigned(&stand).await;
    stand.kill().await;
    copy(stand.state(), &backup.path().join("state"));
    stand.start().await;
    let mut talk = reading(&stand).await;
    read(&mut talk, 12, "what is to be forgotten").await;
    talk.end().await;
    let seen = all_cosigned(&stand).await;

    stand.kill().await;
    std::fs::remove_dir_all(stand.state()).unwrap();
    copy(&backup.path().join("state"), stand.state());
    stand.start().await;
    let contradicted = |status: &Value| {
        let witnesses = status["witnesses"].as_array().unwrap();
        witnesses.len() == 2 && witnesses.iter().all(|one| one["contradicts"] == true)
    };
    let status = stand.until("the witnesses object", &["status"], contradicted).await;
    let why = trouble(&status, "witness.example/one");
    assert!(why.contains(&format!("{seen} entries")) && why.contains("lost entries"), "{why}");
    let found = verify(&stand, &["--witnessed", "2"]).await;
    assert!(!found.ok && found.stderr.contains("it lost entries"), "{}", found.said());

    let mut talk = reading(&stand).await;
    read(&mut talk, 20, "another story").await;
    talk.end().await;
    let forks = |status: &Value, name| trouble(status, name).contains("forked");
    let forked = |status: &Value| {
        ["witness.example/one", "witness.example/two"].iter().all(|name| forks(status, name))
    };
    stand.until("the witnesses call it a fork", &["status"], forked).await;
    for watcher in [&one, &two] {
        assert_eq!(watcher.kept_size(), seen, "a fork was cosigned");
    }
    assert!(one.log().contains("NOT cosigned"), "{}", one.log());
    assert!(stand.log().contains("CONTRADICTS"), "{}", stand.log());
    let doctor = stand.remit(&["doctor"]).await;
    assert!(!doctor.ok && doctor.stdout.contains("contradicts this log"), "{}", doctor.said());
    let found = verify(&stand, &["--witnessed", "2"]).await;
    assert!(!found.ok && found.stderr.contains("have the root"), "{}", found.said());

    // Without the witnesses, a checkpoint that was kept elsewhere says the same.
    let held = backup.path().join("held");
    std::fs::write(&held, one.kept().unwrap()).unwrap();
    let found = verify(&stand, &["--held", held.to_str().unwrap()]).await;
    assert!(!found.ok && found.stderr.contains("have the root"), "{}", found.said());
    let alone = verify(&stand, &[]).await;
    assert!(alone.ok, "by itself the log is sound, which is why others must watch");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_while_a_witness_is_down_and_status_says_so() {
    let (stand, notes) = stand().await;
    let mut talk = reading(&stand).await;
    let [one, mut two] = witnesses(&stand).await;
    all_cosigned(&stand).await;
    two.kill().await;
    read(&mut talk, 10, "unwatched").await;
    assert_eq!(notes.reached().len(), 10);
    let down = |status: &Value| !trouble(status, "witness.example/two").is_empty();
    let status = stand.until("the witness is missed", &["status"], down).await;
    assert_eq!(status["witnesses"].as_array().unwrap().len(), 2);
    stand
        .until("the other goes on", &["status"], |status| {
            status["witnesses"][0]["cosigned"] == status["entries"]
                || status["witnesses"][1]["cosigned"] == status["entries"]
        })
        .await;
    let both = verify(&stand, &["--witnessed", "2"]).await;
    assert!(both.ok && both.stderr.contains("was not asked"), "{}", both.said());
    assert!(!both.stdout.contains("; 0 are not covered"), "{}", both.said());
    let one_is_enough = verify(&stand, &["--witnessed", "1"]).await;
    assert!(one_is_enough.stdout.contains("; 0 are not covered"), "{}", one_is_enough.said());
    two.start().await;
    all_cosigned(&stand).await;
    assert_eq!(one.kept_size(), two.kept_size());
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_with_another_key_is_not_believed() {
    let (stand, _notes) = stand().await;
    let key = log_key(&stand).await;
    let watcher = Watcher::up("witness.example/one", &key).await;
    let stranger = Watcher::up("witness.example/one", &key).await;
    stand.configure(&watcher.table().replace(&watcher.key, &stranger.key));
    let refused = |status: &Value| {
        status["witnesses"].as_array().is_some_and(|all| !all.is_empty())
            && trouble(status, "witness.example/one").contains("configured key")
    };
    stand.until("its word is not taken", &["status"], refused).await;
    assert!(watcher.kept_size() > 0, "it did cosign, under its own key");
    let checkpoint = std::fs::read_to_string(stand.state().join("ledger/checkpoint")).unwrap();
    assert!(!checkpoint.contains("witness.example"), "{checkpoint}");
    assert!(!stand.state().join("ledger/witnessed").exists());
    let verified = verify(&stand, &["--witnessed", "1"]).await;
    assert!(!verified.ok, "{}", verified.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_killed_again_and_again_never_goes_back() {
    let (stand, _notes) = stand().await;
    let grant = stand.open("reading").await;
    let [mut one, two] = witnesses(&stand).await;
    let caller = tokio::spawn(async move {
        let mut talk = Client::TypeScriptOld.connect(&grant).await;
        loop {
            read(&mut talk, 1, "load").await;
        }
    });
    let mut kept = 0;
    for round in 0..20_u64 {
        tokio::time::sleep(Duration::from_millis(200 + 37 * round)).await;
        one.kill().await;
        let told = stand.ask(&["status"]).await;
        let told = told["witnesses"].as_array().unwrap().iter();
        let told = told.filter(|witness| witness["name"] == "witness.example/one");
        let told = told.map(|witness| witness["cosigned"].as_u64().unwrap()).max().unwrap_or(0);
        let now = one.kept_size();
        assert!(now >= told, "round {round}: it said {told} and kept {now}");
        assert!(now >= kept, "round {round}: it went back from {kept} to {now}");
        kept = now;
        one.start().await;
    }
    caller.abort();
    assert!(kept > 0, "it never cosigned: the test shows nothing");
    let size = all_cosigned(&stand).await;
    assert_eq!((one.kept_size(), two.kept_size()), (size, size));
    let verified = verify(&stand, &["--witnessed", "2"]).await;
    assert!(verified.ok, "{}", verified.said());
}
