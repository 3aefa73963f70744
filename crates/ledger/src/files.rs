//! The disk as the ledger writes to it, small enough to be replaced by one that fails.
//!
//! Reading needs no door: what was read is checked anyway.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, syncfs};
use rustix::io::Errno;

/// A segment of the journal, open for writing.
pub trait Segment: Send + Sync {
    /// Writes all of `bytes` at offset `at`.
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync(&self) -> io::Result<()>;
    /// Makes room from `from` to `to`, durable, reading as zeros; `from` is the file's end.
    ///
    /// Errors: as the disk says; the file is then as long as before.
    fn allocate(&self, from: u64, to: u64) -> io::Result<()>;
}

/// Where a ledger writes.
pub trait Files: Send + Sync {
    /// Opens or creates a segment. Each is an open file of its own, which is told for itself of what
    /// could not be written since.
    fn segment(&self, path: &Path) -> io::Result<Box<dyn Segment>>;
    /// Puts a whole file in place of what is at `path`, durable but for its name: see
    /// [`Files::sync_dir`]. A reader sees the old file or the new one.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Begins to put many files below `dir`.
    fn batch(&self, dir: &Path) -> io::Result<Box<dyn Batch>>;
}

/// Files that become durable together. Where there are many, each on its own would cost ten times the work of
/// writing it.
pub trait Batch {
    /// Puts a whole file in place of what is at `path`, in a folder that is made if need be. It may be there
    /// in part or as zeros after a crash, as long as [`Batch::sync`] has not said that it is not.
    fn put(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes durable what was put since the batch began, names and new folders, too.
    fn sync(&mut self) -> io::Result<()>;
}

/// Whether an error says that the disk, or the quota on it, is full.
pub(crate) fn is_full(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The path under which the next version of a file is written before it takes its place.
pub(crate) fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

struct DiskSegment(File);

impl Segment for DiskSegment {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        let length = to.saturating_sub(from);
        let made = match fallocate(&self.0, FallocateFlags::empty(), from, length) {
            // A file system without it: writing the zeros makes the room.
            Ok(()) | Err(Errno::OPNOTSUPP) => fill(&self.0, from, to),
            Err(why) => Err(why.into()),
        };
        if made.is_err() {
            self.0.set_len(from)?;
        }
        made
    }
}

/// Writes zeros, so that a later sync of a record has only data to write and no extents to convert.
fn fill(file: &File, from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 20] = [0; 1 << 20];
    let mut at = from;
    while at < to {
        let left = usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX);
        let zeros = ZEROS.get(..left).unwrap_or(&ZEROS);
        file.write_all_at(zeros, at)?;
        at = at.saturating_add(zeros.len() as u64);
    }
    file.sync_all()
}

impl Files for Disk {
    fn segment(&self, path: &Path) -> io::Result<Box<dyn Segment>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        Ok(Box::new(DiskSegment(options.open(path)?)))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let draft = draft_of(path);
        write(&draft, bytes)?.sync_data()?;
        fs::rename(&draft, path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn batch(&self, dir: &Path) -> io::Result<Box<dyn Batch>> {
        let (folder, path) = (File::open(dir)?, dir.to_owned());
        let (few, many, dirs) = (Vec::new(), false, BTreeSet::new());
        Ok(Box::new(DiskBatch { folder, path, few, many, dirs }))
    }
}

/// What is put below a folder. It stays open from before the first file on, and is told of whatever could not be
/// written to its file system since (syncfs(2), Linux 5.8 and later).
struct DiskBatch {
    folder: File,
    path: PathBuf,
    /// What was put, as long as it is few.
    few: Vec<File>,
    many: bool,
    /// The folders on the way there, which are made.
    dirs: BTreeSet<PathBuf>,
}

/// How many files are made durable one by one, by which nobody waits for what others write to the same file
/// system. From then on all of that together takes less.
const FEW: usize = 32;

impl Batch for DiskBatch {
    fn put(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(parent) = path.parent().filter(|dir| !self.dirs.contains(*dir)) {
            fs::create_dir_all(parent)?;
            let made = parent.ancestors().take_while(|dir| *dir != self.path);
            self.dirs.extend(made.map(Path::to_owned));
        }
        let draft = draft_of(path);
        let file = write(&draft, bytes)?;
        fs::rename(&draft, path)?;
        if self.few.len() >= FEW {
            self.many = true;
            self.few.clear();
        }
        if !self.many {
            self.few.push(file);
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.many {
            return Ok(syncfs(&self.folder)?);
        }
        self.few.iter().try_for_each(File::sync_data)?;
        self.dirs.iter().try_for_each(|dir| Disk.sync_dir(dir))?;
        self.folder.sync_all()
    }
}

impl fmt::Debug for dyn Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_zeros_and_a_replaced_file_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000.seg");
        let segment = Disk.segment(&path).unwrap();
        segment.allocate(0, 20_000).unwrap();
        segment.write(b"abc", 5).unwrap();
        segment.sync().unwrap();
        segment.allocate(20_000, 20_010).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 20_010);
        assert_eq!(&bytes[..8], b"\0\0\0\0\0abc");
        assert!(bytes[8..].iter().all(|byte| *byte == 0));
        let path = dir.path().join("checkpoint");
        for text in ["one", "longer", "x"] {
            Disk.replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        Disk.sync_dir(dir.path()).unwrap();
        assert!(!draft_of(&path).exists());
    }

    #[test]
    fn few_files_and_many_are_whole_in_their_places() {
        for count in [1, FEW, FEW + 1, 3 * FEW] {
            let dir = tempfile::tempdir().unwrap();
            let mut batch = Disk.batch(dir.path()).unwrap();
            let places: Vec<_> =
                (0..count).map(|n| dir.path().join(format!("{}/{n}", n % 3))).collect();
            for path in &places {
                batch.put(path, path.as_os_str().as_encoded_bytes()).unwrap();
            }
            batch.sync().unwrap();
            for path in places {
                assert_eq!(fs::read(&path).unwrap(), path.as_os_str().as_encoded_bytes());
                assert!(!draft_of(&path).exists());
            }
        }
    }
}
