//! The key of a witness: one Ed25519 key, apart from everything that a log's own process holds.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_model::Entropy;
use remit_signer::{Algorithm, Held};
use remit_tlog::CosigningKey;

use crate::{KeysError, file, pair};

const WITNESS: &str = "witness.key";

/// The key of one witness's state directory.
#[derive(Debug)]
pub struct WitnessKeys {
    path: PathBuf,
}

impl WitnessKeys {
    /// Makes the key under `<state>/keys/`, durably; `state` is made too if it is not there.
    ///
    /// Errors: there is one already, or the disk refuses.
    pub fn create(state: &Path, entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let dir = state.join("keys");
        file::make_dir(state)?;
        file::make_dir(&dir)?;
        file::create(&dir.join(WITNESS), &pair::draw_ed25519(entropy))?;
        Self::open(state)
    }

    /// Opens the key under `<state>/keys/`.
    ///
    /// Errors: there is none, or somebody else can read it; the text names the file.
    pub fn open(state: &Path) -> Result<Self, KeysError> {
        let dir = state.join("keys");
        file::check_dir(&dir)?;
        file::check_file(&dir.join(WITNESS))?;
        Ok(Self { path: dir.join(WITNESS) })
    }

    /// The key that cosigns under `name`.
    ///
    /// Errors: the file cannot be read, or `name` cannot be a key's name.
    pub fn cosigner(&self, name: &str) -> Result<CosigningKey, KeysError> {
        let damaged = |why: &dyn fmt::Display| KeysError::damaged(&self.path, why);
        let held = Held::from_pkcs8(Algorithm::Ed25519, &file::read(&self.path)?);
        let signer = Arc::new(held.map_err(|why| damaged(&why))?);
        CosigningKey::new(name, signer).map_err(|why| damaged(&why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    #[test]
    fn a_key_is_made_once_and_opens_as_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("witness");
        assert!(matches!(WitnessKeys::open(&state), Err(KeysError::Missing { .. })));
        let made = WitnessKeys::create(&state, &Sevens).unwrap();
        let key = made.cosigner("witness.example/w1").unwrap();
        let same = CosigningKey::from_seed("witness.example/w1", &[7; 32]).unwrap();
        assert_eq!(key.witness(), same.witness());
        assert!(WitnessKeys::create(&state, &Sevens).is_err(), "never replaced");
        let opened = WitnessKeys::open(&state).unwrap().cosigner("witness.example/w1").unwrap();
        assert_eq!(opened.witness(), key.witness());
        assert!(made.cosigner("a name with blanks").is_err());
    }
}
