#![cfg(test)]
//! Promise R9 to the letter: whichever byte of whichever file changes, it is found, and the file
//! is named.

mod support;

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use remit_ports::{Kind, Ledger as _};
use support::*;

/// A small log: a task, calls with bodies, partial tiles of three checkpoints.
fn small(state: &Path) {
    let ledger = opened(state);
    calls(&ledger, 1, 2);
    ledger.flush().unwrap();
    durable(ledger.append(draft(Kind::Policy, "in force")));
    ledger.close();
}

/// A log with everything in it: a full bundle, two levels of tiles, two segments.
fn large(state: &Path) {
    let ledger = opened(state);
    calls(&ledger, 1, 100);
    ledger.flush().unwrap();
    let last = (0..58).map(|_| ledger.append(draft(Kind::Signal, "s")).unwrap()).last().unwrap();
    wait(last.durable()).unwrap();
    ledger.flush().unwrap();
    durable(ledger.append(draft(Kind::Policy, "in force")));
    ledger.close();
}

fn opened(state: &Path) -> remit_ledger::FileLedger {
    let mut config = config(state);
    config.restriction_reserve = 1 << 10;
    config.outcome_reserve = 2 << 10;
    config.max_body = 1 << 10;
    remit_ledger::FileLedger::open(config, signing_key(), world().doors).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Flips one bit in the bytes `0, step, 2·step …` of every file; each must be found, its file and,
/// but for the checkpoint, an entry be named.
fn flip_all(state: &Path, step: usize) -> Vec<String> {
    let verified = verify(state).unwrap();
    let (files, mut names, mut flips) = (files(state), Vec::new(), 0_u64);
    for file in &files {
        let name = file.strip_prefix(state).unwrap().display().to_string();
        let bytes = fs::read(file).unwrap();
        let patch = fs::OpenOptions::new().write(true).open(file).unwrap();
        // The zeros after the last record are all compared with zero by one line; the first and
        // the last hundred stand for the rest.
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let padding = end + 100..bytes.len().saturating_sub(100);
        for at in (0..bytes.len()).step_by(step).filter(|at| !padding.contains(at)) {
            patch.write_all_at(&[bytes[at] ^ (1 << (at % 8))], at as u64).unwrap();
            let wrong = verify(state).expect_err(&format!("{name}, byte {at}"));
            assert_eq!(wrong.file, name, "byte {at}: {wrong}");
            assert!(wrong.entry.is_some() || name == "ledger/checkpoint", "byte {at}: {wrong}");
            patch.write_all_at(&bytes[at..=at], at as u64).unwrap();
            flips += 1;
        }
        names.push(name);
    }
    println!("{flips} flips in {} files, all found", files.len());
    assert_eq!(verify(state).unwrap(), verified);
    names
}

#[test]
fn every_flipped_byte_of_every_file_is_found_and_its_file_named() {
    let dir = tempfile::tempdir().unwrap();
    small(dir.path());
    let names = flip_all(dir.path(), 1);
    for expected in ["ledger/tile/0/000.p/6", "ledger/tile/entries/000.p/5", "ledger/checkpoint"] {
        assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
    }
}

#[test]
fn flips_are_found_at_every_level_and_in_every_segment() {
    let dir = tempfile::tempdir().unwrap();
    large(dir.path());
    let names = flip_all(dir.path(), 499);
    for expected in ["journal/00000001.seg", "ledger/tile/1/000.p/1", "ledger/tile/0/001.p/4"] {
        assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
    }
}

#[test]
fn files_that_do_not_belong_are_named() {
    let dir = tempfile::tempdir().unwrap();
    large(dir.path());
    for stray in [
        "ledger/notes.txt",
        "ledger/tile/0/0",
        "ledger/tile/7/000",
        "ledger/tile/0/005.p/3",
        "ledger/tile/entries/000.p/255x",
        "journal/00000001.seg.bak",
        "journal/00000007.seg",
    ] {
        let path = dir.path().join(stray);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"x").unwrap();
        let wrong = verify(dir.path()).expect_err(stray);
        assert_eq!(wrong.file, stray, "{wrong}");
        fs::remove_file(&path).unwrap();
    }
    verify(dir.path()).unwrap();
}
