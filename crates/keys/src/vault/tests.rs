//! Erasure: crash at each step, and copies of old files afterwards. And whoever changes the files.

mod disk;

use std::fs;

use remit_testkit::SeededEntropy;
use tempfile::TempDir;

use super::*;
use crate::guard::Guard;

const FILES: [&str; 2] = ["kek", "bodies.redb"];

/// A guard that nobody else has.
fn stored(entropy: &SeededEntropy) -> Guard {
    Guard::stored(&draw_body_key(entropy))
}

struct Stand {
    dir: TempDir,
    guards: Guards,
    entropy: SeededEntropy,
}

impl Stand {
    /// A vault with the keys `a`, `b` and `c`.
    fn new() -> Self {
        Self::seeded(1)
    }

    fn seeded(seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        let guards = (stored(&entropy), None);
        let stand = Self { dir: tempfile::tempdir().unwrap(), guards, entropy };
        Vault::create(stand.dir.path(), &stand.guards, &stand.entropy).unwrap();
        let vault = stand.open();
        for name in ["a", "b", "c"] {
            vault.add(name, &stand.entropy).unwrap();
        }
        stand
    }

    fn open(&self) -> Vault {
        self.try_open(self.dir.path()).unwrap()
    }

    fn try_open(&self, dir: &Path) -> Result<Vault, KeysError> {
        Vault::open(dir, &self.guards, &self.entropy)
    }

    /// The KEK in `dir`, closed as it is here.
    fn kek(&self, dir: &TempDir) -> Kek {
        kek_file(dir.path(), &self.guards).read().unwrap().unwrap().0
    }

    /// Closes the vault and opens it again.
    fn reopen(&self, vault: Vault) -> Vault {
        drop(vault);
        self.open()
    }

    /// The files as they are now, in another folder; nothing may have them open.
    fn copy(&self) -> TempDir {
        copied(&self.dir)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn copied(dir: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in FILES {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn bytes(vault: &Vault, name: &str) -> Option<[u8; 32]> {
    match vault.get(name) {
        Ok(key) => Some(*key.as_bytes()),
        Err(KeysError::Gone(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

fn all(vault: &Vault) -> Vec<Option<[u8; 32]>> {
    [NODE, "a", "b", "c"].map(|name| bytes(vault, name)).to_vec()
}

#[test]
fn keys_outlive_the_process_and_are_made_once() {
    let stand = Stand::new();
    let before = all(&stand.open());
    assert!(before.iter().all(Option::is_some));
    let vault = stand.open();
    assert_eq!(Some(*vault.add("a", &stand.entropy).unwrap().as_bytes()), before[1]);
    assert_eq!(bytes(&vault, "d"), None);
}

#[test]
fn erasing_leaves_the_others_and_has_no_second_life() {
    let stand = Stand::new();
    let mut expected = all(&stand.open());
    let vault = stand.open().erase("b", &stand.entropy).unwrap();
    expected[2] = None;
    assert_eq!(all(&vault), expected);
    assert!(matches!(vault.add("b", &stand.entropy), Err(KeysError::Gone(_))));
    let vault = vault.erase("b", &stand.entropy).unwrap().erase("c", &stand.entropy).unwrap();
    drop(vault);
    expected[3] = None;
    assert_eq!(all(&stand.open()), expected);
    assert_eq!(stand.names(), ["bodies.redb", "kek"]);
}

#[test]
fn a_crash_before_the_commit_changes_nothing() {
    let stand = Stand::new();
    let before = all(&stand.open());
    for staged in ["whole", "short", "empty"] {
        let vault = stand.open();
        vault.file.stage(&stand.entropy).unwrap();
        drop(vault);
        let next = stand.dir.path().join("kek.next");
        match staged {
            "short" => file::replace(&next, b"half a key").unwrap(),
            "empty" => file::replace(&next, b"").unwrap(),
            _ => {}
        }
        assert_eq!(all(&stand.open()), before, "{staged}");
        assert_eq!(stand.names(), ["bodies.redb", "kek"], "{staged}");
    }
}

#[test]
fn a_crash_after_the_commit_is_finished_at_the_next_start() {
    let stand = Stand::new();
    let mut expected = all(&stand.open());
    expected[1] = None;
    let vault = stand.open();
    let next = vault.file.stage(&stand.entropy).unwrap();
    vault.drop_and_rewrap(Some("a"), &next, &stand.entropy).unwrap();
    drop(vault);
    assert_eq!(stand.names(), ["bodies.redb", "kek", "kek.next"]);
    assert_eq!(all(&stand.open()), expected);
    assert_eq!(stand.names(), ["bodies.redb", "kek"]);
    assert_eq!(all(&stand.open()), expected);
    // The rename itself may have happened and the old file be gone: nothing is left to do.
    assert_eq!(stand.kek(&stand.dir).id(), next.id());
}

#[test]
fn no_mix_of_old_and_new_files_opens_the_erased_key() {
    let stand = Stand::new();
    let old = stand.copy();
    drop(stand.open().erase("b", &stand.entropy).unwrap());
    let new = stand.copy();
    for (kek, database) in [(&old, &new), (&new, &old)] {
        let mixed = tempfile::tempdir().unwrap();
        fs::copy(kek.path().join("kek"), mixed.path().join("kek")).unwrap();
        let there = mixed.path().join("bodies.redb");
        fs::copy(database.path().join("bodies.redb"), there).unwrap();
        let error = stand.try_open(mixed.path()).map(drop).unwrap_err();
        assert!(matches!(error, KeysError::Mismatch { .. }), "{error}");
    }
    // Nor by hand, past our own checks: the old row under the new KEK, or any row of the new
    // database under the old one.
    let kek = |dir| stand.kek(dir);
    assert!(row(&old, "b").is_some_and(|row| kek(&old).unwrap("b", &row).is_some()));
    assert!(row(&old, "b").is_some_and(|row| kek(&new).unwrap("b", &row).is_none()));
    assert_eq!(row(&new, "b"), None);
    assert!(row(&new, "a").is_some_and(|row| kek(&old).unwrap("a", &row).is_none()));
}

fn row(dir: &TempDir, name: &str) -> Option<Vec<u8>> {
    let database = Database::open(dir.path().join("bodies.redb")).unwrap();
    let read = database.begin_read().unwrap();
    let keys = read.open_table(KEYS).unwrap();
    keys.get(name).unwrap().map(|row| row.value().to_vec())
}

#[test]
fn a_row_moved_to_another_name_does_not_open() {
    let stand = Stand::new();
    let vault = stand.open();
    let write = vault.database.begin_write().unwrap();
    {
        let mut keys = write.open_table(KEYS).unwrap();
        let moved = keys.get("a").unwrap().unwrap().value().to_vec();
        keys.insert("b", moved.as_slice()).unwrap();
    }
    write.commit().unwrap();
    let error = vault.get("b").unwrap_err().to_string();
    assert!(error.contains("the key of `b` does not open"), "{error}");
    assert!(vault.erase("c", &stand.entropy).is_err(), "no key is lost in silence");
    assert!(bytes(&stand.open(), "c").is_some(), "and nothing was erased");
}

#[test]
fn missing_and_damaged_files_are_named() {
    let stand = Stand::new();
    let kek = stand.dir.path().join("kek");
    file::replace(&kek, b"short").unwrap();
    let error = stand.try_open(stand.dir.path()).map(drop).unwrap_err().to_string();
    assert!(error.contains("kek") && error.contains("damaged"), "{error}");
    file::remove(&kek).unwrap();
    let error = stand.try_open(stand.dir.path()).map(drop).unwrap_err();
    assert!(matches!(error, KeysError::Kekless { .. }), "{error}");
}

#[test]
fn a_kek_opens_as_it_was_closed_and_in_no_other_way() {
    let stand = Stand::new();
    let (path, kek) = (stand.dir.path().join("kek"), stand.kek(&stand.dir));
    let good = fs::read(&path).unwrap();
    assert!(!good.windows(8).any(|part| kek.as_bytes().windows(8).any(|of| of == part)));
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let error = stand.try_open(stand.dir.path()).map(drop).unwrap_err();
        let named = matches!(&error, KeysError::Unsealed { path } if path.ends_with("kek"));
        assert!(named, "{what}: {error}");
    };
    refused(kek.as_bytes(), "in the clear");
    for at in 0..good.len() {
        refused(&good[..at], &format!("cut at {at}"));
        let mut bent = good.clone();
        bent[at] ^= 1;
        refused(&bent, &format!("changed at {at}"));
    }
    let other = stored(&stand.entropy);
    refused(&other.close(&kek, &stand.entropy).unwrap(), "closed by another key");
    // The KEK of somebody's choice, with a database that it fits, and nothing else of theirs.
    let theirs = Stand::seeded(2);
    for name in FILES {
        fs::copy(theirs.dir.path().join(name), stand.dir.path().join(name)).unwrap();
    }
    let closed = fs::read(&path).unwrap();
    refused(&closed, "all of another folder");
    refused(theirs.kek(&theirs.dir).as_bytes(), "the same in the clear");
}

#[test]
fn a_kek_that_the_guard_of_before_closed_gives_way_to_another() {
    let mut stand = Stand::new();
    let (keys, old, kek) = (all(&stand.open()), stand.copy(), stand.kek(&stand.dir));
    let before = stand.guards.0.clone();
    stand.guards = (stored(&stand.entropy), Some(before.clone()));
    assert_eq!(all(&stand.open()), keys);
    assert_ne!(stand.kek(&stand.dir).id(), kek.id());
    // What was before opens nothing that is there now.
    assert!(Vault::open(stand.dir.path(), &(before.clone(), None), &stand.entropy).is_err());
    assert!(row(&stand.dir, "a").is_some_and(|row| kek.unwrap("a", &row).is_none()));
    // Nor is anything lost where it crashed after the first step, or the second.
    for committed in [false, true] {
        let crashed = Stand { dir: copied(&old), guards: stand.guards.clone(), ..Stand::seeded(3) };
        let mut vault =
            Vault::open(crashed.dir.path(), &(before.clone(), None), &crashed.entropy).unwrap();
        vault.file = kek_file(crashed.dir.path(), &crashed.guards);
        let next = vault.file.stage(&crashed.entropy).unwrap();
        if committed {
            vault.drop_and_rewrap(None, &next, &crashed.entropy).unwrap();
        }
        drop(vault);
        assert_eq!(all(&crashed.open()), keys, "committed {committed}");
        assert_eq!(crashed.names(), ["bodies.redb", "kek"], "committed {committed}");
    }
    stand.guards.1 = None;
    assert_eq!(all(&stand.open()), keys);
}
