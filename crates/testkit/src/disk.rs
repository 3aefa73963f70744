//! A file under a database, which fails once, at an operation that the test names.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use crate::SeededEntropy;
use crate::fault::lock;

/// The unit in which a disk writes all or nothing.
const SECTOR: usize = 512;

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// A write stops after half of its bytes.
    ShortWrite,
    /// A write or a growth finds no room and does nothing.
    NoSpace,
    /// A read fails.
    ReadError,
    /// A sync fails, and everything since the last one is on the disk all the same.
    SyncKept,
    /// A sync fails, and nothing since the last one is on the disk.
    SyncLost,
    /// A sync fails, and of what was written since the last one a random half of the sectors is on
    /// the disk.
    SyncTorn,
}

impl DiskFault {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::ShortWrite,
        Self::NoSpace,
        Self::ReadError,
        Self::SyncKept,
        Self::SyncLost,
        Self::SyncTorn,
    ];

    fn error(self) -> Error {
        match self {
            Self::NoSpace => ErrorKind::StorageFull.into(),
            _ => Error::other("input/output error"),
        }
    }
}

/// What a sync that is lost takes back.
#[derive(Debug)]
enum Undo {
    Bytes(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug)]
struct Plan {
    fault: DiskFault,
    /// How many operations of the fault's kind still go well.
    left: u64,
    /// Whether nothing works any more once it has struck, as where power is lost.
    ends: bool,
    struck: bool,
    unsynced: Vec<Undo>,
}

/// Strikes one file; the test keeps it.
#[derive(Clone, Debug)]
pub struct DiskPlan(Arc<Mutex<Plan>>);

/// The file, for the database.
#[derive(Debug)]
pub struct FaultyFile {
    file: File,
    plan: DiskPlan,
}

impl DiskPlan {
    /// `fault` strikes after `left` operations of its kind; if it `ends` everything, nothing works
    /// from then on.
    pub fn new(fault: DiskFault, left: u64, ends: bool) -> Self {
        let plan = Plan { fault, left, ends, struck: false, unsynced: Vec::new() };
        Self(Arc::new(Mutex::new(plan)))
    }

    /// `file` as this plan has it.
    pub fn strikes(&self, file: File) -> FaultyFile {
        FaultyFile { file, plan: self.clone() }
    }

    /// Counts anew: it strikes after `left` further operations of its kind.
    pub fn strike_after(&self, left: u64) {
        lock(&self.0).left = left;
    }

    /// Whether it has struck.
    pub fn has_struck(&self) -> bool {
        lock(&self.0).struck
    }

    /// Whether the fault strikes this operation, one of those that `kinds` name.
    ///
    /// Errors: it struck before, and nothing works any more.
    fn strikes_now(&self, kinds: &[DiskFault]) -> Result<Option<MutexGuard<'_, Plan>>> {
        let mut plan = lock(&self.0);
        if plan.struck {
            return if plan.ends { Err(plan.fault.error()) } else { Ok(None) };
        }
        if !kinds.contains(&plan.fault) {
            return Ok(None);
        }
        if plan.left > 0 {
            plan.left -= 1;
            return Ok(None);
        }
        plan.struck = true;
        Ok(Some(plan))
    }
}

impl FaultyFile {
    /// Remembers what is about to be overwritten.
    fn keep(&self, offset: u64, length: usize) -> Result<()> {
        let mut old = vec![0; length];
        let read = self.file.read_at(&mut old, offset)?;
        old.truncate(read);
        lock(&self.plan.0).unsynced.push(Undo::Bytes(offset, old));
        Ok(())
    }

    /// Takes back what was not synced: all of it, or of each write the sectors that lose the toss.
    fn take_back(&self, unsynced: Vec<Undo>, torn: bool) -> Result<()> {
        let coin = SeededEntropy::new(unsynced.len() as u64);
        for undo in unsynced.into_iter().rev() {
            match undo {
                // A torn file keeps its length: what arrived may lie beyond the old one.
                Undo::Length(length) if !torn => self.file.set_len(length)?,
                Undo::Length(_) => {}
                Undo::Bytes(offset, old) => {
                    for (at, sector) in (offset..).step_by(SECTOR).zip(old.chunks(SECTOR)) {
                        if !torn || coin.toss() {
                            self.file.write_all_at(sector, at)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        match self.plan.strikes_now(&[DiskFault::ReadError])? {
            Some(plan) => Err(plan.fault.error()),
            None => self.file.read_exact_at(out, offset),
        }
    }

    fn set_len(&self, len: u64) -> Result<()> {
        if let Some(plan) = self.plan.strikes_now(&[DiskFault::NoSpace])? {
            return Err(plan.fault.error());
        }
        let before = self.len()?;
        lock(&self.plan.0).unsynced.push(Undo::Length(before));
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<()> {
        let kinds = [DiskFault::SyncKept, DiskFault::SyncLost, DiskFault::SyncTorn];
        let struck = self
            .plan
            .strikes_now(&kinds)?
            .map(|mut plan| (plan.fault, std::mem::take(&mut plan.unsynced)));
        let Some((fault, unsynced)) = struck else {
            lock(&self.plan.0).unsynced.clear();
            return self.file.sync_data();
        };
        if fault != DiskFault::SyncKept {
            self.take_back(unsynced, fault == DiskFault::SyncTorn)?;
        }
        Err(fault.error())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let struck = self.plan.strikes_now(&[DiskFault::ShortWrite, DiskFault::NoSpace])?;
        let Some(fault) = struck.map(|plan| plan.fault) else {
            self.keep(offset, data.len())?;
            return self.file.write_all_at(data, offset);
        };
        if fault == DiskFault::ShortWrite {
            self.file.write_all_at(data.get(..data.len() / 2).unwrap_or_default(), offset)?;
        }
        Err(fault.error())
    }
}
