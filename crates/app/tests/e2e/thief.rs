//! Whoever has a copy of a state directory, and a program of their own: it knows what is written where, and
//! nothing that is not in the copy.

use std::fs;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of a wrapped key: version, nonce, key, tag.
const WRAPPED: usize = 1 + 12 + 32 + 16;

/// The key in the file `name`, if the copy is enough to open it: the one that lies open for all, else the
/// one that the KEK which lies open beside it opens.
pub(crate) fn signing_key(state: &Path, name: &str) -> Option<Vec<u8>> {
    let read = |name: &str| fs::read(state.join("keys").join(name)).unwrap();
    let there = read(name);
    if aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&there).is_ok() {
        return Some(there);
    }
    open(&stored(state, "signing:keys")?, &format!("remit/signing/v1/{name}"), &there)
}

/// The key of the bodies that belong to no task, if the copy is enough to open it.
pub(crate) fn body_key(state: &Path) -> Option<Vec<u8>> {
    let read = |name: &str| fs::read(state.join("keys").join(name)).unwrap();
    let there = read("kek");
    let kek = match there.as_slice() {
        [b'K', closed @ ..] => open(&stored(state, "bodies:kek")?, "remit/kek/v1", closed)?,
        _ => there,
    };
    unwrapped(&kek, &read("bodies.redb"), "node")
}

/// The key `name` of sealed storage, if what opens that lies open beside it.
fn stored(state: &Path, name: &str) -> Option<Vec<u8>> {
    let read = |name: &str| fs::read(state.join("keys").join(name)).unwrap();
    unwrapped(&read("secrets.kek"), &read("secrets.redb"), name)
}

fn unwrapped(kek: &[u8], database: &[u8], name: &str) -> Option<Vec<u8>> {
    database.windows(WRAPPED).find_map(|row| open(kek, name, row))
}

fn open(key: &[u8], name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (&[1], rest) = sealed.split_first_chunk()? else { return None };
    let (nonce, rest) = rest.split_first_chunk()?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let mut opened = rest.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, Aad::from(name), &mut opened).ok()?.len();
    opened.truncate(length);
    Some(opened)
}
