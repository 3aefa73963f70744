//! Start-up: reads the journal, makes sure that what it read is on disk, and brings everything else in
//! line with it.
//!
//! The journal is believed as far as its frames fit their checksums. A torn end is cut only where
//! no signed checkpoint covers it: such records were never acknowledged, or at most within the
//! last moment before power was lost on a disk that lied. A segment made ahead whose head is wrong goes.
//! Everything else that does not fit is an error, and nothing is changed: at most what was read before it is
//! written again as it was.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_ports::{Kind, Parent};
use remit_tlog::{Checkpoint, Hash, Tile, VerifierKey, tile};
use serde::Deserialize;

use crate::again::Again;
use crate::board::{Board, Signed};
use crate::builder::{Builder, Made};
use crate::files::{self, Segment};
use crate::journal::{self, Cursor, Item, Place};
use crate::line::{Line, shown};
use crate::publish::{self, PublishError, Publisher};
use crate::reader::{Marks, Reader};
use crate::signing::{Pens, Signing};
use crate::{Config, Doors, JournalError, frame, listing};

/// Of an entry, what tells which calls are open.
#[derive(Deserialize)]
struct Brief {
    kind: Kind,
    #[serde(default)]
    parents: Vec<Parent>,
}

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the ledger in `{0}` is open in another process: stop that one first")]
    Locked(String),
    /// The disk refused.
    #[error("`{path}`: {why}")]
    Io {
        /// Which file or folder.
        path: String,
        /// Why.
        why: io::Error,
    },
    /// The journal is damaged where it must not be.
    #[error("{0}; the signed checkpoint covers this entry, so it is not a torn end: restore it")]
    Damaged(JournalError),
    /// The journal is damaged and cannot be cut.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An entry in the journal is not one.
    #[error("`journal`, entry {index}: {why}")]
    Entry {
        /// Which.
        index: u64,
        /// Why.
        why: String,
    },
    /// The journal is shorter than what was signed.
    #[error(
        "the signed checkpoint covers {signed} entries, the journal holds {found}: \
         restore the journal; signing a shorter log would fork it"
    )]
    Short {
        /// Entries under the checkpoint.
        signed: u64,
        /// Entries in the journal.
        found: u64,
    },
    /// The journal is not what was signed.
    #[error(
        "the first {size} entries of the journal have the root {found}, the signed checkpoint \
         says {signed}: restore the journal; signing it would fork the log"
    )]
    Forked {
        /// Entries under the checkpoint.
        size: u64,
        /// The root signed.
        signed: Hash,
        /// The root of the journal.
        found: Hash,
    },
    /// A key is there that the log does not name.
    #[error(
        "the key {0} of the log is on no record, and keys are there only once they are: the journal \
         is older than `keys/`; restore the newest journal, signing this one would fork the log"
    )]
    Unnamed(String),
    /// There is no key at all.
    #[error("there is no key to sign the log with: restore `keys/`")]
    NoKey,
    /// What was read may be in memory alone.
    #[error(
        "`{file}`: its records were read, but may be in memory alone, and cannot be written again and \
         synced: {why}; nothing was published or taken, look at the disk, then start again"
    )]
    Unkept {
        /// The segment, relative to the state directory.
        file: String,
        /// Why.
        why: io::Error,
    },
    /// The public log cannot be brought up to date.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A thread cannot be started.
    #[error("the ledger's threads cannot be started: {0}")]
    Thread(io::Error),
}

/// A torn end that was cut off, or a segment without a record whose head was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment, relative to the state directory.
    pub file: String,
    /// The entry that was not complete.
    pub index: u64,
    /// Where it started.
    pub offset: u64,
    /// How the record did not fit.
    pub why: &'static str,
}

/// What start-up found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Entries in the journal.
    pub entries: u64,
    /// Entries that were under a signed checkpoint.
    pub published: u64,
    /// Decisions without an outcome.
    pub open_calls: u64,
    /// What was cut off.
    pub cut: Option<Cut>,
    /// Tiles under the checkpoint that were missing and written again.
    pub rebuilt: Vec<String>,
}

/// Everything the running ledger starts from.
pub(crate) struct Recovered {
    pub(crate) report: OpenReport,
    pub(crate) next: u64,
    pub(crate) place: Place,
    /// The end of the allocated room in the last segment.
    pub(crate) end: u64,
    pub(crate) segment: Box<dyn Segment>,
    /// The same, open once more for making room in it.
    pub(crate) room: Box<dyn Segment>,
    pub(crate) open: BTreeSet<u64>,
    pub(crate) publisher: Publisher,
    /// Holds the lock on the journal's folder.
    pub(crate) lock: File,
}

/// The walk through the journal.
struct Walk<'a> {
    publisher: &'a mut Publisher,
    signed: Option<&'a Signed>,
    builder: Builder,
    line: Line,
    open: BTreeSet<u64>,
    dirs: BTreeSet<PathBuf>,
    rebuilt: Vec<String>,
    again: Again,
}

/// Reads the journal, cuts a torn end, and publishes what is not published.
pub(crate) fn recover(
    config: &Config,
    signing: Signing,
    doors: &Doors,
) -> Result<Recovered, OpenError> {
    let lock = folders(config)?;
    if let Err((file, why)) = listing::clear_drafts(&config.ledger()) {
        // No reason not to record stops; the next start tries again.
        tracing::warn!(file, %why, "an unfinished file stays in the public log");
    }
    let Signing { first, named, keys } = signing;
    let known: Vec<_> = keys.iter().map(|key| key.verifier().clone()).collect();
    let origin = known.first().ok_or(OpenError::NoKey)?.name().to_owned();
    let hanging = publish::read_checkpoint(&config.ledger(), &known)?;
    let board = Board::new(config.ledger(), Arc::clone(&doors.files), hanging.clone());
    let checkpoint = hanging.as_ref().map(|(checkpoint, _)| checkpoint);
    ensure_first_segment(config, doors, checkpoint)?;
    let reader = Reader {
        journal: config.journal(),
        marks: Arc::new(Marks::default()),
        keys: Arc::clone(&doors.keys),
    };
    let mut publisher = Publisher {
        dir: config.ledger(),
        files: Arc::clone(&doors.files),
        board: Arc::new(board),
        pens: Arc::new(Pens::new(keys)),
        origin,
        reader,
        builder: Builder::default(),
        line: Line::new(first.clone()),
        signed: false,
    };
    let mut walk = Walk {
        publisher: &mut publisher,
        signed: hanging.as_ref(),
        builder: Builder::default(),
        line: Line::new(first),
        open: BTreeSet::new(),
        dirs: BTreeSet::new(),
        rebuilt: Vec::new(),
        again: Again::new(config, doors),
    };
    let mut cursor = Cursor::new(&config.journal(), Place::start_of(0), 0, true);
    let cut = walk.run(&mut cursor, config, doors)?;
    walk.check_named(&named)?;
    walk.publisher.keys_of(walk.line.now())?;
    walk.again.finish()?;
    let (next, open, rebuilt) = (walk.builder.size(), walk.open, walk.rebuilt);
    match publisher.publish(next) {
        // A disk that refuses tiles must not keep stops from being recorded: the publisher goes on
        // trying.
        Err(why @ PublishError::Io { .. }) => {
            tracing::warn!(%why, "the public log could not be brought up to date");
        }
        done => done?,
    }
    let (place, _) = cursor.position();
    remove_ahead(config, place.segment);
    let path = journal::path(&config.journal(), place.segment);
    let open_segment = || doors.files.segment(&path).map_err(|why| io_error(&path, why));
    let (segment, room) = (open_segment()?, open_segment()?);
    let end = fs::metadata(&path).map_err(|why| io_error(&path, why))?.len();
    let report = OpenReport {
        entries: next,
        published: checkpoint.map_or(0, |checkpoint| checkpoint.size),
        open_calls: open.len() as u64,
        cut,
        rebuilt,
    };
    Ok(Recovered { report, next, place, end, segment, room, open, publisher, lock })
}

fn io_error(path: &Path, why: io::Error) -> OpenError {
    OpenError::Io { path: path.display().to_string(), why }
}

/// Makes the folders and locks the journal's: one writer per log.
fn folders(config: &Config) -> Result<File, OpenError> {
    let (journal, ledger) = (config.journal(), config.ledger());
    for (dir, mode) in [(&journal, 0o700), (&ledger, 0o755)] {
        let made = DirBuilder::new().recursive(true).mode(mode).create(dir);
        made.map_err(|why| io_error(dir, why))?;
    }
    let lock = File::open(&journal).map_err(|why| io_error(&journal, why))?;
    let taken = rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    match taken {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            Err(OpenError::Locked(config.state.display().to_string()))
        }
        Err(why) => Err(io_error(&journal, why.into())),
    }
}

/// Makes the first segment of a new log.
fn ensure_first_segment(
    config: &Config,
    doors: &Doors,
    checkpoint: Option<&Checkpoint>,
) -> Result<(), OpenError> {
    let path = journal::path(&config.journal(), 0);
    if path.exists() {
        return Ok(());
    }
    match checkpoint {
        Some(checkpoint) if checkpoint.size > 0 => {
            Err(OpenError::Short { signed: checkpoint.size, found: 0 })
        }
        _ => start_segment(config, doors, 0, config.chunk).map(|_| ()),
    }
}

/// Creates segment `number` with room for `room` bytes of frames, durable. It gets its name when
/// its head is on disk, so a segment that has its name is whole.
///
/// Errors: the disk refuses; no segment is left.
pub(crate) fn start_segment(
    config: &Config,
    doors: &Doors,
    number: u32,
    room: u64,
) -> Result<Box<dyn Segment>, OpenError> {
    let path = journal::path(&config.journal(), number);
    let draft = files::draft_of(&path);
    let make = || {
        remove(&draft);
        let segment = doors.files.segment(&draft)?;
        segment.allocate(0, frame::HEAD.saturating_add(room))?;
        segment.write(&frame::head(number), 0)?;
        segment.sync()?;
        fs::rename(&draft, &path)?;
        doors.files.sync_dir(&config.journal())?;
        doors.files.segment(&path)
    };
    make().map_err(|why| {
        remove(&draft);
        io_error(&path, why)
    })
}

/// Removes the segments after `current`, which were made ahead and hold no record.
fn remove_ahead(config: &Config, current: u32) {
    let later =
        (current.saturating_add(1)..).map(|number| journal::path(&config.journal(), number));
    later.take_while(|path| path.exists()).for_each(|path| remove(&path));
}

/// Removes a file that nothing depends on: one that stays is found empty at the next start.
fn remove(path: &Path) {
    let _: io::Result<()> = fs::remove_file(path);
}

impl Walk<'_> {
    fn signed(&self) -> u64 {
        self.signed.map_or(0, |(checkpoint, _)| checkpoint.size)
    }

    /// That the log tells of every key of `named`.
    fn check_named(&self, named: &[VerifierKey]) -> Result<(), OpenError> {
        let unnamed = named.iter().find(|key| !self.line.all().any(|known| known == *key));
        unnamed.map_or(Ok(()), |key| Err(OpenError::Unnamed(shown(std::slice::from_ref(key)))))
    }

    /// Reads every frame; cuts a torn end.
    fn run(
        &mut self,
        cursor: &mut Cursor,
        config: &Config,
        doors: &Doors,
    ) -> Result<Option<Cut>, OpenError> {
        self.at_checkpoint()?;
        let cut = loop {
            let (end, _) = cursor.position();
            match cursor.next() {
                Ok(Some(item)) => self.take(&item)?,
                Ok(None) => break None,
                Err(JournalError::Bad { file, segment, index, offset, why }) => {
                    if index < self.signed() {
                        let bad = JournalError::Bad { file, segment, index, offset, why };
                        return Err(OpenError::Damaged(bad));
                    }
                    let cut = Cut { file, index, offset, why };
                    cut_off(config, doors, segment, &cut)?;
                    // A segment with a wrong head is gone.
                    let place = if offset < frame::HEAD { end } else { cursor.position().0 };
                    *cursor = Cursor::new(&config.journal(), place, index, true);
                    break Some(cut);
                }
                Err(why) => return Err(why.into()),
            }
        };
        let found = self.builder.size();
        if found < self.signed() {
            return Err(OpenError::Short { signed: self.signed(), found });
        }
        for dir in &self.dirs {
            doors.files.sync_dir(dir).map_err(|why| io_error(dir, why))?;
        }
        Ok(cut)
    }

    fn take(&mut self, item: &Item) -> Result<(), OpenError> {
        let bad = |why| OpenError::Entry { index: item.index, why };
        let brief: Brief = serde_json::from_slice(item.payload.entry())
            .map_err(|why| bad(format!("not an entry: {why}")))?;
        self.line.follow(item.index, item.payload.entry()).map_err(bad)?;
        match (brief.kind, brief.parents.first()) {
            (Kind::Decision, _) => {
                self.open.insert(item.index);
            }
            (Kind::Outcome, Some(decision)) => {
                self.open.remove(&decision.index);
            }
            _ => {}
        }
        self.publisher.reader.marks.note(item.index, item.place);
        // What is under the checkpoint was durable before that was signed.
        if item.index >= self.signed() {
            self.again.add(item)?;
        }
        let full = publish::push(&mut self.builder, item.payload.entry())?;
        if self.builder.size() <= self.signed() {
            self.restore(&full)?;
        }
        self.at_checkpoint()
    }

    /// At the entry where the checkpoint ends: it must say what the journal says.
    fn at_checkpoint(&mut self) -> Result<(), OpenError> {
        let Some((checkpoint, note)) = self.signed else { return Ok(()) };
        if self.builder.size() != checkpoint.size {
            return Ok(());
        }
        let found = self.builder.root();
        if found != checkpoint.root {
            let (size, signed) = (checkpoint.size, checkpoint.root);
            return Err(OpenError::Forked { size, signed, found });
        }
        Checkpoint::open_by(note, self.line.now()).map_err(PublishError::from)?;
        self.restore(&self.builder.edge())?;
        self.publisher.board.signed_by(&self.line);
        self.publisher.line.clone_from(&self.line);
        (self.publisher.builder, self.publisher.signed) = (self.builder.clone(), true);
        Ok(())
    }

    /// Writes the tiles under the checkpoint that are missing or have another length.
    fn restore(&mut self, made: &[Made]) -> Result<(), OpenError> {
        for (tile, bytes) in made {
            if !self.is_there(tile, bytes) {
                // Each for itself: its length alone says at the next start whether it is whole.
                self.write(tile, bytes)?;
                self.rebuilt.push(tile.to_string());
            }
        }
        Ok(())
    }

    /// Writes a tile, remembering the folders whose names must become durable.
    fn write(&mut self, tile: &Tile, bytes: &[u8]) -> Result<(), PublishError> {
        let name = tile.to_string();
        let path = self.publisher.dir.join(&name);
        let folders = path.ancestors().skip(1).take_while(|dir| *dir != self.publisher.dir);
        self.dirs.extend(folders.map(Path::to_owned));
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| self.publisher.files.replace(&path, bytes))
            .map_err(|why| publish::io_error(&name, why))
    }

    fn is_there(&self, tile: &Tile, bytes: &[u8]) -> bool {
        let length = |tile: &Tile| {
            let path = self.publisher.dir.join(tile.to_string());
            fs::metadata(path).map(|file| file.len()).ok()
        };
        let full = Tile::new(tile.level(), tile.index(), tile::WIDTH);
        length(tile) == Some(bytes.len() as u64)
            || (tile.width() < tile::WIDTH && full.is_some_and(|full| length(&full).is_some()))
    }
}

/// Cuts off everything from the torn record on. A later segment may exist already, but hold no record:
/// its first one is written only when everything before it is durable.
fn cut_off(config: &Config, doors: &Doors, segment: u32, cut: &Cut) -> Result<(), OpenError> {
    let dir = config.journal();
    let path = journal::path(&dir, segment);
    let is_head = cut.offset < frame::HEAD;
    if is_head && !journal::is_zero_from(&path, frame::HEAD).map_err(|why| io_error(&path, why))? {
        let why = "the segment's head is wrong although records follow it: restore the journal";
        return Err(beyond_cutting(segment, cut, why));
    }
    let later = segment.saturating_add(1);
    if journal::path(&dir, later).exists() {
        let mut after = Cursor::new(&dir, Place::start_of(later), cut.index, true);
        if !matches!(after.next(), Ok(None)) {
            let why = "a record is damaged although later ones exist: restore the journal";
            return Err(beyond_cutting(segment, cut, why));
        }
        remove_ahead(config, segment);
    }
    if is_head {
        return drop_empty(config, doors, segment);
    }
    zero(doors, &path, cut.offset).map_err(|why| io_error(&path, why))
}

fn beyond_cutting(segment: u32, cut: &Cut, why: &'static str) -> OpenError {
    let (file, index, offset) = (cut.file.clone(), cut.index, cut.offset);
    OpenError::Journal(JournalError::Bad { file, segment, index, offset, why })
}

/// Removes a segment that holds no record and whose head is wrong: whatever was written behind it
/// would not be read again. Records go on in the one before; the first is made anew.
fn drop_empty(config: &Config, doors: &Doors, segment: u32) -> Result<(), OpenError> {
    let path = journal::path(&config.journal(), segment);
    fs::remove_file(&path).map_err(|why| io_error(&path, why))?;
    if segment > 0 {
        return Ok(());
    }
    start_segment(config, doors, segment, config.chunk).map(|_| ())
}

/// Overwrites a segment with zeros from `at` on.
fn zero(doors: &Doors, path: &Path, mut at: u64) -> io::Result<()> {
    let length = fs::metadata(path)?.len();
    let file = doors.files.segment(path)?;
    let zeros = vec![0; 1 << 16];
    while at < length {
        let left = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX);
        file.write(zeros.get(..left).unwrap_or(&zeros), at)?;
        at = at.saturating_add(zeros.len() as u64);
    }
    file.sync()
}
