//! Anyone can check (R9): the log of a run is accepted by our verifier and by one that shares no code
//! with it, and a flipped byte is found by both.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use crate::drift::{pull_the_rug, stand};
use crate::peers::{Client, peer, python};
use crate::stand::{Ran, Stand};

/// Both verifiers accept the log as it is now.
pub(crate) async fn log_is_good(stand: &Stand) {
    let ours = stand.remit(&["audit", "verify"]).await;
    assert!(ours.ok, "remit audit verify: {}", ours.said());
    let mut theirs = verify_log(stand, stand.state()).await;
    for _ in 0..10 {
        if theirs.0 {
            return;
        }
        // It may have looked while a checkpoint was being published; a flaw would still be there.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        theirs = verify_log(stand, stand.state()).await;
    }
    panic!("verify_log.py: {}", theirs.1);
}

/// Runs `e2e/verify_log.py` with the key that the operator published.
async fn verify_log(stand: &Stand, state: &Path) -> (bool, String) {
    let key = stand.remit(&["audit", "key"]).await;
    assert!(key.ok, "{}", key.said());
    let output = Command::new(python())
        .arg(peer("verify_log.py"))
        .arg(state.join("ledger"))
        .arg(key.stdout.trim())
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// A run with permits, refusals, a hold, an admission and a freeze.
async fn eventful() -> Stand {
    let (stand, notes) = stand().await;
    let grant = stand.open("reading").await;
    let mut talk = Client::TypeScriptOld.connect(&grant).await;
    for n in 0..20 {
        talk.text("notes__read_note", &json!({"title": n.to_string()})).await;
    }
    pull_the_rug(&stand, &notes).await;
    talk.refusal("notes__read_note", &json!({"title": "held"})).await;
    stand.act(&["tool", "admit", "notes/read_note"]).await;
    talk.text("notes__read_note", &json!({"title": "admitted"})).await;
    talk.end().await;
    stand.act(&["task", "freeze", &grant.task]).await;
    stand
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_has_a_proof_that_stands_alone_and_the_export_has_every_entry() {
    let stand = eventful().await;
    log_is_good(&stand).await;
    let entries = stand.entries().await.len();
    assert!(entries > 40, "only {entries} entries");
    for index in [0, entries / 2, entries - 1] {
        let proof = stand.remit(&["audit", "prove", &index.to_string()]).await;
        assert!(proof.ok, "{}", proof.said());
        assert!(proof.stdout.starts_with("c2sp.org/tlog-proof@v1\n"), "{}", proof.stdout);
        let shown = stand.remit(&["audit", "show", &index.to_string()]).await;
        assert!(shown.ok && !shown.stdout.is_empty(), "{}", shown.said());
    }
    let beyond = stand.remit(&["audit", "prove", &(entries + 1000).to_string()]).await;
    assert!(!beyond.ok, "an entry that does not exist was proved: {}", beyond.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_in_any_file_of_the_log_is_found() {
    let mut stand = eventful().await;
    log_is_good(&stand).await;
    stand.kill().await;
    let files: Vec<_> = ["journal", "ledger"]
        .iter()
        .flat_map(|dir| files_under(&stand.state().join(dir)))
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in &files {
        let good = std::fs::read(file).unwrap();
        if good.is_empty() {
            continue;
        }
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 0x01;
            std::fs::write(file, &bad).unwrap();
            let found = stand.remit(&["audit", "verify"]).await;
            let published = file.starts_with(stand.state().join("ledger"));
            let theirs = verify_log(&stand, stand.state()).await;
            std::fs::write(file, &good).unwrap();
            assert!(
                !published || !theirs.0,
                "verify_log.py missed byte {at} of {}",
                file.display()
            );
            let name = file.display();
            assert!(!found.ok, "byte {at} of {name} flipped, and not found: {}", found.said());
            assert!(
                names_its_place(&found),
                "{name}, byte {at}: it does not say where: {}",
                found.said()
            );
        }
    }
    let whole = stand.remit(&["audit", "verify"]).await;
    assert!(whole.ok, "the log is not as it was: {}", whole.said());
}

/// Whether a finding names an entry, or the file where there is no entry to name.
fn names_its_place(found: &Ran) -> bool {
    ["entry", "entries", "checkpoint", "tile", "body", "bodies"]
        .iter()
        .any(|word| found.said().contains(word))
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_task_leaves_a_log_that_still_verifies() {
    let stand = eventful().await;
    let tasks = stand.ask(&["task", "list"]).await;
    let task = tasks[0]["task"].as_str().or_else(|| tasks[0]["id"].as_str()).unwrap().to_owned();
    stand.act(&["task", "close", &task]).await;
    stand.act(&["audit", "erase", &task]).await;
    log_is_good(&stand).await;
}
