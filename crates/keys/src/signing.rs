//! The files of signing keys: sealed, so that a copy of them signs nothing.
//!
//! One key seals all of them. It lies in sealed storage beside the keys of secrets, wrapped under the same
//! KEK: what opens that at the start opens these, and whatever replaces the KEK wraps it anew in the same
//! transaction ([`crate::kek`]), without touching a file. The name of a file is bound into what is in it.
//! It says what the key signs, and of which generation it is, so that none can stand in for another.
//!
//! Keys in hardware would be opened here: whoever signs has a [`Signer`] and knows nothing of files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_model::Entropy;
use remit_ports::BodyKey;
use remit_signer::{Algorithm, Held, Signer};
use zeroize::Zeroizing;

use crate::wrap::{open, seal};
use crate::{KeysError, file};

/// What the name of a file is bound with, so that nothing else that this key may seal opens as one.
const PURPOSE: &str = "remit/signing/v1/";

/// A folder of such files, and what opens them.
#[derive(Clone, Debug)]
pub(crate) struct SigningFiles {
    dir: PathBuf,
    key: BodyKey,
}

impl SigningFiles {
    /// Those in `dir`, which `key` seals.
    pub(crate) fn new(dir: &Path, key: BodyKey) -> Self {
        Self { dir: dir.to_owned(), key }
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the file `name` is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Creates the file `name` with `secret` in it, durably.
    ///
    /// Errors: it exists, or the disk refuses.
    pub(crate) fn create(
        &self,
        name: &str,
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<(), KeysError> {
        let sealed = seal(self.key.as_bytes(), bound(name).as_bytes(), secret, entropy)?;
        file::create(&self.path(name), &sealed)
    }

    /// The key in the file `name`.
    ///
    /// Errors: it is not there, open to others, not what was sealed here under that name, or no key.
    pub(crate) fn signer(
        &self,
        name: &str,
        algorithm: Algorithm,
    ) -> Result<Arc<dyn Signer>, KeysError> {
        let held = Held::from_pkcs8(algorithm, &self.read(name)?);
        Ok(Arc::new(held.map_err(|why| KeysError::damaged(&self.path(name), &why))?))
    }

    /// The secret in the file `name`.
    ///
    /// Errors: as [`Self::signer`].
    pub(crate) fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let path = self.path(name);
        let sealed = file::read(&path)?;
        let opened = open(self.key.as_bytes(), bound(name).as_bytes(), &sealed);
        opened.ok_or(KeysError::Unsealed { path })
    }
}

fn bound(name: &str) -> String {
    format!("{PURPOSE}{name}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use remit_testkit::SeededEntropy;

    use super::*;
    use crate::wrap::draw_body_key;

    fn refused(files: &SigningFiles, name: &str, what: &str) {
        let error = files.read(name).unwrap_err();
        assert!(matches!(error, KeysError::Unsealed { .. }), "{what}: {error}");
        assert!(error.to_string().contains(name), "{what}: {error}");
    }

    #[test]
    fn a_file_opens_as_it_was_written_and_in_no_other_way() {
        let dir = tempfile::tempdir().unwrap();
        let entropy = SeededEntropy::new(1);
        let files = SigningFiles::new(dir.path(), draw_body_key(&entropy));
        let secret = b"a secret key, and a long one";
        files.create("token-1.key", secret, &entropy).unwrap();
        files.create("token-2.key", b"another", &entropy).unwrap();
        assert_eq!(**files.read("token-1.key").unwrap(), *secret);
        let there = fs::read(files.path("token-1.key")).unwrap();
        assert!(!there.windows(8).any(|window| secret.windows(8).any(|part| part == window)));

        let others = SigningFiles::new(dir.path(), draw_body_key(&entropy));
        refused(&others, "token-1.key", "under another key");
        let path = files.path("token-1.key");
        for at in 0..there.len() {
            fs::write(&path, &there[..at]).unwrap();
            refused(&files, "token-1.key", &format!("cut at {at}"));
            let mut bent = there.clone();
            bent[at] ^= 1;
            fs::write(&path, &bent).unwrap();
            refused(&files, "token-1.key", &format!("changed at {at}"));
        }
        fs::write(&path, secret).unwrap();
        refused(&files, "token-1.key", "in the clear");
        fs::copy(files.path("token-2.key"), &path).unwrap();
        refused(&files, "token-1.key", "that of another");
        fs::write(&path, &there).unwrap();
        assert_eq!(**files.read("token-1.key").unwrap(), *secret);
    }
}
