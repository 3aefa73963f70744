//! Believing none of it: every byte under `ledger/` and `journal/` is checked against every other
//! and against the signed checkpoint (promise R9).
//!
//! The journal is read once, in order. Its entries are checked one by one ([`crate::chain`]), the
//! tiles that follow from them are computed, and every file of the public log must be exactly what
//! was computed ([`crate::compare`]); the root at the size of each checkpoint, the log's own and
//! those held by others, must be the one signed ([`crate::claims`]), by whoever was to sign at that size
//! ([`crate::line`]): one key is given, and whom it leads to is found ([`crate::succession`]). A log that
//! is being written can be verified too: what lies beyond the checkpoint may grow meanwhile. A published
//! log, which has no journal, is verified the same way from its bundles.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use remit_model::Digest;
use remit_tlog::{Checkpoint, Hash, VerifierKey};

use crate::board::{self, Cosigned, Signed};
use crate::builder::Builder;
use crate::chain::Chain;
use crate::claims::{Claims, Others};
use crate::compare::Tiles;
use crate::journal::{self, Cursor, Item, Place};
use crate::listing::Listing;
use crate::succession::{Succession, file_of};
use crate::{JournalError, publish};

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The log's origin line.
    pub origin: String,
    /// Entries under the checkpoint.
    pub published: u64,
    /// Their root.
    pub root: Hash,
    /// Entries in the journal.
    pub entries: u64,
    /// Tiles and bundles compared.
    pub tiles: u64,
    /// Tasks whose records count without gaps.
    pub tasks: u64,
    /// Decisions that have no outcome (yet).
    pub open_calls: u64,
    /// The newest checkpoint that each of the witnesses asked about cosigned.
    pub cosigned: Vec<Cosigned>,
}

/// What does not hold, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// The file, relative to the state directory.
    pub file: String,
    /// The entry, where there is one.
    pub entry: Option<u64>,
    /// What does not hold.
    pub why: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.file)?;
        if let Some(entry) = self.entry {
            write!(f, ", entry {entry}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for VerifyError {}

impl From<JournalError> for VerifyError {
    fn from(why: JournalError) -> Self {
        match why {
            JournalError::Io { file, why } => Self { file, entry: None, why: why.to_string() },
            JournalError::Bad { file, index, offset, why, .. } => {
                Self { file, entry: Some(index), why: format!("at byte {offset}: {why}") }
            }
        }
    }
}

pub(crate) fn wrong(
    file: impl Into<String>,
    entry: Option<u64>,
    why: impl fmt::Display,
) -> VerifyError {
    VerifyError { file: file.into(), entry, why: why.to_string() }
}

/// Verifies everything under `<state>/ledger` and `<state>/journal` against `key`, which signs the log, did
/// so or will, and against what `others` say. Calls `progress` with the entries done and the entries under the checkpoint, every
/// 256 entries and at the end.
///
/// Errors: the first thing that does not hold, with its file and, where there is one, its entry.
pub fn verify(
    state: &Path,
    key: &VerifierKey,
    others: &Others,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verified, VerifyError> {
    let ledger = state.join("ledger");
    let (newest, succession) = newest(&ledger, key, "ledger/")?;
    // In this order, so that a running ledger cannot get ahead of what is expected: the tiles that
    // the checkpoint needs, or the full ones that took their place, are in the listing, and the
    // journal, read last, holds every entry of every tile listed and of every checkpoint.
    let listing = Listing::read(state).map_err(|(file, why)| wrong(file, None, why))?;
    let claims = Claims::read(&ledger, (&succession, "ledger/"), &newest, others)?;
    let tiles = Tiles::of_state(&ledger, newest.0.size, listing)?;
    let mut check = Check::new(&newest, tiles, claims);
    check.journal(&state.join("journal"), progress)?;
    check.succession(&succession, "ledger/")?;
    check.tiles.leftovers(check.builder.size())?;
    Ok(check.done(&newest))
}

/// As [`verify()`], for a log as it is published: what `ledger/` holds, without a journal, in `dir`.
/// Bodies cannot be compared with it, and tiles beyond the checkpoint are left alone.
///
/// Errors: as [`verify()`].
pub fn verify_published(
    dir: &Path,
    key: &VerifierKey,
    others: &Others,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verified, VerifyError> {
    let (newest, succession) = newest(dir, key, "")?;
    let listing = Listing::published(dir).map_err(|(file, why)| wrong(file, None, why))?;
    let claims = Claims::read(dir, (&succession, ""), &newest, others)?;
    let tiles = Tiles::of_copy(dir, newest.0.size, listing)?;
    let mut check = Check::new(&newest, tiles, claims);
    check.bundles(progress)?;
    check.succession(&succession, "")?;
    Ok(check.done(&newest))
}

/// The newest checkpoint, and whom `key` leads to.
fn newest(dir: &Path, key: &VerifierKey, shown: &str) -> Result<(Signed, Succession), VerifyError> {
    let file = format!("{shown}checkpoint");
    let bad = |why: &dyn fmt::Display| wrong(file.as_str(), None, why);
    let note = board::read_note(&dir.join("checkpoint")).map_err(|why| bad(&why))?;
    let note = note.ok_or_else(|| bad(&"there is no checkpoint"))?;
    let succession = Succession::follow(dir, std::slice::from_ref(key)).map_err(|why| bad(&why))?;
    let opened = Checkpoint::open_by(&note, &succession.keys).map_err(|why| {
        let broken = succession.broken();
        bad(&broken.map_or_else(|| why.to_string(), |broken| format!("{why}; {broken}")))
    });
    let (checkpoint, _) = opened?;
    // Whoever vouches for the checkpoint vouches for all who came before.
    if let Some(stray) = succession.unvouched.first() {
        let file = format!("{shown}{}", file_of(stray.index));
        return Err(wrong(file, None, format!("it vouches for no key of this log: {}", stray.why)));
    }
    Ok(((checkpoint, note), succession))
}

struct Check {
    /// Entries under the checkpoint.
    size: u64,
    tiles: Tiles,
    claims: Claims,
    chain: Chain,
    builder: Builder,
}

impl Check {
    fn new((checkpoint, _): &Signed, tiles: Tiles, claims: Claims) -> Self {
        let chain = Chain::new(&checkpoint.origin);
        Self { size: checkpoint.size, tiles, claims, chain, builder: Builder::default() }
    }

    /// Walks through the journal.
    fn journal(
        &mut self,
        journal: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), VerifyError> {
        let mut cursor = Cursor::new(journal, Place::start_of(0), 0, true);
        self.claims.check(0, self.builder.root())?;
        while let Some(item) = self.next(&mut cursor, journal)? {
            let file = format!("journal/{}", journal::name(item.place.segment));
            let sound = self.chain.check(&item);
            sound.map_err(|why| wrong(file.as_str(), Some(item.index), why))?;
            self.take(&file, item.payload.entry())?;
            if item.index.is_multiple_of(256) {
                progress(self.builder.size(), self.size);
            }
        }
        let found = self.builder.size();
        if found < self.size {
            let file = format!("journal/{}", journal::name(cursor.position().0.segment));
            let why = format!("the journal ends here, the checkpoint covers {} entries", self.size);
            return Err(wrong(file, Some(found), why));
        }
        self.end(progress)
    }

    /// Walks through the bundles of a published log.
    fn bundles(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), VerifyError> {
        self.claims.check(0, self.builder.root())?;
        while let Some((file, entries)) = self.tiles.bundle(self.builder.size(), self.size)? {
            for entry in entries {
                let index = self.builder.size();
                let sound = self.chain.check_entry(index, &entry);
                sound.map_err(|why| wrong(file.as_str(), Some(index), why))?;
                self.take(&file, &entry)?;
            }
            progress(self.builder.size(), self.size);
        }
        self.end(progress)
    }

    /// The next record. Beyond the checkpoint a record may be in the middle of being written: it is
    /// read again as long as its bytes change.
    fn next(&self, cursor: &mut Cursor, journal: &Path) -> Result<Option<Item>, VerifyError> {
        let mut seen = (None, 0_u8);
        loop {
            let (place, index) = match cursor.next() {
                Err(JournalError::Bad { index, .. }) if index >= self.size => cursor.position(),
                other => return Ok(other?),
            };
            let now = fingerprint(journal, place).ok();
            seen = if now == seen.0 { (now, seen.1.saturating_add(1)) } else { (now, 0) };
            *cursor = Cursor::new(journal, place, index, true);
            if seen.1 >= 3 {
                return Ok(cursor.next()?);
            }
            std::thread::yield_now();
        }
    }

    /// The next entry, found in `file`.
    fn take(&mut self, file: &str, entry: &[u8]) -> Result<(), VerifyError> {
        let index = self.builder.size();
        let full = publish::push(&mut self.builder, entry);
        let full = full.map_err(|why| wrong(file, Some(index), why))?;
        full.iter().try_for_each(|made| self.tiles.compare(made))?;
        self.claims.check(self.builder.size(), self.builder.root())
    }

    /// That whoever signed anything was to sign then, and that each who knows one of the keys can follow.
    fn succession(&self, followed: &Succession, shown: &str) -> Result<(), VerifyError> {
        let line = self.chain.line();
        self.claims.check_signers(line)?;
        let there = |index: &u64| followed.vouched.iter().any(|(vouched, _)| vouched == index);
        line.changes(self.size).find(|index| !there(index)).map_or(Ok(()), |index| {
            let why = "the file is missing, although the log has other signers from there on";
            Err(wrong(format!("{shown}{}", file_of(index)), Some(index), why))
        })
    }

    fn end(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), VerifyError> {
        for made in self.builder.edge() {
            self.tiles.compare(&made)?;
        }
        progress(self.builder.size(), self.size);
        self.claims.check_end(self.builder.size())
    }

    fn done(self, (checkpoint, _): &Signed) -> Verified {
        Verified {
            origin: checkpoint.origin.clone(),
            published: checkpoint.size,
            root: checkpoint.root,
            entries: self.builder.size(),
            tiles: self.tiles.compared(),
            tasks: self.chain.tasks(),
            open_calls: self.chain.open(),
            cosigned: self.claims.into_cosigned(),
        }
    }
}

/// What lies from `place` to the end of its segment.
fn fingerprint(journal: &Path, place: Place) -> io::Result<Digest> {
    let mut file = File::open(journal::path(journal, place.segment))?;
    file.seek(SeekFrom::Start(place.offset))?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    Ok(Digest::of(&rest))
}
