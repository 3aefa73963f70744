//! A full disk permits nothing and says why, and a stop still works (R2).

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::peers::{Changing, Client, Conversation};
use crate::stand::{Grant, Plan, Stand};

/// A small file system of its own; needs the right to mount, as the tests' machine has it.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: &Path, size: &str) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"])
            .arg(at)
            .status()
            .unwrap();
        assert!(mounted.success(), "this test mounts a small tmpfs and must run as root");
        Self(at.to_owned())
    }

    /// Fills it to the last byte.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = std::fs::File::create(&ballast).unwrap();
        let (large, small) = ([0; 4096], [0; 1]);
        while std::io::Write::write_all(&mut file, &large).is_ok() {}
        while std::io::Write::write_all(&mut file, &small).is_ok() {}
        ballast
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_permits_nothing_says_why_and_still_freezes() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let disk = Tmpfs::mount(&state, "32m");
    let notes = Changing::new(folder.path(), &json!([crate::drift::read_note("Reads a note.")]));
    let command = notes.command();
    let plan = Plan::new()
        .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
        .template("reading", &["notes/*"], "");
    let mut stand = Stand::up(&plan, folder, state).await;
    let grant = stand.open("reading").await;
    let spare = stand.open("reading").await;
    let mut talk = Client::TypeScriptOld.connect(&grant).await;
    let title = json!({"title": "a"});
    talk.text("notes__read_note", &title).await;

    let ballast = disk.fill();
    let mut reached = notes.reached().len();
    // The room that the journal has already takes a few more; then there must be no more, first of
    // large calls, then of small ones.
    let large = json!({"title": "x".repeat(200_000)});
    let (_, passed) = call_until_refused(&mut talk, &large).await;
    reached += passed;
    let (refusal, passed) = call_until_refused(&mut talk, &title).await;
    reached += passed;
    assert_eq!(refusal["class"], "transient", "{refusal}");
    let words = refusal.to_string();
    assert!(
        words.contains("ledger") || words.contains("record") || words.contains("disk"),
        "{words}"
    );
    assert_eq!(notes.reached().len(), reached, "a call reached the server without a record");
    for _ in 0..5 {
        talk.refusal("notes__read_note", &title).await;
    }
    assert_eq!(notes.reached().len(), reached);

    for task in [&grant.task, &spare.task] {
        let frozen = stand.ask(&["task", "freeze", task]).await;
        assert_eq!(frozen["state"], "frozen", "a full disk stopped a stop: {frozen}");
        assert_eq!(frozen["recorded"], true, "there was no room kept for a stop: {frozen}");
    }
    let ready = crate::wire::get(stand.address(), "/readyz").await.status;
    assert_eq!(ready, 503, "/readyz does not show that nothing can be permitted");
    talk.end().await;

    // The stops are on record: they outlive the process, on a disk that is still full.
    stand.kill().await;
    stand.start().await;
    for task in [&grant.task, &spare.task] {
        let shown = stand.ask(&["task", "show", task]).await;
        assert_eq!(shown["state"], "frozen", "{shown}");
    }

    std::fs::remove_file(ballast).unwrap();
    // Nobody has to call, or to restart anything, for it to notice.
    ready_again(&stand).await;
    let granted = stand.remit(&["task", "grant", &grant.task]).await;
    assert!(!granted.ok, "a frozen task went on when there was room again: {}", granted.said());
    stand.act(&["task", "thaw", &grant.task]).await;
    let mut talk = Client::PythonStateless.connect(&again(&stand, &grant.task).await).await;
    talk.text("notes__read_note", &title).await;
    assert_eq!(notes.reached().len(), reached + 1);
    talk.end().await;
    let verified = stand.remit(&["audit", "verify"]).await;
    assert!(verified.ok, "{}", verified.said());
    drop(stand);
    drop(disk);
}

/// The first refusal, and how many calls passed before it.
async fn call_until_refused(talk: &mut Conversation, arguments: &Value) -> (Value, usize) {
    for passed in 0..20_000 {
        let result = talk.call("notes__read_note", arguments).await;
        if result["isError"] == true {
            return (crate::peers::refusal_of(&result), passed);
        }
    }
    panic!("calls pass for ever on a full disk");
}

async fn ready_again(stand: &Stand) {
    for _ in 0..50 {
        if crate::wire::get(stand.address(), "/readyz").await.status == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("the disk has room again and /readyz never says so");
}

/// A grant for the endpoint as it is after a restart, which is on another port.
async fn again(stand: &Stand, task: &str) -> Grant {
    Grant::of(&stand.ask(&["task", "grant", task]).await)
}
