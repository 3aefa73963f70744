//! The files of a public log against what follows from its entries.

use std::path::{Path, PathBuf};
use std::{fs, io};

use remit_tlog::{Hash, Level, Tile, bundle, tile};

use crate::builder::Made;
use crate::listing::Listing;
use crate::publish;
use crate::verify::{VerifyError, wrong};

/// A bundle of a published log: its file, and its entries.
pub(crate) type Bundle = (String, Vec<Vec<u8>>);

/// The tiles and bundles of a log.
pub(crate) struct Tiles {
    dir: PathBuf,
    /// What stands before a file's name for people.
    shown: &'static str,
    /// Whether tiles may reach beyond what is verified: a copy's are newer than its checkpoint.
    newer: bool,
    listing: Listing,
    compared: u64,
}

impl Tiles {
    /// Those of a state directory, whose journal explains every one of them.
    ///
    /// Errors: a file does not belong there, or one is missing.
    pub(crate) fn of_state(dir: &Path, size: u64, listing: Listing) -> Result<Self, VerifyError> {
        Self { dir: dir.to_owned(), shown: "ledger/", newer: false, listing, compared: 0 }
            .complete(size)
    }

    /// Those of a copy.
    ///
    /// Errors: as [`Tiles::of_state`].
    pub(crate) fn of_copy(dir: &Path, size: u64, listing: Listing) -> Result<Self, VerifyError> {
        Self { dir: dir.to_owned(), shown: "", newer: true, listing, compared: 0 }.complete(size)
    }

    /// No stray file, and every tile that the checkpoint needs, or the full one that took its place.
    fn complete(self, size: u64) -> Result<Self, VerifyError> {
        if let Some(stray) = self.listing.stray.first() {
            return Err(wrong(stray.as_str(), None, "not a file of this log: who put it there?"));
        }
        for tile in Tile::written(0, size) {
            let widths = self.listing.tiles.get(&(tile.level(), tile.index()));
            let there = |width| widths.is_some_and(|widths| widths.contains(&width));
            if !there(tile.width()) && !there(tile::WIDTH) {
                let entry = publish::first_entry(tile.level(), tile.start());
                let why = "the file is missing, although the checkpoint covers it";
                return Err(wrong(self.name(&tile), Some(entry), why));
            }
        }
        Ok(self)
    }

    fn name(&self, tile: &Tile) -> String {
        format!("{}{tile}", self.shown)
    }

    /// How many were compared.
    pub(crate) fn compared(&self) -> u64 {
        self.compared
    }

    /// Compares every version of a tile on disk with what it must begin with.
    pub(crate) fn compare(&mut self, (made, bytes): &Made) -> Result<(), VerifyError> {
        let widths = self.listing.tiles.remove(&(made.level(), made.index())).unwrap_or_default();
        for width in widths {
            let Some(tile) = Tile::new(made.level(), made.index(), width) else { continue };
            let longer = width > made.width();
            if longer && !self.newer {
                let why = "it reaches beyond the end of the journal";
                return Err(wrong(self.name(&tile), None, why));
            }
            let expected = beginning(made.level(), bytes, width.min(made.width()));
            let found = self.read(&tile, expected.len());
            let mut found = found.map_err(|why| wrong(self.name(&tile), None, why))?;
            if longer {
                found.truncate(expected.len());
            }
            if found != expected {
                let (entry, why) = difference(&tile, &found, expected);
                return Err(wrong(self.name(&tile), entry, why));
            }
            self.compared = self.compared.saturating_add(1);
        }
        Ok(())
    }

    /// The bundle of a published log in which entry `index` stands first, as far as the checkpoint
    /// of `size` entries goes; `None` at its end.
    pub(crate) fn bundle(&self, index: u64, size: u64) -> Result<Option<Bundle>, VerifyError> {
        let number = index / u64::from(tile::WIDTH);
        let tile = Tile::in_tree(Level::Entries, number, size).filter(|_| index < size);
        let Some(tile) = tile else { return Ok(None) };
        let file = self.name(&tile);
        let bad = |why: &dyn std::fmt::Display| wrong(file.as_str(), Some(index), why);
        let bytes = self.read(&tile, usize::MAX).map_err(|why| bad(&why))?;
        let bytes = beginning(Level::Entries, &bytes, tile.width());
        let entries = bundle::entries(bytes, tile.width()).map_err(|why| bad(&why))?;
        let entries = entries.into_iter().map(<[u8]>::to_vec).collect();
        Ok(Some((file, entries)))
    }

    /// The bytes of a tile; where a running ledger has removed a partial one since it was listed,
    /// the beginning of the full one that took its place.
    fn read(&self, tile: &Tile, length: usize) -> io::Result<Vec<u8>> {
        let path = |tile: &Tile| self.dir.join(tile.to_string());
        let why = match fs::read(path(tile)) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => why,
            other => return other,
        };
        let full = Tile::new(tile.level(), tile.index(), tile::WIDTH).filter(|full| full != tile);
        let mut bytes = full.map_or(Err(why), |full| fs::read(path(&full)))?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Whatever was not compared belongs to no entry of the journal, which has `entries`.
    pub(crate) fn leftovers(&self, entries: u64) -> Result<(), VerifyError> {
        let Some(((level, index), widths)) = self.listing.tiles.first_key_value() else {
            return Ok(());
        };
        let tile = widths.first().and_then(|width| Tile::new(*level, *index, *width));
        let file = tile.map_or_else(|| "ledger".to_owned(), |tile| self.name(&tile));
        let why = format!("it holds entries that the journal of {entries} does not");
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
