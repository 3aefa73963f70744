//! Sealed storage against whoever has a copy of the disk, changes it, or pulls the plug.

mod disk;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use redb::{Database, ReadableTable as _, TableDefinition};
use remit_testkit::{ManualClock, SeededEntropy};
use tempfile::TempDir;

use super::*;

const CANARY: &str = "canary-7f3a91c2d8e04b65";

struct Stand {
    dir: TempDir,
    clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

impl Stand {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        file::make_dir(&dir.path().join("keys")).unwrap();
        let (clock, entropy) = (Arc::new(ManualClock::default()), Arc::new(SeededEntropy::new(1)));
        Self { dir, clock, entropy }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("keys").join(name)
    }

    /// A key file beside the state directory's `keys`.
    fn key_file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        file::replace(&path, content).unwrap();
        path
    }

    fn guard(&self, name: &str, content: &[u8]) -> Guard {
        Guard::key_file(&self.key_file(name, content)).unwrap()
    }

    fn open_as(&self, guard: Guard, before: Option<Guard>) -> Result<Sealed, KeysError> {
        let doors = (Arc::clone(&self.clock) as _, Arc::clone(&self.entropy) as _);
        Sealed::open(self.dir.path(), (guard, before), doors)
    }

    fn open(&self) -> Sealed {
        self.open_as(Guard::nothing(), None).unwrap()
    }

    /// Another state directory with the files as they are now; nothing may have them open.
    fn copy(&self) -> Self {
        let copy = Self { entropy: Arc::clone(&self.entropy), ..Self::new() };
        for entry in fs::read_dir(self.dir.path().join("keys")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.file(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
        copy
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.dir.path().join("keys"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Every byte that is there.
    fn bytes(&self) -> Vec<u8> {
        self.names().iter().flat_map(|name| fs::read(self.file(name)).unwrap()).collect()
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn read(sealed: &Sealed, text: &str) -> Option<String> {
    match sealed.read(&name(text)) {
        Ok(secret) => Some(secret.reveal().to_owned()),
        Err(SecretError::Missing(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_secret_lives_from_add_to_remove_and_its_dates_say_since_when() {
    let stand = Stand::new();
    let sealed = stand.open();
    assert_eq!(read(&sealed, "a"), None);
    assert!(matches!(
        sealed.replace(&name("a"), &secret("1"), "ann"),
        Err(SealedError::Missing(_))
    ));
    assert!(matches!(sealed.remove(&name("a")), Err(SealedError::Missing(_))));
    stand.clock.jump(Timestamp(10));
    sealed.add(&name("a"), &secret("1"), "ann").unwrap();
    assert!(matches!(sealed.add(&name("a"), &secret("2"), "bob"), Err(SealedError::Exists(_))));
    stand.clock.jump(Timestamp(20));
    sealed.replace(&name("a"), &secret("2"), "bob").unwrap();
    Secrets::keep(&sealed, &name("b"), &secret("3")).unwrap();
    Secrets::keep(&sealed, &name("b"), &secret("4")).unwrap();
    drop(sealed);
    let sealed = stand.open();
    let about = |text, made, by: &str| About {
        name: name(text),
        made: Timestamp(made),
        changed: Timestamp(20),
        by: by.to_owned(),
    };
    assert_eq!(sealed.list().unwrap(), [about("a", 10, "bob"), about("b", 20, "remit")]);
    assert_eq!((read(&sealed, "a"), read(&sealed, "b")), (Some("2".into()), Some("4".into())));
    sealed.remove(&name("a")).unwrap();
    assert_eq!((read(&sealed, "a"), read(&sealed, "b")), (None, Some("4".into())));
    sealed.add(&name("a"), &secret("5"), "ann").unwrap();
    assert_eq!(read(&sealed, "a").unwrap(), "5", "a name has a second life");
    assert_eq!(stand.names(), ["secrets.kek", "secrets.redb"]);
}

#[test]
fn sizes_and_numbers_are_bounded() {
    let stand = Stand::new();
    let sealed = stand.open();
    for size in [0, MAX_SECRET + 1] {
        let error = sealed.add(&name("a"), &secret(&"x".repeat(size)), "ann").unwrap_err();
        assert!(matches!(error, SealedError::Size(n) if n == size), "{error}");
    }
    sealed.add(&name("a"), &secret(&"x".repeat(MAX_SECRET)), "ann").unwrap();
    let (one, large) = (Digest::of(b"1"), vec![0; MAX_ORIGINAL + 1]);
    assert!(matches!(sealed.keep_original(&one, &large), Err(SealedError::TooLarge(_))));
    for n in 0..MAX_ORIGINALS {
        sealed.keep_original(&Digest::of(&n.to_be_bytes()), b"text").unwrap();
    }
    assert!(matches!(sealed.keep_original(&one, b"text"), Err(SealedError::ManyOriginals)));
    sealed.keep_original(&Digest::of(&0_usize.to_be_bytes()), b"other").unwrap();
}

#[test]
fn what_was_replaced_or_removed_opens_from_no_mix_of_old_and_new_files() {
    for act in ["replace", "remove", "turn", "forget"] {
        let stand = Stand::new();
        let sealed = stand.open();
        let path = Digest::of(b"/etc/x");
        sealed.add(&name("a"), &secret("old"), "ann").unwrap();
        sealed.keep_original(&path, b"original").unwrap();
        drop(sealed);
        let old = stand.copy();
        let sealed = stand.open();
        match act {
            "replace" => sealed.replace(&name("a"), &secret("new"), "ann").unwrap(),
            "remove" => sealed.remove(&name("a")).unwrap(),
            "forget" => sealed.forget_original(&path).unwrap(),
            _ => sealed.turn().unwrap(),
        }
        drop(sealed);
        for (kek, database) in [(&old, &stand), (&stand, &old)] {
            let mixed = Stand::new();
            fs::copy(kek.file("secrets.kek"), mixed.file("secrets.kek")).unwrap();
            fs::copy(database.file("secrets.redb"), mixed.file("secrets.redb")).unwrap();
            let error = mixed.open_as(Guard::nothing(), None).unwrap_err();
            assert!(matches!(error, KeysError::Mismatch { .. }), "{act}: {error}");
        }
        assert_eq!(read(&old.open(), "a").unwrap(), "old", "a whole backup opens");
    }
}

#[test]
fn a_copy_of_the_state_directory_opens_nothing_where_the_key_is_elsewhere() {
    let passphrase = || Guard::passphrase(Zeroizing::new("a long passphrase".to_owned())).unwrap();
    let stand = Stand::new();
    let key = stand.guard("key", &[7; 32]);
    for guard in [key, passphrase()] {
        let stand = Stand::new();
        let sealed = stand.open_as(guard.clone(), None).unwrap();
        sealed.add(&name("a"), &secret(CANARY), "ann").unwrap();
        sealed.keep_original(&Digest::of(b"x"), CANARY.as_bytes()).unwrap();
        drop(sealed);
        let copy = stand.copy();
        assert!(!holds(&copy.bytes(), CANARY));
        let other_key = stand.guard("other", &[8; 32]);
        let other = Guard::passphrase(Zeroizing::new("another passphrase".to_owned())).unwrap();
        for (wrong, why) in
            [(Guard::nothing(), "[secrets] has no"), (other_key, "a key"), (other, "a passphrase")]
        {
            let error = copy.open_as(wrong, None).unwrap_err();
            assert!(matches!(error, KeysError::Closed { .. }), "{error}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(!error.to_string().contains(CANARY), "{error}");
        }
        // Nor is any file that is there the KEK, as it stands.
        let bytes = copy.bytes();
        let database = Database::open(copy.file("secrets.redb")).unwrap();
        let named = crate::kek::named_kek(&database).unwrap();
        let found = bytes.windows(32).any(|window| {
            crate::wrap::Kek::from_bytes(window).is_some_and(|kek| kek.id() == named)
        });
        assert!(!found, "the KEK of {guard:?} stands open");
        drop(database);
        assert_eq!(read(&copy.open_as(guard, None).unwrap(), "a").unwrap(), CANARY);
    }
}

#[test]
fn the_default_keeps_the_key_beside_the_secrets_and_says_so() {
    let stand = Stand::new();
    let sealed = stand.open();
    sealed.add(&name("a"), &secret(CANARY), "ann").unwrap();
    assert!(sealed.guard().is_nothing());
    assert!(!holds(&stand.bytes(), CANARY));
    drop(sealed);
    assert_eq!(read(&stand.copy().open(), "a").unwrap(), CANARY);
}

#[test]
fn another_guard_takes_over_with_another_kek() {
    let stand = Stand::new();
    let (one, two) = (stand.guard("one", &[1; 32]), stand.guard("two", &[2; 48]));
    let word = Guard::passphrase(Zeroizing::new("a long passphrase".to_owned())).unwrap();
    stand.open().add(&name("a"), &secret(CANARY), "ann").unwrap();
    let steps = [
        (one.clone(), None, Some(Guard::nothing())),
        (two.clone(), Some(one.clone()), Some(one)),
        (word.clone(), Some(two.clone()), Some(two)),
        (Guard::nothing(), Some(word.clone()), Some(word)),
        (Guard::nothing(), None, None),
    ];
    for (guard, before, gone) in steps {
        let old = fs::read(stand.file("secrets.kek")).unwrap();
        let sealed = stand.open_as(guard.clone(), before).unwrap();
        assert_eq!(read(&sealed, "a").unwrap(), CANARY);
        drop(sealed);
        assert_eq!(fs::read(stand.file("secrets.kek")).unwrap() == old, gone.is_none());
        if let Some(gone) = gone.filter(|gone| !gone.is_nothing() && !guard.is_nothing()) {
            assert!(stand.open_as(gone, None).is_err());
        }
        assert_eq!(read(&stand.open_as(guard, None).unwrap(), "a").unwrap(), CANARY);
    }
}

type Changed = fn(&redb::WriteTransaction);

const SEALED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sealed");
const ABOUT: TableDefinition<'_, &str, (u64, u64, &str)> = TableDefinition::new("about");

#[test]
fn rows_that_were_moved_or_changed_do_not_open() {
    let moved: [(&str, Changed); 4] = [
        ("the value", |write| copy_row(write, SEALED, "a", "b")),
        ("key and value", |write| {
            copy_row(write, crate::kek::KEYS, "a", "b");
            copy_row(write, SEALED, "a", "b");
        }),
        ("who kept it", |write| {
            let mut about = write.open_table(ABOUT).unwrap();
            let (made, changed) = {
                let row = about.get("b").unwrap().unwrap();
                (row.value().0, row.value().1)
            };
            about.insert("b", (made, changed, "mallory")).unwrap();
        }),
        ("a bit", |write| {
            let mut sealed = write.open_table(SEALED).unwrap();
            let mut row = sealed.get("b").unwrap().unwrap().value().to_vec();
            row[20] ^= 1;
            sealed.insert("b", row.as_slice()).unwrap();
        }),
    ];
    for (what, change) in moved {
        let stand = Stand::new();
        let sealed = stand.open();
        sealed.add(&name("a"), &secret(CANARY), "ann").unwrap();
        sealed.add(&name("b"), &secret("other"), "ann").unwrap();
        drop(sealed);
        let database = Database::open(stand.file("secrets.redb")).unwrap();
        let write = database.begin_write().unwrap();
        change(&write);
        write.commit().unwrap();
        drop(database);
        let sealed = stand.open();
        let error = sealed.read(&name("b")).unwrap_err().to_string();
        assert!(error.contains("the key of `b` does not open"), "{what}: {error}");
        assert!(!error.contains(CANARY), "{what}: {error}");
        assert_eq!(read(&sealed, "a").unwrap(), CANARY, "{what}");
    }
}

fn copy_row(
    write: &redb::WriteTransaction,
    table: TableDefinition<'_, &str, &[u8]>,
    from: &str,
    to: &str,
) {
    let mut table = write.open_table(table).unwrap();
    let row = table.get(from).unwrap().unwrap().value().to_vec();
    table.insert(to, row.as_slice()).unwrap();
}

#[test]
fn key_files_that_are_open_linked_short_or_absent_are_refused_with_the_remedy() {
    let stand = Stand::new();
    let key = stand.key_file("key", &[7; 32]);
    for mode in [0o640, 0o604, 0o602] {
        // Root's own may be read by root's group; these belong to whoever runs this.
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let given = Guard::key_file(&key);
        let of_root = rustix::process::geteuid().is_root() && mode == 0o640;
        assert_eq!(given.is_ok(), of_root, "{mode:o}: {given:?}");
        if let Err(why) = given {
            assert!(why.to_string().contains("chmod 600"), "{why}");
        }
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    Guard::key_file(&key).unwrap();
    let link = stand.dir.path().join("link");
    symlink(&key, &link).unwrap();
    let error = Guard::key_file(&link).unwrap_err().to_string();
    assert!(error.contains("not a link"), "{error}");
    let error = Guard::key_file(&stand.dir.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("head -c 32 /dev/urandom"), "{error}");
    let error = Guard::key_file(&stand.key_file("short", &[7; 31])).unwrap_err().to_string();
    assert!(error.contains("32 to 1024 random bytes") && error.contains("got 31"), "{error}");
    let error = Guard::passphrase_file(&stand.key_file("word", b"too short\n")).unwrap_err();
    assert!(error.to_string().contains("12 characters"), "{error}");
    Guard::passphrase_file(&stand.key_file("word", b"long enough, this\n")).unwrap();
}

#[test]
fn damaged_files_are_refused_and_what_is_lost_is_named() {
    let stand = Stand::new();
    stand.open().add(&name("a"), &secret(CANARY), "ann").unwrap();
    let kek = fs::read(stand.file("secrets.kek")).unwrap();
    for cut in [0, 1, 31] {
        fs::write(stand.file("secrets.kek"), &kek[..cut]).unwrap();
        let error = stand.open_as(Guard::nothing(), None).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
    }
    fs::remove_file(stand.file("secrets.kek")).unwrap();
    let error = stand.open_as(Guard::nothing(), None).unwrap_err();
    assert!(matches!(error, KeysError::Kekless { .. }), "{error}");
    fs::write(stand.file("secrets.kek"), &kek).unwrap();
    let error = stand.open_as(Guard::nothing(), None).unwrap_err().to_string();
    assert!(error.contains("open to other users") && error.contains("secrets.kek"), "{error}");
    fs::set_permissions(stand.file("secrets.kek"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read(&stand.open(), "a").unwrap(), CANARY);
    fs::set_permissions(stand.file("secrets.redb"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = stand.open_as(Guard::nothing(), None).unwrap_err().to_string();
    assert!(error.contains("secrets.redb"), "{error}");
    fs::set_permissions(stand.file("secrets.redb"), fs::Permissions::from_mode(0o600)).unwrap();
    let backup = fs::read(stand.file("secrets.redb")).unwrap();
    fs::remove_file(stand.file("secrets.redb")).unwrap();
    drop(stand.open());
    fs::write(stand.file("secrets.redb"), backup).unwrap();
    assert_eq!(read(&stand.open(), "a").unwrap(), CANARY, "a lost database can be restored");
}

#[test]
fn nothing_secret_prints() {
    let stand = Stand::new();
    let guard = Guard::passphrase(Zeroizing::new(CANARY.to_owned())).unwrap();
    let sealed = stand.open_as(guard, None).unwrap();
    sealed.add(&name("a"), &secret(CANARY), "ann").unwrap();
    let shown = format!("{sealed:?} {:?} {:?}", sealed.guard(), sealed.list());
    assert!(!shown.contains(CANARY), "{shown}");
}
