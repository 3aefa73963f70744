//! What a KEK is closed with in its file. That of sealed storage by a key that lies elsewhere or a
//! passphrase, so that a copy of the state directory alone opens nothing; that of record bodies by a key
//! that lies in sealed storage.
//!
//! The KEK itself is drawn here and replaced at will; the guard only closes it. So what lies elsewhere
//! may be read-only, and a passphrase need not be typed again when the KEK is replaced.
//!
//! | Guard | The file |
//! |---|---|
//! | nothing | the KEK, 32 bytes; of sealed storage alone |
//! | a key | `K`, the KEK sealed under HKDF-SHA256 of a key from elsewhere, or under one of sealed storage |
//! | a passphrase | `P`, salt (16), the KEK sealed under Argon2id of passphrase and salt |

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use remit_model::Entropy;
use remit_ports::BodyKey;
use zeroize::Zeroizing;

use crate::wrap::{Kek, open, seal};
use crate::{KeysError, MIN_PASSPHRASE, file};

/// The shortest key: whoever has the closed KEK can try keys as fast as they like.
const MIN_KEY: usize = 32;
/// The longest of either, in bytes (R13).
const MAX_KEY: usize = 1024;

/// Argon2id as RFC 9106 section 4 recommends it where memory is scarce: 64 MiB, three passes, four
/// lanes. It is done once at the start and where the passphrase is changed.
const MEMORY: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;

/// What everything is closed under: it opens as nothing else.
const NAME: &[u8] = b"remit/kek/v1";

type Bytes = Zeroizing<[u8; 32]>;

/// What a KEK in its file is closed with.
#[derive(Clone)]
pub struct Guard(Kind);

#[derive(Clone)]
enum Kind {
    Nothing,
    Key(Bytes),
    Passphrase(Arc<Passphrase>),
}

struct Passphrase {
    text: Zeroizing<String>,
    /// What came of it last, with which salt: it takes a while.
    stretched: Mutex<Option<([u8; 16], Bytes)>>,
}

/// What came of opening a file.
pub(crate) enum Opened {
    /// The KEK.
    Kek(Kek),
    /// The guard is another; in words.
    Not(&'static str),
}

impl Guard {
    /// Nothing: whoever reads the file has the KEK.
    pub fn nothing() -> Self {
        Self(Kind::Nothing)
    }

    /// A key that lies in sealed storage.
    pub(crate) fn stored(key: &BodyKey) -> Self {
        Self(Kind::Key(Zeroizing::new(*key.as_bytes())))
    }

    /// The key in the file `path`, of any content from 32 bytes to 1 KiB. It belongs to us or to root
    /// and is closed to others; nobody but its owner writes it.
    ///
    /// Errors: it is not there or not such a file; the text says how to make one.
    pub fn key_file(path: &Path) -> Result<Self, KeysError> {
        let key = given(path)?;
        if !(MIN_KEY..=MAX_KEY).contains(&key.len()) {
            return Err(KeysError::Guard(format!(
                "expected a key of {MIN_KEY} to {MAX_KEY} random bytes in `{}`, got {}: make one with \
                 `head -c 32 /dev/urandom`",
                path.display(),
                key.len()
            )));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, &[])
            .extract(&key)
            .expand(&[NAME], HKDF_SHA256)
            .and_then(|okm| okm.fill(bytes.as_mut_slice()))
            .map_err(|_| KeysError::Crypto("deriving a key"))?;
        Ok(Self(Kind::Key(bytes)))
    }

    /// A passphrase.
    ///
    /// Errors: it has fewer than 12 characters or more than 1 KiB.
    pub fn passphrase(text: Zeroizing<String>) -> Result<Self, KeysError> {
        let length = text.chars().count();
        if length < MIN_PASSPHRASE || text.len() > MAX_KEY {
            return Err(KeysError::Guard(format!(
                "expected a passphrase of sealed storage of {MIN_PASSPHRASE} characters to {MAX_KEY} \
                 bytes, got {length} characters: choose another"
            )));
        }
        let stretched = Mutex::new(None);
        Ok(Self(Kind::Passphrase(Arc::new(Passphrase { text, stretched }))))
    }

    /// The passphrase in the file `path`, which is one of those that [`Self::key_file`] takes; a line
    /// break at its end does not count.
    ///
    /// Errors: there is none in it.
    pub fn passphrase_file(path: &Path) -> Result<Self, KeysError> {
        let bytes = given(path)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| KeysError::damaged(path, &"expected a passphrase in UTF-8"))?;
        Self::passphrase(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// The content of the file in which `kek` is closed.
    pub(crate) fn close(
        &self,
        kek: &Kek,
        entropy: &dyn Entropy,
    ) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let closed = match &self.0 {
            Kind::Nothing => kek.as_bytes().to_vec(),
            Kind::Key(key) => [b"K", seal(key, NAME, kek.as_bytes(), entropy)?.as_slice()].concat(),
            Kind::Passphrase(passphrase) => {
                let (salt, key) = passphrase.fresh(entropy)?;
                let sealed = seal(&key, NAME, kek.as_bytes(), entropy)?;
                [b"P", salt.as_slice(), sealed.as_slice()].concat()
            }
        };
        Ok(Zeroizing::new(closed))
    }

    /// Opens the content of such a file.
    ///
    /// Errors: the cryptographic library failed.
    pub(crate) fn open(&self, closed: &[u8]) -> Result<Opened, KeysError> {
        let unsealed = |key: &Bytes, sealed: &[u8]| {
            open(key, NAME, sealed).and_then(|bytes| Kek::from_bytes(&bytes)).map(Opened::Kek)
        };
        Ok(match (&self.0, closed) {
            (Kind::Nothing, bare) => match Kek::from_bytes(bare) {
                Some(kek) => Opened::Kek(kek),
                None => Opened::Not(match bare {
                    [b'K', ..] => "it was closed with a key, and [secrets] has no `key_file`",
                    [b'P', ..] => "it was closed with a passphrase, and [secrets] has none",
                    _ => "it is damaged, expected 32 bytes; restore it from a backup",
                }),
            },
            (Kind::Key(key), [b'K', sealed @ ..]) => {
                unsealed(key, sealed).unwrap_or(Opened::Not("it was closed with another key"))
            }
            (Kind::Passphrase(passphrase), [b'P', rest @ ..]) => {
                let Some((salt, sealed)) = rest.split_first_chunk::<16>() else {
                    return Ok(Opened::Not("it is cut short"));
                };
                unsealed(&passphrase.stretch(salt)?, sealed)
                    .unwrap_or(Opened::Not("it was closed with another passphrase"))
            }
            (Kind::Key(_), _) => Opened::Not("it was not closed with a key"),
            (Kind::Passphrase(_), _) => Opened::Not("it was not closed with a passphrase"),
        })
    }

    /// Whether a copy of the file is enough to open it.
    pub fn is_nothing(&self) -> bool {
        matches!(self.0, Kind::Nothing)
    }

    /// What it is, in words.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Kind::Nothing => "nothing",
            Kind::Key(_) => "a key from elsewhere",
            Kind::Passphrase(_) => "a passphrase",
        }
    }
}

/// What somebody put into `path` for us; never made by us, because a file that is not there may lie on
/// a disk that is not there yet.
fn given(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeysError> {
    file::read_given(path).map_err(|why| match why {
        KeysError::Missing { .. } => KeysError::Guard(format!(
            "there is no `{}`, which [secrets] names: mount it, or make it if there was none yet, a \
             key with `(umask 077; head -c 32 /dev/urandom > FILE)`",
            path.display()
        )),
        other => other,
    })
}

impl Passphrase {
    /// A key of the passphrase, with the salt of the last time if there was one: the nonce alone has to
    /// be new.
    fn fresh(&self, entropy: &dyn Entropy) -> Result<([u8; 16], Bytes), KeysError> {
        let known = self.stretched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        Ok((salt, self.stretch(&salt)?))
    }

    /// The key that passphrase and salt make.
    fn stretch(&self, salt: &[u8; 16]) -> Result<Bytes, KeysError> {
        let mut stretched = self.stretched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = stretched.as_ref().filter(|(known, _)| known == salt) {
            return Ok(key.clone());
        }
        let mut key = Zeroizing::new([0; 32]);
        let failed = |_| KeysError::Crypto("argon2");
        let params = Params::new(MEMORY, PASSES, LANES, Some(32)).map_err(failed)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(self.text.as_bytes(), salt, key.as_mut_slice())
            .map_err(failed)?;
        *stretched = Some((*salt, key.clone()));
        Ok(key)
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.name())
    }
}
