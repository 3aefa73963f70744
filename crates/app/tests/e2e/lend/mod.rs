//! Credentials are lent for a decision, never held by the agent, and taken back with the task.

mod errands;
mod http;
#[path = "../../../../issuers/tests/sts/moto.rs"]
mod moto;
mod mutual;
mod pick_up;
mod postgres;
mod process;
#[path = "../../../../issuers/tests/postgres/server.rs"]
mod server;
#[path = "../../../../issuers/tests/ssh/sshd.rs"]
mod sshd;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use remit_model::Digest;
use remit_ports::CUT;
use serde_json::Value;

use crate::stand::Stand;
use crate::wire::get;

/// A canary: stands nowhere but where it was put.
const CANARY: &str = "c4nary-9f2e7d61b8a0-of-the-upstream";

/// Looks for `canary` wherever Remit writes or shows something. Nothing may be lent as a file.
pub(crate) async fn assert_nowhere(stand: &Stand, canary: &str, but: &Path) {
    let log = stand.log();
    assert!(!log.contains(canary), "in the log: {log}");
    for args in [&["status"][..], &["doctor"], &["credential", "list"], &["tool", "list"]] {
        let said = stand.remit(&[args, &["--json"]].concat()).await.said();
        assert!(!said.contains(canary), "{args:?}: {said}");
    }
    stand.all_published().await;
    let bodies = stand.with_passphrase(&["audit", "export", "--format", "jsonl", "--bodies"]).await;
    assert!(bodies.ok && bodies.stdout.contains("lending"), "{}", bodies.said());
    assert!(!bodies.stdout.contains(canary), "in a body of the ledger");
    for (page, has) in [("metrics", "remit_credential_seconds"), ("", "Remit")] {
        let page = get(stand.address(), &format!("/{page}")).await.body;
        assert!(page.contains(has), "{page}");
        assert!(!page.contains(canary), "{page}");
    }
    let mut folders = vec![stand.state().to_owned(), lent_as_files(stand)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder);
        for entry in entries.unwrap_or_else(|why| panic!("{}: {why}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path != but && path.is_file() {
                assert!(!holds(&path, canary), "in {}", path.display());
            }
        }
    }
}

/// Where processes are lent files: beside the state directory if there is memory for it.
fn lent_as_files(stand: &Stand) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        return stand.state().join("lent");
    }
    let state = stand.state().canonicalize().unwrap();
    let name = format!("remit-lent-{}-", Digest::of(state.as_os_str().as_encoded_bytes()).short());
    let mut all = std::fs::read_dir(memory).unwrap().map(|entry| entry.unwrap());
    let ours = all.find(|entry| entry.file_name().to_string_lossy().starts_with(&name));
    ours.unwrap_or_else(|| panic!("no folder {name}…")).path()
}

/// Whether the file has this in it; one that cannot be read is no answer, unless it is gone by now.
fn holds(file: &Path, canary: &str) -> bool {
    match std::fs::read(file) {
        Ok(bytes) => bytes.windows(canary.len()).any(|piece| piece == canary.as_bytes()),
        Err(why) if why.kind() == ErrorKind::NotFound => false,
        Err(why) => panic!("{}: {why}", file.display()),
    }
}

/// What became of each lease of `task`, as the log says.
async fn told(stand: &Stand, task: &str) -> Vec<String> {
    let entries = stand.entries().await;
    let leases = entries.iter().filter(|entry| entry["kind"] == "lease" && entry["task"] == task);
    leases.map(|entry| entry["clear"]["what"].as_str().unwrap().to_owned()).collect()
}

fn leases(all: &Value) -> &Vec<Value> {
    all["leases"].as_array().unwrap()
}

/// Waits until nothing of a task is lent.
async fn all_returned(stand: &Stand) {
    let none = |all: &Value| leases(all).iter().all(|lease| lease.get("task").is_none());
    stand.until("everything is taken back", &["credential", "list"], none).await;
}
