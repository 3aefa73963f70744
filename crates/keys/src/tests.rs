//! The folder as a whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use remit_model::Timestamp;
use remit_ports::BodyKeys as _;
use remit_spiffe::trust_domain;
use remit_testkit::{ManualClock, SeededEntropy, samples};
use remit_tlog::VerifierKey;
use zeroize::Zeroizing;

use super::*;
use crate::kek::KekFile;

fn doors(seed: u64) -> Doors {
    (Arc::new(ManualClock::default()), Arc::new(SeededEntropy::new(seed)))
}

fn nothing() -> Guards {
    (Guard::nothing(), None)
}

fn create(state: &Path, seed: u64) -> Result<Keys, KeysError> {
    Keys::create(state, nothing(), doors(seed))
}

/// The verifier key of the only key of the log.
fn log_key(keys: &Keys) -> VerifierKey {
    let loaded = keys.log().load("log.test").unwrap();
    assert_eq!(loaded.len(), 1);
    loaded[0].key.verifier().clone()
}

fn open(state: &Path, seed: u64) -> Result<Keys, KeysError> {
    Keys::open(state, nothing(), doors(seed))
}

#[test]
fn what_was_created_opens_again_and_is_ours_alone() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let keys = create(&state, 1).unwrap();
    let log = log_key(&keys);
    keys.bodies().create(&samples::task_id(1)).unwrap();
    let body = *keys.bodies().key(Some(&samples::task_id(1))).unwrap().as_bytes();
    drop(keys);
    let keys = open(&state, 2).unwrap();
    assert_eq!(log_key(&keys), log);
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
    assert_eq!(
        names,
        [
            "bodies.redb",
            "kek",
            "log-1.key",
            "log-1.made",
            "operator.phc",
            "secrets.kek",
            "secrets.redb"
        ]
    );
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state.join("keys")), mode(&state)), (0o700, 0o700));
}

#[test]
fn keys_are_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let log = log_key(&create(dir.path(), 1).unwrap());
    let error = create(dir.path(), 2).unwrap_err();
    assert!(matches!(error, KeysError::Exists { .. }), "{error}");
    assert_eq!(log_key(&open(dir.path(), 3).unwrap()), log);
}

#[test]
fn a_creation_that_was_interrupted_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    let draft = dir.path().join("keys.new");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("log-1.key"), "half").unwrap();
    let error = open(dir.path(), 1).unwrap_err();
    assert!(error.to_string().contains("run `remit init` first"), "{error}");
    log_key(&create(dir.path(), 1).unwrap());
    assert!(!draft.exists());
}

#[test]
fn each_file_that_is_missing_damaged_or_exposed_is_named() {
    for name in ["log-1.key", "log-1.made", "kek", "bodies.redb", "secrets.kek", "secrets.redb"] {
        let dir = tempfile::tempdir().unwrap();
        drop(create(dir.path(), 1).unwrap());
        let path = dir.path().join("keys").join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = open(dir.path(), 1).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("mode 644"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        drop(open(dir.path(), 1).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(open(dir.path(), 1).is_err(), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    let keys = create(dir.path(), 1).unwrap();
    file::replace(&keys.log().file(1), b"nonsense").unwrap();
    let error = keys.log().load("a").unwrap_err().to_string();
    assert!(error.contains("log-1.key") && error.contains("does not open"), "{error}");
    assert!(!error.contains("nonsense"), "{error}");
}

const SIGNING: [&str; 4] = ["log-1.key", "token-1.key", "svid-1.signer", "svid-1.jwt"];

fn passphrase(text: &str) -> Guards {
    (Guard::passphrase(Zeroizing::new(text.to_owned())).unwrap(), None)
}

/// The secret within what is in the file of a signing key: the private part of either form stands there.
const PRIVATE: std::ops::Range<usize> = 16..48;

/// A state directory with a key of each sort, which `guards` close, and what is secret in those that sign.
fn signing(state: &Path, guards: Guards) -> [Zeroizing<Vec<u8>>; 4] {
    let keys = Keys::create(state, guards, doors(1)).unwrap();
    let (domain, entropy) = (trust_domain("remit.test").unwrap(), SeededEntropy::new(5));
    let made = keys.tokens().draft(Timestamp(0), &entropy).unwrap();
    keys.tokens().keep(made.number()).unwrap();
    let day = Duration::from_hours(24);
    let made = keys.svids().draft(&domain, day, Timestamp(0), &entropy).unwrap();
    keys.svids().keep(made.number()).unwrap();
    keys.bodies().create(&samples::task_id(1)).unwrap();
    SIGNING.map(|name| keys.sealed.signing().read(name).unwrap())
}

/// The KEK of record bodies.
fn kek(state: &Path, guards: Guards) -> Zeroizing<[u8; 32]> {
    let guard = Sealed::open(state, guards, doors(4)).unwrap().bodies().0.clone();
    let file = KekFile::new(state.join("keys/kek"), guard, Vec::new());
    Zeroizing::new(*file.read().unwrap().unwrap().0.as_bytes())
}

fn copy(from: &Path, to: &Path) {
    file::make_dir(&to.join("keys")).unwrap();
    for entry in fs::read_dir(from.join("keys")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join("keys").join(entry.file_name())).unwrap();
    }
}

/// Opens every key there is.
fn open_all(state: &Path, guards: Guards) -> Result<(), KeysError> {
    let keys = Keys::open(state, guards, doors(3))?;
    keys.log().load("log.test")?;
    keys.tokens().load(Timestamp(0))?;
    keys.bodies()
        .key(Some(&samples::task_id(1)))
        .map_err(|why| KeysError::Gone(why.to_string()))?;
    keys.svids().load(&trust_domain("remit.test").unwrap()).map(drop)
}

#[test]
fn a_copy_of_the_folder_signs_and_reads_nothing_where_what_closes_it_is_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (state, stolen) = (dir.path().join("state"), dir.path().join("stolen"));
    let secrets = signing(&state, passphrase("a long passphrase"));
    let kek = kek(&state, passphrase("a long passphrase"));
    copy(&state, &stolen);
    for entry in fs::read_dir(stolen.join("keys")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let signs = SIGNING.iter().zip(secrets.iter().map(|secret| &secret[PRIVATE]));
        for (name, secret) in signs.chain([(&"kek", kek.as_slice())]) {
            let within = |window: &[u8]| secret.windows(16).any(|part| part == window);
            assert!(!bytes.windows(16).any(within), "{name} stands in {}", path.display());
        }
    }
    for wrong in [nothing(), passphrase("another passphrase")] {
        let error = open_all(&stolen, wrong).unwrap_err();
        assert!(matches!(error, KeysError::Closed { .. }), "{error}");
    }
    open_all(&stolen, passphrase("a long passphrase")).unwrap();
}

#[test]
fn no_key_stands_in_for_another_or_for_that_of_another_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    signing(&ours, nothing());
    drop(create(&theirs, 7).unwrap());
    let files = || SIGNING.into_iter().chain(["kek"]);
    for name in files() {
        let others = files().map(|other| (&ours, other));
        for (from, what) in others.chain([(&theirs, "log-1.key"), (&theirs, "kek")]) {
            let mixed = dir.path().join("mixed");
            file::remove_dir(&mixed).unwrap();
            copy(&ours, &mixed);
            fs::copy(from.join("keys").join(what), mixed.join("keys").join(name)).unwrap();
            let opened = open_all(&mixed, nothing());
            let same = from == &ours && what == name;
            assert_eq!(opened.is_ok(), same, "{what} as {name}: {opened:?}");
            let named =
                matches!(&opened, Err(KeysError::Unsealed { path }) if path.ends_with(name));
            assert!(same || named, "{what} as {name}: {opened:?}");
        }
    }
    // All record bodies' keys of another folder, with their KEK.
    let mixed = dir.path().join("mixed");
    for name in ["kek", "bodies.redb"] {
        fs::copy(theirs.join("keys").join(name), mixed.join("keys").join(name)).unwrap();
    }
    let error = open_all(&mixed, nothing()).unwrap_err();
    assert!(matches!(&error, KeysError::Unsealed { path } if path.ends_with("kek")), "{error}");
    // All of sealed storage of another folder, with its KEK.
    for name in ["secrets.kek", "secrets.redb"] {
        fs::copy(theirs.join("keys").join(name), ours.join("keys").join(name)).unwrap();
    }
    let error = open_all(&ours, nothing()).unwrap_err();
    assert!(matches!(error, KeysError::Unsealed { .. }), "{error}");
}

#[test]
fn keys_open_after_their_kek_and_what_closes_it_were_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = signing(dir.path(), nothing());
    let task = samples::task_id(1);
    let body = |keys: &Keys| *keys.bodies().key(Some(&task)).unwrap().as_bytes();
    let before = body(&open(dir.path(), 2).unwrap());
    let same = |keys: &Keys| {
        assert_eq!(body(keys), before);
        for (name, secret) in SIGNING.iter().zip(&secrets) {
            assert_eq!(keys.sealed.signing().read(name).unwrap(), *secret, "{name}");
        }
    };
    let keys = open(dir.path(), 2).unwrap();
    keys.sealed().turn().unwrap();
    same(&keys);
    drop(keys);
    same(&open(dir.path(), 3).unwrap());
    let closed = passphrase("a long passphrase");
    same(&Keys::open(dir.path(), closed.clone(), doors(4)).unwrap());
    assert!(open(dir.path(), 5).is_err(), "what lay open before is closed");
    same(&Keys::open(dir.path(), closed, doors(6)).unwrap());
}

#[test]
fn nothing_secret_prints() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = signing(dir.path(), nothing());
    let bodies = Zeroizing::new(kek(dir.path(), nothing()).to_vec());
    let keys = open(dir.path(), 1).unwrap();
    let made = keys.tokens().load(Timestamp(0)).unwrap();
    let text = format!("{keys:?}{:?}{made:?}", keys.log().load("a"));
    let root = Zeroizing::new(fs::read(dir.path().join("keys/secrets.kek")).unwrap());
    for secret in secrets.into_iter().chain([bodies, root]) {
        let end = &secret[secret.len() - 8..];
        assert!(!text.contains(&format!("{end:?}").replace(['[', ']'], "")), "{text}");
        assert!(!text.contains(&data_encoding::HEXLOWER.encode(end)), "{text}");
    }
}

#[test]
fn whoever_copied_the_folder_while_it_lay_open_reads_nothing_of_later() {
    let dir = tempfile::tempdir().unwrap();
    let (state, stolen) = (dir.path().join("state"), dir.path().join("stolen"));
    signing(&state, nothing());
    copy(&state, &stolen);
    let known = Sealed::open(&stolen, nothing(), doors(5)).unwrap().bodies().0.clone();
    let closed = passphrase("a long passphrase");
    drop(Keys::open(&state, closed.clone(), doors(6)).unwrap());
    let file = KekFile::new(state.join("keys/kek"), known, Vec::new());
    assert!(matches!(file.read(), Err(KeysError::Closed { .. })), "by what was in the copy");
    fs::copy(state.join("keys/bodies.redb"), stolen.join("keys/bodies.redb")).unwrap();
    let error = open(&stolen, 7).unwrap_err();
    assert!(matches!(error, KeysError::Mismatch { .. }), "with the KEK of the copy: {error}");
    let sealed = Sealed::open(&state, closed.clone(), doors(8)).unwrap();
    assert!(sealed.bodies().1.is_none(), "what closed it before is forgotten");
    drop(sealed);
    open_all(&state, closed).unwrap();
}

#[test]
fn guards_that_follow_each_other_in_haste_lose_no_key() {
    let dir = tempfile::tempdir().unwrap();
    signing(dir.path(), nothing());
    let (first, second) = ("a long passphrase", "another passphrase");
    // Each start ends before it comes to the keys of record bodies.
    drop(Sealed::open(dir.path(), passphrase(first), doors(2)).unwrap());
    let guards = (passphrase(second).0, Some(passphrase(first).0));
    let sealed = Sealed::open(dir.path(), guards, doors(3)).unwrap();
    // And this one before it says that they are closed anew.
    drop(Vault::open(&dir.path().join("keys"), sealed.bodies(), &SeededEntropy::new(4)).unwrap());
    drop(sealed);
    for _ in 0..2 {
        open_all(dir.path(), passphrase(second)).unwrap();
    }
}
