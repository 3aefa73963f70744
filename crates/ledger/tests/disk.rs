#![cfg(test)]
//! A disk that fails once, at every single operation of a small life: what the caller is told is what
//! `docs/crash.md` says, row by row, and whatever was acknowledged is there afterwards.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use remit_ledger::files::{Batch, Disk, Files, Segment};
use remit_ledger::{Config, FileLedger};
use remit_model::Digest;
use remit_ports::{Draft, Kind, Ledger, LedgerError, Receipt};
use support::*;

/// The operations of a place, and how each can fail: `(place, operation, faults)`.
const OPERATIONS: [(&str, &str, &[&str]); 10] = [
    ("journal", "write", &["short write", "no room"]),
    ("journal", "sync", &["sync fails, kept", "sync fails, lost", "sync fails, torn"]),
    ("journal", "grow", &["no room", "error"]),
    ("next segment", "open", &["no room", "error"]),
    ("next segment", "write", &["short write", "no room"]),
    ("next segment", "sync", &["sync fails, kept", "sync fails, lost"]),
    ("next segment", "grow", &["no room", "error"]),
    ("public log", "replace", &["no room", "error", "short write"]),
    ("public log", "sync", &["error"]),
    ("a folder", "sync", &["error"]),
];

/// One fault: the operation number `left` of its kind fails.
struct Plan {
    at: (&'static str, &'static str),
    fault: &'static str,
    left: usize,
    struck: bool,
    /// Written and not yet synced.
    unsynced: Vec<(PathBuf, u64, Vec<u8>)>,
}

#[derive(Clone)]
struct Failing(Arc<Mutex<Plan>>);

impl Failing {
    /// The fault, if it strikes now.
    fn strikes(&self, place: &str, operation: &str) -> Option<&'static str> {
        let mut plan = self.0.lock().unwrap();
        if plan.struck || plan.at != (place, operation) {
            return None;
        }
        if plan.left > 0 {
            plan.left -= 1;
            return None;
        }
        plan.struck = true;
        Some(plan.fault)
    }

    fn may_replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let Some(fault) = self.strikes("public log", "replace") else { return Ok(()) };
        if fault == "short write" {
            std::fs::write(path.with_extension("new"), &bytes[..bytes.len() / 2])?;
        }
        Err(error(fault))
    }

    fn has_struck(&self) -> bool {
        self.0.lock().unwrap().struck
    }
}

fn error(fault: &str) -> io::Error {
    match fault {
        "no room" => io::ErrorKind::StorageFull.into(),
        _ => io::Error::other("input/output error"),
    }
}

fn place(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("seg") => "journal",
        _ => "next segment",
    }
}

struct FailingSegment(Failing, PathBuf, Box<dyn Segment>);

impl Files for Failing {
    fn segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        if let Some(fault) = self.strikes(place(path), "open") {
            return Err(error(fault));
        }
        Ok(Box::new(FailingSegment(self.clone(), path.to_owned(), Disk.segment(path)?)))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.may_replace(path, bytes).and_then(|()| Disk.replace(path, bytes))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.strikes("a folder", "sync").map_or_else(|| Disk.sync_dir(dir), |f| Err(error(f)))
    }

    fn batch(&self, dir: &Path) -> io::Result<Box<dyn Batch>> {
        Ok(Box::new(FailingBatch(self.clone(), Disk.batch(dir)?)))
    }
}

struct FailingBatch(Failing, Box<dyn Batch>);

impl Batch for FailingBatch {
    fn put(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.may_replace(path, bytes).and_then(|()| self.1.put(path, bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.strikes("public log", "sync").map_or_else(|| self.1.sync(), |f| Err(error(f)))
    }
}

impl Segment for FailingSegment {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let Some(fault) = self.0.strikes(place(&self.1), "write") else {
            let unsynced = (self.1.clone(), at, bytes.to_vec());
            self.0.0.lock().unwrap().unsynced.push(unsynced);
            return Ok(());
        };
        if fault == "short write" {
            self.2.write(&bytes[..bytes.len() / 2], at)?;
        }
        Err(error(fault))
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.0.strikes(place(&self.1), "sync");
        let mut plan = self.0.0.lock().unwrap();
        let (mine, others) = plan
            .unsynced
            .drain(..)
            .partition(|(path, _, _): &(PathBuf, u64, Vec<u8>)| *path == self.1);
        plan.unsynced = others;
        drop(plan);
        let mine: Vec<(PathBuf, u64, Vec<u8>)> = mine;
        for (_, at, bytes) in &mine {
            for (n, sector) in (0_u64..).zip(bytes.chunks(512)) {
                let arrives = match fault {
                    Some("sync fails, lost") => false,
                    Some("sync fails, torn") => Digest::of(&(at + n).to_be_bytes()).0[0] & 1 == 0,
                    _ => true,
                };
                if arrives {
                    self.2.write(sector, at + n * 512)?;
                }
            }
        }
        fault.map_or_else(|| self.2.sync(), |fault| Err(error(fault)))
    }

    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        match self.0.strikes(place(&self.1), "grow") {
            Some(fault) => Err(error(fault)),
            None => self.2.allocate(from, to),
        }
    }
}

/// So little room that a few calls need more of it, and then the next segment.
fn small(dir: &Path) -> Config {
    let mut small = config(dir);
    (small.chunk, small.segment, small.max_body) = (64 << 10, 300 << 10, 16 << 10);
    (small.outcome_reserve, small.restriction_reserve) = (14 << 10, 2048);
    small
}

/// A record with a body of some size.
fn large(mut draft: Draft) -> Draft {
    draft.body.insert("padding".to_owned(), format!("\"{}\"", "x".repeat(12_000)));
    draft
}

/// What was acknowledged, and what the caller was told besides.
#[derive(Default)]
struct Life {
    acknowledged: Vec<Receipt>,
    told: BTreeSet<&'static str>,
}

impl Life {
    /// Appends until it is taken for good or refused for good; the index if it was acknowledged.
    fn append(&mut self, ledger: &FileLedger, draft: &Draft) -> Option<u64> {
        loop {
            wait(ledger.room());
            match ledger.append(draft.clone()).map(|accepted| wait(accepted.durable())) {
                Ok(Ok(receipt)) => {
                    self.acknowledged.push(receipt);
                    return Some(receipt.index());
                }
                Err(LedgerError::NoSpace) => drop(self.told.insert("refused until there is room")),
                Err(LedgerError::Busy) => {}
                Ok(Err(LedgerError::Failed(_))) | Err(LedgerError::Failed(_)) => {
                    self.told.insert("refused until a restart");
                    return None;
                }
                other => panic!("{other:?}"),
            }
            std::thread::yield_now();
        }
    }

    /// A task, its calls, a stop, publication.
    fn live(&mut self, ledger: &FileLedger) {
        self.append(ledger, &of_task(draft(Kind::Task, "opened"), 1, 0));
        for call in 0..5 {
            let permit = self.append(ledger, &large(decision(1, 1 + 2 * call)));
            let Some(permit) = permit else { break };
            self.append(ledger, &large(outcome(1, 2 + 2 * call, permit)));
        }
        self.append(ledger, &restriction(1, 11));
        if ledger.flush().is_err() {
            self.told.insert("the public log is late");
            ledger.flush().expect("what failed once is made up for");
        }
    }
}

/// One life under one fault: what was told; `None` if the fault never struck.
fn strike(
    at: (&'static str, &'static str),
    fault: &'static str,
    left: usize,
) -> Option<BTreeSet<&'static str>> {
    let dir = tempfile::tempdir().unwrap();
    let unsynced = Vec::new();
    let failing = Failing(Arc::new(Mutex::new(Plan { at, fault, left, struck: false, unsynced })));
    let mut life = Life::default();
    match FileLedger::open(
        small(dir.path()),
        signing_key(),
        world_on(Arc::new(failing.clone())).doors,
    ) {
        Ok(ledger) => life.live(&ledger),
        Err(_) => drop(life.told.insert("it does not start")),
    }
    let what = format!("{fault} at {at:?} after {left}: {:?}", life.told);
    let again = FileLedger::open(small(dir.path()), signing_key(), world().doors);
    let ledger = again.unwrap_or_else(|why| panic!("{what}: it does not open again: {why}"));
    for receipt in &life.acknowledged {
        let found = ledger.read(receipt.index()).unwrap();
        let found = found.unwrap_or_else(|| panic!("{what}: entry {} is lost", receipt.index()));
        assert_eq!(found.entry.clear.question, receipt.question(), "{what}");
    }
    let entries = ledger.report().entries;
    assert!(entries <= life.acknowledged.len() as u64 + 1, "{what}: {entries} entries");
    durable(ledger.append(draft(Kind::Policy, "in force")));
    ledger.close();
    let verified = verify(dir.path()).unwrap_or_else(|why| panic!("{what}: {why}"));
    assert_eq!(verified.entries, entries + 1, "{what}");
    failing.has_struck().then_some(life.told)
}

/// The rows of the table in `docs/crash.md` under the heading `title`: the cells of each.
fn rows(title: &str) -> Vec<Vec<String>> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/crash.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(title)).unwrap();
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    lines.map(cells).collect()
}

#[test]
fn a_fault_at_any_operation_is_told_as_documented_and_loses_nothing() {
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows("The ledger's disk") {
        let told = row[2].split("; ").map(str::to_owned).collect();
        documented.insert(format!("{}: {}", row[0], row[1]), told);
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (place, operation, faults) in OPERATIONS {
        for fault in faults {
            let told: Vec<_> =
                (0..).map_while(|left| strike((place, operation), fault, left)).collect();
            assert!(!told.is_empty(), "{fault} at {place}, {operation} never struck");
            let told = told.into_iter().map(|told| {
                if told.is_empty() {
                    return "nothing".to_owned();
                }
                told.into_iter().collect::<Vec<_>>().join(" and ")
            });
            found.insert(format!("{place}, {operation}: {fault}"), told.collect());
        }
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), documented.keys().collect::<Vec<_>>());
    for (row, found) in &found {
        // Whether the public log was late when it was asked, and whether room was made before it was
        // needed, depends on who came first.
        let places = ["public log", "a folder", "journal, grow", "next segment"];
        let timing = places.iter().any(|place| row.starts_with(place));
        let documented = &documented[row];
        assert!(found == documented || timing && found.is_subset(documented), "{row}: {found:?}");
    }
}
