//! The state directory as files, for commands that need no running Remit.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_catalogue::Catalogue;
use remit_keys::{Keys, LogKey};
use remit_ledger::Signing;
use remit_model::TaskId;
use remit_ports::{BodyKey, BodyKeys, Entry, KeyError, Store};
use remit_tlog::VerifierKey;

use crate::fail::Fail;

/// The log's newest verifier key, as `<name>+<id>+<key>`; its name is the log's origin.
fn key_file(state: &Path) -> PathBuf {
    state.join("log.vkey")
}

/// Whether `remit init` has finished here.
pub(crate) fn is_initialised(state: &Path) -> bool {
    key_file(state).exists()
}

/// Names the log `origin` and writes down its verifier key. The last act of `remit init`.
pub(crate) fn write_origin(state: &Path, origin: &str, keys: &Keys) -> Result<(), Fail> {
    let keys = keys.log().load(origin)?;
    let first = keys.first().ok_or_else(|| Fail::new("there is no key to sign the log with"))?;
    write_key(state, first.key.verifier())
}

/// Writes down the log's newest verifier key, whole or not at all.
pub(super) fn write_key(state: &Path, key: &VerifierKey) -> Result<(), Fail> {
    write_whole(&key_file(state), &format!("{key}\n"))
}

/// Puts a file with `text` at `path`, for good; whatever moment a crash takes, it is whole or not there.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Fail> {
    let draft = path.with_added_extension("new");
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    std::fs::File::open(dir)?.sync_all()?;
    Ok(())
}

/// What the ledger of `state` is opened with.
pub(super) fn signing(state: &Path, keys: &Keys) -> Result<Signing, Fail> {
    let keys = keys.log().load(&origin(state)?)?;
    let verifier = |key: &LogKey| key.key.verifier().clone();
    let counting = keys.iter().filter(|key| key.counts);
    Ok(Signing {
        first: counting.clone().find(|key| key.is_first()).map(verifier),
        named: counting.map(verifier).collect(),
        keys: keys.into_iter().map(|key| key.key).collect(),
    })
}

/// The log's verifier key.
///
/// Errors: the state directory was not initialised.
pub(crate) fn verifier_key(state: &Path) -> Result<String, Fail> {
    let path = key_file(state);
    let text = std::fs::read_to_string(&path).map_err(|why| {
        Fail::new(format!(
            "cannot read the log's verifier key {}: {why}; is this a state directory of Remit?",
            path.display()
        ))
    })?;
    Ok(text.trim().to_owned())
}

/// A log's verifier key, as somebody gave it.
///
/// Errors: it is none.
pub(crate) fn parsed_key(text: &str) -> Result<VerifierKey, Fail> {
    text.parse().map_err(|why| Fail::new(format!("`{text}` is not a verifier key: {why}")))
}

/// The state directory's own log key, parsed.
///
/// Errors: the state directory was not initialised.
pub(crate) fn log_key(state: &Path) -> Result<VerifierKey, Fail> {
    parsed_key(&verifier_key(state)?)
}

/// The log's origin line.
pub(super) fn origin(state: &Path) -> Result<String, Fail> {
    Ok(log_key(state)?.name().to_owned())
}

/// What a log is verified against.
pub(crate) struct Against {
    /// Its own key.
    pub(crate) key: VerifierKey,
    /// Who else says something about it.
    pub(crate) others: remit_ledger::Others,
}

impl Against {
    /// The state directory's own key alone.
    ///
    /// Errors: it was not initialised.
    pub(crate) fn own(state: &Path) -> Result<Self, Fail> {
        Ok(Self { key: log_key(state)?, others: remit_ledger::Others::default() })
    }
}

/// Verifies the whole log: the copy of a published one in `copy`, else the one under `state`.
pub(crate) fn verify(
    state: &Path,
    copy: Option<&Path>,
    against: &Against,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<remit_ledger::Verified, Fail> {
    let Against { key, others } = against;
    let verified = match copy {
        Some(dir) => remit_ledger::verify_published(dir, key, others, progress),
        None => remit_ledger::verify(state, key, others, progress),
    };
    verified.map_err(|why| Fail::new(format!("the log does not hold: {why}")))
}

/// Reading without keys: what stands in the clear.
#[derive(Debug)]
struct NoKeys;

impl BodyKeys for NoKeys {
    fn create(&self, task: &TaskId) -> Result<(), KeyError> {
        Err(KeyError::Gone(task.to_string()))
    }

    fn key(&self, task: Option<&TaskId>) -> Result<BodyKey, KeyError> {
        Err(KeyError::Gone(task.map_or_else(|| "the node".to_owned(), ToString::to_string)))
    }

    fn erase(&self, _: &TaskId) -> Result<(), KeyError> {
        Ok(())
    }
}

fn archive(state: &Path) -> Result<remit_ledger::Archive, Fail> {
    Ok(remit_ledger::Archive::open(state, &[log_key(state)?], Arc::new(NoKeys))?)
}

/// How many entries are under the signed checkpoint.
pub(crate) fn size(state: &Path) -> Result<u64, Fail> {
    Ok(archive(state)?.size())
}

/// Visits the entries from `from` on that are under the signed checkpoint.
pub(crate) fn entries(
    state: &Path,
    from: u64,
    visit: &mut dyn FnMut(u64, Entry),
) -> Result<(), Fail> {
    let archive = archive(state)?;
    archive.entries(from..archive.size(), &mut |one| visit(one.index, one.entry))?;
    Ok(())
}

/// The catalogue as last projected; `None` before the first projection, or while a Remit runs
/// that keeps the projection to itself.
pub(crate) fn last_catalogue(state: &Path) -> Result<Option<Catalogue>, Fail> {
    // A running Remit keeps the file to itself.
    let Ok(projection) = remit_store::RedbStore::new(state).load() else { return Ok(None) };
    let catalogue = projection.and_then(|projection| projection.catalogue);
    Ok(catalogue.as_deref().map(serde_json::from_str).transpose()?)
}
