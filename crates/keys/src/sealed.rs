//! Sealed storage: secrets of others that Remit keeps, each encrypted under a key of its own, and those
//! wrapped under a KEK that a [`Guard`] closes.
//!
//! | Where | What |
//! |---|---|
//! | `secrets.kek` | the KEK as the guard leaves it; `secrets.kek.next` while another takes its place |
//! | `secrets.redb` | keys of secrets, wrapped; secrets, sealed under them; when each was kept and by whom; the keys of [`crate::signing`] and of [`crate::vault`], wrapped |
//!
//! A name is bound into both seals, and what is said about a secret into the second one, so nothing can
//! be moved to another name. What is replaced or removed goes with the KEK ([`crate::kek`]): a copy of
//! the database of before does not open under the KEK of after.
//!
//! *Originals* lie here, too: files as they were before a secret in them was replaced by a reference.

mod chest;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_model::{Clock, Digest, Entropy, Secret, SecretName, Timestamp};
use remit_ports::{SecretError, Secrets};
use zeroize::Zeroizing;

use self::chest::{BODIES, BODIES_BEFORE, Change, Chest, Place, SIGNING};
use crate::guard::Guard;
use crate::reopened::Reopened;
use crate::signing::SigningFiles;
use crate::{Doors, Guards, KeysError, file};

/// The largest secret (R13): a private key with its chain has less.
const MAX_SECRET: usize = 16 * 1024;
/// The most secrets (R13): each is wrapped anew when one is replaced.
const MAX_SECRETS: usize = 1024;
/// The largest original (R13): configurations have less.
const MAX_ORIGINAL: usize = 512 * 1024;
/// The most originals (R13).
const MAX_ORIGINALS: usize = 64;

/// Who keeps what an issuer gives to keep.
const REMIT: &str = "remit";

/// What may be known of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: SecretName,
    /// When there first was one of that name.
    pub made: Timestamp,
    /// Since when it has been this one.
    pub changed: Timestamp,
    /// Who kept this one.
    pub by: String,
}

/// Why sealed storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// There is none of that name.
    #[error("there is no secret `{0}`: `remit secret list` names those there are")]
    Missing(SecretName),
    /// There is one already.
    #[error("there is a secret `{0}` already: replace it with `remit secret rotate {0}`")]
    Exists(SecretName),
    /// It has too few or too many bytes.
    #[error("expected a secret of 1 to {MAX_SECRET} bytes, got {0}")]
    Size(usize),
    /// No further one is kept.
    #[error("there are {MAX_SECRETS} secrets already: remove some that nobody uses")]
    Full,
    /// The file is too large to be kept.
    #[error("expected a file of at most {MAX_ORIGINAL} bytes, got {0}")]
    TooLarge(usize),
    /// No further original is kept.
    #[error("there are {MAX_ORIGINALS} originals of files already: undo one, or forget it")]
    ManyOriginals,
    /// The storage failed.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// Sealed storage of one state directory.
pub struct Sealed {
    place: Place,
    signing: SigningFiles,
    bodies: Guards,
    chest: Reopened<Chest>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Sealed {
    /// Opens sealed storage in `<state>/keys/`, made if it is not there, and closes it as `guards` say from
    /// now on.
    ///
    /// Errors: they do not open it, or its files are exposed, damaged or do not belong together.
    pub fn open(state: &Path, guards: Guards, doors: Doors) -> Result<Self, KeysError> {
        Self::open_in(state.join("keys"), guards, doors)
    }

    /// The same in `dir`.
    pub(crate) fn open_in(
        dir: PathBuf,
        (guard, before): Guards,
        (clock, entropy): Doors,
    ) -> Result<Self, KeysError> {
        file::check_dir(&dir)?;
        let place = Place { dir, guard, before };
        let chest = Chest::open(&place, entropy.as_ref())?;
        let signing = SigningFiles::new(&place.dir, chest.own_key(SIGNING)?);
        let before = chest.key(BODIES_BEFORE)?;
        let bodies = (Guard::stored(&chest.own_key(BODIES)?), before.as_ref().map(Guard::stored));
        Ok(Self { place, signing, bodies, chest: Reopened::new(chest), clock, entropy })
    }

    /// What closes it.
    pub fn guard(&self) -> &Guard {
        &self.place.guard
    }

    /// The files of signing keys beside it.
    pub(crate) fn signing(&self) -> &SigningFiles {
        &self.signing
    }

    /// What closes the KEK of record bodies beside it from now on, and what may have until now.
    pub(crate) fn bodies(&self) -> &Guards {
        &self.bodies
    }

    /// Forgets what may have: the KEK of record bodies is closed anew.
    ///
    /// Errors: the disk refuses.
    pub(crate) fn forget_before(&self) -> Result<(), KeysError> {
        if self.bodies.1.is_none() {
            return Ok(());
        }
        let open = || Chest::open(&self.place, self.entropy.as_ref());
        self.chest.with(open, |mut chest| {
            let forgotten = chest.put(&Change::ForgetBefore, self.entropy.as_ref());
            (forgotten.is_ok().then_some(chest), forgotten)
        })
    }

    /// Whether `secret` could be kept as `name`, where there should be one already, or none.
    ///
    /// Errors: it could not be.
    pub fn check(
        &self,
        (name, secret): (&SecretName, &Secret),
        replaces: bool,
    ) -> Result<(), SealedError> {
        self.with(|chest| {
            check_size(secret)?;
            check_there(name, chest.about(name)?.is_some(), replaces)?;
            if replaces { Ok(()) } else { check_room(chest) }
        })
    }

    /// Keeps a new secret, durably, because `by` wants it.
    ///
    /// Errors: there is one of that name, or no room for it.
    pub fn add(&self, name: &SecretName, secret: &Secret, by: &str) -> Result<(), SealedError> {
        self.keep_if((name, secret), by, |there| check_there(name, there, false))
    }

    /// Replaces a secret, durably, because `by` wants it. What was there is gone.
    ///
    /// Errors: there is none of that name.
    pub fn replace(&self, name: &SecretName, secret: &Secret, by: &str) -> Result<(), SealedError> {
        self.keep_if((name, secret), by, |there| check_there(name, there, true))
    }

    /// Removes a secret, durably: nothing opens it any more.
    ///
    /// Errors: there is none of that name.
    pub fn remove(&self, name: &SecretName) -> Result<(), SealedError> {
        self.with(|chest| {
            chest.about(name)?.ok_or_else(|| SealedError::Missing(name.clone()))?;
            Ok(chest.turn(&Change::Remove(name), self.entropy.as_ref())?)
        })
    }

    /// Replaces the KEK. Secrets can be read before and after, and wait in between.
    ///
    /// Errors: the disk refuses.
    pub fn turn(&self) -> Result<(), SealedError> {
        self.with(|chest| Ok(chest.turn(&Change::Nothing, self.entropy.as_ref())?))
    }

    /// What may be known of each secret.
    ///
    /// Errors: the database cannot be read.
    pub fn list(&self) -> Result<Vec<About>, SealedError> {
        self.with(|chest| Ok(chest.all()?))
    }

    /// Keeps the original of the file whose path has the digest `path`, durably, in the place of any
    /// other of it.
    ///
    /// Errors: it is too large, or there are too many.
    pub fn keep_original(&self, path: &Digest, original: &[u8]) -> Result<(), SealedError> {
        if original.len() > MAX_ORIGINAL {
            return Err(SealedError::TooLarge(original.len()));
        }
        let change = Change::KeepOriginal { path, original };
        self.with(|chest| {
            if chest.original(path)?.is_some() {
                return Ok(chest.turn(&change, self.entropy.as_ref())?);
            }
            if chest.originals()? >= MAX_ORIGINALS {
                return Err(SealedError::ManyOriginals);
            }
            Ok(chest.put(&change, self.entropy.as_ref())?)
        })
    }

    /// That original; `None` if there is none.
    ///
    /// Errors: it does not open.
    pub fn original(&self, path: &Digest) -> Result<Option<Zeroizing<Vec<u8>>>, SealedError> {
        self.with(|chest| Ok(chest.original(path)?))
    }

    /// Forgets that original, durably; one that is not there is fine.
    ///
    /// Errors: the disk refuses.
    pub fn forget_original(&self, path: &Digest) -> Result<(), SealedError> {
        self.with(|chest| Ok(chest.turn(&Change::ForgetOriginal(path), self.entropy.as_ref())?))
    }

    /// Keeps a secret if that `may` be, told whether there is one of its name.
    fn keep_if(
        &self,
        (name, secret): (&SecretName, &Secret),
        by: &str,
        may: impl FnOnce(bool) -> Result<(), SealedError>,
    ) -> Result<(), SealedError> {
        check_size(secret)?;
        let changed = self.clock.now();
        self.with(|chest| {
            let there = chest.about(name)?;
            may(there.is_some())?;
            let made = there.as_ref().map_or(changed, |there| there.made);
            let about = About { name: name.clone(), made, changed, by: by.to_owned() };
            let change = Change::Keep { about: &about, secret };
            if there.is_some() {
                return Ok(chest.turn(&change, self.entropy.as_ref())?);
            }
            check_room(chest)?;
            Ok(chest.put(&change, self.entropy.as_ref())?)
        })
    }

    /// Runs `act` on the open database, which stays open unless it failed.
    fn with<T>(
        &self,
        act: impl FnOnce(&mut Chest) -> Result<T, SealedError>,
    ) -> Result<T, SealedError> {
        let open = || Chest::open(&self.place, self.entropy.as_ref());
        self.chest.with(open, |mut chest| {
            let result = act(&mut chest);
            let good = !matches!(result, Err(SealedError::Keys(_)));
            (good.then_some(chest), result)
        })
    }
}

fn check_size(secret: &Secret) -> Result<(), SealedError> {
    let size = secret.reveal().len();
    if (1..=MAX_SECRET).contains(&size) { Ok(()) } else { Err(SealedError::Size(size)) }
}

fn check_there(name: &SecretName, there: bool, replaces: bool) -> Result<(), SealedError> {
    match (there, replaces) {
        (true, false) => Err(SealedError::Exists(name.clone())),
        (false, true) => Err(SealedError::Missing(name.clone())),
        _ => Ok(()),
    }
}

fn check_room(chest: &Chest) -> Result<(), SealedError> {
    if chest.all()?.len() < MAX_SECRETS { Ok(()) } else { Err(SealedError::Full) }
}

impl Secrets for Sealed {
    fn read(&self, name: &SecretName) -> Result<Secret, SecretError> {
        let secret = self.with(|chest| Ok(chest.secret(name)?)).map_err(|why| failed(&why))?;
        secret.ok_or_else(|| SecretError::Missing(name.clone()))
    }

    fn keep(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError> {
        self.keep_if((name, secret), REMIT, |_| Ok(())).map_err(|why| failed(&why))
    }
}

fn failed(why: &SealedError) -> SecretError {
    SecretError::Failed(why.to_string())
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("guard", &self.place.guard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
