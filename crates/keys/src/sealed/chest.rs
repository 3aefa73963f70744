//! The database of sealed storage while it is open.

use std::path::PathBuf;

use redb::backends::FileBackend;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition, WriteTransaction,
};
use remit_model::{Digest, Entropy, Secret, SecretName, Timestamp};
use remit_ports::BodyKey;
use zeroize::Zeroizing;

use super::About;
use crate::guard::Guard;
use crate::kek::{KEYS, KekFile, builder, database_error, name_kek, named_kek, rewrap, unopened};
use crate::wrap::{Kek, draw_body_key, open, seal};
use crate::{KeysError, file};

/// Name → secret or original, sealed under the key of that name.
const SEALED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sealed");
/// Name of a secret → when it was made and changed, and who kept what is there now.
const ABOUT: TableDefinition<'_, &str, (u64, u64, &str)> = TableDefinition::new("about");

/// What the names of originals begin with; names of secrets have no colon.
const ORIGINAL: &str = "original:";
/// The key that seals the files of signing keys ([`crate::signing`]).
pub(super) const SIGNING: &str = "signing:keys";
/// The key that closes the KEK of record bodies ([`crate::vault`]).
pub(super) const BODIES: &str = "bodies:kek";
/// The one that did until another guard took over, until that KEK is closed anew.
pub(super) const BODIES_BEFORE: &str = "bodies:before";

/// Where it is, and what closes it.
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) guard: Guard,
    pub(super) before: Option<Guard>,
}

impl Place {
    pub(super) fn kek(&self) -> KekFile {
        let before = self.before.iter().cloned().chain([Guard::nothing()]).collect();
        KekFile::new(self.dir.join("secrets.kek"), self.guard.clone(), before)
    }

    fn database(&self) -> PathBuf {
        self.dir.join("secrets.redb")
    }
}

/// The open database and the KEK in force.
pub(super) struct Chest {
    file: KekFile,
    pub(super) database: Database,
    kek: Kek,
}

/// What is done in one transaction.
pub(super) enum Change<'a> {
    /// A secret is kept, in the place of any other of its name.
    Keep { about: &'a About, secret: &'a Secret },
    /// A secret is removed.
    Remove(&'a SecretName),
    /// An original is kept likewise.
    KeepOriginal { path: &'a Digest, original: &'a [u8] },
    /// An original is forgotten.
    ForgetOriginal(&'a Digest),
    /// Another guard takes over: who may have opened this before is not to know what closes record bodies
    /// from now on.
    TakeOver,
    /// What closed record bodies before is needed no more.
    ForgetBefore,
    /// The KEK alone is replaced.
    Nothing,
}

impl Chest {
    /// Opens what is at `place`, made if it is not there; what another guard than today's had closed is
    /// closed anew.
    pub(super) fn open(place: &Place, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let path = place.database();
        let there = path.try_exists().map_err(|why| KeysError::io("look at", &path, &why))?;
        let (mut chest, stale) =
            if there { Self::find(place)? } else { Self::create(place, entropy)? };
        if stale {
            chest.turn(&Change::TakeOver, entropy)?;
        }
        Ok(chest)
    }

    /// What is there, and whether it has to be closed anew.
    pub(super) fn find(place: &Place) -> Result<(Self, bool), KeysError> {
        let (file, path) = (place.kek(), place.database());
        file::check_file(&path)?;
        let database = builder().open(&path).map_err(database_error)?;
        let (kek, stale) = file.settle(named_kek(&database)?)?;
        Ok((Self { file, database, kek }, stale))
    }

    /// The KEK first and the database under another name: it is there once it is whole. A KEK that is
    /// there is taken, since it may belong to a database that somebody is about to restore.
    fn create(place: &Place, entropy: &dyn Entropy) -> Result<(Self, bool), KeysError> {
        let (file, path) = (place.kek(), place.database());
        let (kek, stale) = match file.read()? {
            Some(there) => there,
            None => (file.create(entropy)?, false),
        };
        let draft = path.with_added_extension("new");
        file::remove(&draft)?;
        let empty = FileBackend::new(file::create_empty(&draft)?).map_err(database_error)?;
        let database = builder().create_with_backend(empty).map_err(database_error)?;
        let write = database.begin_write().map_err(database_error)?;
        for name in [SIGNING, BODIES] {
            put_key(&write, name, &kek, entropy)?;
        }
        write.open_table(SEALED).map_err(database_error)?;
        write.open_table(ABOUT).map_err(database_error)?;
        name_kek(&write, &kek)?;
        write.commit().map_err(database_error)?;
        file::replace_by(&path, &draft)?;
        Ok((Self { file, database, kek }, stale))
    }

    /// The key `name`; `None` if there is none.
    ///
    /// Errors: it does not open.
    pub(super) fn key(&self, name: &str) -> Result<Option<BodyKey>, KeysError> {
        let read = self.database.begin_read().map_err(database_error)?;
        let keys = read.open_table(KEYS).map_err(database_error)?;
        let Some(wrapped) = keys.get(name).map_err(database_error)? else { return Ok(None) };
        let key = self.kek.unwrap(name, wrapped.value());
        key.map(Some).ok_or_else(|| unopened(name))
    }

    /// The key `name`, which was made with the database.
    ///
    /// Errors: it is not there, or does not open.
    pub(super) fn own_key(&self, name: &str) -> Result<BodyKey, KeysError> {
        self.key(name)?.ok_or_else(|| unopened(name))
    }

    /// What is known of the secret `name`.
    pub(super) fn about(&self, name: &SecretName) -> Result<Option<About>, KeysError> {
        let read = self.database.begin_read().map_err(database_error)?;
        let about = read.open_table(ABOUT).map_err(database_error)?;
        let row = about.get(name.as_str()).map_err(database_error)?;
        Ok(row.map(|row| about_from(name.clone(), row.value())))
    }

    /// What is known of all secrets.
    pub(super) fn all(&self) -> Result<Vec<About>, KeysError> {
        let read = self.database.begin_read().map_err(database_error)?;
        let about = read.open_table(ABOUT).map_err(database_error)?;
        let rows = about.iter().map_err(database_error)?;
        let one = |row: Result<(redb::AccessGuard<'_, &str>, _), redb::StorageError>| {
            let (name, row): (_, redb::AccessGuard<'_, (u64, u64, &str)>) =
                row.map_err(database_error)?;
            let name = name.value().parse();
            let name = name.map_err(|why| KeysError::Database(format!("a name is not one: {why}")));
            Ok(about_from(name?, row.value()))
        };
        rows.map(one).collect()
    }

    /// The secret `name`; `None` if there is none.
    pub(super) fn secret(&self, name: &SecretName) -> Result<Option<Secret>, KeysError> {
        let Some(about) = self.about(name)? else { return Ok(None) };
        let Some(bytes) = self.unseal(name.as_str(), &told(&about))? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| unopened(name.as_str()))?;
        Ok(Some(Secret::new(text.to_owned())))
    }

    /// The original of `path`; `None` if there is none.
    pub(super) fn original(&self, path: &Digest) -> Result<Option<Zeroizing<Vec<u8>>>, KeysError> {
        let name = original_name(path);
        self.unseal(&name, &name)
    }

    /// How many originals there are.
    pub(super) fn originals(&self) -> Result<usize, KeysError> {
        let read = self.database.begin_read().map_err(database_error)?;
        let sealed = read.open_table(SEALED).map_err(database_error)?;
        let about = read.open_table(ABOUT).map_err(database_error)?;
        let (all, secrets) = (sealed.len(), about.len());
        let originals = all.map_err(database_error)? - secrets.map_err(database_error)?;
        Ok(usize::try_from(originals).unwrap_or(usize::MAX))
    }

    fn unseal(&self, name: &str, told: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeysError> {
        let read = self.database.begin_read().map_err(database_error)?;
        let keys = read.open_table(KEYS).map_err(database_error)?;
        let sealed = read.open_table(SEALED).map_err(database_error)?;
        let key = keys.get(name).map_err(database_error)?;
        let sealed = sealed.get(name).map_err(database_error)?;
        let (key, sealed) = match (key, sealed) {
            (Some(key), Some(sealed)) => (key, sealed),
            (None, None) => return Ok(None),
            _ => return Err(unopened(name)),
        };
        let key = self.kek.unwrap(name, key.value());
        let opened = key.and_then(|key| open(key.as_bytes(), told.as_bytes(), sealed.value()));
        opened.map(Some).ok_or_else(|| unopened(name))
    }

    /// Makes a change, durably, for which nothing has to be gone.
    pub(super) fn put(
        &mut self,
        change: &Change<'_>,
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        let write = self.database.begin_write().map_err(database_error)?;
        apply(&write, change, &self.kek, entropy)?;
        write.commit().map_err(database_error)
    }

    /// Makes a change together with the KEK, durably: what it replaces or removes is gone.
    pub(super) fn turn(
        &mut self,
        change: &Change<'_>,
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        let next = self.file.stage(entropy)?;
        let write = self.database.begin_write().map_err(database_error)?;
        apply(&write, change, &self.kek, entropy)?;
        rewrap(&write, (&self.kek, &next), entropy)?;
        write.commit().map_err(database_error)?;
        self.file.advance()?;
        self.kek = next;
        Ok(())
    }
}

fn about_from(name: SecretName, (made, changed, by): (u64, u64, &str)) -> About {
    About { name, made: Timestamp(made), changed: Timestamp(changed), by: by.to_owned() }
}

/// What a secret is sealed with besides its key; nothing in it but the last part can hold a line break.
fn told(about: &About) -> String {
    format!("{}\n{}\n{}\n{}", about.name, about.made.0, about.changed.0, about.by)
}

fn original_name(path: &Digest) -> String {
    format!("{ORIGINAL}{path}")
}

fn apply(
    write: &WriteTransaction,
    change: &Change<'_>,
    kek: &Kek,
    entropy: &dyn Entropy,
) -> Result<(), KeysError> {
    match change {
        Change::Nothing => Ok(()),
        Change::Keep { about, secret } => {
            let (name, by) = (about.name.as_str(), about.by.as_str());
            let key = put_key(write, name, kek, entropy)?;
            let sealed =
                seal(key.as_bytes(), told(about).as_bytes(), secret.reveal().as_bytes(), entropy)?;
            put_sealed(write, name, &sealed)?;
            let mut table = write.open_table(ABOUT).map_err(database_error)?;
            let row = (about.made.0, about.changed.0, by);
            table.insert(name, row).map(drop).map_err(database_error)
        }
        Change::KeepOriginal { path, original } => {
            let name = original_name(path);
            let key = put_key(write, &name, kek, entropy)?;
            put_sealed(write, &name, &seal(key.as_bytes(), name.as_bytes(), original, entropy)?)
        }
        Change::Remove(name) => {
            let mut table = write.open_table(ABOUT).map_err(database_error)?;
            table.remove(name.as_str()).map_err(database_error)?;
            drop_row(write, name.as_str())
        }
        Change::ForgetOriginal(path) => drop_row(write, &original_name(path)),
        Change::TakeOver => take_over(write, kek, entropy),
        Change::ForgetBefore => drop_row(write, BODIES_BEFORE),
    }
}

/// Draws another key in the place of the one that closes the KEK of record bodies, which is kept until that
/// KEK is closed anew. While one is kept both stay as they are, since either may be the one that opens it.
fn take_over(write: &WriteTransaction, kek: &Kek, entropy: &dyn Entropy) -> Result<(), KeysError> {
    {
        let mut keys = write.open_table(KEYS).map_err(database_error)?;
        if keys.get(BODIES_BEFORE).map_err(database_error)?.is_some() {
            return Ok(());
        }
        let wrapped = keys.get(BODIES).map_err(database_error)?;
        let key = wrapped.and_then(|wrapped| kek.unwrap(BODIES, wrapped.value()));
        let key = key.ok_or_else(|| unopened(BODIES))?;
        let before = kek.wrap(BODIES_BEFORE, &key, entropy)?;
        keys.insert(BODIES_BEFORE, before.as_slice()).map_err(database_error)?;
    }
    put_key(write, BODIES, kek, entropy).map(drop)
}

/// A new key for what is kept as `name`, which nothing was ever sealed under.
fn put_key(
    write: &WriteTransaction,
    name: &str,
    kek: &Kek,
    entropy: &dyn Entropy,
) -> Result<BodyKey, KeysError> {
    let key = draw_body_key(entropy);
    let wrapped = kek.wrap(name, &key, entropy)?;
    let mut keys = write.open_table(KEYS).map_err(database_error)?;
    keys.insert(name, wrapped.as_slice()).map_err(database_error)?;
    Ok(key)
}

fn put_sealed(write: &WriteTransaction, name: &str, bytes: &[u8]) -> Result<(), KeysError> {
    let mut sealed = write.open_table(SEALED).map_err(database_error)?;
    sealed.insert(name, bytes).map(drop).map_err(database_error)
}

fn drop_row(write: &WriteTransaction, name: &str) -> Result<(), KeysError> {
    let mut keys = write.open_table(KEYS).map_err(database_error)?;
    keys.remove(name).map_err(database_error)?;
    let mut sealed = write.open_table(SEALED).map_err(database_error)?;
    sealed.remove(name).map(drop).map_err(database_error)
}
