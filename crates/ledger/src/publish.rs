//! The public log: tiles and checkpoints from the journal, and proofs from the tiles.
//!
//! Publishing is one function for the running ledger and for start-up. What is true after a crash
//! at each step: tiles beyond the checkpoint are not yet part of the public log and are written
//! again, with the same bytes, by the next run, whatever of them is there; the checkpoint takes its place by rename once every
//! tile it needs is durable; partial tiles go only after the full tile is under a checkpoint. A record
//! that changes who signs ends a step: its checkpoint is the first of those whom it names, and what vouches
//! for them ([`crate::succession`]) is durable before that is in place. Where their keys are gone, since the
//! log was changed again long ago, there is no such step.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use remit_tlog::tree::{prove_consistency, prove_inclusion};
use remit_tlog::{
    Checkpoint, CheckpointError, Hash, Level, Node, Note, Proof, SigningKey, Tile, TileError,
    TreeError, VerifierKey, tile,
};

use crate::board::{self, Board, Signed};
use crate::builder::Builder;
use crate::files::Files;
use crate::line::{Line, shown};
use crate::reader::Reader;
use crate::signing::Pens;
use crate::succession::{self, SUCCESSION, Succession};
use crate::{JournalError, builder};

/// Why the public log could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal ends too early.
    #[error("the journal ends before entry {0}")]
    Short(u64),
    /// The disk refused.
    #[error("`ledger/{file}`: {why}")]
    Io {
        /// Relative to the public log.
        file: String,
        /// Why.
        why: io::Error,
    },
    /// An entry fits no bundle.
    #[error("entry {index} cannot be published: {why}")]
    Entry {
        /// Which.
        index: u64,
        /// Why.
        why: String,
    },
    /// A key is not there.
    #[error(
        "the newest entries of the log say that {0} signs it, and that key is not there: restore `keys/`, or \
         the journal if it is the older of the two"
    )]
    Signer(String),
    /// The checkpoint is not one of this log.
    #[error("`ledger/checkpoint`: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A tile does not hold what it should.
    #[error("`ledger/{0}`")]
    Tile(#[from] TileError),
    /// A witness did not say what it should have said.
    #[error("`{witness}` did not cosign the checkpoint of {size} entries")]
    Uncosigned {
        /// The witness's name.
        witness: String,
        /// Entries under the checkpoint.
        size: u64,
    },
    /// No such proof.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Writes the public log.
pub(crate) struct Publisher {
    pub(crate) dir: PathBuf,
    pub(crate) files: Arc<dyn Files>,
    /// Where its checkpoint hangs.
    pub(crate) board: Arc<Board>,
    pub(crate) pens: Arc<Pens>,
    pub(crate) origin: String,
    pub(crate) reader: Reader,
    /// The log as far as it is published.
    pub(crate) builder: Builder,
    /// Who signs, as far as that goes.
    pub(crate) line: Line,
    /// Whether a checkpoint over exactly that is in place.
    pub(crate) signed: bool,
}

impl Publisher {
    /// Brings the public log to `to` entries and signs a checkpoint over them.
    ///
    /// Errors: what failed; the public log is as before, or as far as a change of keys, and trying again
    /// is safe.
    pub(crate) fn publish(&mut self, to: u64) -> Result<(), PublishError> {
        while self.builder.size() < to || !self.signed {
            self.step(to)?;
        }
        Ok(())
    }

    /// As [`Self::publish`], but no further than to the next change of keys.
    fn step(&mut self, to: u64) -> Result<(), PublishError> {
        let from = self.builder.size();
        let (mut builder, mut line) = (self.builder.clone(), self.line.clone());
        let mut batch = self.files.batch(&self.dir).map_err(|why| io_error("", why))?;
        let mut put = |tile: &Tile, bytes: &[u8]| {
            let name = tile.to_string();
            batch.put(&self.dir.join(&name), bytes).map_err(|why| io_error(&name, why))
        };
        let mut full = Vec::new();
        let mut cursor = self.reader.seek(from)?;
        let mut change = None;
        while builder.size() < to && change.is_none() {
            let index = builder.size();
            let item = cursor.next()?.filter(|item| item.index == index);
            let item = item.ok_or(PublishError::Short(index))?;
            for (tile, bytes) in push(&mut builder, item.payload.entry())? {
                put(&tile, &bytes)?;
                full.push(tile);
            }
            let changes = line.follow(index, item.payload.entry());
            let changes = changes.map_err(|why| PublishError::Entry { index, why })?;
            // A key of before may be gone when the public log is made again from the journal: what it vouched
            // for comes back from a copy or not at all.
            let ours = changes && self.pens.of(line.now()).is_ok();
            change = ours.then(|| (index, item.payload.entry().to_vec()));
        }
        let grown: Vec<Tile> = Tile::written(from, builder.size()).collect();
        for (tile, bytes) in builder.edge().iter().filter(|(tile, _)| grown.contains(tile)) {
            put(tile, bytes)?;
        }
        batch.sync().map_err(|why| io_error("", why))?;
        let (checkpoint, note) = self.sign(&builder, line.now())?;
        if let Some((index, entry)) = change {
            self.vouch(index, entry, &note)?;
        }
        self.board.place((checkpoint, note), &line)?;
        (self.builder, self.line, self.signed) = (builder, line, true);
        for tile in full {
            // Superseded: a reader that finds it gone takes the full tile. What cannot be removed
            // now stays, as the beginning of the full tile that it is.
            let _: io::Result<()> = fs::remove_dir_all(self.dir.join(tile.partials()));
        }
        Ok(())
    }

    /// Publishes the proof that `entry`, the last one under the checkpoint in `note`, changes who signs.
    fn vouch(&self, index: u64, entry: Vec<u8>, note: &Note) -> Result<(), PublishError> {
        let size = index.saturating_add(1);
        let read = |node| read_node(&self.dir, node, size);
        let hashes = prove_inclusion::<PublishError>(index, size, read)?;
        let proof = Proof { extra: Some(entry), index, hashes, checkpoint: note.clone() };
        let (folder, name) = (self.dir.join(SUCCESSION), succession::file_of(index));
        let written = fs::create_dir_all(&folder)
            .and_then(|()| self.files.replace(&self.dir.join(&name), proof.to_string().as_bytes()))
            .and_then(|()| self.files.sync_dir(&folder))
            .and_then(|()| self.files.sync_dir(&self.dir));
        written.map_err(|why| io_error(&name, why))
    }

    /// The private keys of `signers`.
    ///
    /// Errors: one of them, or the first key of a log that names nobody, is not there.
    pub(crate) fn keys_of(
        &self,
        signers: &[VerifierKey],
    ) -> Result<Vec<Arc<SigningKey>>, PublishError> {
        if signers.is_empty() {
            return Err(PublishError::Signer("the first key that it had".to_owned()));
        }
        let missing = |key| PublishError::Signer(shown(std::slice::from_ref(&key)));
        self.pens.of(signers).map_err(missing)
    }

    fn sign(&self, builder: &Builder, signers: &[VerifierKey]) -> Result<Signed, PublishError> {
        let keys = self.keys_of(signers)?;
        let checkpoint = Checkpoint::new(&self.origin, builder.size(), builder.root());
        let keys: Vec<&SigningKey> = keys.iter().map(Arc::as_ref).collect();
        let note = checkpoint.sign_by(&keys)?;
        Ok((checkpoint, note))
    }
}

/// Appends an entry that is in the journal.
pub(crate) fn push(
    builder: &mut Builder,
    entry: &[u8],
) -> Result<Vec<builder::Made>, PublishError> {
    let index = builder.size();
    builder.push(entry).map_err(|why| PublishError::Entry { index, why: why.to_string() })
}

pub(crate) fn io_error(file: &str, why: io::Error) -> PublishError {
    PublishError::Io { file: file.to_owned(), why }
}

/// The checkpoint in `dir` and the note around it; `None` if there is none.
///
/// Errors: it cannot be read, or is signed neither by one of `keys` nor by whom they lead to.
pub(crate) fn read_checkpoint(
    dir: &Path,
    keys: &[VerifierKey],
) -> Result<Option<Signed>, PublishError> {
    // In this order: who signed the checkpoint was vouched for before it was there.
    let Some(note) = board::read_note(&dir.join("checkpoint"))? else { return Ok(None) };
    let keys = Succession::follow(dir, keys)?.keys;
    Ok(Some((Checkpoint::open_by(&note, &keys)?.0, note)))
}

/// Reads a tile of hashes or entries; where a partial one is gone, the beginning of the full one.
fn read_tile(dir: &Path, tile: &Tile) -> Result<(Tile, Vec<u8>), PublishError> {
    let full = Tile::new(tile.level(), tile.index(), tile::WIDTH).unwrap_or(*tile);
    let read = |tile: Tile| fs::read(dir.join(tile.to_string())).map(|bytes| (tile, bytes));
    read(*tile)
        .or_else(|why| match why.kind() {
            io::ErrorKind::NotFound if !tile.is_full() => read(full),
            _ => Err(why),
        })
        .map_err(|why| io_error(&tile.to_string(), why))
}

fn read_node(dir: &Path, node: Node, size: u64) -> Result<Hash, PublishError> {
    let tile = Tile::holding(node, size).ok_or(TreeError::Beyond { index: node.index, size })?;
    let (tile, bytes) = read_tile(dir, &tile)?;
    Ok(tile.hash_of(node, &bytes)?)
}

/// The proof, from the files of the public log in `dir` alone, that entry `index` is under its
/// checkpoint, which one of `keys` signed or whom they lead to; `None` if that does not cover it. The proof
/// is checked before it is given.
///
/// Errors: a file is missing or does not hold what it should.
pub fn prove(dir: &Path, keys: &[VerifierKey], index: u64) -> Result<Option<Proof>, PublishError> {
    let Some((checkpoint, note)) = read_checkpoint(dir, keys)? else { return Ok(None) };
    if index >= checkpoint.size {
        return Ok(None);
    }
    let read = |node| read_node(dir, node, checkpoint.size);
    let hashes = prove_inclusion::<PublishError>(index, checkpoint.size, read)?;
    let leaf = read_node(dir, Node { level: 0, index }, checkpoint.size)?;
    let proof = Proof { extra: None, index, hashes, checkpoint: note };
    proof
        .leads_to(leaf, &checkpoint)
        .map_err(|why| PublishError::Entry { index, why: why.to_string() })?;
    Ok(Some(proof))
}

/// The proof, from the files of the public log in `dir` alone, that its tree of `to` entries
/// extends the one of `from` entries.
///
/// Errors: a file is missing or does not hold what it should, or the tree would have to shrink.
pub(crate) fn prove_growth(dir: &Path, from: u64, to: u64) -> Result<Vec<Hash>, PublishError> {
    prove_consistency(from, to, |node| read_node(dir, node, to))
}

/// The index of the first entry under item `item` of a tile of `level`.
pub(crate) fn first_entry(level: Level, item: u64) -> u64 {
    let Level::Hashes(level) = level else { return item };
    let width = u64::from(tile::WIDTH);
    (0..level).fold(item, |index, _| index.saturating_mul(width))
}
