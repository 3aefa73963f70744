//! Bodies: salted commitments in the entry, AES-256-GCM under the task's key beside it.
//!
//! The plaintext is the body's fields in the order of their names, each as
//!
//! ```text
//! u8  length of the name, name
//! 16  salt
//! u32 length of the text (big endian), the field's JSON text
//! ```
//!
//! so that the text is what was committed to byte for byte, in any language. The ciphertext is stored
//! as nonce ‖ ciphertext ‖ tag. The associated data names task and sequence number, so that a body
//! opens only under the entry it was written for.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use remit_model::{Digest, Entropy};
use remit_ports::{Body, BodyKey, Entry, Subject};
use zeroize::Zeroizing;

/// Why a body cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the body cannot be encrypted")]
    Seal,
    #[error("the body does not decrypt under its task's key")]
    Open,
    #[error("the body is not a list of salted fields")]
    Shape,
    #[error("the field `{0}` does not fit its commitment")]
    Commitment(String),
    #[error("the fields of the body are not those the entry commits to")]
    Fields,
}

/// Bytes of a salt.
const SALT: usize = 16;

/// A body ready for the journal: what the entry says of it, and its ciphertext.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    pub(crate) commitments: BTreeMap<String, Digest>,
    pub(crate) bytes: Vec<u8>,
}

/// SHA-256(salt ‖ 0x00 ‖ name ‖ 0x00 ‖ JSON text).
fn commitment(salt: &[u8], name: &str, text: &str) -> Digest {
    Digest::of_all(&[salt, &[0], name.as_bytes(), &[0], text.as_bytes()])
}

/// `remit-body-v2 <task> <sequence>`, with `-` for the node itself.
fn identity(task: Option<&str>, sequence: u64) -> String {
    format!("remit-body-v2 {} {sequence}", task.unwrap_or("-"))
}

fn cipher(key: &BodyKey) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
    UnboundKey::new(&AES_256_GCM, key.as_bytes()).map(LessSafeKey::new)
}

/// Commits to each field and encrypts them. An empty body seals to nothing.
///
/// Errors: a name or text is too long, or the cipher refuses.
pub(crate) fn seal(
    body: &Body,
    subject: Option<&Subject>,
    key: &BodyKey,
    entropy: &dyn Entropy,
) -> Result<Sealed, SealError> {
    if body.is_empty() {
        return Ok(Sealed::default());
    }
    let mut commitments = BTreeMap::new();
    let mut drawn = Zeroizing::new(vec![0; NONCE_LEN + SALT * body.len()]);
    entropy.fill(&mut drawn);
    let (nonce, salts) = drawn.split_first_chunk().ok_or(SealError::Seal)?;
    let aad = identity(subject.map(|s| s.task.as_str()), subject.map_or(0, |s| s.sequence));
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity(body)));
    bytes.extend_from_slice(nonce);
    for ((name, text), salt) in body.iter().zip(salts.chunks_exact(SALT)) {
        commitments.insert(name.clone(), commitment(salt, name, text));
        bytes.push(u8::try_from(name.len()).map_err(|_| SealError::Seal)?);
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(salt);
        let length = u32::try_from(text.len()).map_err(|_| SealError::Seal)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    let plain = bytes.get_mut(NONCE_LEN..).unwrap_or_default();
    let tag = cipher(key)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(*nonce);
            cipher.seal_in_place_separate_tag(nonce, Aad::from(aad.as_bytes()), plain)
        })
        .map_err(|_| SealError::Seal)?;
    bytes.extend_from_slice(tag.as_ref());
    Ok(Sealed { commitments, bytes: std::mem::take(&mut *bytes) })
}

/// Room for a body, so that its text is written once, into the place where it is encrypted, and no
/// copy of it stays behind.
fn capacity(body: &Body) -> usize {
    let field = |(name, text): (&String, &String)| 1 + name.len() + SALT + 4 + text.len();
    NONCE_LEN + body.iter().map(field).sum::<usize>() + AES_256_GCM.tag_len()
}

/// The next field of a plaintext: its name, salt and text, and what follows.
fn field(plain: &[u8]) -> Option<(&str, [u8; SALT], &str, &[u8])> {
    let (length, rest) = plain.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (salt, rest) = rest.split_first_chunk::<SALT>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((str::from_utf8(name).ok()?, *salt, str::from_utf8(text).ok()?, rest))
}

/// Decrypts a body and checks every field against the entry's commitments.
///
/// Errors: wrong key, changed bytes, or fields the entry does not commit to.
pub(crate) fn open(entry: &Entry, bytes: &[u8], key: &BodyKey) -> Result<Body, SealError> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Open)?;
    let aad = identity(entry.task.as_ref().map(remit_model::TaskId::as_str), entry.seq);
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let mut plain = &*cipher(key)
        .map_err(|_| SealError::Open)?
        .open_in_place(nonce, Aad::from(aad.as_bytes()), &mut sealed)
        .map_err(|_| SealError::Open)?;
    let mut body = Body::new();
    while !plain.is_empty() {
        let (name, salt, text, rest) = field(plain).ok_or(SealError::Shape)?;
        if entry.commitments.get(name) != Some(&commitment(&salt, name, text)) {
            return Err(SealError::Commitment(name.to_owned()));
        }
        if body.insert(name.to_owned(), text.to_owned()).is_some() {
            return Err(SealError::Fields);
        }
        plain = rest;
    }
    if !body.keys().eq(entry.commitments.keys()) {
        return Err(SealError::Fields);
    }
    Ok(body)
}
