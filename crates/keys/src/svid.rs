//! The keys that sign SVIDs: one generation after the other, three files each.
//!
//! The certificate is written last, so its presence says that the other two are there. Of a
//! generation that a crash left unfinished nothing was ever signed or published: its files are
//! replaced. One that is over can sign nothing that anybody believes, and is wiped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remit_model::{Entropy, Timestamp};
use remit_spiffe::{Authority, Generation, Kept, TrustDomain};

use crate::{KeysError, file};

const SIGNER: &str = "signer";
const JWT: &str = "jwt";
const CERTIFICATE: &str = "crt";

/// Where the keys of SVIDs are kept.
#[derive(Clone, Debug)]
pub struct SvidKeys {
    dir: PathBuf,
}

impl SvidKeys {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The authority of `domain` as it is on disk; empty before the first rotation, and of the
    /// generations of another trust domain, which the configuration named before.
    ///
    /// Errors: a file cannot be read, or somebody else can read it; the text names it.
    pub fn load(&self, domain: &TrustDomain) -> Result<Authority, KeysError> {
        Ok(Authority::new(domain.clone(), self.read()?))
    }

    /// All that is complete, of whatever trust domain.
    fn read(&self) -> Result<Vec<Arc<Generation>>, KeysError> {
        let open = |number: u64| {
            let path = self.path(number, CERTIFICATE);
            let kept = Kept {
                signer: file::read(&self.path(number, SIGNER))?,
                jwt: file::read(&self.path(number, JWT))?,
                certificate: file::read(&path)?.to_vec(),
            };
            let opened = Generation::open(number, &kept);
            opened.map(Arc::new).map_err(|why| KeysError::damaged(&path, &why))
        };
        self.numbers()?.into_iter().map(open).collect()
    }

    /// Makes the next generation if it is due, of which the next is made after `rotation`, and
    /// removes those that are over. What comes back is what is on disk then.
    ///
    /// Errors: the disk refuses.
    pub fn rotate(
        &self,
        domain: &TrustDomain,
        rotation: Duration,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Authority, KeysError> {
        if self.load(domain)?.is_due(now) {
            let number = self.numbers()?.last().map_or(1, |last| last + 1);
            let kept = Generation::draw(number, domain, rotation, now, entropy)?;
            self.write(number, &kept)?;
        }
        let (over, left): (Vec<_>, Vec<_>) =
            self.read()?.into_iter().partition(|generation| generation.is_over(now));
        for generation in over {
            self.remove(generation.number())?;
        }
        Ok(Authority::new(domain.clone(), left))
    }

    fn write(&self, number: u64, kept: &Kept) -> Result<(), KeysError> {
        let parts = [(SIGNER, &*kept.signer), (JWT, &*kept.jwt), (CERTIFICATE, &kept.certificate)];
        for (kind, content) in parts {
            let path = self.path(number, kind);
            file::remove(&path)?;
            file::create(&path, content)?;
        }
        Ok(())
    }

    /// The certificate first: without it the rest is nothing.
    fn remove(&self, number: u64) -> Result<(), KeysError> {
        [CERTIFICATE, JWT, SIGNER]
            .into_iter()
            .try_for_each(|kind| file::remove(&self.path(number, kind)))
    }

    /// The numbers of the generations that are complete, in order.
    fn numbers(&self) -> Result<Vec<u64>, KeysError> {
        let failed = |why| KeysError::io("read the folder", &self.dir, &why);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name.to_str().and_then(|name| {
                name.strip_prefix("svid-")?
                    .strip_suffix(CERTIFICATE)?
                    .strip_suffix('.')?
                    .parse()
                    .ok()
            });
            numbers.extend::<Option<u64>>(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64, kind: &str) -> PathBuf {
        self.dir.join(format!("svid-{number}.{kind}"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use remit_spiffe::trust_domain;
    use remit_testkit::SeededEntropy;
    use tempfile::TempDir;

    use super::*;

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
            let keys = SvidKeys::new(dir.path());
            Self { dir, keys, entropy: SeededEntropy::new(1) }
        }

        fn load(&self) -> Authority {
            self.keys.load(&trust_domain("remit.test").unwrap()).unwrap()
        }

        fn rotate(&self, now: Timestamp) -> Authority {
            self.keys.rotate(&trust_domain("remit.test").unwrap(), DAY, now, &self.entropy).unwrap()
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
    fn generations_come_when_they_are_due_and_go_when_they_are_over() {
        let place = Place::new();
        assert!(place.load().generations().is_empty());
        assert_eq!(numbers(&place.rotate(NOW)), [1]);
        assert_eq!(numbers(&place.rotate(NOW)), [1], "nothing was due");
        assert_eq!(numbers(&place.rotate(NOW.after(DAY))), [1, 2]);
        assert_eq!(numbers(&place.load()), [1, 2], "also after a restart");
        assert_eq!(numbers(&place.rotate(NOW.after(DAY * 2))), [2, 3]);
        let names = place.names();
        assert_eq!(names.len(), 6, "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("svid-1.")), "{names:?}");
        assert_eq!(numbers(&place.rotate(NOW.after(DAY * 20))), [4], "numbers are not used twice");
    }

    #[test]
    fn keys_are_closed_to_others_and_refused_when_they_are_not() {
        let place = Place::new();
        place.rotate(NOW);
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
        place.rotate(NOW);
        for name in ["svid-2.signer", "svid-2.jwt"] {
            file::create(&place.dir.path().join(name), b"half").unwrap();
        }
        assert_eq!(numbers(&place.load()), [1]);
        assert_eq!(numbers(&place.rotate(NOW.after(DAY))), [1, 2]);
    }

    #[test]
    fn a_trust_domain_of_another_name_starts_with_keys_of_its_own() {
        let place = Place::new();
        place.rotate(NOW);
        let other = trust_domain("other.test").unwrap();
        let empty = place.keys.load(&other).unwrap();
        assert!(empty.generations().is_empty());
        let rotated = place.keys.rotate(&other, DAY, NOW, &place.entropy).unwrap();
        assert_eq!(numbers(&rotated), [2]);
        assert_eq!(numbers(&place.load()), [1], "the old ones stay for a change of mind");
        place.keys.rotate(&other, DAY, NOW.after(DAY * 2), &place.entropy).unwrap();
        assert!(place.load().generations().is_empty(), "until they are over");
    }
}
