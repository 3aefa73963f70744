#![cfg(test)]
//! The harness itself, on the built program: everything starts, is loaded and is counted. Figures
//! of a test build say nothing, so none is looked at.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// `remit` as this workspace builds it, beside the harness; built here if it is not there yet.
fn remit() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_remit-bench")).with_file_name("remit");
    if !built.exists() {
        let build = ["build", "--quiet", "--locked", "--package", "remit-app"];
        assert!(Command::new(env!("CARGO")).args(build).status().unwrap().success());
    }
    built
}

/// Runs the harness and reads the file it wrote.
fn measured(arguments: &[&str]) -> (String, Value) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("figures.json");
    let output = Command::new(env!("CARGO_BIN_EXE_remit-bench"))
        .args(arguments)
        .arg("--remit")
        .arg(remit())
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let figures = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    (String::from_utf8(output.stdout).unwrap(), figures)
}

#[test]
fn what_was_answered_was_recorded_and_reached_the_server() {
    let load = ["--connections", "4", "--parts", "2", "--seconds", "1", "--setup", "contained:2"];
    let (said, figures) = measured(&[&["sustained"], &load[..]].concat());
    let counts = &figures["counts"];
    let answered = counts["answered"].as_u64().unwrap();
    assert!(answered > 0, "{figures}");
    for count in [&counts["reached"], &counts["ledger"]["permits"], &counts["ledger"]["outcomes"]] {
        assert_eq!(*count, answered, "{figures}");
    }
    assert!(said.contains(&format!("{answered} permits in the ledger")), "{said}");
}

#[test]
fn every_row_is_measured_under_every_load() {
    let load = ["--connections", "1,3", "--bytes", "1024,16384", "--rate", "20"];
    let short = ["--seconds", "0.2", "--warm-up", "0.1", "--rounds", "1", "--setup", "1:1,3:2"];
    let (said, figures) = measured(&[&["table"], &load[..], &short[..]].concat());
    let cells = figures["cells"].as_array().unwrap();
    // Direct, proxy and two setups; two closed loops and an open one; two sizes.
    assert_eq!(cells.len(), 4 * 3 * 2);
    for name in ["direct", "bare proxy", "remit, 1 policy, 1 open", "remit, 3 policies, 2 open"] {
        assert_eq!(said.matches(&format!("| {name} |")).count(), 6 + 1, "{name}: {said}");
    }
}

#[test]
fn a_run_that_is_told_to_stop_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let is_empty = || std::fs::read_dir(dir.path()).unwrap().next().is_none();
    let mut run = Command::new(env!("CARGO_BIN_EXE_remit-bench"))
        .args(["sustained", "--parts", "100", "--remit"])
        .arg(remit())
        .env("TMPDIR", dir.path())
        .spawn()
        .unwrap();
    let serves = || {
        let mut folders = std::fs::read_dir(dir.path()).unwrap();
        folders.any(|folder| folder.unwrap().path().join("state/remit.sock").exists())
    };
    assert!((0..600).any(|_| serves() || pause()), "no Remit was started");
    let id = run.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(!run.wait().unwrap().success());
    assert!(is_empty());
}

/// A tenth of a second, and `false`.
#[expect(clippy::disallowed_methods, reason = "waits for another process")]
fn pause() -> bool {
    std::thread::sleep(std::time::Duration::from_millis(100));
    false
}
