//! The folder of what processes are lent as files.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use remit_model::Digest;

use crate::environment::own_uid;
use crate::fail::Fail;

/// Where files are in memory alone. Everybody may make folders there.
const MEMORY: &str = "/dev/shm";

/// A folder of ours alone for what processes are lent as files: in memory where one can be made there, else
/// in `state`. What a process that was killed left in either is removed.
///
/// Errors: none can be made.
pub(in super::super) fn folder(state: &Path) -> Result<PathBuf, Fail> {
    folder_in(Path::new(MEMORY), state)
}

fn folder_in(memory: &Path, state: &Path) -> Result<PathBuf, Fail> {
    // However it is written, it is one directory; and as it is written, it may be several.
    let state = state.canonicalize()?;
    let on_disk = state.join("lent");
    match fs::remove_dir_all(&on_disk) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(why.into()),
        _ => {}
    }
    in_memory(memory, &state).or_else(|why| {
        tracing::warn!(
            %why, memory = %memory.display(), folder = %on_disk.display(),
            "what programs are lent as files will be on the disk: no folder for it can be had in memory"
        );
        remit_keys::fresh_dir(&on_disk)?;
        Ok(on_disk)
    })
}

/// A new folder below `memory`, under a name that nobody can take before us.
fn in_memory(memory: &Path, state: &Path) -> io::Result<PathBuf> {
    let ours = format!("remit-lent-{}-", Digest::of(state.as_os_str().as_encoded_bytes()).short());
    for entry in fs::read_dir(memory)? {
        let entry = entry?;
        if was_left(&entry, OsStr::new(&ours)) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let closed = Permissions::from_mode(0o700);
    let made = tempfile::Builder::new().prefix(&ours).permissions(closed).tempdir_in(memory)?;
    Ok(made.keep())
}

/// Whether it is of an earlier process of ours, and not somebody else's under such a name.
fn was_left(entry: &DirEntry, ours: &OsStr) -> bool {
    let name = entry.file_name();
    name.as_encoded_bytes().starts_with(ours.as_encoded_bytes())
        && entry.metadata().is_ok_and(|it| it.is_dir() && it.uid() == own_uid())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let [memory, state] = ["memory", "state"].map(|name| dir.path().join(name));
        fs::create_dir(&memory).unwrap();
        fs::create_dir(&state).unwrap();
        (dir, memory, state)
    }

    #[test]
    fn it_is_ours_alone_under_a_name_that_nobody_foresees_and_replaces_the_last_one() {
        let (_dir, memory, state) = place();
        let first = folder_in(&memory, &state).unwrap();
        fs::write(first.join("KEY"), "left by a process that was killed").unwrap();
        let second = folder_in(&memory, &state).unwrap();
        assert_ne!(first, second, "whoever saw one knows the next");
        assert!(!first.exists());
        assert!(second.starts_with(&memory));
        assert_eq!(second.metadata().unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_is_no_folder_of_ours_under_such_a_name_stays_and_stops_nobody() {
        let (_dir, memory, state) = place();
        let first = folder_in(&memory, &state).unwrap();
        let taken = first.with_added_extension("taken");
        fs::write(&taken, "").unwrap();
        assert!(folder_in(&memory, &state).unwrap().starts_with(&memory));
        assert!(taken.exists());
    }

    #[test]
    fn each_state_directory_has_its_own_however_it_is_written() {
        let (dir, memory, state) = place();
        let (other, link) = (dir.path().join("other"), dir.path().join("link"));
        fs::create_dir(&other).unwrap();
        std::os::unix::fs::symlink(&state, &link).unwrap();
        let first = folder_in(&memory, &link).unwrap();
        let others = folder_in(&memory, &other).unwrap();
        assert!(first.exists(), "it is the other's");
        folder_in(&memory, &state).unwrap();
        assert!(!first.exists() && others.exists());
    }

    #[test]
    fn without_room_in_memory_it_is_in_the_state_directory_until_there_is_some() {
        let (_dir, memory, state) = place();
        let nothing_can_be_made = Path::new("/proc");
        let on_disk = folder_in(nothing_can_be_made, &state).unwrap();
        assert_eq!(on_disk, state.canonicalize().unwrap().join("lent"));
        assert_eq!(on_disk.metadata().unwrap().mode() & 0o777, 0o700);
        fs::write(on_disk.join("KEY"), "left by a process that was killed").unwrap();
        assert!(folder_in(&memory, &state).unwrap().starts_with(&memory));
        assert!(!on_disk.exists());
    }
}
