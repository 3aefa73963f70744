#![cfg(test)]
//! A kernel whose memory shows what its disk has not: after a sync that failed, or that never came, a
//! start reads bytes that are gone with the power. What is acknowledged after that start is there all
//! the same. And a kernel that tells each open file once of what it could not write: whoever waits for
//! a record is told, whoever else was.

mod support;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use remit_ledger::FileLedger;
use remit_ledger::files::{Batch, Disk, Files, Segment};
use remit_ports::{Kind, Ledger as _, LedgerError};
use support::*;

/// A segment below the kernel's memory; the file itself is what the kernel shows.
#[derive(Default)]
struct Below {
    /// What is on the disk.
    bytes: Vec<u8>,
    /// What the kernel still means to write.
    dirty: Vec<Range<usize>>,
    /// How often it could not.
    errors: u64,
}

#[derive(Default)]
struct Platter {
    segments: BTreeMap<PathBuf, Below>,
    /// Syncs fail; whether the kernel then forgets what it meant to write.
    failing: Option<bool>,
    writes: Vec<usize>,
    /// The next write does not get to the disk, and its sync waits until the segment has grown.
    loses: Option<Lost>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Next,
    Written,
    Grown,
}

#[derive(Clone, Default)]
struct Cached(Arc<Mutex<Platter>>, Arc<Condvar>);

impl Cached {
    fn fail(&self, failing: Option<bool>) {
        self.0.lock().unwrap().failing = failing;
    }

    /// What memory alone had is gone.
    fn lose_power(&self) {
        for (path, below) in &mut self.0.lock().unwrap().segments {
            below.dirty.clear();
            if path.exists() {
                std::fs::write(path, &below.bytes).unwrap();
            }
        }
    }

    fn open(&self, dir: &Path) -> Result<FileLedger, remit_ledger::OpenError> {
        let doors = world_on(Arc::new(self.clone())).doors;
        FileLedger::open(config(dir), signing_key(), doors)
    }
}

/// An open segment, and of how many errors it was told.
struct CachedSegment(Cached, PathBuf, Box<dyn Segment>, AtomicU64);

impl CachedSegment {
    /// What the kernel could not write, once for each open file.
    fn tell(&self, below: &Below) -> io::Result<()> {
        let told = self.3.swap(below.errors, Ordering::SeqCst);
        if told < below.errors { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }
}

impl Files for Cached {
    fn segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        let segment = Disk.segment(path)?;
        let bytes = std::fs::read(path)?;
        let mut platter = self.0.lock().unwrap();
        let below = platter.segments.entry(path.to_owned());
        let told = below.or_insert(Below { bytes, ..Below::default() }).errors;
        Ok(Box::new(CachedSegment(self.clone(), path.to_owned(), segment, told.into())))
    }
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        Disk.replace(path, bytes)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }
    fn batch(&self, dir: &Path) -> io::Result<Box<dyn Batch>> {
        Disk.batch(dir)
    }
}

impl Segment for CachedSegment {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut platter = self.0.0.lock().unwrap();
        let from = usize::try_from(at).unwrap();
        platter.writes.push(bytes.len());
        let lost = platter.loses == Some(Lost::Next);
        let below = platter.segments.get_mut(&self.1).unwrap();
        if lost {
            below.errors += 1;
            platter.loses = Some(Lost::Written);
        } else {
            below.dirty.push(from..from + bytes.len());
        }
        self.2.write(bytes, at)
    }
    fn sync(&self) -> io::Result<()> {
        let platter = self.0.0.lock().unwrap();
        let waits = |p: &mut Platter| p.loses == Some(Lost::Written);
        let waited = self.0.1.wait_timeout_while(platter, Duration::from_secs(20), waits);
        let mut platter = waited.unwrap().0;
        let failing = platter.failing;
        let below = platter.segments.get_mut(&self.1).unwrap();
        self.tell(below)?;
        if let Some(forgets) = failing {
            below.dirty.retain(|_| !forgets);
            return Err(io::Error::other("input/output error"));
        }
        let shown = std::fs::read(&self.1)?;
        for range in below.dirty.drain(..) {
            below.bytes.resize(below.bytes.len().max(range.end), 0);
            below.bytes[range.clone()].copy_from_slice(&shown[range]);
        }
        Ok(())
    }
    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        let mut platter = self.0.0.lock().unwrap();
        if platter.loses == Some(Lost::Written) {
            platter.loses = Some(Lost::Grown);
            self.0.1.notify_all();
        }
        let below = platter.segments.get_mut(&self.1).unwrap();
        self.tell(below)?;
        below.bytes.resize(usize::try_from(to).unwrap(), 0);
        self.2.allocate(from, to)
    }
}

/// A ledger whose last record, the sixth, was written and not synced.
fn unsynced(cached: &Cached, dir: &Path, forgets: bool) {
    let ledger = cached.open(dir).unwrap();
    calls(&ledger, 1, 2);
    ledger.flush().unwrap();
    cached.fail(Some(forgets));
    let lost = wait(ledger.append(decision(1, 5)).unwrap().durable()).unwrap_err();
    assert!(matches!(lost, LedgerError::Failed(_)), "{lost}");
    ledger.close();
}

#[test]
fn what_a_start_reads_is_on_disk_before_anything_builds_on_it() {
    for (forgets, appends) in [(true, true), (true, false), (false, true), (false, false)] {
        let (cached, dir) = (Cached::default(), tempfile::tempdir().unwrap());
        unsynced(&cached, dir.path(), forgets);
        cached.fail(None);
        let ledger = cached.open(dir.path()).unwrap();
        assert_eq!(ledger.report().entries, 6, "memory shows it");
        if appends {
            durable(ledger.append(draft(Kind::Policy, "in force")));
        }
        ledger.close();
        cached.lose_power();
        let entries = 6 + u64::from(appends);
        let found = try_open(dir.path()).map(|ledger| ledger.report().entries);
        assert_eq!(found.map_err(|why| why.to_string()), Ok(entries), "{forgets}, {appends}");
        assert_eq!(verify(dir.path()).unwrap().entries, entries);
    }
}

#[test]
fn a_start_that_cannot_write_it_again_publishes_nothing_and_says_so() {
    let (cached, dir) = (Cached::default(), tempfile::tempdir().unwrap());
    unsynced(&cached, dir.path(), true);
    let refused = cached.open(dir.path()).unwrap_err().to_string();
    assert!(refused.starts_with("`journal/0000000"), "{refused}");
    assert!(refused.contains("in memory alone") && refused.contains("start again"), "{refused}");
    assert_eq!(verify(dir.path()).unwrap().published, 5);
    cached.fail(None);
    assert_eq!(cached.open(dir.path()).unwrap().report().entries, 6);
    cached.lose_power();
    assert_eq!(verify(dir.path()).unwrap().entries, 6);
}

#[test]
fn what_is_under_the_checkpoint_is_left_alone_and_without_one_all_is_written_again_by_parts() {
    let (cached, dir) = (Cached::default(), tempfile::tempdir().unwrap());
    let open = |cached: &Cached| {
        let mut config = config(dir.path());
        (config.chunk, config.segment, config.max_body) = (1 << 20, 2 << 20, 600 << 10);
        FileLedger::open(config, signing_key(), world_on(Arc::new(cached.clone())).doors).unwrap()
    };
    let ledger = open(&cached);
    let mut large = draft(Kind::Signal, "large");
    large.body.insert("padding".to_owned(), format!("\"{}\"", "x".repeat(500 << 10)));
    for _ in 0..7 {
        put(&ledger, &large);
    }
    ledger.flush().unwrap();
    ledger.close();
    let journal = || -> Vec<Vec<u8>> {
        let names = (0..4).map(|n| dir.path().join(format!("journal/{n:08}.seg")));
        names.map_while(|path| std::fs::read(path).ok()).collect()
    };
    let records = |segment: &Vec<u8>| segment[24..].iter().any(|byte| *byte != 0);
    let before: Vec<_> = journal().into_iter().filter(records).collect();
    assert!(before.len() > 1, "the records lie in {} segments", before.len());
    let written = |cached: &Cached| {
        let writes = std::mem::take(&mut cached.0.lock().unwrap().writes);
        writes.into_iter().filter(|bytes| *bytes > 24).collect::<Vec<_>>()
    };
    written(&cached);
    open(&cached).close();
    assert_eq!(written(&cached), Vec::<usize>::new(), "all of it is under the checkpoint");
    std::fs::remove_dir_all(dir.path().join("ledger")).unwrap();
    open(&cached).close();
    let writes = written(&cached);
    assert!(writes.iter().sum::<usize>() > 3_500_000, "{writes:?}");
    assert!(writes.iter().all(|bytes| *bytes < 2 << 20), "{writes:?}");
    let after: Vec<_> = journal().into_iter().filter(records).collect();
    assert!(after == before, "the same bytes in the same places");
    assert_eq!(verify(dir.path()).unwrap().entries, 7);
}

#[test]
fn who_makes_room_does_not_hear_of_a_lost_record_instead_of_who_waits_for_it() {
    let (cached, dir) = (Cached::default(), tempfile::tempdir().unwrap());
    let mut config = config(dir.path());
    config.segment = 1 << 30;
    let doors = world_on(Arc::new(cached.clone())).doors;
    let ledger = FileLedger::open(config, signing_key(), doors).unwrap();
    calls(&ledger, 1, 1);
    cached.0.lock().unwrap().loses = Some(Lost::Next);
    let lost = ledger.append(restriction(1, 3)).unwrap();
    let is = |step| cached.0.lock().unwrap().loses == Some(step);
    while is(Lost::Next) {
        std::thread::yield_now();
    }
    // Until there is so little room that more is made, in the segment that is being synced.
    while !is(Lost::Grown) {
        match ledger.append(draft(Kind::Signal, "s")) {
            Ok(_) | Err(LedgerError::Busy) => std::thread::yield_now(),
            // Whoever waits for the lost record was told meanwhile.
            Err(LedgerError::Failed(_)) if is(Lost::Grown) => break,
            Err(why) => panic!("{why}"),
        }
    }
    let told = wait(lost.durable());
    assert!(matches!(told, Err(LedgerError::Failed(_))), "{told:?}");
    assert!(matches!(ledger.append(restriction(1, 4)), Err(LedgerError::Failed(_))));
    ledger.close();
    cached.lose_power();
    assert_eq!(try_open(dir.path()).unwrap().report().entries, 3);
}
