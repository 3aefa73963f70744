//! The keyring: body keys for the ledger, from memory where possible.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remit_model::{Entropy, TaskId};
use remit_ports::{BodyKey, BodyKeys, KeyError};

use crate::reopened::Reopened;
use crate::vault::{NODE, Vault};
use crate::{Guards, KeysError};

/// How many unwrapped keys stay in memory (R13). A key beyond that is unwrapped when needed.
const CACHE_BOUND: usize = 4096;

/// The keys of record bodies, wrapped under `kek` in `bodies.redb`.
///
/// *Promise (R10):* when [`BodyKeys::erase`] has returned, the key is in no file and not in this
/// keyring's memory, and no file of before opens it together with a file of after. Where it ends:
/// a backup that holds both files of before; whoever still holds a [`BodyKey`] (it is wiped when
/// they let go); and a disk that keeps what was overwritten.
pub struct Keyring {
    dir: PathBuf,
    guards: Guards,
    entropy: Arc<dyn Entropy>,
    vault: Reopened<Vault>,
    /// Unwrapped keys by name. Written only while `vault` is locked, so that no reader puts a key
    /// back that is being erased.
    cache: Mutex<BTreeMap<String, BodyKey>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys in memory)", self.cache().len())
    }
}

impl Keyring {
    /// Opens `bodies.redb` and `kek`, which `guards` close, in `dir`.
    ///
    /// Errors: they are missing, exposed, damaged or do not belong together.
    pub(crate) fn open(
        dir: &Path,
        guards: Guards,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, KeysError> {
        let vault = Reopened::new(Vault::open(dir, &guards, entropy.as_ref())?);
        Ok(Self { dir: dir.to_owned(), guards, entropy, vault, cache: Mutex::default() })
    }

    fn cache(&self) -> MutexGuard<'_, BTreeMap<String, BodyKey>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, name: &str, key: &BodyKey) {
        let mut cache = self.cache();
        if cache.len() >= CACHE_BOUND {
            // Which one goes does not matter much; task ids are random, so the first is any.
            cache.pop_first();
        }
        cache.insert(name.to_owned(), key.clone());
    }

    /// Runs `act` on the vault, which it gives back where that is still good.
    fn with<T>(
        &self,
        act: impl FnOnce(Vault) -> (Option<Vault>, Result<T, KeysError>),
    ) -> Result<T, KeyError> {
        let open = || Vault::open(&self.dir, &self.guards, self.entropy.as_ref());
        self.vault.with(open, act).map_err(failed)
    }

    fn name(task: Option<&TaskId>) -> &str {
        task.map_or(NODE, TaskId::as_str)
    }
}

fn failed(why: KeysError) -> KeyError {
    match why {
        KeysError::Gone(name) => KeyError::Gone(name),
        other => KeyError::Failed(other.to_string()),
    }
}

/// Keeps the vault open after success, and after an answer that is none of its faults.
fn keep<T>(vault: Vault, result: Result<T, KeysError>) -> (Option<Vault>, Result<T, KeysError>) {
    let good = matches!(result, Ok(_) | Err(KeysError::Gone(_)));
    (good.then_some(vault), result)
}

impl BodyKeys for Keyring {
    fn create(&self, task: &TaskId) -> Result<(), KeyError> {
        let name = Self::name(Some(task));
        self.with(|vault| {
            let added = vault.add(name, self.entropy.as_ref());
            keep(vault, added.map(|key| self.remember(name, &key)))
        })
    }

    fn key(&self, task: Option<&TaskId>) -> Result<BodyKey, KeyError> {
        let name = Self::name(task);
        let known = self.cache().get(name).cloned();
        if let Some(key) = known {
            return Ok(key);
        }
        self.with(|vault| {
            let read = vault.get(name);
            keep(vault, read.inspect(|key| self.remember(name, key)))
        })
    }

    fn erase(&self, task: &TaskId) -> Result<(), KeyError> {
        let name = Self::name(Some(task));
        self.with(|vault| {
            // Out of memory first: if the disk fails half-way, nobody reads on by accident, and
            // if nothing was erased the next reader fetches it again.
            self.cache().remove(name);
            match vault.erase(name, self.entropy.as_ref()) {
                Ok(vault) => (Some(vault), Ok(())),
                Err(why) => (None, Err(why)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use remit_testkit::{SeededEntropy, samples};
    use tempfile::TempDir;

    use super::*;
    use crate::guard::Guard;
    use crate::wrap::draw_body_key;

    fn guards() -> Guards {
        (Guard::stored(&draw_body_key(&SeededEntropy::new(7))), None)
    }

    fn keyring() -> (TempDir, Keyring) {
        let dir = tempfile::tempdir().unwrap();
        let entropy = Arc::new(SeededEntropy::new(1));
        Vault::create(dir.path(), &guards(), entropy.as_ref()).unwrap();
        let keyring = Keyring::open(dir.path(), guards(), entropy).unwrap();
        (dir, keyring)
    }

    #[test]
    fn a_key_lives_from_creation_to_erasure() {
        let (_dir, keyring) = keyring();
        let (one, two) = (samples::task_id(1), samples::task_id(2));
        let key = |task| keyring.key(task).map(|key| *key.as_bytes());
        assert_eq!(key(Some(&one)), Err(KeyError::Gone(one.to_string())));
        keyring.create(&one).unwrap();
        keyring.create(&two).unwrap();
        let before = (key(None).unwrap(), key(Some(&one)).unwrap(), key(Some(&two)).unwrap());
        assert!(before.0 != before.1 && before.1 != before.2);
        keyring.create(&one).unwrap();
        assert_eq!(key(Some(&one)).unwrap(), before.1, "making it twice keeps the first");
        keyring.erase(&one).unwrap();
        assert_eq!(key(Some(&one)), Err(KeyError::Gone(one.to_string())));
        assert_eq!((key(None).unwrap(), key(Some(&two)).unwrap()), (before.0, before.2));
        assert_eq!(keyring.create(&one), Err(KeyError::Gone(one.to_string())));
    }

    #[test]
    fn what_is_in_memory_is_what_is_on_disk() {
        let (dir, keyring) = keyring();
        let task = samples::task_id(1);
        keyring.create(&task).unwrap();
        let key = *keyring.key(Some(&task)).unwrap().as_bytes();
        drop(keyring);
        let again = Keyring::open(dir.path(), guards(), Arc::new(SeededEntropy::new(2))).unwrap();
        assert_eq!(again.cache().len(), 0);
        assert_eq!(*again.key(Some(&task)).unwrap().as_bytes(), key);
        assert_eq!(again.cache().len(), 1);
        assert_eq!(format!("{again:?}"), "Keyring(1 keys in memory)");
    }

    #[test]
    fn a_failure_ends_with_the_next_good_moment() {
        let (dir, keyring) = keyring();
        let (one, two) = (samples::task_id(1), samples::task_id(2));
        keyring.create(&one).unwrap();
        // Step 3 of an erasure cannot be done: something that is no file stands in its way.
        let (kek, aside) = (dir.path().join("kek"), dir.path().join("aside"));
        fs::rename(&kek, &aside).unwrap();
        fs::create_dir(&kek).unwrap();
        fs::write(kek.join("full"), "").unwrap();
        assert!(matches!(keyring.erase(&one), Err(KeyError::Failed(_))));
        assert!(matches!(keyring.create(&two), Err(KeyError::Failed(_))));
        fs::remove_dir_all(&kek).unwrap();
        fs::rename(&aside, &kek).unwrap();
        keyring.create(&two).unwrap();
        assert!(matches!(keyring.key(Some(&one)), Err(KeyError::Gone(_))), "it was committed");
        assert!(!dir.path().join("kek.next").exists());
    }

    #[test]
    fn memory_is_bounded() {
        let (_dir, keyring) = keyring();
        let key = keyring.key(None).unwrap();
        for n in 0..CACHE_BOUND + 10 {
            keyring.remember(&n.to_string(), &key);
        }
        assert_eq!(keyring.cache().len(), CACHE_BOUND);
    }

    #[test]
    fn an_erased_key_does_not_come_back_from_a_reader_that_was_slow() {
        let (_dir, keyring) = keyring();
        let task = samples::task_id(1);
        for _ in 0..20 {
            let other = samples::task_id(2);
            keyring.create(&other).ok();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| keyring.key(Some(&other)).ok());
                }
                scope.spawn(|| keyring.erase(&other).unwrap());
            });
            assert!(keyring.key(Some(&other)).is_err());
        }
        assert!(keyring.key(Some(&task)).is_err());
    }
}
