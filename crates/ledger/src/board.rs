//! What hangs on the public log for everybody to read: its newest checkpoint, and the checkpoints
//! that witnesses cosigned.
//!
//! The publisher replaces the checkpoint several times a second while a witness takes its time, so
//! a cosignature often comes for a checkpoint that is no longer the newest. The newest that each
//! witness cosigned therefore has a file of its own, `ledger/witnessed/<key id>`; where it is still
//! the newest of all, its line is added to `ledger/checkpoint` too.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, fs};

use data_encoding::HEXLOWER;
use remit_tlog::{Checkpoint, CheckpointError, Note, VerifierKey, WitnessKey};

use crate::PublishError;
use crate::files::Files;
use crate::line::Line;
use crate::publish::io_error;
use crate::succession::Succession;

/// The folder of cosigned checkpoints, within the public log.
pub(crate) const WITNESSED: &str = "witnessed";

/// A signed checkpoint.
pub(crate) type Signed = (Checkpoint, Note);

/// Where the checkpoints of the public log hang.
pub(crate) struct Board {
    dir: PathBuf,
    files: Arc<dyn Files>,
    hung: Mutex<Hung>,
}

/// What hangs there, and who signed it.
#[derive(Default)]
struct Hung {
    newest: Option<Signed>,
    line: Line,
}

/// The newest checkpoint that a witness cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The witness's name.
    pub witness: String,
    /// Entries under the checkpoint.
    pub size: u64,
    /// When it was cosigned, in seconds since the Unix epoch.
    pub time: u64,
}

impl Board {
    /// The board of the public log in `dir`, with what hangs there.
    pub(crate) fn new(dir: PathBuf, files: Arc<dyn Files>, newest: Option<Signed>) -> Self {
        Self { dir, files, hung: Mutex::new(Hung { newest, line: Line::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Hung> {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest checkpoint, with the cosignatures it has so far.
    pub(crate) fn newest(&self) -> Option<Signed> {
        self.lock().newest.clone()
    }

    /// Who signs, and who did, as far as the log is published.
    pub(crate) fn line(&self) -> Line {
        self.lock().line.clone()
    }

    /// The newest checkpoint is in place since before the start, and these signed.
    pub(crate) fn signed_by(&self, line: &Line) {
        self.lock().line.clone_from(line);
    }

    /// Puts a checkpoint, which the log just signed, in the place of the one before, for good.
    pub(crate) fn place(&self, signed: Signed, line: &Line) -> Result<(), PublishError> {
        let mut hung = self.lock();
        self.put(&signed.1)?;
        *hung = Hung { newest: Some(signed), line: line.clone() };
        Ok(())
    }

    fn put(&self, note: &Note) -> Result<(), PublishError> {
        let path = self.dir.join("checkpoint");
        let placed = self.files.replace(&path, note.to_string().as_bytes());
        placed
            .and_then(|()| self.files.sync_dir(&self.dir))
            .map_err(|why| io_error("checkpoint", why))
    }

    /// Keeps the checkpoint in `note`, which the log signed and `witness` cosigned.
    ///
    /// Errors: one of them did not, or the disk refuses; what was kept before is still there.
    pub(crate) fn attach(&self, witness: &WitnessKey, note: &Note) -> Result<(), PublishError> {
        let keys: Vec<VerifierKey> = self.line().all().cloned().collect();
        let (checkpoint, note) = (Checkpoint::open_by(note, &keys)?.0, note.clone());
        if witness.cosigned(&note).map_err(CheckpointError::from)?.is_none() {
            let size = checkpoint.size;
            return Err(PublishError::Uncosigned { witness: witness.name().to_owned(), size });
        }
        let origin = &checkpoint.origin;
        let own = note.clone().only(|line| witness.made(line) || line.name == *origin);
        let path = file_of(&self.dir, witness);
        let name = || format!("{WITNESSED}/{}", HEXLOWER.encode(&witness.id()));
        fs::create_dir_all(self.dir.join(WITNESSED)).map_err(|why| io_error(WITNESSED, why))?;
        let written = self.files.replace(&path, own.to_string().as_bytes());
        written.map_err(|why| io_error(&name(), why))?;
        let mut hung = self.lock();
        let newest = hung.newest.as_mut();
        let Some((_, hanging)) = newest.filter(|(_, hung)| hung.text() == note.text()) else {
            return Ok(());
        };
        let lines = note.signatures().iter().filter(|line| witness.made(line)).cloned();
        let bare = hanging.clone().only(|line| !witness.made(line));
        let more = lines.take(1).try_fold(bare, Note::with).map_err(CheckpointError::from)?;
        self.put(&more)?;
        *hanging = more;
        Ok(())
    }
}

/// Where the newest checkpoint that `witness` cosigned lies.
fn file_of(dir: &Path, witness: &WitnessKey) -> PathBuf {
    dir.join(WITNESSED).join(HEXLOWER.encode(&witness.id()))
}

/// Whether `name` is the name of such a file.
pub(crate) fn is_file(name: &str) -> bool {
    HEXLOWER.decode(name.as_bytes()).is_ok_and(|id| id.len() == 4)
}

/// What the log that one of `keys` signs, or those who came before and after, last signed and `witness`
/// cosigned, by the files of the public log in `dir`; `None` if nothing was.
///
/// Errors: the file cannot be read, or is not what it should be.
pub fn cosigned(
    dir: &Path,
    keys: &[VerifierKey],
    witness: &WitnessKey,
) -> Result<Option<Cosigned>, PublishError> {
    let path = file_of(dir, witness);
    let keys = Succession::follow(dir, keys)?.keys;
    let Some((checkpoint, note)) = read(&path, &keys)? else { return Ok(None) };
    let time = witness.cosigned(&note).map_err(CheckpointError::from)?;
    let time = time.ok_or_else(|| PublishError::Uncosigned {
        witness: witness.name().to_owned(),
        size: checkpoint.size,
    })?;
    Ok(Some(Cosigned { witness: witness.name().to_owned(), size: checkpoint.size, time }))
}

/// The checkpoint in a file, signed by one of `keys`; `None` if there is no such file.
///
/// Errors: it cannot be read, or is signed by none of `keys`.
pub(crate) fn read(path: &Path, keys: &[VerifierKey]) -> Result<Option<Signed>, PublishError> {
    let Some(note) = read_note(path)? else { return Ok(None) };
    Ok(Some((Checkpoint::open_by(&note, keys)?.0, note)))
}

/// The note in a file, not to be believed yet; `None` if there is no such file.
///
/// Errors: it cannot be read, or is none.
pub(crate) fn read_note(path: &Path) -> Result<Option<Note>, PublishError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(io_error(&name, why));
        }
    };
    Ok(Some(Note::parse(&bytes).map_err(CheckpointError::from)?))
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Board({})", self.dir.display())
    }
}
