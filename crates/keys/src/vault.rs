//! Wrapped body keys on disk, and how one is erased so that a crash at any moment leaves either
//! the state before or the state after.
//!
//! `bodies.redb` holds the wrapped keys and the id of the KEK they are wrapped under; `kek` holds
//! the KEK. Erasing a row is not enough, because a copy of the old database would still open: the
//! erasure replaces the KEK and wraps the survivors anew. What is left of the erased key is then
//! wrapped under a KEK that is nowhere any more, except in a backup that holds both files; no
//! program can reach into that.
//!
//! ```text
//! step                                        kek    kek.next   bodies.redb
//! 0  before                                   K0     –          all under K0
//! 1  write kek.next, sync it and the folder   K0     K1         all under K0
//! 2  one transaction: drop, rewrap, note K1   K0     K1         the rest under K1
//! 3  rename kek.next to kek, sync the folder  K1     –          the rest under K1
//! ```
//!
//! The transaction of step 2 is the commit point. [`Vault::open`] looks which KEK the database
//! names. A crash before the commit finds K0 named: `kek.next` never came into force and is
//! wiped; the key is not erased and the caller was never told that it is. A crash after it finds
//! K1 named: step 3 is done again, as often as needed, before anything else.

use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use remit_model::{Digest, Entropy};
use remit_ports::BodyKey;

use crate::wrap::{Kek, draw_body_key};
use crate::{KeysError, file};

/// Name → wrapped key.
const KEYS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("keys");
/// The names of keys that were erased; they have no second life.
const ERASED: TableDefinition<'_, &str, ()> = TableDefinition::new("erased");
/// `kek` → id of the KEK in force.
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

/// The node's own key. No task is called that: task ids start with `tsk_`.
pub(crate) const NODE: &str = "node";

/// Bytes of the database that may stay in memory; the default is a gigabyte (R13).
const CACHE_BYTES: usize = 4 * 1024 * 1024;

/// The open key database and the KEK in force.
pub(crate) struct Vault {
    dir: PathBuf,
    database: Database,
    kek: Kek,
}

fn database_error<E: Into<redb::Error>>(why: E) -> KeysError {
    KeysError::Database(why.into().to_string())
}

fn kek_path(dir: &Path) -> PathBuf {
    dir.join("kek")
}

fn next_path(dir: &Path) -> PathBuf {
    dir.join("kek.next")
}

fn database_path(dir: &Path) -> PathBuf {
    dir.join("bodies.redb")
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

impl Vault {
    /// Makes KEK, database and the node's own key in `dir`. Not atomic: the caller fills a folder
    /// that is not in use yet.
    pub(crate) fn create(dir: &Path, entropy: &dyn Entropy) -> Result<(), KeysError> {
        let kek = Kek::draw(entropy);
        file::create(&kek_path(dir), kek.as_bytes())?;
        let empty = FileBackend::new(file::create_empty(&database_path(dir))?);
        let database = builder()
            .create_with_backend(empty.map_err(database_error)?)
            .map_err(database_error)?;
        let write = database.begin_write().map_err(database_error)?;
        {
            let mut keys = write.open_table(KEYS).map_err(database_error)?;
            let wrapped = kek.wrap(NODE, &draw_body_key(entropy), entropy)?;
            keys.insert(NODE, wrapped.as_slice()).map_err(database_error)?;
            write.open_table(ERASED).map_err(database_error)?;
            let mut meta = write.open_table(META).map_err(database_error)?;
            meta.insert("kek", kek.id().0.as_slice()).map_err(database_error)?;
        }
        write.commit().map_err(database_error)?;
        file::sync_dir(dir)
    }

    /// Opens what is in `dir`, and finishes or forgets an erasure that was interrupted.
    pub(crate) fn open(dir: &Path) -> Result<Self, KeysError> {
        file::check_file(&database_path(dir))?;
        let database = builder().open(database_path(dir)).map_err(database_error)?;
        let named = named_kek(&database)?;
        let current = read_kek(&kek_path(dir))?;
        let next = read_kek(&next_path(dir))?;
        let kek = match (current, next) {
            (Some(kek), _) if kek.id() == named => {
                file::remove(&next_path(dir))?;
                kek
            }
            (_, Some(kek)) if kek.id() == named => {
                file::replace_by(&kek_path(dir), &next_path(dir))?;
                kek
            }
            (None, None) => return Err(KeysError::Missing { dir: dir.to_owned() }),
            _ => return Err(KeysError::Mismatch { dir: dir.to_owned() }),
        };
        Ok(Self { dir: dir.to_owned(), database, kek })
    }

    /// The key `name`.
    ///
    /// Errors: [`KeysError::Gone`] if it was erased or never made.
    pub(crate) fn get(&self, name: &str) -> Result<BodyKey, KeysError> {
        let read = self.database.begin_read().map_err(database_error)?;
        let keys = read.open_table(KEYS).map_err(database_error)?;
        let wrapped = keys.get(name).map_err(database_error)?;
        let wrapped = wrapped.ok_or_else(|| KeysError::Gone(name.to_owned()))?;
        self.unwrap(name, wrapped.value())
    }

    /// Makes the key `name` unless there is one; it is on disk when this returns.
    ///
    /// Errors: [`KeysError::Gone`] if it was erased.
    pub(crate) fn add(&self, name: &str, entropy: &dyn Entropy) -> Result<BodyKey, KeysError> {
        match self.get(name) {
            Err(KeysError::Gone(_)) => {}
            other => return other,
        }
        let key = draw_body_key(entropy);
        let wrapped = self.kek.wrap(name, &key, entropy)?;
        // A redb transaction is durable when `commit` returns, unless asked otherwise.
        let write = self.database.begin_write().map_err(database_error)?;
        {
            let erased = write.open_table(ERASED).map_err(database_error)?;
            if erased.get(name).map_err(database_error)?.is_some() {
                return Err(KeysError::Gone(name.to_owned()));
            }
            let mut keys = write.open_table(KEYS).map_err(database_error)?;
            keys.insert(name, wrapped.as_slice()).map_err(database_error)?;
        }
        write.commit().map_err(database_error)?;
        Ok(key)
    }

    /// Erases the key `name`, by the steps on this file's page. Erasing it twice is once. It
    /// takes time in proportion to the number of keys, some microseconds each.
    pub(crate) fn erase(self, name: &str, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let next = self.stage_kek(entropy)?;
        self.rewrap(name, &next, entropy)?;
        // From here on the key is gone, whatever happens: `open` ends in step 3.
        file::replace_by(&kek_path(&self.dir), &next_path(&self.dir))?;
        Ok(Self { kek: next, ..self })
    }

    /// Step 1.
    fn stage_kek(&self, entropy: &dyn Entropy) -> Result<Kek, KeysError> {
        let next = Kek::draw(entropy);
        file::remove(&next_path(&self.dir))?;
        file::create(&next_path(&self.dir), next.as_bytes())?;
        Ok(next)
    }

    /// Step 2: all in one durable transaction.
    fn rewrap(&self, name: &str, next: &Kek, entropy: &dyn Entropy) -> Result<(), KeysError> {
        let write = self.database.begin_write().map_err(database_error)?;
        {
            let mut keys = write.open_table(KEYS).map_err(database_error)?;
            keys.remove(name).map_err(database_error)?;
            let mut survivors = Vec::new();
            for row in keys.iter().map_err(database_error)? {
                let (name, wrapped) = row.map_err(database_error)?;
                let key = self.unwrap(name.value(), wrapped.value())?;
                let wrapped = next.wrap(name.value(), &key, entropy)?;
                survivors.push((name.value().to_owned(), wrapped));
            }
            for (name, wrapped) in survivors {
                keys.insert(name.as_str(), wrapped.as_slice()).map_err(database_error)?;
            }
            let mut erased = write.open_table(ERASED).map_err(database_error)?;
            erased.insert(name, ()).map_err(database_error)?;
            let mut meta = write.open_table(META).map_err(database_error)?;
            meta.insert("kek", next.id().0.as_slice()).map_err(database_error)?;
        }
        write.commit().map_err(database_error)
    }

    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<BodyKey, KeysError> {
        self.kek.unwrap(name, wrapped).ok_or_else(|| {
            let path = database_path(&self.dir);
            KeysError::damaged(&path, &format_args!("the key of `{name}` does not open"))
        })
    }
}

fn read_kek(path: &Path) -> Result<Option<Kek>, KeysError> {
    let Some(bytes) = file::read_if_there(path)? else { return Ok(None) };
    match Kek::from_bytes(&bytes) {
        Some(kek) => Ok(Some(kek)),
        // A crash in step 1 can leave it short; it never came into force.
        None if path.extension().is_some_and(|extension| extension == "next") => Ok(None),
        None => Err(KeysError::damaged(path, &format_args!("it has {} bytes", bytes.len()))),
    }
}

fn named_kek(database: &Database) -> Result<Digest, KeysError> {
    let read = database.begin_read().map_err(database_error)?;
    let meta = read.open_table(META).map_err(database_error)?;
    let id = meta.get("kek").map_err(database_error)?;
    let id = id.and_then(|id| id.value().try_into().ok()).map(Digest);
    id.ok_or_else(|| KeysError::Database("it does not name its wrapping key".to_owned()))
}

#[cfg(test)]
mod tests;
