//! What several targets hold: a key, randomness that is none, a place for files.

use std::path::Path;
use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use jsonwebtoken::EncodingKey;
use remit_model::Entropy;
use tempfile::TempDir;

/// Random numbers that are all the same.
pub(crate) struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// A P-256 key in PKCS#8 with one byte repeated as its secret.
pub(crate) fn pkcs8() -> Vec<u8> {
    let prefix = b"3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
    let mut der = HEXLOWER.decode(prefix).unwrap();
    der.extend_from_slice(&[7; 32]);
    der
}

/// That key, by which another implementation signs.
pub(crate) static KEY: LazyLock<EncodingKey> = LazyLock::new(|| EncodingKey::from_ec_der(&pkcs8()));

/// A folder, in memory where there is one: it is written for each input.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}
