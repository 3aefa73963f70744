//! Which file a configured command runs, and its digest.
//!
//! A pinned executable is what was admitted: if the file changes, the server does not start until a
//! person admits the change. Where the program is an interpreter (`node`, `python3`, `sh` …) or a
//! launcher, the script it is given is what matters, so it is pinned with it.
//!
//! *Where this ends:* modules that a script loads later are not covered, nor what a launcher such
//! as `npx` or `uvx` fetches, and the file could be
//! exchanged between the digest and the start by someone who may write to it at that very moment.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use remit_model::Digest;

use crate::config::StdioServer;

/// Programs whose first file argument is what they run.
const INTERPRETERS: [&str; 12] =
    ["node", "deno", "bun", "python", "pypy", "ruby", "perl", "php", "sh", "bash", "dash", "java"];

/// Remembers digests of files that did not change.
#[derive(Debug, Default)]
pub(crate) struct Executables {
    known: Mutex<BTreeMap<PathBuf, (Identity, Digest)>>,
}

/// What tells that a file is still the same: device, inode, size, and times of change, the last of
/// which nobody but the kernel sets.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The file a command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its absolute path.
    pub(crate) path: PathBuf,
    /// The digest to pin: of the file, or of the file and the script it runs.
    pub(crate) digest: Digest,
}

impl Executables {
    /// Finds and digests what `server` runs, looking names up in `search` (a `PATH`). Reads files:
    /// call it where blocking is allowed.
    ///
    /// Errors: no such file, not executable, not readable; in words.
    pub(crate) fn find(&self, server: &StdioServer, search: &str) -> Result<Found, String> {
        let path = locate(server, search)?;
        let program = self.digest(&path)?;
        let digest = match script(&path, server) {
            Some(script) => {
                let script = self.digest(&script)?;
                Digest::of_parts(&[b"remit/executable/v1", &program.0, &script.0])
            }
            None => program,
        };
        Ok(Found { path, digest })
    }

    fn digest(&self, path: &Path) -> Result<Digest, String> {
        let unreadable = |e: std::io::Error| format!("cannot read `{}`: {e}", path.display());
        let mut file = File::open(path).map_err(unreadable)?;
        let identity = Identity::of(&file.metadata().map_err(unreadable)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, digest)) = known.get(path)
            && *same == identity
        {
            return Ok(*digest);
        }
        let mut context = Context::new(&SHA256);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut buffer).map_err(unreadable)?;
            match buffer.get(..read) {
                Some(bytes) if read > 0 => context.update(bytes),
                _ => break,
            }
        }
        let bytes: [u8; 32] = context
            .finish()
            .as_ref()
            .try_into()
            .map_err(|_| "a SHA-256 digest has 32 bytes".to_owned())?;
        known.insert(path.to_owned(), (identity, Digest(bytes)));
        Ok(Digest(bytes))
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn locate(server: &StdioServer, search: &str) -> Result<PathBuf, String> {
    let program = &server.program;
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![relative(Path::new(program), server)]
    } else {
        search.split(':').filter(|d| !d.is_empty()).map(|d| Path::new(d).join(program)).collect()
    };
    let found = candidates.into_iter().find(|path| {
        path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    });
    let found = found.ok_or_else(|| format!("no executable `{program}` was found"))?;
    std::path::absolute(&found).map_err(|e| format!("`{}`: {e}", found.display()))
}

fn relative(path: &Path, server: &StdioServer) -> PathBuf {
    match &server.directory {
        Some(directory) if path.is_relative() => directory.join(path),
        _ => path.to_owned(),
    }
}

/// The script that an interpreter is given.
fn script(program: &Path, server: &StdioServer) -> Option<PathBuf> {
    let name = program.file_name()?.to_str()?;
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if !INTERPRETERS.contains(&stem) {
        return None;
    }
    let files = server.args.iter().filter(|arg| !arg.starts_with('-'));
    files.map(|arg| relative(Path::new(arg), server)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn server(program: &str, args: &[&str], directory: &Path) -> StdioServer {
        StdioServer {
            program: program.to_owned(),
            args: args.iter().map(|&a| a.to_owned()).collect(),
            env: BTreeMap::new(),
            directory: Some(directory.to_owned()),
        }
    }

    #[test]
    fn a_changed_file_has_another_digest() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("tool");
        fs::write(&tool, "one").unwrap();
        let server = server("./tool", &[], folder.path());
        let executables = Executables::default();
        assert!(executables.find(&server, "").unwrap_err().contains("no executable"));
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let first = executables.find(&server, "").unwrap();
        assert_eq!(first.digest, Digest::of(b"one"));
        assert_eq!(executables.find(&server, "").unwrap(), first);
        fs::write(&tool, "two").unwrap();
        assert_eq!(executables.find(&server, "").unwrap().digest, Digest::of(b"two"));
    }

    #[test]
    fn an_interpreter_is_pinned_with_its_script() {
        let folder = tempfile::tempdir().unwrap();
        let search = "/bin:/usr/bin";
        fs::write(folder.path().join("a.sh"), "exit 1").unwrap();
        let server = server("sh", &["-e", "a.sh"], folder.path());
        let executables = Executables::default();
        let first = executables.find(&server, search).unwrap();
        fs::write(folder.path().join("a.sh"), "exit 2").unwrap();
        let second = executables.find(&server, search).unwrap();
        assert_eq!(first.path, second.path);
        assert_ne!(first.digest, second.digest);
    }
}
