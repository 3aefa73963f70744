//! The key of the log is replaced while agents work: whoever verifies or witnesses goes on with the old
//! key or the new one, a stolen key leads nowhere, and a kill leaves what the next start finishes.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::drift::stand;
use crate::stand::{PATIENCE, Stand};
use crate::witnesses::{
    all_cosigned, copy, log_key, python_verifies, read, reading, trouble, verify, witnesses,
};

const ROTATE: [&str; 3] = ["keys", "rotate", "log"];
const COMPROMISED: [&str; 4] = ["keys", "rotate", "log", "--compromised"];
const RETIRE: [&str; 3] = ["keys", "retire", "log"];

/// The names of the keys of the log, as they are listed.
async fn names(stand: &Stand) -> Vec<String> {
    let keys = stand.ask(&["keys", "list"]).await;
    let keys = keys.as_array().unwrap().iter().filter(|key| key["signs"] == "checkpoints");
    keys.map(|key| key["name"].as_str().unwrap().to_owned()).collect()
}

/// That the log verifies under each of `keys`, by our code and by somebody else's.
async fn follows(stand: &Stand, keys: &[&str], witnesses: &[&str]) {
    let elsewhere = tempfile::tempdir().unwrap();
    let log = elsewhere.path().join("log");
    // So that nothing is written while it is copied.
    stand.all_published().await;
    copy(&stand.state().join("ledger"), &log);
    for key in keys {
        let state = verify(stand, &["--key", key]).await;
        assert!(state.ok, "{key}: {}", state.said());
        let copied = verify(stand, &["--key", key, "--log", log.to_str().unwrap()]).await;
        assert!(copied.ok, "{key}: {}", copied.said());
        let theirs = python_verifies(&log, key, witnesses).await;
        assert!(theirs.0, "{key}: {}", theirs.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_on_under_a_new_key_and_witnesses_are_told_one_by_one() {
    let (stand, _notes) = stand().await;
    let mut talk = reading(&stand).await;
    let [mut one, mut two] = witnesses(&stand).await;
    let old = log_key(&stand).await;
    let alone = stand.with_passphrase(&RETIRE).await;
    assert!(!alone.ok && alone.said().contains("one key signs the log"), "{}", alone.said());
    let ((), made) = tokio::join!(read(&mut talk, 10, "meanwhile"), stand.with_passphrase(&ROTATE));
    assert!(made.ok && made.stdout.contains("remit keys retire log"), "{}", made.said());
    let new = log_key(&stand).await;
    assert_ne!(old, new);
    assert_eq!(names(&stand).await, ["log-1", "log-2"]);
    let again = stand.with_passphrase(&ROTATE).await;
    assert!(!again.ok && again.said().contains("side by side"), "{}", again.said());

    // As long as both sign, whoever knows one of them needs to know nothing more.
    two.trusts(&[&new]).await;
    all_cosigned(&stand).await;
    follows(&stand, &[&old, &new], &[&one.key, &two.key]).await;

    stand.act(&RETIRE).await;
    assert_eq!(names(&stand).await, ["log-2"]);
    assert!(!stand.state().join("keys/log-1.key").exists());
    read(&mut talk, 3, "afterwards").await;
    // The one that is not told yet stays behind and says why; the other goes on.
    let told = |status: &Value| {
        let witnesses = status["witnesses"].as_array().unwrap();
        let why = trouble(status, "witness.example/one");
        why.contains("give its operator the new one")
            && witnesses.iter().any(|two| two["cosigned"] == status["entries"])
    };
    stand.until("one witness alone goes on", &["status"], told).await;
    follows(&stand, &[&old, &new], &[&one.key, &two.key]).await;
    one.trusts(&[&new]).await;
    let size = all_cosigned(&stand).await;
    assert_eq!((one.kept_size(), two.kept_size()), (size, size));
    talk.end().await;
    let verified = verify(&stand, &["--witnessed", "2", "--json"]).await.json();
    assert_eq!(verified["witnessed"], size, "{verified}");
    let entries = stand.entries().await;
    let named = |entry: &&Value| entry["clear"]["signers"].is_object();
    let said: Vec<_> = entries.iter().filter(named).map(|entry| &entry["clear"]["what"]).collect();
    assert_eq!(said, ["made", "retired"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_stolen_leads_nowhere_and_what_was_witnessed_still_counts() {
    let (mut stand, _notes) = stand().await;
    let mut talk = reading(&stand).await;
    let [mut one, mut two] = witnesses(&stand).await;
    read(&mut talk, 3, "before").await;
    all_cosigned(&stand).await;
    let old = log_key(&stand).await;
    let done = stand.with_passphrase(&COMPROMISED).await;
    assert!(done.ok && done.stdout.contains("wiped log-1"), "{}", done.said());
    let new = log_key(&stand).await;
    assert_eq!(names(&stand).await, ["log-2"]);
    assert!(!stand.state().join("keys/log-1.key").exists());
    read(&mut talk, 3, "after").await;
    talk.end().await;
    stand.kill().await;
    stand.start().await;

    stand.all_published().await;
    let lost = verify(&stand, &["--key", &old]).await;
    assert!(!lost.ok && lost.stderr.contains("was taken back"), "{}", lost.said());
    let theirs = python_verifies(&stand.state().join("ledger"), &old, &[]).await;
    assert!(!theirs.0 && theirs.1.contains("not signed by"), "{}", theirs.1);
    // Nobody told the witnesses yet; what they saw under the old key is part of what the log is now.
    follows(&stand, &[&new], &[&one.key, &two.key]).await;
    let verified = verify(&stand, &["--witnessed", "2"]).await;
    assert!(verified.ok && verified.stdout.contains("are not covered"), "{}", verified.said());
    one.trusts(&[&new]).await;
    two.trusts(&[&new]).await;
    all_cosigned(&stand).await;
    let verified = verify(&stand, &["--witnessed", "2"]).await;
    assert!(verified.stdout.contains("; 0 are not covered"), "{}", verified.said());
}

/// Whether it is time to kill, by the state directory and how many changes were published before.
type When = fn(&Path, usize) -> bool;

/// How many changes of keys are published.
fn changes(state: &Path) -> usize {
    std::fs::read_dir(state.join("ledger/succession")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_change_leaves_what_the_next_start_finishes() {
    let (mut stand, _notes) = stand().await;
    let first = log_key(&stand).await;
    let published: When = |state, before| changes(state) > before;
    let rounds: [(&[&str], When); 6] = [
        (&ROTATE, |state, _| state.join("keys/log-2.key").exists()),
        (&ROTATE, published),
        (&RETIRE, published),
        (&ROTATE, |state, _| (3..9).any(|n| state.join(format!("keys/log-{n}.made")).exists())),
        (&COMPROMISED, published),
        (&COMPROMISED, |_, _| true),
    ];
    for (round, (command, when)) in rounds.into_iter().enumerate() {
        let (both, state) = (names(&stand).await.len() == 2, stand.state().to_owned());
        if command == RETIRE && !both {
            stand.act(&ROTATE).await;
        } else if command == ROTATE && both {
            stand.act(&RETIRE).await;
        }
        let before = changes(&state);
        let killing = async {
            while !when(&state, before) {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            stand.die(None).await;
        };
        let ran = async { tokio::join!(stand.with_passphrase(command), killing) };
        timeout(PATIENCE, ran).await.unwrap();
        stand.kill().await;
        stand.start().await;
        stand.all_published().await;
        let verified = verify(&stand, &[]).await;
        assert!(verified.ok, "round {round}: {}", verified.said());
        let listed = names(&stand).await;
        assert!((1..=2).contains(&listed.len()), "round {round}: {listed:?}");
        let newest = log_key(&stand).await;
        let known: &[&str] = if command == COMPROMISED { &[&newest] } else { &[&first, &newest] };
        follows(&stand, known, &[]).await;
    }
    stand.act(&ROTATE).await;
    stand.act(&RETIRE).await;
    let newest = log_key(&stand).await;
    follows(&stand, &[&newest], &[]).await;
}
