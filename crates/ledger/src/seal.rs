//! Bodies: salted commitments in the entry, AES-256-GCM under the task's key beside it.
//!
//! The plaintext is canonical JSON, field name → `{"salt": <32 hex digits>, "value": <text>}`,
//! where `value` is the field's JSON text as a string, so that no parser can change what was
//! committed to. The ciphertext is stored as nonce ‖ ciphertext ‖ tag. The associated data names
//! task and sequence number, so that a body opens only under the entry it was written for.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use data_encoding::HEXLOWER;
use remit_model::{Digest, Entropy};
use remit_ports::{Body, BodyKey, Entry, Subject};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Why a body cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the body cannot be encrypted")]
    Seal,
    #[error("the body does not decrypt under its task's key")]
    Open,
    #[error("the body is not a map of salted fields: {0}")]
    Shape(String),
    #[error("the field `{0}` does not fit its commitment")]
    Commitment(String),
    #[error("the fields of the body are not those the entry commits to")]
    Fields,
}

/// A field as it is written.
#[derive(Serialize)]
struct Salted<'a> {
    salt: String,
    value: &'a str,
}

/// A field as it is read back.
#[derive(Deserialize)]
struct Field {
    salt: String,
    value: String,
}

impl Drop for Field {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.value);
    }
}

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

/// `remit-body-v1 <task> <sequence>`, with `-` for the node itself.
fn identity(task: Option<&str>, sequence: u64) -> String {
    format!("remit-body-v1 {} {sequence}", task.unwrap_or("-"))
}

fn cipher(key: &BodyKey) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
    UnboundKey::new(&AES_256_GCM, key.as_bytes()).map(LessSafeKey::new)
}

/// Commits to each field and encrypts them. An empty body seals to nothing.
///
/// Errors: the cipher refuses.
pub(crate) fn seal(
    body: &Body,
    subject: Option<&Subject>,
    key: &BodyKey,
    entropy: &dyn Entropy,
) -> Result<Sealed, SealError> {
    if body.is_empty() {
        return Ok(Sealed::default());
    }
    let (mut commitments, mut fields) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in body {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        commitments.insert(name.clone(), commitment(&salt, name, value));
        fields.insert(name.as_str(), Salted { salt: HEXLOWER.encode(&salt), value });
    }
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce);
    let aad = identity(subject.map(|s| s.task.as_str()), subject.map_or(0, |s| s.sequence));
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity(body)));
    bytes.extend_from_slice(&nonce);
    serde_json::to_writer(&mut *bytes, &fields).map_err(|_| SealError::Seal)?;
    let plain = bytes.get_mut(NONCE_LEN..).unwrap_or_default();
    let tag = cipher(key)
        .and_then(|cipher| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            cipher.seal_in_place_separate_tag(nonce, Aad::from(aad.as_bytes()), plain)
        })
        .map_err(|_| SealError::Seal)?;
    bytes.extend_from_slice(tag.as_ref());
    Ok(Sealed { commitments, bytes: std::mem::take(&mut *bytes) })
}

/// Room for a body: its text is written into the place where it is encrypted. A quarter more is
/// more than escaping takes of JSON as it comes.
fn capacity(body: &Body) -> usize {
    /// Nonce, tag, salts and punctuation of a field.
    const BESIDE: usize = 128;
    body.iter().map(|(name, value)| name.len() + value.len() + value.len() / 4 + BESIDE).sum()
}

/// Decrypts a body and checks every field against the entry's commitments.
///
/// Errors: wrong key, changed bytes, or fields the entry does not commit to.
pub(crate) fn open(entry: &Entry, bytes: &[u8], key: &BodyKey) -> Result<Body, SealError> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Open)?;
    let aad = identity(entry.task.as_ref().map(remit_model::TaskId::as_str), entry.seq);
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let text = cipher(key)
        .map_err(|_| SealError::Open)?
        .open_in_place(nonce, Aad::from(aad.as_bytes()), &mut sealed)
        .map_err(|_| SealError::Open)?;
    let fields: BTreeMap<String, Field> =
        serde_json::from_slice(text).map_err(|why| SealError::Shape(why.to_string()))?;
    if !fields.keys().eq(entry.commitments.keys()) {
        return Err(SealError::Fields);
    }
    let mut body = Body::new();
    for (name, mut field) in fields {
        let salt = HEXLOWER
            .decode(field.salt.as_bytes())
            .map_err(|why| SealError::Shape(why.to_string()))?;
        if entry.commitments.get(&name) != Some(&commitment(&salt, &name, &field.value)) {
            return Err(SealError::Commitment(name));
        }
        body.insert(name, std::mem::take(&mut field.value));
    }
    Ok(body)
}
