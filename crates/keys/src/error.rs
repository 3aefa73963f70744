//! What can be wrong with keys, and what to do. No text holds anything secret.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why keys could not be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// There are no keys.
    #[error("there are no keys under `{}`: run `remit init` first", dir.display())]
    Missing {
        /// Where they should be.
        dir: PathBuf,
    },
    /// There are keys already.
    #[error("there are keys under `{}` already: they are never overwritten", dir.display())]
    Exists {
        /// Where they are.
        dir: PathBuf,
    },
    /// Somebody else can read or write them.
    #[error(
        "`{}` is open to other users (mode {mode:03o}), expected {expected:03o}: if nobody else \
         can have read it, run `chmod {expected:o} {}`; else make new keys",
        path.display(), path.display()
    )]
    Exposed {
        /// Which file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they should be.
        expected: u32,
    },
    /// It belongs to somebody else.
    #[error(
        "`{}` belongs to uid {owner}, and remit runs as uid {uid}: run it as that user",
        path.display()
    )]
    NotOurs {
        /// Which file or folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        uid: u32,
    },
    /// It is not what it should be.
    #[error("`{}` is damaged: {why}; restore it from a backup", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file system said no.
    #[error("could not {action} `{}`: {why}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        why: String,
    },
    /// The key database said no.
    #[error("the key database failed: {0}")]
    Database(String),
    /// Key database and wrapping key come from different times.
    #[error(
        "`{}` does not open the key database beside it: they belong to different states, probably of \
         different backups; restore both from the same one", path.display()
    )]
    Mismatch {
        /// The wrapping key's file.
        path: PathBuf,
    },
    /// There is no wrapping key.
    #[error(
        "there is no `{}`, which opens the key database beside it: restore both from the same backup",
        path.display()
    )]
    Kekless {
        /// Where it should be.
        path: PathBuf,
    },
    /// The wrapping key does not open with what there is.
    #[error("`{}` does not open: {why}", path.display())]
    Closed {
        /// The wrapping key's file.
        path: PathBuf,
        /// What was tried, and what came of it.
        why: String,
    },
    /// What the wrapping key is to be closed with will not do.
    #[error("{0}")]
    Guard(String),
    /// What should be a sealed key is none of ours.
    #[error(
        "`{}` does not open: expected a key that was sealed here under that name, and it is damaged, in \
         the clear, or from elsewhere; restore all of `keys/` from one backup", path.display()
    )]
    Unsealed {
        /// Its file.
        path: PathBuf,
    },
    /// The task's key is not there.
    #[error("there is no key of `{0}`")]
    Gone(String),
    /// Another process owns the state.
    #[error(
        "another `remit serve` owns this state directory{}: stop it, or use another one with \
         `--state`", pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    Owned {
        /// Its process id, if it could be told.
        pid: Option<u32>,
    },
    /// The passphrase will not do.
    #[error("{0}")]
    Passphrase(String),
    /// An ES256 key or its certificate could not be made.
    #[error("no ES256 key could be made: {0}")]
    Svid(#[from] remit_spiffe::SvidError),
    /// No key could be drawn.
    #[error(transparent)]
    Draw(#[from] remit_jose::DrawError),
    /// A cryptographic operation failed that does not fail.
    #[error("{0} failed in the cryptographic library")]
    Crypto(&'static str),
}

impl KeysError {
    pub(crate) fn io(action: &'static str, path: &Path, why: &dyn fmt::Display) -> Self {
        Self::Io { action, path: path.to_owned(), why: why.to_string() }
    }

    pub(crate) fn damaged(path: &Path, why: &dyn fmt::Display) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.to_string() }
    }

    /// For reading: what is not there is missing, not broken.
    pub(crate) fn reading(path: &Path, why: &io::Error) -> Self {
        if why.kind() == io::ErrorKind::NotFound {
            let dir = path.parent().unwrap_or(path).to_owned();
            return Self::Missing { dir };
        }
        Self::io("read", path, why)
    }
}
