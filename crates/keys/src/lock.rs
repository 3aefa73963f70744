//! One `remit serve` per state directory.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::{KeysError, file};

/// Proof that this process owns a state directory. The kernel takes it back when the process
/// ends, however it ends; children do not inherit it, because the file closes on `exec`.
#[derive(Debug)]
pub struct StateLock {
    /// Held open: closing it gives the lock up.
    _file: File,
}

impl StateLock {
    /// Takes the state directory `state`, making it if it is not there.
    ///
    /// Errors: [`KeysError::Owned`] with the owner's process id, or the disk refuses.
    pub fn acquire(state: &Path) -> Result<Self, KeysError> {
        file::make_dir(state)?;
        let path = state.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(|why| KeysError::io("open", &path, &why))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(KeysError::Owned { pid: owner(&mut file) }),
            locked => locked.map_err(|why| KeysError::io("lock", &path, &why))?,
        }
        let pid = rustix::process::getpid().as_raw_nonzero();
        let noted =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{pid}"));
        noted.map_err(|why| KeysError::io("write", &path, &why))?;
        Ok(Self { _file: file })
    }
}

/// What the owner wrote; `None` if it has not come to that yet.
fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let lock = StateLock::acquire(&state).unwrap();
        let error = StateLock::acquire(&state).unwrap_err();
        let pid = std::process::id();
        assert!(matches!(error, KeysError::Owned { pid: Some(p) } if p == pid), "{error:?}");
        let start = format!("another `remit serve` owns this state directory (pid {pid})");
        assert!(error.to_string().starts_with(&start), "{error}");
        drop(lock);
        StateLock::acquire(&state).unwrap();
    }

    #[test]
    fn what_a_dead_owner_left_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lock"), "4194304000\n").unwrap();
        let lock = StateLock::acquire(dir.path()).unwrap();
        let text = std::fs::read_to_string(dir.path().join("lock")).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(lock);
    }
}
