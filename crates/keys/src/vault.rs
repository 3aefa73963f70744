//! Wrapped body keys on disk, and how one is erased: it goes with the KEK, which is replaced as
//! [`crate::kek`] says. A key that was erased has no second life.
//!
//! The KEK is closed by a key that lies in sealed storage: what opens that at the start opens this, and no
//! KEK is taken that is in the clear, or that another state directory closed. That key stays when the KEK
//! is replaced, so an old KEK opens with it; but it opens nothing of what is there now. Where another guard
//! takes over sealed storage both are replaced, at the start.

use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use remit_model::Entropy;
use remit_ports::BodyKey;

use crate::kek::{KEYS, KekFile, builder, database_error, name_kek, named_kek, rewrap, unopened};
use crate::wrap::{Kek, draw_body_key};
use crate::{Guards, KeysError, file};

/// The names of keys that were erased; they have no second life.
const ERASED: TableDefinition<'_, &str, ()> = TableDefinition::new("erased");

/// The node's own key. No task is called that: task ids start with `tsk_`.
pub(crate) const NODE: &str = "node";

/// The open key database and the KEK in force.
pub(crate) struct Vault {
    file: KekFile,
    database: Database,
    kek: Kek,
}

fn kek_file(dir: &Path, (guard, before): &Guards) -> KekFile {
    KekFile::new(dir.join("kek"), guard.clone(), before.iter().cloned().collect())
}

fn database_path(dir: &Path) -> PathBuf {
    dir.join("bodies.redb")
}

impl Vault {
    /// Makes KEK, closed by `guards`, database and the node's own key in `dir`. Not atomic: the caller
    /// fills a folder that is not in use yet.
    pub(crate) fn create(
        dir: &Path,
        guards: &Guards,
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        let kek = kek_file(dir, guards).create(entropy)?;
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
        }
        name_kek(&write, &kek)?;
        write.commit().map_err(database_error)?;
        file::sync_dir(dir)
    }

    /// Opens what is in `dir` and `guards` closed, and finishes or forgets a change that was interrupted.
    /// A KEK that the guard of before closed gives way to another.
    ///
    /// Errors: files are missing, exposed, damaged, not of this state directory or not of one time.
    pub(crate) fn open(
        dir: &Path,
        guards: &Guards,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeysError> {
        file::check_file(&database_path(dir))?;
        let database = builder().open(database_path(dir)).map_err(database_error)?;
        let file = kek_file(dir, guards);
        let (kek, stale) = file.settle(named_kek(&database)?).map_err(|why| match why {
            KeysError::Closed { path, .. } => KeysError::Unsealed { path },
            other => other,
        })?;
        let vault = Self { file, database, kek };
        if stale { vault.turn(None, entropy) } else { Ok(vault) }
    }

    /// The key `name`.
    ///
    /// Errors: [`KeysError::Gone`] if it was erased or never made.
    pub(crate) fn get(&self, name: &str) -> Result<BodyKey, KeysError> {
        let read = self.database.begin_read().map_err(database_error)?;
        let keys = read.open_table(KEYS).map_err(database_error)?;
        let wrapped = keys.get(name).map_err(database_error)?;
        let wrapped = wrapped.ok_or_else(|| KeysError::Gone(name.to_owned()))?;
        self.kek.unwrap(name, wrapped.value()).ok_or_else(|| unopened(name))
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

    /// Erases the key `name`. Erasing it twice is once. It takes time in proportion to the number of
    /// keys, some microseconds each.
    pub(crate) fn erase(self, name: &str, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        self.turn(Some(name), entropy)
    }

    /// Replaces the KEK, and leaves the key `gone` behind.
    fn turn(self, gone: Option<&str>, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let next = self.file.stage(entropy)?;
        self.drop_and_rewrap(gone, &next, entropy)?;
        // From here on the key is gone, whatever happens: `open` ends in step 3.
        self.file.advance()?;
        Ok(Self { kek: next, ..self })
    }

    /// Step 2: all in one durable transaction.
    fn drop_and_rewrap(
        &self,
        gone: Option<&str>,
        next: &Kek,
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        let write = self.database.begin_write().map_err(database_error)?;
        if let Some(name) = gone {
            let mut keys = write.open_table(KEYS).map_err(database_error)?;
            keys.remove(name).map_err(database_error)?;
            let mut erased = write.open_table(ERASED).map_err(database_error)?;
            erased.insert(name, ()).map_err(database_error)?;
        }
        rewrap(&write, (&self.kek, next), entropy)?;
        write.commit().map_err(database_error)
    }
}

#[cfg(test)]
mod tests;
