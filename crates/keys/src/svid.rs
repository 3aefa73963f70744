//! The keys that sign SVIDs: one generation after the other, three files each.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use remit_model::{Entropy, Timestamp};
use remit_signer::Algorithm;
use remit_spiffe::{Authority, Generation, TrustDomain};

use crate::generations::{Form, Generations};
use crate::signing::SigningFiles;
use crate::{KeysError, file};

const SIGNER: &str = "signer";
const JWT: &str = "jwt";

/// The mark is the certificate.
static FORM: Form = Form {
    stem: "svid",
    secrets: &[SIGNER, JWT],
    mark: "crt",
    draft: "crt.new",
    algorithm: Algorithm::Es256,
};

/// Where the keys of SVIDs are kept.
#[derive(Clone, Debug)]
pub struct SvidKeys(Generations);

impl SvidKeys {
    pub(crate) fn new(files: SigningFiles) -> Self {
        Self(Generations::new(files, &FORM))
    }

    /// The authority of `domain` as it is on disk; empty before the first generation, and of the
    /// generations of another trust domain, which the configuration named before.
    ///
    /// Errors: a file cannot be read or does not open, or somebody else can read it; the text names it.
    pub fn load(&self, domain: &TrustDomain) -> Result<Authority, KeysError> {
        Ok(Authority::new(domain.clone(), self.read()?))
    }

    /// All that counts, of whatever trust domain.
    fn read(&self) -> Result<Vec<Arc<Generation>>, KeysError> {
        let open = |number: u64| {
            let path = self.0.mark(number);
            let signers = (self.0.signer(number, SIGNER)?, self.0.signer(number, JWT)?);
            let opened = Generation::new(number, signers, file::read(&path)?.to_vec());
            opened.map(Arc::new).map_err(|why| KeysError::damaged(&path, &why))
        };
        self.0.counting()?.into_iter().map(open).collect()
    }

    /// Makes the next generation, of which the next is made after `rotation`, and writes it down as
    /// a draft in place of earlier ones. It counts once it is [kept](Self::keep).
    ///
    /// Errors: the disk refuses.
    pub fn draft(
        &self,
        domain: &TrustDomain,
        rotation: Duration,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Generation, KeysError> {
        let number = self.0.next()?;
        let kept = Generation::draw(number, domain, rotation, now, entropy)?;
        let parts: (&[&[u8]], &[u8]) = (&[&kept.signer, &kept.jwt], &kept.certificate);
        self.0.draft(number, parts, entropy)?;
        let opened = Generation::open(number, &kept);
        opened.map_err(|why| KeysError::damaged(&self.signer(number), &why))
    }

    /// From now on draft `number` counts, also after a restart.
    ///
    /// Errors: the disk refuses, or there is no such draft.
    pub fn keep(&self, number: u64) -> Result<(), KeysError> {
        self.0.keep(number)
    }

    /// Removes the generations that are over at `now`.
    ///
    /// Errors: the disk refuses.
    pub fn sweep(&self, now: Timestamp) -> Result<(), KeysError> {
        let mut over = self.read()?.into_iter().filter(|generation| generation.is_over(now));
        over.try_for_each(|generation| self.0.remove(generation.number()))
    }

    /// Takes back every generation there is, of whatever trust domain. None of them counts again,
    /// also after a crash. It needs no room on the disk.
    ///
    /// Errors: the disk refuses; the text names the file to remove by hand.
    pub fn withdraw(&self) -> Result<(), KeysError> {
        self.0.withdraw()
    }

    /// The file of the key that signs certificates in generation `number`.
    pub fn signer(&self, number: u64) -> PathBuf {
        self.0.path(number, SIGNER)
    }

    /// The file of the key that signs tokens in generation `number`.
    pub fn jwt(&self, number: u64) -> PathBuf {
        self.0.path(number, JWT)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use remit_spiffe::trust_domain;
    use remit_testkit::SeededEntropy;
    use tempfile::TempDir;

    use super::*;
    use crate::wrap::draw_body_key;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Timestamp = Timestamp(1_795_471_200_000);

    struct Place {
        dir: TempDir,
        keys: SvidKeys,
        entropy: SeededEntropy,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let entropy = SeededEntropy::new(1);
            let files = SigningFiles::new(dir.path(), draw_body_key(&entropy));
            Self { dir, keys: SvidKeys::new(files), entropy }
        }

        fn load(&self) -> Authority {
            self.keys.load(&trust_domain("remit.test").unwrap()).unwrap()
        }

        fn draft(&self, domain: &str, now: Timestamp) -> Generation {
            let domain = trust_domain(domain).unwrap();
            self.keys.draft(&domain, DAY, now, &self.entropy).unwrap()
        }

        fn make(&self, now: Timestamp) -> u64 {
            let number = self.draft("remit.test", now).number();
            self.keys.keep(number).unwrap();
            number
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.dir.path()).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    fn numbers(authority: &Authority) -> Vec<u64> {
        authority.generations().iter().map(|generation| generation.number()).collect()
    }

    #[test]
    fn generations_come_and_go_when_they_are_over() {
        let place = Place::new();
        assert!(place.load().generations().is_empty());
        assert_eq!((place.make(NOW), place.make(NOW.after(DAY))), (1, 2));
        assert_eq!(numbers(&place.load()), [1, 2]);
        place.keys.sweep(NOW.after(DAY)).unwrap();
        assert_eq!(numbers(&place.load()), [1, 2], "none is over");
        place.keys.sweep(NOW.after(DAY * 2)).unwrap();
        assert_eq!(place.names(), ["svid-2.crt", "svid-2.jwt", "svid-2.signer"]);
        assert_eq!(numbers(&place.load()), [2]);
    }

    #[test]
    fn a_draft_counts_once_it_is_kept_and_its_number_is_not_used_again() {
        let place = Place::new();
        place.make(NOW);
        assert_eq!(place.draft("remit.test", NOW).number(), 2);
        assert_eq!(numbers(&place.load()), [1], "a start does not find it");
        assert_eq!(place.draft("remit.test", NOW).number(), 3);
        assert!(
            !place.names().iter().any(|name| name.starts_with("svid-2.")),
            "its files are gone"
        );
        assert!(place.keys.keep(2).is_err());
        place.keys.keep(3).unwrap();
        assert_eq!(numbers(&place.load()), [1, 3]);
    }

    #[test]
    fn what_was_taken_back_does_not_come_back() {
        let place = Place::new();
        place.make(NOW);
        place.make(NOW);
        let secret = fs::read(place.keys.signer(2)).unwrap();
        place.keys.withdraw().unwrap();
        assert!(place.load().generations().is_empty());
        for name in place.names() {
            let left = fs::read(place.dir.path().join(&name)).unwrap();
            assert!(left.is_empty() && !secret.is_empty(), "{name} still holds something");
        }
        assert_eq!(place.make(NOW), 3);
        assert_eq!(place.names(), ["svid-3.crt", "svid-3.jwt", "svid-3.signer"]);
    }

    #[test]
    fn keys_are_closed_to_others_and_refused_when_they_are_not() {
        let place = Place::new();
        place.make(NOW);
        for name in place.names() {
            let path = place.dir.path().join(&name);
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let error = place.keys.load(&trust_domain("remit.test").unwrap()).unwrap_err();
            assert!(error.to_string().contains(&name), "{error}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    #[test]
    fn what_a_crash_left_unfinished_is_made_anew() {
        let place = Place::new();
        place.make(NOW);
        for name in ["svid-2.signer", "svid-2.jwt"] {
            file::create(&place.dir.path().join(name), b"half").unwrap();
        }
        assert_eq!(numbers(&place.load()), [1]);
        assert_eq!(place.make(NOW.after(DAY)), 3);
        assert_eq!(numbers(&place.load()), [1, 3]);
    }

    #[test]
    fn a_trust_domain_of_another_name_starts_with_keys_of_its_own() {
        let place = Place::new();
        place.make(NOW);
        let other = trust_domain("other.test").unwrap();
        let load = || place.keys.load(&other).unwrap();
        assert!(load().generations().is_empty());
        place.keys.keep(place.draft("other.test", NOW).number()).unwrap();
        assert_eq!(numbers(&load()), [2]);
        assert_eq!(numbers(&place.load()), [1], "the old ones stay for a change of mind");
        place.keys.sweep(NOW.after(DAY * 2)).unwrap();
        assert!(place.load().generations().is_empty(), "until they are over");
    }
}
