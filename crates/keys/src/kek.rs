//! The key-encryption key (KEK) of a database of wrapped keys, and how another one takes its place so
//! that a crash at any moment leaves either the state before or the state after.
//!
//! The database holds the wrapped keys and the id of the KEK they are wrapped under; a file holds the
//! KEK. Dropping a row is not enough, because a copy of the old database would still open: whatever
//! has to be gone goes with the KEK, and the survivors are wrapped anew. What is left of it is then
//! wrapped under a KEK that is nowhere any more, except in a backup that holds both files; no program
//! can reach into that.
//!
//! ```text
//! step                                            kek    kek.next   database
//! 0  before                                       K0     –          all under K0
//! 1  write kek.next, sync it and the folder       K0     K1         all under K0
//! 2  one transaction: change, rewrap, note K1     K0     K1         the rest under K1
//! 3  rename kek.next to kek, sync the folder      K1     –          the rest under K1
//! ```
//!
//! The transaction of step 2 is the commit point. [`KekFile::settle`] looks which KEK the database
//! names. A crash before the commit finds K0 named: `kek.next` never came into force and is wiped,
//! and the caller was never told that anything changed. A crash after it finds K1 named: step 3 is
//! done again, as often as needed, before anything else.

use std::path::{Path, PathBuf};

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};
use remit_model::{Digest, Entropy};

use crate::guard::{Guard, Opened};
use crate::wrap::Kek;
use crate::{KeysError, file};

/// Name → wrapped key.
pub(crate) const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys");
/// `kek` → id of the KEK in force.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// Bytes of a database that may stay in memory; the default is a gigabyte (R13).
const CACHE_BYTES: usize = 4 * 1024 * 1024;

pub(crate) fn database_error<E: Into<redb::Error>>(why: E) -> KeysError {
    KeysError::Database(why.into().to_string())
}

/// How databases of keys are opened.
pub(crate) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// The file of a KEK.
pub(crate) struct KekFile {
    path: PathBuf,
    /// What a new KEK is closed with.
    guard: Guard,
    /// What else may have closed the one that is there.
    before: Vec<Guard>,
}

impl KekFile {
    /// The KEK in `path`, closed with `guard` from now on.
    pub(crate) fn new(path: PathBuf, guard: Guard, before: Vec<Guard>) -> Self {
        Self { path, guard, before }
    }

    fn next(&self) -> PathBuf {
        self.path.with_added_extension("next")
    }

    /// Draws a KEK and writes it, durably, in the place of any other.
    pub(crate) fn create(&self, entropy: &dyn Entropy) -> Result<Kek, KeysError> {
        let kek = Kek::draw(entropy);
        file::replace(&self.path, &self.guard.close(&kek, entropy)?)?;
        Ok(kek)
    }

    /// The KEK that is there, and whether it has to be closed anew, because something else than the
    /// guard of today did that; `None` if there is none.
    pub(crate) fn read(&self) -> Result<Option<(Kek, bool)>, KeysError> {
        self.read_at(&self.path)
    }

    /// The KEK that the database names, as [`Self::read`] has it. Finishes or forgets a change that
    /// was interrupted.
    pub(crate) fn settle(&self, named: Digest) -> Result<(Kek, bool), KeysError> {
        let next = self.next();
        match (self.read(), self.read_at(&next)?) {
            (Ok(Some((kek, stale))), _) if kek.id() == named => {
                file::remove(&next)?;
                Ok((kek, stale))
            }
            // Whether the old one still opens does not matter: it was about to go.
            (_, Some((kek, stale))) if kek.id() == named => {
                self.advance()?;
                Ok((kek, stale))
            }
            (Err(why), _) => Err(why),
            (Ok(None), None) => Err(KeysError::Kekless { path: self.path.clone() }),
            _ => Err(KeysError::Mismatch { path: self.path.clone() }),
        }
    }

    fn read_at(&self, path: &Path) -> Result<Option<(Kek, bool)>, KeysError> {
        let Some(bytes) = file::read_if_there(path)? else { return Ok(None) };
        let mut refused = match self.guard.open(&bytes)? {
            Opened::Kek(kek) => return Ok(Some((kek, false))),
            Opened::Not(why) => why.to_owned(),
        };
        for guard in &self.before {
            match guard.open(&bytes)? {
                Opened::Kek(kek) => return Ok(Some((kek, true))),
                Opened::Not(why) => refused = format!("{refused}; {why}"),
            }
        }
        // A crash in step 1 can leave it short; it never came into force.
        if path.extension().is_some_and(|extension| extension == "next") {
            return Ok(None);
        }
        Err(KeysError::Closed { path: path.to_owned(), why: refused })
    }

    /// Step 1.
    pub(crate) fn stage(&self, entropy: &dyn Entropy) -> Result<Kek, KeysError> {
        let kek = Kek::draw(entropy);
        file::remove(&self.next())?;
        file::create(&self.next(), &self.guard.close(&kek, entropy)?)?;
        Ok(kek)
    }

    /// Step 3.
    pub(crate) fn advance(&self) -> Result<(), KeysError> {
        file::replace_by(&self.path, &self.next())
    }
}

/// In step 2: wraps all keys that `kek` wraps under `next`, and names that.
///
/// Errors: one of them does not open, so that none is lost in silence, or the disk refuses.
pub(crate) fn rewrap(
    write: &WriteTransaction,
    (kek, next): (&Kek, &Kek),
    entropy: &dyn Entropy,
) -> Result<(), KeysError> {
    let mut keys = write.open_table(KEYS).map_err(database_error)?;
    let mut survivors = Vec::new();
    for row in keys.iter().map_err(database_error)? {
        let (name, wrapped) = row.map_err(database_error)?;
        let name = name.value();
        let key = kek.unwrap(name, wrapped.value()).ok_or_else(|| unopened(name))?;
        survivors.push((name.to_owned(), next.wrap(name, &key, entropy)?));
    }
    for (name, wrapped) in survivors {
        keys.insert(name.as_str(), wrapped.as_slice()).map_err(database_error)?;
    }
    drop(keys);
    name_kek(write, next)
}

/// Says of a wrapped key that it is not one of the KEK in force.
pub(crate) fn unopened(name: &str) -> KeysError {
    KeysError::Database(format!("the key of `{name}` does not open; restore it from a backup"))
}

/// Notes that all keys are wrapped under `kek`.
pub(crate) fn name_kek(write: &WriteTransaction, kek: &Kek) -> Result<(), KeysError> {
    let mut meta = write.open_table(META).map_err(database_error)?;
    meta.insert("kek", kek.id().0.as_slice()).map_err(database_error)?;
    Ok(())
}

/// The KEK that all keys are wrapped under.
pub(crate) fn named_kek(database: &Database) -> Result<Digest, KeysError> {
    let read = database.begin_read().map_err(database_error)?;
    let meta = read.open_table(META).map_err(database_error)?;
    let id = meta.get("kek").map_err(database_error)?;
    let id = id.and_then(|id| id.value().try_into().ok()).map(Digest);
    id.ok_or_else(|| KeysError::Database("it does not name its wrapping key".to_owned()))
}
