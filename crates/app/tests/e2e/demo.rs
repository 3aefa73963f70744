//! The demo is a run like any other: its log verifies, and a `kill -9` in the middle of the story leaves a
//! state directory that recovers.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::stand::{PATIENCE, REMIT, Stand};

/// Starts the demo with its temporary files in `folder`.
fn demo(folder: &Path) -> Child {
    Command::new(REMIT)
        .args(["demo", "--fast"])
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The demo's state directory, once it is initialised.
fn state_in(folder: &Path) -> Option<PathBuf> {
    let mut entries = std::fs::read_dir(folder).unwrap();
    let state = entries.find_map(|entry| {
        let entry = entry.unwrap();
        let demo = entry.file_name().to_string_lossy().starts_with("remit-demo-");
        demo.then(|| entry.path().join("state"))
    })?;
    state.join("log.vkey").exists().then_some(state)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_is_told_in_under_a_minute_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = timeout(PATIENCE, demo(folder.path()).wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success());
    let page = String::from_utf8(output.stdout).unwrap();
    for word in ["permitted", "refused", "held", "budget", "verified"] {
        assert!(page.contains(word), "the story says nothing of `{word}`: {page}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files were left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_killed_in_the_middle_recovers() {
    let mut told = Vec::new();
    for moment in [1, 10, 20, 40, 60, 80] {
        let folder = tempfile::tempdir().unwrap();
        let mut demo = demo(folder.path());
        let mut page = BufReader::new(demo.stdout.take().unwrap()).lines();
        for _ in 0..moment {
            let line = timeout(PATIENCE, page.next_line()).await.unwrap().unwrap();
            assert!(line.is_some(), "the story is shorter than {moment} lines");
        }
        // The first line can come before there is a state directory to kill it over.
        let made = async {
            while state_in(folder.path()).is_none() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, made).await.expect("the demo has a state directory");
        // The line is printed after what it tells; the next calls are on their way.
        sleep(Duration::from_millis(5)).await;
        demo.kill().await.unwrap();
        let state = state_in(folder.path()).expect("the demo has a state directory");
        let mut stand = Stand::left_behind(folder, state);
        stand.start().await;
        told.push(crate::crash::recovered(&stand, &[]).await);
        crate::proof::log_is_good(&stand).await;
    }
    assert!(told.iter().max() > told.iter().min(), "every run was killed at one moment: {told:?}");
}
