//! The list of keys that a server refuses, one a line, as `sshd` reads it at each login (`RevokedKeys`).
//!
//! It is replaced as a whole, so that no login meets half of it. A key of ours leaves it some time after
//! its certificate has run out; what others wrote there stays.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remit_model::{LeaseId, Timestamp};
use remit_ports::IssuerError;
use ssh_key::PublicKey;

/// Bytes that the list may have when another certificate is lent: some 30,000 keys (R13). Each login
/// reads all of it.
const MAX_LIST: u64 = 4 << 20;
/// How far the clock of a server may be behind ours: by then it refuses the certificate itself.
const KEPT_FOR: Duration = Duration::from_hours(1);
/// What stands between a key of ours and the end of its certificate.
const UNTIL: &str = " until ";
/// What our lines say of themselves.
const OURS: &str = " remit ";
/// A list in the other form that there is, which is not text.
const BINARY: &[u8] = b"SSHKRL";

/// The list.
pub(super) struct List(PathBuf);

impl List {
    /// The list in the file `path`.
    pub(super) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Takes out what has run out by `now`, and makes sure that the list can be written.
    pub(super) async fn tidy(self: &Arc<Self>, now: Timestamp) -> Result<(), IssuerError> {
        self.change(move |list, text| {
            if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_LIST {
                return Err(io::Error::other(format!("it has more than {MAX_LIST} bytes")));
            }
            let left: Vec<_> = text.lines().filter(|line| !has_run_out(line, now)).collect();
            if left.len() == text.lines().count() && list.0.exists() {
                return Ok(None);
            }
            Ok(Some(left.join("\n")))
        })
        .await
    }

    /// Adds a key, unless it is there.
    pub(super) async fn add(
        self: &Arc<Self>,
        key: &PublicKey,
        lease: &LeaseId,
        until: Timestamp,
    ) -> Result<(), IssuerError> {
        let key = PublicKey::from(key.key_data().clone()).to_openssh();
        let key = key.map_err(|why| IssuerError::Refused(why.to_string()))?;
        let line = format!("{key}{OURS}{lease}{UNTIL}{}", until.as_secs());
        self.change(move |_, text| {
            let there = text.lines().any(|it| it == line);
            Ok((!there).then(|| format!("{}\n{line}", text.trim_end())))
        })
        .await
    }

    /// Replaces the list by what `change` makes of it, if anything; one at a time, whoever does.
    async fn change(
        self: &Arc<Self>,
        change: impl FnOnce(&Self, &str) -> io::Result<Option<String>> + Send + 'static,
    ) -> Result<(), IssuerError> {
        let list = Arc::clone(self);
        let changed = tokio::task::spawn_blocking(move || {
            let lock = File::create(list.0.with_added_extension("lock"))?;
            lock.lock()?;
            match change(&list, &list.read()?)? {
                None => Ok(()),
                Some(text) => replace(&list.0, text.trim_start()),
            }
        });
        let changed = changed.await.unwrap_or_else(|why| Err(io::Error::other(why)));
        changed.map_err(|why| {
            let path = self.0.display();
            IssuerError::Unavailable(format!(
                "the list of revoked keys {path} cannot be kept: {why}"
            ))
        })
    }

    /// The list; empty if there is none yet.
    fn read(&self) -> io::Result<String> {
        let mut bytes = Vec::new();
        match File::open(&self.0) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            opened => opened?.read_to_end(&mut bytes)?,
        };
        let text = (!bytes.starts_with(BINARY)).then_some(bytes).map(String::from_utf8);
        let text = text.and_then(Result::ok);
        text.ok_or_else(|| io::Error::other("expected a list of public keys, got something else"))
    }
}

/// Whether `line` is one of ours and its certificate ended some time before `now`.
pub(crate) fn has_run_out(line: &str, now: Timestamp) -> bool {
    let ours = line.split_once(OURS).and_then(|(_, said)| said.split_once(UNTIL));
    let until = ours.and_then(|(_, until)| until.parse().ok()).map(Timestamp::from_secs);
    until.is_some_and(|until| until.after(KEPT_FOR) < now)
}

/// Replaces `path` by `text`, durably and in one step.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_added_extension("new");
    match fs::remove_file(&draft) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
        _ => {}
    }
    // Nothing in it is secret, and who reads it is another user.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&draft)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_lines_run_out() {
        let now = Timestamp::from_secs(10_000);
        for (line, over) in [
            ("ssh-ed25519 AAAA remit lse_1 until 6399", true),
            ("ssh-ed25519 AAAA remit lse_1 until 6400", false),
            ("ssh-ed25519 AAAA remit lse_1 until x", false),
            ("ssh-ed25519 AAAA somebody until 1", false),
            ("ssh-ed25519 AAAA", false),
            ("# remit lse_1", false),
            ("", false),
        ] {
            assert_eq!(has_run_out(line, now), over, "{line}");
        }
    }
}
