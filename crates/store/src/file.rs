//! The file around the tables.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Builder, Database};

use crate::Fault;

/// Bytes of the database that may stay in memory; the default is a gigabyte (R13).
const CACHE_BYTES: usize = 8 * 1024 * 1024;

pub(crate) fn is_there(path: &Path) -> Result<bool, Fault> {
    path.try_exists().map_err(|why| Fault::Disk(why.to_string()))
}

/// Creates the file for us alone.
pub(crate) fn create(path: &Path) -> Result<Database, Fault> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let file = options.open(path).map_err(|why| Fault::Disk(why.to_string()))?;
    let backend = FileBackend::new(file).map_err(fault)?;
    builder().create_with_backend(backend).map_err(fault)
}

/// Opens the file and checks every page against its checksum: it is small, and a start is the
/// moment for it.
pub(crate) fn open(path: &Path) -> Result<Database, Fault> {
    builder().set_check_integrity_on_open(true).open(path).map_err(fault)
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Moves the file aside, over one that was moved aside before.
pub(crate) fn set_aside(path: &Path) -> Result<PathBuf, Fault> {
    let aside = path.with_added_extension("bad");
    match fs::rename(path, &aside) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(Fault::Disk(why.to_string())),
        _ => Ok(aside),
    }
}

/// Whether the file is to blame, or the disk.
pub(crate) fn fault<E: Into<redb::Error>>(why: E) -> Fault {
    use redb::Error;
    let why = why.into();
    let text = why.to_string();
    match why {
        // Not a database at all, or one that ends too early.
        Error::Io(io) if matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            Fault::Useless(text)
        }
        Error::Io(_) | Error::PreviousIo | Error::DatabaseAlreadyOpen | Error::DatabaseClosed => {
            Fault::Disk(text)
        }
        _ => Fault::Useless(text),
    }
}

#[cfg(test)]
mod tests {
    use redb::{DatabaseError, StorageError};

    use super::*;

    #[test]
    fn the_disk_is_told_apart_from_the_file() {
        let io = |kind: ErrorKind| fault(DatabaseError::Storage(StorageError::Io(kind.into())));
        assert!(matches!(io(ErrorKind::PermissionDenied), Fault::Disk(_)));
        assert!(matches!(io(ErrorKind::StorageFull), Fault::Disk(_)));
        assert!(matches!(io(ErrorKind::InvalidData), Fault::Useless(_)));
        let corrupted = StorageError::Corrupted("x".to_owned());
        assert!(matches!(fault(corrupted), Fault::Useless(_)));
        assert!(matches!(fault(DatabaseError::DatabaseAlreadyOpen), Fault::Disk(_)));
        assert!(matches!(fault(DatabaseError::UpgradeRequired(1)), Fault::Useless(_)));
    }
}
