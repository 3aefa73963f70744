//! The folder as a whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use remit_ports::BodyKeys as _;
use remit_testkit::{SeededEntropy, samples};

use super::*;

fn entropy(seed: u64) -> Arc<SeededEntropy> {
    Arc::new(SeededEntropy::new(seed))
}

fn realm() -> Realm {
    Realm::new("http://127.0.0.1:1", "http://127.0.0.1:1/mcp", "remit.local").unwrap()
}

#[test]
fn what_was_created_opens_again_and_is_ours_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let keys = Keys::create(&state, entropy(1)).unwrap();
    let log = keys.log_key("log.test").unwrap().verifier().clone();
    let kid = keys.minter(realm()).unwrap().kid().to_owned();
    keys.bodies().create(&samples::task_id(1)).unwrap();
    let body = *keys.bodies().key(Some(&samples::task_id(1))).unwrap().as_bytes();
    drop(keys);
    let keys = Keys::open(&state, entropy(2)).unwrap();
    assert_eq!(keys.log_key("log.test").unwrap().verifier(), &log);
    assert_eq!(keys.minter(realm()).unwrap().kid(), kid);
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
    assert_eq!(names, ["bodies.redb", "kek", "log.key", "operator.phc", "token.key"]);
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
    for name in ["log.key", "token.key", "kek", "bodies.redb"] {
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
    for (name, text) in [("log.key", "Ed25519"), ("token.key", "ES256")] {
        file::replace(&dir.path().join("keys").join(name), b"nonsense").unwrap();
        let error = match name {
            "log.key" => keys.log_key("a").map(drop).unwrap_err(),
            _ => keys.minter(realm()).map(drop).unwrap_err(),
        };
        let error = error.to_string();
        assert!(error.contains(name) && error.contains(text), "{error}");
        assert!(!error.contains("nonsense"), "{error}");
    }
}

#[test]
fn nothing_secret_prints() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::create(dir.path(), entropy(1)).unwrap();
    let text = format!("{keys:?}{:?}{:?}", keys.log_key("a"), keys.minter(realm()));
    for name in ["log.key", "token.key", "kek"] {
        let secret = fs::read(dir.path().join("keys").join(name)).unwrap();
        let end = &secret[secret.len() - 8..];
        assert!(!text.contains(&format!("{end:?}").replace(['[', ']'], "")), "{name}: {text}");
        assert!(!text.contains(&data_encoding::HEXLOWER.encode(end)), "{name}: {text}");
    }
}
