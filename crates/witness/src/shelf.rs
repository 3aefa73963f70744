//! The newest checkpoint cosigned of each log, one file each.
//!
//! A file is replaced by writing the next one beside it, syncing it, renaming it and syncing the
//! folder. Whatever moment a crash takes, the file is the old checkpoint or the new one, whole;
//! and the new one is there for good before anybody is told of it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use remit_tlog::witness::origin_hash;
use remit_tlog::{Checkpoint, Note, WitnessKey};

/// The largest file that is read: a checkpoint with its signatures has a few hundred bytes.
const MAX_FILE: u64 = 1 << 20;

/// A folder of checkpoints.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    /// The shelf in `dir`, which is made if it is not there. What lies there is there for good then, also
    /// if whoever put it there was killed before it knew.
    ///
    /// Errors: the disk refuses.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        File::open(dir)?.sync_all()?;
        if let Some(parent) = dir.parent() {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    fn path(&self, origin: &str) -> PathBuf {
        self.dir.join(origin_hash(origin))
    }

    /// What was cosigned last of the log `origin`. That it was is what its cosignature says; the log may
    /// have had other keys then than those that are trusted now.
    ///
    /// Errors: the disk refuses, or what is there is not a checkpoint of `origin` that `witness` cosigned.
    /// Then nothing can be cosigned: what was is not known.
    pub(crate) fn newest(
        &self,
        origin: &str,
        witness: &WitnessKey,
    ) -> Result<Option<(Checkpoint, Note)>, String> {
        let path = self.path(origin);
        let said = |why: &dyn std::fmt::Display| {
            format!("{}, what was cosigned of `{origin}`: {why}", path.display())
        };
        let bytes = match read(&path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|why| said(&why))?,
        };
        let note = Note::parse(&bytes).map_err(|why| said(&why))?;
        let cosigned = witness.cosigned(&note).map_err(|why| said(&why))?;
        cosigned.ok_or_else(|| said(&"it is not cosigned by this witness: restore the file"))?;
        let checkpoint: Checkpoint = note.text().parse().map_err(|why| said(&why))?;
        if checkpoint.origin != origin {
            return Err(said(&"it is of another log: restore the file"));
        }
        Ok(Some((checkpoint, note)))
    }

    /// Puts `note` in the place of what was cosigned last, for good.
    ///
    /// Errors: the disk refuses; then the old or the new one is there, and nobody may be told of
    /// the new one.
    pub(crate) fn put(&self, origin: &str, note: &Note) -> io::Result<()> {
        let path = self.path(origin);
        let draft = path.with_extension("new");
        let mut file = File::create(&draft)?;
        file.write_all(note.to_string().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(&self.dir)?.sync_all()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}
