//! The keys that sign the log: one after the other, two files each.
//!
//! Which of them sign is said by the log, so a file alone makes no key count: a draft that the log names
//! is kept by whoever opens it, and one that it does not name never signed anything.

use std::path::PathBuf;

use remit_model::{Entropy, Timestamp};
use remit_signer::Algorithm;
use remit_tlog::SigningKey;

use crate::generations::{Form, Generations};
use crate::signing::SigningFiles;
use crate::{KeysError, pair};

const KEY: &str = "key";
const MADE: &str = "made";
const DRAFT: &str = "made.new";

static FORM: Form =
    Form { stem: "log", secrets: &[KEY], mark: MADE, draft: DRAFT, algorithm: Algorithm::Ed25519 };

/// The number of the key that a log begins with.
const FIRST: u64 = 1;

/// Where the keys of the log are kept.
#[derive(Clone, Debug)]
pub struct LogKeys(Generations);

/// One of them.
#[derive(Debug)]
pub struct LogKey {
    /// Which, from 1 on.
    pub number: u64,
    /// When it was made.
    pub made: Timestamp,
    /// Whether it is more than a draft: the log names it.
    pub counts: bool,
    /// The key itself.
    pub key: SigningKey,
}

impl LogKey {
    /// Its name in records.
    pub fn name(&self) -> String {
        LogKeys::name(self.number)
    }

    /// Whether the log began with it.
    pub fn is_first(&self) -> bool {
        self.number == FIRST
    }
}

impl LogKeys {
    /// The name of key `number` in records.
    pub fn name(number: u64) -> String {
        format!("log-{number}")
    }

    pub(crate) fn new(files: SigningFiles) -> Self {
        Self(Generations::new(files, &FORM))
    }

    /// Makes the first key.
    pub(crate) fn create(&self, now: Timestamp, entropy: &dyn Entropy) -> Result<(), KeysError> {
        self.write(FIRST, now, entropy)?;
        self.keep(FIRST)
    }

    /// That those that count can be read, and that there is one.
    pub(crate) fn check(&self) -> Result<(), KeysError> {
        let counting = self.0.counting()?;
        // Where there is none, the first is the one that is missed.
        let missed = counting.is_empty().then_some(FIRST);
        counting.into_iter().chain(missed).try_for_each(|number| {
            self.0.made(number, MADE)?;
            self.0.signer(number, KEY).map(drop)
        })
    }

    /// All that are on disk, in order, as keys of the log `origin`: also drafts that are whole.
    ///
    /// Errors: a file cannot be read or does not open, or somebody else can read it; the text names it.
    pub fn load(&self, origin: &str) -> Result<Vec<LogKey>, KeysError> {
        let mut keys = Vec::new();
        for (number, counts) in self.0.known()? {
            let made =
                if counts { Some(self.0.made(number, MADE)?) } else { self.0.drafted(number)? };
            if let Some(made) = made {
                keys.push(self.open(origin, (number, made, counts))?);
            }
        }
        Ok(keys)
    }

    fn open(
        &self,
        origin: &str,
        (number, made, counts): (u64, Timestamp, bool),
    ) -> Result<LogKey, KeysError> {
        let key = SigningKey::new(origin, self.0.signer(number, KEY)?);
        let key = key.map_err(|why| KeysError::damaged(&self.file(number), &why))?;
        Ok(LogKey { number, made, counts, key })
    }

    /// Makes the next key and writes it down as a draft in place of earlier ones.
    ///
    /// Errors: the disk refuses.
    pub fn draft(
        &self,
        origin: &str,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<LogKey, KeysError> {
        let number = self.0.next()?;
        self.write(number, now, entropy)?;
        self.open(origin, (number, now, false))
    }

    fn write(&self, number: u64, now: Timestamp, entropy: &dyn Entropy) -> Result<(), KeysError> {
        let secret = pair::draw_ed25519(entropy);
        self.0.draft(number, (&[&secret], now.0.to_string().as_bytes()), entropy)
    }

    /// Draft `number` is named by the log.
    ///
    /// Errors: the disk refuses, or there is no such draft.
    pub fn keep(&self, number: u64) -> Result<(), KeysError> {
        self.0.keep(number)
    }

    /// Wipes all keys but those of `numbers`, which alone sign; also what is left of one that was being
    /// wiped before.
    ///
    /// Errors: the disk refuses.
    pub fn keep_only(&self, numbers: &[u64]) -> Result<(), KeysError> {
        let over = self.0.known()?.into_keys().filter(|number| !numbers.contains(number));
        over.into_iter().try_for_each(|number| self.0.remove(number))
    }

    /// The file of key `number`.
    pub fn file(&self, number: u64) -> PathBuf {
        self.0.path(number, KEY)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use remit_testkit::SeededEntropy;

    use super::*;
    use crate::wrap::draw_body_key;

    const NOW: Timestamp = Timestamp(1_795_471_200_000);

    fn told(keys: &LogKeys) -> Vec<(u64, bool, Timestamp)> {
        let loaded = keys.load("log.test").unwrap();
        loaded.iter().map(|key| (key.number, key.counts, key.made)).collect()
    }

    #[test]
    fn keys_come_one_after_the_other_and_go_without_a_trace() {
        let (dir, entropy) = (tempfile::tempdir().unwrap(), SeededEntropy::new(1));
        let keys = LogKeys::new(SigningFiles::new(dir.path(), draw_body_key(&entropy)));
        let missing = keys.check().unwrap_err().to_string();
        assert!(missing.contains("there are no keys"), "{missing}");
        keys.create(NOW, &entropy).unwrap();
        keys.check().unwrap();
        assert_eq!(told(&keys), [(1, true, NOW)]);
        let lost = keys.draft("log.test", Timestamp(5), &entropy).unwrap();
        assert_eq!((lost.name(), lost.is_first()), ("log-2".to_owned(), false));
        assert_eq!(told(&keys), [(1, true, NOW), (2, false, Timestamp(5))]);
        // As a crash leaves it half-written.
        fs::write(dir.path().join("log-2.made.new"), "").unwrap();
        assert_eq!(told(&keys), [(1, true, NOW)]);
        fs::remove_file(dir.path().join("log-2.made.new")).unwrap();
        assert_eq!(told(&keys), [(1, true, NOW)]);
        let made = keys.draft("log.test", Timestamp(7), &entropy).unwrap();
        assert_ne!(made.key.verifier(), lost.key.verifier());
        keys.keep(made.number).unwrap();
        // As a crash leaves it half-wiped: it is no key, and still there.
        fs::remove_file(dir.path().join("log-1.made")).unwrap();
        assert_eq!(told(&keys), [(3, true, Timestamp(7))]);
        keys.keep_only(&[3]).unwrap();
        keys.check().unwrap();
        assert_eq!(told(&keys), [(3, true, Timestamp(7))]);
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}
