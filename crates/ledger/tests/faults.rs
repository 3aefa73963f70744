#![cfg(test)]
//! A disk that fails: full, short of a write, failing to sync, losing power with half a group on
//! the platter. What was acknowledged is there afterwards; what was not, leaves no trace that does
//! not verify; stops and outcomes go through while permits are refused.

mod support;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use remit_ledger::FileLedger;
use remit_ledger::files::{Batch, Disk, Files, Segment};
use remit_model::Digest;
use remit_ports::{Kind, Ledger, LedgerError, Receipt};
use support::*;

/// What is turned on.
#[derive(Default)]
struct Faults {
    /// No room can be made and no new file be written.
    full: AtomicBool,
    /// Writes of records stop after half of their bytes, with an error.
    short: AtomicBool,
    /// Syncs fail.
    sync: AtomicBool,
    /// Writes stay in memory until they are synced.
    volatile: AtomicBool,
    /// Power goes during the next sync; see [`Faults::arrive`].
    dead: AtomicBool,
    /// Decides which sectors arrive then.
    seed: AtomicU64,
    unsynced: Mutex<Vec<(PathBuf, u64, Vec<u8>)>>,
}

impl Faults {
    /// Of what was not synced when power went, a random half of the 512-byte sectors arrives.
    fn may_replace(&self) -> io::Result<()> {
        let refuses = self.full.load(Ordering::SeqCst) || self.dead.load(Ordering::SeqCst);
        if refuses { Err(full()) } else { Ok(()) }
    }

    fn arrive(&self) -> io::Result<()> {
        let seed = self.seed.load(Ordering::SeqCst);
        for (path, at, bytes) in self.unsynced.lock().unwrap().drain(..) {
            let segment = Disk.segment(&path)?;
            for (n, sector) in (0_u64..).zip(bytes.chunks(512)) {
                let coin = Digest::of(&[seed.to_be_bytes(), n.to_be_bytes()].concat());
                if coin.0[0] & 1 == 0 {
                    segment.write(sector, at + n * 512)?;
                }
            }
        }
        Err(io::Error::other("no power"))
    }
}

struct Faulty(Arc<Faults>);

struct FaultySegment(Arc<Faults>, PathBuf, Box<dyn Segment>);

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

impl Files for Faulty {
    fn segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        let segment = Disk.segment(path)?;
        Ok(Box::new(FaultySegment(Arc::clone(&self.0), path.to_owned(), segment)))
    }
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.may_replace().and_then(|()| Disk.replace(path, bytes))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }
    fn batch(&self, dir: &Path) -> io::Result<Box<dyn Batch>> {
        Ok(Box::new(FaultyBatch(Arc::clone(&self.0), Disk.batch(dir)?)))
    }
}

struct FaultyBatch(Arc<Faults>, Box<dyn Batch>);

impl Batch for FaultyBatch {
    fn put(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.may_replace().and_then(|()| self.1.put(path, bytes))
    }
    fn sync(&mut self) -> io::Result<()> {
        self.1.sync()
    }
}

impl Segment for FaultySegment {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.0.short.load(Ordering::SeqCst) {
            self.2.write(&bytes[..bytes.len() / 2], at)?;
            return Err(io::Error::other("short write"));
        }
        if self.0.volatile.load(Ordering::SeqCst) {
            self.0.unsynced.lock().unwrap().push((self.1.clone(), at, bytes.to_vec()));
            return Ok(());
        }
        self.2.write(bytes, at)
    }
    fn sync(&self) -> io::Result<()> {
        if self.0.sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        if self.0.dead.load(Ordering::SeqCst) {
            return self.0.arrive();
        }
        let mut unsynced = self.0.unsynced.lock().unwrap();
        let (mine, others) = unsynced.drain(..).partition(|(path, _, _)| *path == self.1);
        *unsynced = others;
        drop(unsynced);
        let mine: Vec<(PathBuf, u64, Vec<u8>)> = mine;
        mine.iter().try_for_each(|(_, at, bytes)| self.2.write(bytes, *at))?;
        self.2.sync()
    }
    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        if self.0.full.load(Ordering::SeqCst) {
            return Err(full());
        }
        self.2.allocate(from, to)
    }
}

fn open_on(dir: &Path) -> (FileLedger, Arc<Faults>, World) {
    let faults = Arc::new(Faults::default());
    let world = world_on(Arc::new(Faulty(Arc::clone(&faults))));
    let ledger = FileLedger::open(config(dir), signing_key(), world.doors.clone()).unwrap();
    (ledger, faults, world)
}

/// Appends decisions of task 1 from `sequence` on until one is refused for good.
fn fill(ledger: &FileLedger, mut sequence: u64) -> (Vec<Receipt>, u64, LedgerError) {
    let mut open = Vec::new();
    loop {
        match ledger.append(decision(1, sequence)) {
            Ok(accepted) => open.push(wait(accepted.durable()).unwrap()),
            Err(LedgerError::Busy) => {
                std::thread::yield_now();
                continue;
            }
            Err(why) => return (open, sequence, why),
        }
        sequence += 1;
    }
}

#[test]
fn a_full_disk_refuses_permits_and_nothing_else_and_recovers_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, faults, world) = open_on(dir.path());
    durable(ledger.append(of_task(draft(Kind::Task, "opened"), 1, 0)));
    assert_eq!(ledger.status().refusing, None);
    faults.full.store(true, Ordering::SeqCst);
    let (open, mut sequence, why) = fill(&ledger, 1);
    assert_eq!(why, LedgerError::NoSpace);
    assert!(open.len() > 5, "there was room for {}", open.len());
    assert_eq!(ledger.status().refusing, Some(LedgerError::NoSpace));

    // Stops go through, 20 of them, and then the outcome of every open call.
    for _ in 0..20 {
        durable(ledger.append(restriction(1, sequence)));
        sequence += 1;
    }
    for receipt in &open {
        durable(ledger.append(outcome(1, sequence, receipt.index())));
        sequence += 1;
    }

    // Space returns: at most a second later a refused permit makes the ledger look again.
    faults.full.store(false, Ordering::SeqCst);
    world.clock.pass(Duration::from_secs(2));
    let receipt = loop {
        match ledger.append(decision(1, sequence)) {
            Ok(accepted) => break wait(accepted.durable()).unwrap(),
            Err(LedgerError::NoSpace | LedgerError::Busy) => std::thread::yield_now(),
            Err(why) => panic!("{why}"),
        }
    };
    assert_eq!(ledger.status().refusing, None);
    assert!(ledger.prove(receipt.index()).unwrap().is_some());
    ledger.close();
    assert_eq!(verify(dir.path()).unwrap().open_calls, 1);
}

#[test]
fn a_full_disk_is_not_asked_more_than_once_in_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, faults, _world) = open_on(dir.path());
    durable(ledger.append(of_task(draft(Kind::Task, "opened"), 1, 0)));
    faults.full.store(true, Ordering::SeqCst);
    let (_, sequence, _) = fill(&ledger, 1);
    faults.full.store(false, Ordering::SeqCst);
    // The clock of these tests moves a millisecond with each look, and a permit looks three times.
    let mut refused = 0;
    while ledger.append(decision(1, sequence)).is_err() {
        refused += 1;
        std::thread::yield_now();
        assert!(refused < 1_000_000, "it never came back");
    }
    assert!(refused > 100, "came back after {refused}");
}

#[test]
fn after_a_failed_sync_nothing_is_taken_until_a_restart() {
    for fault in ["sync", "short"] {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, faults, _world) = open_on(dir.path());
        calls(&ledger, 1, 2);
        ledger.flush().unwrap();
        let switch = if fault == "sync" { &faults.sync } else { &faults.short };
        switch.store(true, Ordering::SeqCst);
        let lost = wait(ledger.append(decision(1, 5)).unwrap().durable()).unwrap_err();
        assert!(matches!(lost, LedgerError::Failed(_)), "{lost}");
        switch.store(false, Ordering::SeqCst);
        for draft in [decision(1, 6), restriction(1, 6)] {
            assert_eq!(ledger.append(draft).unwrap_err(), lost);
        }
        assert_eq!(ledger.status().refusing, Some(lost));
        assert_eq!(ledger.status().size, 5);
        ledger.close();

        let ledger = open(dir.path());
        // Written but not synced may be there or not; written by half may not.
        let entries = ledger.report().entries;
        assert_eq!(entries, if fault == "sync" { 6 } else { 5 }, "{fault}");
        assert_eq!(ledger.report().cut.is_some(), fault == "short");
        durable(ledger.append(draft(Kind::Policy, "in force")));
        ledger.close();
        assert_eq!(verify(dir.path()).unwrap().entries, entries + 1);
    }
}

#[test]
fn the_public_log_may_fail_without_the_ledger_failing() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, faults, _world) = open_on(dir.path());
    faults.full.store(true, Ordering::SeqCst);
    let receipt = durable(ledger.append(draft(Kind::Policy, "in force")));
    let why = ledger.flush().unwrap_err().to_string();
    assert!(why.contains("public log"), "{why}");
    assert_eq!((ledger.status().size, ledger.status().published), (1, 0));
    faults.full.store(false, Ordering::SeqCst);
    assert!(ledger.prove(receipt.index()).unwrap().is_some());
}

#[test]
fn power_may_go_at_any_moment() {
    let mut torn = 0;
    for seed in 0..60_u64 {
        let dir = tempfile::tempdir().unwrap();
        let (ledger, faults, _world) = open_on(dir.path());
        faults.volatile.store(true, Ordering::SeqCst);
        faults.seed.store(seed, Ordering::SeqCst);
        let acknowledged = Mutex::new(Vec::new());
        let cut_at = 1 + seed * 7 % 50;
        let count = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (ledger, acknowledged, count, faults) =
                    (&ledger, &acknowledged, &count, &faults);
                scope.spawn(move || {
                    for sequence in 0..40 {
                        let accepted = loop {
                            match ledger.append(decision(number, sequence)) {
                                Ok(accepted) => break accepted,
                                Err(LedgerError::Busy) => wait(ledger.room()),
                                Err(_) => return,
                            }
                        };
                        let Ok(receipt) = wait(accepted.durable()) else { return };
                        acknowledged.lock().unwrap().push(receipt);
                        if count.fetch_add(1, Ordering::SeqCst) == cut_at {
                            faults.dead.store(true, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        drop(ledger);
        let reopened = open(dir.path());
        torn += u64::from(reopened.report().cut.is_some());
        for receipt in acknowledged.into_inner().unwrap() {
            let found = reopened.read(receipt.index()).unwrap().unwrap();
            assert_eq!(found.entry.clear.question, receipt.question(), "seed {seed}");
        }
        durable(reopened.append(draft(Kind::Policy, "in force")));
        reopened.close();
        let verified = verify(dir.path()).unwrap();
        assert!(verified.entries > cut_at, "seed {seed}");
    }
    assert!(torn > 10, "only {torn} of 60 power cuts left a torn end");
}

#[test]
fn damage_under_the_checkpoint_is_never_cut_off() {
    use std::os::unix::fs::FileExt as _;

    let dir = tempfile::tempdir().unwrap();
    calls(&open(dir.path()), 1, 3);
    let journal = dir.path().join("journal");
    // The last segment may have been made ahead and hold nothing but its head.
    let (path, bytes, last) = ["00000001.seg", "00000000.seg"]
        .iter()
        .find_map(|name| {
            let bytes = std::fs::read(journal.join(name)).ok()?;
            let last = bytes.iter().rposition(|byte| *byte != 0)?;
            (last >= 24).then(|| (journal.join(name), bytes, last))
        })
        .unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[bytes[last] ^ 1], last as u64).unwrap();
    let refused = try_open(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("entry 6") && refused.contains("not a torn end"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap()[last], bytes[last] ^ 1, "nothing was touched");
}

#[test]
fn a_torn_end_before_an_empty_segment_is_cut_but_never_before_a_record() {
    let dir = tempfile::tempdir().unwrap();
    calls(&open(dir.path()), 1, 3);
    let journal = dir.path().join("journal");
    let last = u8::from(journal.join("00000001.seg").exists());
    let (path, next) =
        (journal.join(format!("{last:08}.seg")), journal.join(format!("{:08}.seg", last + 1)));
    let whole = std::fs::read(&path).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let mut torn = whole;
    torn[end + 1..end + 4].copy_from_slice(b"\0\x01x");
    std::fs::write(&path, &torn).unwrap();
    let head = |number: u8| [&b"remit journal 2\n"[..], &[0, 0, 0, 0, 0, 0, 0, number]].concat();
    let mut empty = head(last + 1);
    empty.resize(5000, 0);
    std::fs::write(&next, &empty).unwrap();
    let ledger = open(dir.path());
    assert_eq!(ledger.report().cut.as_ref().map(|cut| cut.index), Some(7));
    ledger.close();
    assert_eq!(verify(dir.path()).unwrap().entries, 7);

    std::fs::write(&path, &torn).unwrap();
    empty[30] = 1;
    std::fs::write(&next, &empty).unwrap();
    let refused = try_open(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("entry 7") && refused.contains("later ones exist"), "{refused}");
}

/// The last segment of `journal` with a record in it, and the one that would come next.
fn last_segments(journal: &Path) -> (PathBuf, PathBuf, u8) {
    let last = u8::from(journal.join("00000001.seg").exists());
    let name = |number: u8| journal.join(format!("{number:08}.seg"));
    let holds = |path: &Path| std::fs::read(path).unwrap().iter().skip(24).any(|byte| *byte != 0);
    let last = if holds(&name(last)) { last } else { last - 1 };
    (name(last), name(last + 1), last + 1)
}

#[test]
fn an_empty_segment_with_a_wrong_head_is_made_again_and_nothing_is_lost_in_it() {
    for at in [0, 15, 16, 23] {
        let dir = tempfile::tempdir().unwrap();
        calls(&open(dir.path()), 1, 3);
        let (_, next, number) = last_segments(&dir.path().join("journal"));
        let mut empty =
            [&b"remit journal 2\n"[..], &[0, 0, 0, 0, 0, 0, 0, number], &[0; 5000]].concat();
        empty[at] ^= 1;
        std::fs::write(&next, &empty).unwrap();
        let ledger = open(dir.path());
        let cut = ledger.report().cut.clone().unwrap();
        assert_eq!((cut.index, cut.offset), (7, 0), "byte {at}");
        calls(&ledger, 2, 3);
        ledger.close();
        let ledger = open(dir.path());
        assert_eq!((ledger.report().entries, &ledger.report().cut), (14, &None), "byte {at}");
        ledger.close();
        assert_eq!(verify(dir.path()).unwrap().entries, 14);
    }
}

#[test]
fn an_empty_first_segment_with_a_wrong_head_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    std::fs::create_dir_all(&journal).unwrap();
    std::fs::write(journal.join("00000000.seg"), [0; 5000]).unwrap();
    calls(&open(dir.path()), 1, 3);
    assert_eq!(open(dir.path()).report().entries, 7);
}

#[test]
fn a_segment_with_a_wrong_head_and_records_is_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    calls(&open(dir.path()), 1, 3);
    // No checkpoint says that they are records.
    std::fs::remove_dir_all(dir.path().join("ledger")).unwrap();
    let path = dir.path().join("journal/00000000.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let refused = try_open(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("head is wrong although records follow"), "{refused}");
    assert!(std::fs::read(&path).unwrap() == bytes, "nothing was touched");
}

#[test]
fn it_opens_on_a_full_disk_and_settles_what_was_open() {
    let dir = tempfile::tempdir().unwrap();
    let (ledger, faults, _world) = open_on(dir.path());
    durable(ledger.append(of_task(draft(Kind::Task, "opened"), 1, 0)));
    faults.full.store(true, Ordering::SeqCst);
    let (open, mut sequence, _) = fill(&ledger, 1);
    ledger.close();

    let faults = Arc::new(Faults::default());
    faults.full.store(true, Ordering::SeqCst);
    let doors = world_on(Arc::new(Faulty(Arc::clone(&faults)))).doors;
    let ledger = FileLedger::open(config(dir.path()), signing_key(), doors).unwrap();
    assert_eq!(ledger.report().open_calls, open.len() as u64);
    assert_eq!(ledger.status().refusing, Some(LedgerError::NoSpace));
    assert_eq!(ledger.append(decision(1, sequence)).unwrap_err(), LedgerError::NoSpace);
    durable(ledger.append(restriction(1, sequence)));
    for receipt in &open {
        sequence += 1;
        durable(ledger.append(outcome(1, sequence, receipt.index())));
    }
    assert!(ledger.status().published < ledger.status().size);
    faults.full.store(false, Ordering::SeqCst);
    assert_eq!(ledger.flush().unwrap(), ledger.status().size);
    ledger.close();
    assert_eq!(verify(dir.path()).unwrap().open_calls, 0);
}
