//! Files that nobody else may read: made once, synced, and refused when they stand open.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::KeysError;

const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What a file of root's that is meant for us may have.
const ROOT_MODE: u32 = 0o640;

/// The largest secret that is read; the ones here have at most a few hundred bytes (R13).
const MAX_SECRET: u64 = 16 * 1024;

/// Makes the folder `path` for us alone, and those above it; one that is there stays as it is.
pub(crate) fn make_dir(path: &Path) -> Result<(), KeysError> {
    let made = DirBuilder::new().mode(DIR_MODE).recursive(true).create(path);
    made.map_err(|why| KeysError::io("make the folder", path, &why))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Removes a folder with all that is in it; one that is not there is fine.
pub(crate) fn remove_dir(path: &Path) -> Result<(), KeysError> {
    match fs::remove_dir_all(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => {
            Err(KeysError::io("remove the folder", path, &why))
        }
        _ => Ok(()),
    }
}

/// Gives a finished folder its name, durably; never replaces another.
pub(crate) fn rename_dir(from: &Path, to: &Path) -> Result<(), KeysError> {
    sync_dir(from)?;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => return Err(KeysError::Exists { dir: to.to_owned() }),
        renamed => renamed.map_err(|why| KeysError::io("rename", from, &why))?,
    }
    to.parent().map_or(Ok(()), sync_dir)
}

/// Makes what was renamed, created or removed in `path` durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), KeysError> {
    // The parent of a relative name is the empty path.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let synced = File::open(path).and_then(|dir| dir.sync_all());
    synced.map_err(|why| KeysError::io("sync the folder", path, &why))
}

/// Creates `path` with `secret` in it, durably.
///
/// Errors: it exists (also as a dangling link), or the disk refuses.
pub(crate) fn create(path: &Path, secret: &[u8]) -> Result<(), KeysError> {
    let mut file = create_empty(path)?;
    let written = file.write_all(secret).and_then(|()| file.sync_all());
    written.map_err(|why| KeysError::io("write", path, &why))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Creates the empty file `path`, open for reading and writing.
pub(crate) fn create_empty(path: &Path) -> Result<File, KeysError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(FILE_MODE);
    options.open(path).map_err(|why| KeysError::io("create", path, &why))
}

/// Replaces `path` by `secret` in one step: a crash leaves the old or the new. The old content is
/// overwritten where it stood, as far as the file system lets one.
pub(crate) fn replace(path: &Path, secret: &[u8]) -> Result<(), KeysError> {
    let draft = path.with_added_extension("new");
    remove(&draft)?;
    create(&draft, secret)?;
    replace_by(path, &draft)
}

/// Gives the finished file `draft` the name `path`, and overwrites what had that name.
pub(crate) fn replace_by(path: &Path, draft: &Path) -> Result<(), KeysError> {
    let old = OpenOptions::new().write(true).open(path);
    fs::rename(draft, path).map_err(|why| KeysError::io("rename", draft, &why))?;
    path.parent().map_or(Ok(()), sync_dir)?;
    // Best effort: the new file is in place, and the old one has no name any more.
    drop(old.and_then(|mut old| wipe(&mut old)));
    Ok(())
}

/// Overwrites and removes `path`; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), KeysError> {
    match OpenOptions::new().write(true).open(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Best effort, as in `replace_by`.
        opened => drop(opened.and_then(|mut file| wipe(&mut file))),
    }
    fs::remove_file(path).map_err(|why| KeysError::io("remove", path, &why))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Overwrites `path` and leaves it empty; one that is not there is fine.
pub(crate) fn empty(path: &Path) -> Result<(), KeysError> {
    let emptied = match OpenOptions::new().write(true).open(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.and_then(|mut file| {
            wipe(&mut file)?;
            file.set_len(0)?;
            file.sync_all()
        }),
    };
    emptied.map_err(|why| KeysError::io("empty", path, &why))
}

fn wipe(file: &mut File) -> io::Result<()> {
    let length = usize::try_from(file.metadata()?.len().min(MAX_SECRET)).unwrap_or_default();
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

/// Reads the secret in `path`.
///
/// Errors: it is not there, not a plain file of ours, open to others, or too large.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    read_all(path, open(path)?)
}

fn read_all(path: &Path, file: File) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let length = file.metadata().map_err(|why| KeysError::reading(path, &why))?.len();
    if length > MAX_SECRET {
        return Err(KeysError::damaged(path, &format_args!("it has {length} bytes")));
    }
    // Reserved at once: growing would leave copies behind.
    let mut secret =
        Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    let read = file.take(MAX_SECRET).read_to_end(&mut secret);
    read.map_err(|why| KeysError::reading(path, &why))?;
    Ok(secret)
}

/// As [`read`], for a file that may be absent.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeysError> {
    match path.symlink_metadata() {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => read(path).map(Some),
    }
}

/// As [`read`], for a file that somebody else put there for us: it may belong to root, who may read
/// everything anyway, and then also root's group may read it, which is how a service manager hands one
/// over by an access list.
pub(crate) fn read_given(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    let file = open_plain(path)?;
    let metadata = file.metadata().map_err(|why| KeysError::reading(path, &why))?;
    let bits = metadata.mode() & 0o777;
    let of_root = (metadata.uid(), metadata.gid()) == (0, 0) && bits & !ROOT_MODE == 0;
    if !of_root {
        check(path, &metadata, FILE_MODE)?;
    }
    read_all(path, file)
}

fn open(path: &Path) -> Result<File, KeysError> {
    let file = open_plain(path)?;
    let metadata = file.metadata().map_err(|why| KeysError::reading(path, &why))?;
    check(path, &metadata, FILE_MODE)?;
    Ok(file)
}

/// Opens a plain file, not through a link.
fn open_plain(path: &Path) -> Result<File, KeysError> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    let file = options.open(path).map_err(|why| {
        if Errno::from_io_error(&why) == Some(Errno::LOOP) {
            return KeysError::io("read", path, &"expected a plain file, not a link");
        }
        KeysError::reading(path, &why)
    })?;
    let metadata = file.metadata().map_err(|why| KeysError::reading(path, &why))?;
    if !metadata.is_file() {
        return Err(KeysError::damaged(path, &"expected a plain file"));
    }
    Ok(file)
}

/// That `path` is a plain file of ours, closed to others.
pub(crate) fn check_file(path: &Path) -> Result<(), KeysError> {
    open(path).map(drop)
}

/// That `path` is a folder of ours, closed to others.
pub(crate) fn check_dir(path: &Path) -> Result<(), KeysError> {
    let metadata = path.symlink_metadata().map_err(|why| {
        if why.kind() == io::ErrorKind::NotFound {
            return KeysError::Missing { dir: path.to_owned() };
        }
        KeysError::io("look at", path, &why)
    })?;
    if !metadata.is_dir() {
        return Err(KeysError::damaged(path, &"expected a folder"));
    }
    check(path, &metadata, DIR_MODE)
}

fn check(path: &Path, metadata: &Metadata, expected: u32) -> Result<(), KeysError> {
    let (path, owner, mode) = (path.to_owned(), metadata.uid(), metadata.mode() & 0o777);
    let uid = rustix::process::geteuid().as_raw();
    if owner != uid {
        return Err(KeysError::NotOurs { path, owner, uid });
    }
    if mode & 0o077 != 0 {
        return Err(KeysError::Exposed { path, mode, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_are_ours_alone_and_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        make_dir(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        let path = folder.join("secret");
        create(&path, b"one").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(create(&path, b"two").is_err());
        assert_eq!(**read(&path).unwrap(), *b"one");
        let link = folder.join("link");
        symlink(folder.join("elsewhere"), &link).unwrap();
        assert!(create(&link, b"two").is_err(), "a dangling link is not followed");
    }

    #[test]
    fn what_others_can_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        create(&path, b"one").unwrap();
        for bits in [0o640, 0o604, 0o602, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {bits:03o}")), "{error}");
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let error = check_dir(dir.path()).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn links_folders_absent_and_large_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(matches!(read(&path), Err(KeysError::Missing { .. })));
        assert!(read_if_there(&path).unwrap().is_none());
        create(&path, &vec![7; 17 * 1024]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("17408 bytes"));
        symlink(&path, dir.path().join("link")).unwrap();
        assert!(read(&dir.path().join("link")).is_err());
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(read(&dir.path().join("folder")).is_err());
    }

    #[test]
    fn replacing_wipes_the_old_content_where_it_stood() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        create(&path, b"old secret").unwrap();
        let mut old = File::open(&path).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(**read(&path).unwrap(), *b"new");
        assert_eq!(mode(&path), 0o600);
        let mut left = Vec::new();
        old.read_to_end(&mut left).unwrap();
        assert_eq!(left, [0; 10]);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_is_named_once_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        make_dir(&one).unwrap();
        rename_dir(&one, &two).unwrap();
        make_dir(&one).unwrap();
        assert!(matches!(rename_dir(&one, &two), Err(KeysError::Exists { .. })));
        remove_dir(&one).unwrap();
        remove_dir(&one).unwrap();
    }
}
