//! Everything secret that Remit owns or keeps, in files under `<state>/keys/`.
//!
//! | File | What | Used for |
//! |---|---|---|
//! | `log-N.key` | Ed25519, PKCS#8 DER, sealed | signing checkpoints, key N |
//! | `log-N.made` | a time; nothing secret | when that was made; `.made.new` until it is on record |
//! | `kek` | 32 random bytes, closed by a key of sealed storage | wrapping the body keys |
//! | `bodies.redb` | wrapped AES-256 keys, one a task | encrypting record bodies |
//! | `operator.phc` | Argon2id verifier | knowing the operator |
//! | `token-N.key` | ES256 (P-256), PKCS#8 DER, sealed | signing grants, generation N |
//! | `token-N.made` | a time; nothing secret | when that was made; `.made.new` until it is on record |
//! | `svid-N.signer`, `svid-N.jwt` | ES256 (P-256), PKCS#8 DER, sealed | signing SVIDs, generation N |
//! | `secrets.kek`, `secrets.redb` | sealed storage ([`Sealed`]) | secrets of others; opening all the others |
//! | `svid-N.crt` | X.509, DER; nothing secret | what others verify them with; `.crt.new` until they are on record |
//!
//! A witness has a state directory of its own with nothing but `keys/witness.key` ([`WitnessKeys`]), in the
//! clear: it has no sealed storage, and starts with nobody there.
//!
//! The folder belongs to the user Remit runs as and is closed to everybody else; a file that is
//! not is refused rather than repaired, because whoever could read it may have. Key files are
//! created once and never overwritten, but for `kek` and `secrets.kek`, which each erasure replaces
//! (see [`Keyring`] and [`Sealed`]), and `operator.phc`. Keys that sign come and go ([`LogKeys`], [`TokenKeys`],
//! [`SvidKeys`]).
//!
//! *Absences:* time and randomness are arguments; nothing here is printed (promise R12) and
//! what is read is wiped when dropped.

mod error;
mod file;
mod generations;
mod guard;
mod kek;
mod keyring;
mod lock;
mod log;
mod operator;
mod pair;
mod reopened;
mod sealed;
mod signing;
mod svid;
mod token;
mod vault;
mod witness;
mod wrap;

use std::path::Path;
use std::sync::Arc;

use remit_model::{Clock, Entropy};

pub use error::KeysError;
pub use guard::Guard;
pub use keyring::Keyring;
pub use lock::StateLock;
pub use log::{LogKey, LogKeys};
pub use operator::{MIN_PASSPHRASE, Operator, generate_passphrase};
pub use sealed::{About, Sealed, SealedError};
pub use svid::SvidKeys;
pub use token::TokenKeys;
pub use witness::WitnessKeys;

use crate::vault::Vault;

/// What closes sealed storage from now on, and what may have closed it until now; nothing may always have.
pub type Guards = (Guard, Option<Guard>);

/// Where time and randomness come from.
pub type Doors = (Arc<dyn Clock>, Arc<dyn Entropy>);

/// The keys of one state directory.
#[derive(Debug)]
pub struct Keys {
    sealed: Arc<Sealed>,
    bodies: Arc<Keyring>,
}

impl Keys {
    /// Makes all keys under `<state>/keys/`, durably, and opens them. `state` is made too if it
    /// is not there. Either everything is there afterwards or nothing: the folder is filled under
    /// another name and renamed once it is on disk.
    ///
    /// Errors: there are keys already ([`KeysError::Exists`]), or the disk refuses.
    pub fn create(state: &Path, guards: Guards, doors: Doors) -> Result<Self, KeysError> {
        let (dir, draft) = (state.join("keys"), state.join("keys.new"));
        if dir.try_exists().map_err(|why| KeysError::io("look at", &dir, &why))? {
            return Err(KeysError::Exists { dir });
        }
        file::make_dir(state)?;
        // A draft that a crash left behind was never used.
        file::remove_dir(&draft)?;
        file::make_dir(&draft)?;
        let entropy = doors.1.as_ref();
        let sealed = Sealed::open_in(draft.clone(), guards.clone(), doors.clone())?;
        Vault::create(&draft, sealed.bodies(), entropy)?;
        LogKeys::new(sealed.signing().clone()).create(doors.0.now(), entropy)?;
        drop(sealed);
        file::rename_dir(&draft, &dir)?;
        Self::open(state, guards, doors)
    }

    /// Opens the keys under `<state>/keys/`, sealed storage first, finishing an erasure that a crash
    /// interrupted.
    ///
    /// Errors: there are none ([`KeysError::Missing`]), somebody else can read them
    /// ([`KeysError::Exposed`]), `guards` do not open them ([`KeysError::Closed`]), or they are damaged;
    /// the text names the file.
    pub fn open(state: &Path, guards: Guards, doors: Doors) -> Result<Self, KeysError> {
        let dir = state.join("keys");
        let entropy = Arc::clone(&doors.1);
        let sealed = Sealed::open_in(dir.clone(), guards, doors)?;
        // Read now what is needed later, so that a start fails and not a call.
        LogKeys::new(sealed.signing().clone()).check()?;
        let bodies = Keyring::open(&dir, sealed.bodies().clone(), entropy)?;
        sealed.forget_before()?;
        Ok(Self { sealed: Arc::new(sealed), bodies: Arc::new(bodies) })
    }

    /// Sealed storage.
    pub fn sealed(&self) -> Arc<Sealed> {
        Arc::clone(&self.sealed)
    }

    /// The keys that sign the log.
    pub fn log(&self) -> LogKeys {
        LogKeys::new(self.sealed.signing().clone())
    }

    /// The keys of record bodies.
    pub fn bodies(&self) -> Arc<Keyring> {
        Arc::clone(&self.bodies)
    }

    /// The keys that sign grants.
    pub fn tokens(&self) -> TokenKeys {
        TokenKeys::new(self.sealed.signing().clone())
    }

    /// The keys that sign SVIDs.
    pub fn svids(&self) -> SvidKeys {
        SvidKeys::new(self.sealed.signing().clone())
    }

    /// What knows the operator.
    pub fn operator(&self) -> Operator {
        Operator::new(self.sealed.signing().dir())
    }
}

/// Makes the folder `path` for us alone and empty, whatever was there.
///
/// Errors: the disk refuses.
pub fn fresh_dir(path: &Path) -> Result<(), KeysError> {
    file::remove_dir(path)?;
    file::make_dir(path)?;
    file::check_dir(path)
}

#[cfg(test)]
mod tests;
