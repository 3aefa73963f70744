//! The keys that sign grants: one after the other, two files each.

use std::path::PathBuf;

use remit_jose::{SigningKey, draw_es256};
use remit_model::{Entropy, Timestamp};
use remit_signer::Algorithm;
use remit_token::{GrantKey, GrantKeys};

use crate::KeysError;
use crate::generations::{Form, Generations};
use crate::signing::SigningFiles;

const KEY: &str = "key";
const MADE: &str = "made";

/// The mark says when the key was made, in milliseconds since 1970.
static FORM: Form = Form {
    stem: "token",
    secrets: &[KEY],
    mark: MADE,
    draft: "made.new",
    algorithm: Algorithm::Es256,
};

/// Where the keys of grants are kept.
#[derive(Clone, Debug)]
pub struct TokenKeys(Generations);

impl TokenKeys {
    pub(crate) fn new(files: SigningFiles) -> Self {
        Self(Generations::new(files, &FORM))
    }

    /// The keys that count at `now`.
    ///
    /// Errors: a file cannot be read or does not open, or somebody else can read it; the text names it.
    pub fn load(&self, now: Timestamp) -> Result<GrantKeys, KeysError> {
        Ok(self.read()?.at(now))
    }

    /// All that are on disk.
    fn read(&self) -> Result<GrantKeys, KeysError> {
        let open = |number: u64| {
            let made = self.0.made(number, MADE)?;
            let key = SigningKey::new(self.0.signer(number, KEY)?);
            let key = key.map_err(|why| KeysError::damaged(&self.file(number), &why))?;
            Ok(GrantKey::new(number, made, key))
        };
        self.0.counting()?.into_iter().map(open).collect()
    }

    /// Makes the next key and writes it down as a draft in place of earlier ones. It counts once it is
    /// [kept](Self::keep).
    ///
    /// Errors: the disk refuses.
    pub fn draft(&self, now: Timestamp, entropy: &dyn Entropy) -> Result<GrantKey, KeysError> {
        let (number, secret) = (self.0.next()?, draw_es256(entropy)?);
        let made = now.0.to_string();
        self.0.draft(number, (&[&secret], made.as_bytes()), entropy)?;
        let opened = GrantKey::open(number, now, &secret);
        opened.map_err(|why| KeysError::damaged(&self.file(number), &why))
    }

    /// From now on draft `number` counts, also after a restart.
    ///
    /// Errors: the disk refuses, or there is no such draft.
    pub fn keep(&self, number: u64) -> Result<(), KeysError> {
        self.0.keep(number)
    }

    /// Wipes the keys that no longer count at `now`.
    ///
    /// Errors: the disk refuses.
    pub fn sweep(&self, now: Timestamp) -> Result<(), KeysError> {
        let keys = self.read()?;
        let over = keys.iter().filter(|(_, ends)| ends.is_some_and(|ends| now >= ends));
        over.map(|(key, _)| key.number()).try_for_each(|number| self.0.remove(number))
    }

    /// Takes back every key there is. None of them counts again, also after a crash. It needs no room
    /// on the disk.
    ///
    /// Errors: the disk refuses; the text names the file to remove by hand.
    pub fn withdraw(&self) -> Result<(), KeysError> {
        self.0.withdraw()
    }

    /// The file of key `number`.
    pub fn file(&self, number: u64) -> PathBuf {
        self.0.path(number, KEY)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use remit_testkit::SeededEntropy;
    use tempfile::TempDir;

    use super::*;
    use crate::wrap::draw_body_key;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Timestamp = Timestamp(1_795_471_200_000);

    struct Place {
        dir: TempDir,
        keys: TokenKeys,
        entropy: SeededEntropy,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let entropy = SeededEntropy::new(1);
            let files = SigningFiles::new(dir.path(), draw_body_key(&entropy));
            Self { dir, keys: TokenKeys::new(files), entropy }
        }

        fn make(&self, now: Timestamp) -> GrantKey {
            let made = self.keys.draft(now, &self.entropy).unwrap();
            self.keys.keep(made.number()).unwrap();
            made
        }

        fn numbers(&self, now: Timestamp) -> Vec<u64> {
            let keys = self.keys.load(now).unwrap();
            keys.iter().map(|(key, _)| key.number()).collect()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.dir.path()).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_key_comes_back_as_it_was_made_and_goes_when_it_is_over() {
        let place = Place::new();
        let (first, second) = (place.make(NOW), place.make(NOW.after(DAY)));
        let loaded = place.keys.load(NOW.after(DAY)).unwrap();
        let told = |key: &GrantKey| (key.number(), key.kid().to_owned(), key.made());
        let loaded: Vec<_> = loaded.iter().map(|(key, _)| told(key)).collect();
        assert_eq!(loaded, [told(&first), told(&second)]);
        place.keys.sweep(NOW.after(DAY)).unwrap();
        assert_eq!(place.names().len(), 4, "none is over");
        let over = NOW.after(DAY + Duration::from_hours(2));
        assert_eq!(place.numbers(over), [2], "it counts no more, though it is still there");
        place.keys.sweep(over).unwrap();
        assert_eq!(place.names(), ["token-2.key", "token-2.made"]);
    }

    #[test]
    fn a_key_that_no_record_tells_of_counts_for_nothing() {
        let place = Place::new();
        place.make(NOW);
        place.keys.draft(NOW, &place.entropy).unwrap();
        assert_eq!(place.numbers(NOW), [1], "it was never kept");
        // As a crash leaves it half-written.
        fs::remove_file(place.dir.path().join("token-2.made.new")).unwrap();
        fs::write(place.dir.path().join("token-2.key"), b"half").unwrap();
        assert_eq!(place.numbers(NOW), [1]);
        assert_eq!(place.make(NOW).number(), 3, "its number is not used again");
        assert_eq!(place.names(), ["token-1.key", "token-1.made", "token-3.key", "token-3.made"]);
    }

    #[test]
    fn what_was_taken_back_does_not_come_back() {
        let place = Place::new();
        place.make(NOW);
        place.make(NOW);
        place.keys.withdraw().unwrap();
        assert!(place.numbers(NOW).is_empty());
        for name in place.names() {
            assert!(fs::read(place.dir.path().join(&name)).unwrap().is_empty(), "{name}");
        }
        assert_eq!(place.make(NOW).number(), 3);
        assert_eq!(place.names(), ["token-3.key", "token-3.made"]);
    }

    #[test]
    fn keys_are_closed_to_others_and_refused_when_they_are_not_or_are_damaged() {
        let place = Place::new();
        place.make(NOW);
        for name in place.names() {
            let path = place.dir.path().join(&name);
            let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            mode(0o640);
            let error = place.keys.load(NOW).unwrap_err().to_string();
            assert!(error.contains(&name) && error.contains("mode 640"), "{error}");
            mode(0o600);
            let good = fs::read(&path).unwrap();
            fs::write(&path, "nonsense").unwrap();
            let error = place.keys.load(NOW).unwrap_err().to_string();
            assert!(error.contains(&name) && !error.contains("nonsense"), "{error}");
            fs::write(&path, good).unwrap();
        }
        assert_eq!(place.numbers(NOW), [1]);
    }
}
