//! The folder as a whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use remit_model::Timestamp;
use remit_ports::BodyKeys as _;
use remit_testkit::{SeededEntropy, samples};

use super::*;

fn entropy(seed: u64) -> Arc<SeededEntropy> {
    Arc::new(SeededEntropy::new(seed))
}

#[test]
fn what_was_created_opens_again_and_is_ours_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let keys = Keys::create(&state, entropy(1)).unwrap();
    let log = keys.log_key("log.test").unwrap().verifier().clone();
    keys.bodies().create(&samples::task_id(1)).unwrap();
    let body = *keys.bodies().key(Some(&samples::task_id(1))).unwrap().as_bytes();
    drop(keys);
    let keys = Keys::open(&state, entropy(2)).unwrap();
    assert_eq!(keys.log_key("log.test").unwrap().verifier(), &log);
    assert_eq!(*keys.bodies().key(Some(&samples::task_id(1))).unwrap().as_bytes(), body);
    keys.operator().set_passphrase("correct horse battery", &SeededEntropy::new(3)).unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(state.join("keys")).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["bodies.redb", "kek", "log.key", "operator.phc"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state.join("keys")), mode(&state)), (0o700, 0o700));
}

#[test]
fn keys_are_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let log = Keys::create(dir.path(), entropy(1)).unwrap().log_key("a").unwrap();
    let error = Keys::create(dir.path(), entropy(2)).unwrap_err();
    assert!(matches!(error, KeysError::Exists { .. }), "{error}");
    let again = Keys::open(dir.path(), entropy(3)).unwrap().log_key("a").unwrap();
    assert_eq!(again.verifier(), log.verifier());
}

#[test]
fn a_creation_that_was_interrupted_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    let draft = dir.path().join("keys.new");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("log.key"), "half").unwrap();
    let error = Keys::open(dir.path(), entropy(1)).unwrap_err();
    assert!(error.to_string().contains("run `remit init` first"), "{error}");
    Keys::create(dir.path(), entropy(1)).unwrap().log_key("a").unwrap();
    assert!(!draft.exists());
}

#[test]
fn each_file_that_is_missing_damaged_or_exposed_is_named() {
    for name in ["log.key", "kek", "bodies.redb"] {
        let dir = tempfile::tempdir().unwrap();
        drop(Keys::create(dir.path(), entropy(1)).unwrap());
        let path = dir.path().join("keys").join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Keys::open(dir.path(), entropy(1)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("mode 644"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        drop(Keys::open(dir.path(), entropy(1)).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(Keys::open(dir.path(), entropy(1)).is_err(), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::create(dir.path(), entropy(1)).unwrap();
    file::replace(&keys.log_file(), b"nonsense").unwrap();
    let error = keys.log_key("a").map(drop).unwrap_err().to_string();
    assert!(error.contains("log.key") && error.contains("Ed25519"), "{error}");
    assert!(!error.contains("nonsense"), "{error}");
}

#[test]
fn nothing_secret_prints() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::create(dir.path(), entropy(1)).unwrap();
    let made = keys.tokens().draft(Timestamp(0), &SeededEntropy::new(1)).unwrap();
    let text = format!("{keys:?}{:?}{made:?}", keys.log_key("a"));
    for name in ["log.key", "token-1.key", "kek"] {
        let secret = fs::read(dir.path().join("keys").join(name)).unwrap();
        let end = &secret[secret.len() - 8..];
        assert!(!text.contains(&format!("{end:?}").replace(['[', ']'], "")), "{name}: {text}");
        assert!(!text.contains(&data_encoding::HEXLOWER.encode(end)), "{name}: {text}");
    }
}
