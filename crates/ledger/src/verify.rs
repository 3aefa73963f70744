//! Believing none of it: every byte under `ledger/` and `journal/` is checked against every other
//! and against the signed checkpoint (promise R9).
//!
//! The journal is read once, in order. Its entries are checked one by one ([`crate::chain`]), the
//! tiles that follow from them are computed, and every file of the public log must be exactly what
//! was computed; the root at the checkpoint's size must be the one signed. A log that is being
//! written can be verified too: what lies beyond the checkpoint may grow meanwhile.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use remit_model::Digest;
use remit_tlog::{Checkpoint, Hash, Level, Tile, VerifierKey, bundle, tile};

use crate::builder::{Builder, Made};
use crate::chain::Chain;
use crate::journal::{self, Cursor, Item, Place};
use crate::listing::Listing;
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

fn wrong(file: impl Into<String>, entry: Option<u64>, why: impl fmt::Display) -> VerifyError {
    VerifyError { file: file.into(), entry, why: why.to_string() }
}

/// Verifies everything under `<state>/ledger` and `<state>/journal` against `key`. Calls `progress`
/// with the entries done and the entries under the checkpoint, every 256 entries and at the end.
///
/// Errors: the first thing that does not hold, with its file and, where there is one, its entry.
pub fn verify(
    state: &Path,
    key: &VerifierKey,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verified, VerifyError> {
    let checkpoint = match publish::read_checkpoint(&state.join("ledger"), key) {
        Ok(Some((checkpoint, _))) => checkpoint,
        Ok(None) => return Err(wrong("ledger/checkpoint", None, "there is no checkpoint")),
        Err(why) => return Err(wrong("ledger/checkpoint", None, why)),
    };
    // In this order, so that a running ledger cannot get ahead of what is expected: the tiles that
    // the checkpoint needs, or the full ones that took their place, are in the listing, and the
    // journal, read last, holds every entry of every tile listed.
    let listing = Listing::read(state).map_err(|(file, why)| wrong(file, None, why))?;
    if let Some(stray) = listing.stray.first() {
        return Err(wrong(stray.as_str(), None, "not a file of this log: who put it there?"));
    }
    let mut check = Check {
        state,
        size: checkpoint.size,
        listing,
        chain: Chain::new(&checkpoint.origin),
        builder: Builder::default(),
        compared: 0,
    };
    check.required()?;
    check.walk(&checkpoint, progress)?;
    check.leftovers()?;
    Ok(Verified {
        origin: checkpoint.origin,
        published: checkpoint.size,
        root: checkpoint.root,
        entries: check.builder.size(),
        tiles: check.compared,
        tasks: check.chain.tasks(),
        open_calls: check.chain.open(),
    })
}

struct Check<'a> {
    state: &'a Path,
    /// Entries under the checkpoint.
    size: u64,
    listing: Listing,
    chain: Chain,
    builder: Builder,
    compared: u64,
}

impl Check<'_> {
    /// Every tile that the checkpoint needs is there, or the full one that took its place.
    fn required(&self) -> Result<(), VerifyError> {
        for tile in Tile::written(0, self.size) {
            let widths = self.listing.tiles.get(&(tile.level(), tile.index()));
            let there = |width| widths.is_some_and(|widths| widths.contains(&width));
            if !there(tile.width()) && !there(tile::WIDTH) {
                let entry = publish::first_entry(tile.level(), tile.start());
                let why = "the file is missing, although the checkpoint covers it";
                return Err(wrong(format!("ledger/{tile}"), Some(entry), why));
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        checkpoint: &Checkpoint,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), VerifyError> {
        let journal = self.state.join("journal");
        let mut cursor = Cursor::new(&journal, Place::start_of(0), 0, true);
        self.at_checkpoint(checkpoint)?;
        while let Some(item) = self.next(&mut cursor, &journal)? {
            self.take(&item)?;
            self.at_checkpoint(checkpoint)?;
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
        for made in self.builder.edge() {
            self.compare(&made)?;
        }
        progress(found, self.size);
        Ok(())
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

    fn take(&mut self, item: &Item) -> Result<(), VerifyError> {
        let file = || format!("journal/{}", journal::name(item.place.segment));
        self.chain.check(item).map_err(|why| wrong(file(), Some(item.index), why))?;
        let full = publish::push(&mut self.builder, &item.entry)
            .map_err(|why| wrong(file(), Some(item.index), why))?;
        full.iter().try_for_each(|made| self.compare(made))
    }

    fn at_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), VerifyError> {
        if self.builder.size() != self.size || self.builder.root() == checkpoint.root {
            return Ok(());
        }
        let why = format!(
            "the signed root is {}, the first {} entries of the journal have {}",
            checkpoint.root,
            self.size,
            self.builder.root()
        );
        Err(wrong("ledger/checkpoint", None, why))
    }

    /// Compares every version of a tile on disk with what it must begin with.
    fn compare(&mut self, (made, bytes): &Made) -> Result<(), VerifyError> {
        let widths = self.listing.tiles.remove(&(made.level(), made.index())).unwrap_or_default();
        for width in widths {
            let Some(tile) = Tile::new(made.level(), made.index(), width) else { continue };
            let file = format!("ledger/{tile}");
            if width > made.width() {
                return Err(wrong(file, None, "it reaches beyond the end of the journal"));
            }
            let expected = beginning(made.level(), bytes, width);
            let found = self.read(&tile, expected.len());
            let found = found.map_err(|why| wrong(file.as_str(), None, why))?;
            if found != expected {
                let (entry, why) = difference(&tile, &found, expected);
                return Err(wrong(file, entry, why));
            }
            self.compared = self.compared.saturating_add(1);
        }
        Ok(())
    }

    /// The bytes of a tile; where a running ledger has removed a partial one since it was listed,
    /// the beginning of the full one that took its place.
    fn read(&self, tile: &Tile, length: usize) -> io::Result<Vec<u8>> {
        let path = |tile: &Tile| self.state.join("ledger").join(tile.to_string());
        let why = match fs::read(path(tile)) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => why,
            other => return other,
        };
        let full = Tile::new(tile.level(), tile.index(), tile::WIDTH).filter(|full| full != tile);
        let mut bytes = full.map_or(Err(why), |full| fs::read(path(&full)))?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Whatever was not compared belongs to no entry.
    fn leftovers(&self) -> Result<(), VerifyError> {
        let Some(((level, index), widths)) = self.listing.tiles.first_key_value() else {
            return Ok(());
        };
        let tile = widths.first().and_then(|width| Tile::new(*level, *index, *width));
        let file = tile.map_or_else(|| "ledger".to_owned(), |tile| format!("ledger/{tile}"));
        let why = format!("it holds entries that the journal of {} does not", self.builder.size());
        Err(wrong(file, None, why))
    }
}

/// The first `width` items of a tile's bytes.
fn beginning(level: Level, bytes: &[u8], width: u16) -> &[u8] {
    let end = match level {
        Level::Hashes(_) => usize::from(width).saturating_mul(Hash::LENGTH),
        Level::Entries => (0..width).fold(0, |at, _| {
            let length = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>());
            let length = length.map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
            length.saturating_add(at).saturating_add(2)
        }),
    };
    bytes.get(..end).unwrap_or(bytes)
}

/// The entry whose item differs first, and what to say of it.
fn difference(tile: &Tile, found: &[u8], expected: &[u8]) -> (Option<u64>, String) {
    let same = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
    let item = match tile.level() {
        Level::Hashes(_) => (same / Hash::LENGTH) as u64,
        Level::Entries => {
            let entries = bundle::entries(expected, tile.width()).unwrap_or_default();
            let mut end = 0_usize;
            let before = entries.iter().take_while(|entry| {
                end = end.saturating_add(entry.len()).saturating_add(2);
                end <= same
            });
            before.count() as u64
        }
    };
    let what = match tile.level() {
        Level::Entries => "the entry is not the one in the journal",
        Level::Hashes(_) => "the hash does not follow from the entries in the journal",
    };
    let why = if item < u64::from(tile.width()) {
        format!("{what} (at byte {same})")
    } else {
        format!("{} bytes follow its end", found.len().saturating_sub(expected.len()))
    };
    let item = item.min(u64::from(tile.width()).saturating_sub(1));
    (Some(publish::first_entry(tile.level(), tile.start().saturating_add(item))), why)
}

/// What lies from `place` to the end of its segment.
fn fingerprint(journal: &Path, place: Place) -> io::Result<Digest> {
    let mut file = File::open(journal::path(journal, place.segment))?;
    file.seek(SeekFrom::Start(place.offset))?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    Ok(Digest::of(&rest))
}
