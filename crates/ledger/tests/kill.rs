#![cfg(test)]
//! `kill -9` under load, at moments nobody chose: every acknowledged record is there, the log
//! verifies, and it goes on.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use remit_model::Digest;
use remit_ports::Ledger as _;
use support::*;

/// The victim: takes a folder from its standard input, appends calls of four tasks for as long as
/// it lives, and prints each index and question once they are acknowledged.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn victim() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (dir, first) = line.trim().split_once(' ').unwrap();
    let (dir, first) = (PathBuf::from(dir), first.parse::<u64>().unwrap());
    let ledger = open(&dir);
    std::thread::scope(|scope| {
        for number in first..first + 4 {
            let ledger = &ledger;
            scope.spawn(move || {
                for call in 0.. {
                    let Ok(accepted) = ledger.append(decision(number, 2 * call)) else { return };
                    let receipt = wait(accepted.durable()).unwrap();
                    let question = receipt.question().unwrap();
                    println!("ack {} {question}", receipt.index());
                    std::io::stdout().flush().unwrap();
                    durable(ledger.append(outcome(number, 2 * call + 1, receipt.index())));
                }
            });
        }
    });
}

/// Kills a victim once it has acknowledged `lines` records; returns what it acknowledged.
fn kill_after(dir: &std::path::Path, first: u64, lines: usize) -> Vec<(u64, Digest)> {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "victim", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(victim.stdin.take().unwrap(), "{} {first}", dir.display()).unwrap();
    let mut acknowledged = Vec::new();
    let output = BufReader::new(victim.stdout.take().unwrap());
    // The harness prints `test victim ... ` in front of the first acknowledgement.
    for line in output.lines() {
        let line = line.unwrap_or_default();
        let words: Vec<&str> = line.rsplit(' ').collect();
        if let [question, index, "ack", ..] = words[..] {
            acknowledged.push((index.parse().unwrap(), Digest::parse(question).unwrap()));
        }
        if acknowledged.len() == lines {
            // SIGKILL; whatever else is in the pipe was acknowledged too.
            victim.kill().unwrap();
        }
    }
    assert!(!victim.wait().unwrap().success());
    acknowledged
}

#[test]
fn killed_at_any_moment_it_recovers_to_a_consistent_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut everything = Vec::new();
    for round in 0..12_u64 {
        let lines = [1, 2, 3, 7, 30, 90][usize::try_from(round).unwrap() % 6];
        everything.extend(kill_after(dir.path(), 4 * round, lines));
        let ledger = open(dir.path());
        // Killed in the middle of a write, it has written a part of what nobody was told of.
        let cut = ledger.report().cut.as_ref().map(|cut| cut.index);
        let last = everything.iter().map(|(index, _)| *index).max();
        assert!(cut.is_none_or(|cut| Some(cut) > last), "cut from {cut:?} on, told up to {last:?}");
        for (index, question) in &everything {
            let found = ledger.read(*index).unwrap().expect("acknowledged and lost");
            assert_eq!(found.entry.clear.question, Some(*question), "entry {index}");
        }
        ledger.close();
        let verified = verify(dir.path()).unwrap();
        assert!(verified.entries >= everything.len() as u64);
        assert!(verified.open_calls <= 4 * (round + 1), "at most one per task that was killed");
    }
}
