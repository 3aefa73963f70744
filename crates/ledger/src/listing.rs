//! Which files lie under a state directory's log, sorted into what they claim to be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use remit_tlog::{Level, Tile};

use crate::succession::{self, SUCCESSION};
use crate::{board, journal};

/// The files of a log.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Tiles: what they hold and which, then the widths there are.
    pub(crate) tiles: BTreeMap<(Level, u64), BTreeSet<u16>>,
    /// Segments of the journal.
    pub(crate) segments: u32,
    /// Files that no log has, relative to the state directory.
    pub(crate) stray: Vec<String>,
}

impl Listing {
    /// Lists `<state>/ledger` and `<state>/journal`. Files that were about to replace a file of the
    /// log when a crash came (`….new`) are no part of it and left out.
    ///
    /// Errors: a folder cannot be read.
    pub(crate) fn read(state: &Path) -> Result<Self, (String, io::Error)> {
        let mut listing = Self::default();
        listing.add_public(&state.join("ledger"), "ledger/")?;
        let mut segments = BTreeSet::new();
        let mut files = Vec::new();
        walk(state, "journal", &mut files)?;
        for (file, is_file) in files {
            if !is_file || !is_segment(&file, &mut segments) {
                listing.stray.push(file);
            }
        }
        for (expected, number) in (0_u32..).zip(segments) {
            if expected == number {
                listing.segments = number.saturating_add(1);
            } else {
                listing.stray.push(format!("journal/{}", journal::name(number)));
            }
        }
        Ok(listing)
    }

    /// Lists a published log alone, in `dir`.
    ///
    /// Errors: a folder cannot be read.
    pub(crate) fn published(dir: &Path) -> Result<Self, (String, io::Error)> {
        let mut listing = Self::default();
        listing.add_public(dir, "")?;
        Ok(listing)
    }

    fn add_public(&mut self, dir: &Path, shown: &str) -> Result<(), (String, io::Error)> {
        let mut files = Vec::new();
        walk(dir, "", &mut files)?;
        for (file, is_file) in files {
            if !is_file || !self.is_public(&file) {
                self.stray.push(format!("{shown}{file}"));
            }
        }
        Ok(())
    }

    fn is_public(&mut self, name: &str) -> bool {
        let (name, unfinished) = match name.strip_suffix(".new") {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name == "checkpoint" {
            return true;
        }
        if let Some(name) = name.strip_prefix(board::WITNESSED).and_then(|n| n.strip_prefix('/')) {
            return board::is_file(name);
        }
        if let Some(name) = name.strip_prefix(SUCCESSION).and_then(|n| n.strip_prefix('/')) {
            return succession::is_file(name);
        }
        let Ok(tile) = name.parse::<Tile>() else { return false };
        if !unfinished {
            self.tiles.entry((tile.level(), tile.index())).or_default().insert(tile.width());
        }
        true
    }
}

/// Removes what a crash left of files that were about to take their place in the public log in
/// `dir`: it belongs to no log, and whoever publishes the folder would publish it too.
///
/// Errors: a folder cannot be read, or a file not be removed.
pub(crate) fn clear_drafts(dir: &Path) -> Result<(), (String, io::Error)> {
    let mut files = Vec::new();
    walk(dir, "", &mut files)?;
    let is_draft = |file: &String| Path::new(file).extension().is_some_and(|ext| ext == "new");
    let drafts = files.into_iter().filter(|(file, is_file)| *is_file && is_draft(file));
    for (file, _) in drafts {
        fs::remove_file(dir.join(&file)).map_err(|why| (file, why))?;
    }
    Ok(())
}

fn is_segment(file: &str, segments: &mut BTreeSet<u32>) -> bool {
    let name = file.strip_prefix("journal/");
    let (name, unfinished) = match name.and_then(|name| name.strip_suffix(".new")) {
        Some(name) => (Some(name), true),
        None => (name, false),
    };
    let number = name.and_then(|name| name.strip_suffix(".seg")).and_then(|n| n.parse().ok());
    match number.filter(|number| name == Some(journal::name(*number).as_str())) {
        Some(number) => unfinished || segments.insert(number),
        None => false,
    }
}

/// Every path under `top` that is not a folder, and whether it is an ordinary file.
fn walk(
    state: &Path,
    top: &str,
    files: &mut Vec<(String, bool)>,
) -> Result<(), (String, io::Error)> {
    let failed = |why| (top.to_owned(), why);
    for entry in fs::read_dir(state.join(top)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let path = if top.is_empty() { name.into_owned() } else { format!("{top}/{name}") };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            match walk(state, &path, files) {
                // A running ledger removes the folders of superseded partial tiles.
                Err((_, why)) if why.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        } else {
            files.push((path, kind.is_file()));
        }
    }
    Ok(())
}
