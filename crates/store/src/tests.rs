//! Saving, loading, and everything that can be wrong with the file.

mod disk;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use redb::{ReadableDatabase as _, TableDefinition};
use remit_model::stored::Change;
use remit_model::{Integrity, Label, Lifecycle, Standing, Stored, Task, Timestamp, Written};
use remit_ports::{LeaseNote, LeaseOut};
use remit_testkit::{MemoryStore, samples};
use tempfile::TempDir;

use super::*;

const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

fn stand() -> (TempDir, RedbStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = RedbStore::new(dir.path());
    (dir, store)
}

fn task(n: u8, purpose: &str) -> Task {
    let mut charter = samples::charter(n);
    charter.purpose = purpose.to_owned();
    Task::open(charter)
}

fn stored() -> Stored {
    let label = Label { integrity: Integrity::untrusted("mail"), ..Label::default() };
    let trails = [remit_model::Trail::of(&["a"])].into();
    let written = Written { server: "notes".parse().unwrap(), trails, label };
    let mut stored = Stored::default();
    stored.apply(3, Change::Writes(&written));
    stored
}

fn projection(position: u64, tasks: Vec<Task>) -> Projection {
    Projection {
        position,
        tasks,
        catalogue: Some("{\"tools\":[]}".to_owned()),
        open_calls: vec![(7, samples::task_id(1))],
        holds: vec![("hld_00000000000000000000000000".parse().unwrap(), 9)],
        leases: vec![LeaseOut {
            note: LeaseNote {
                credential: "db".parse().unwrap(),
                handle: Some("role".to_owned()),
                id: "lse_00000000000000000000000000".parse().unwrap(),
                kind: "postgres".to_owned(),
                server: "orders".parse().unwrap(),
                until: Timestamp(6),
            },
            task: Some(samples::task_id(1)),
            agent: None,
            since: Timestamp(4),
            runs_out: true,
        }],
        standing: vec![(
            "bot".parse().unwrap(),
            Standing { lifecycle: Lifecycle::Retired, since: Timestamp(5) },
        )],
        stored: stored(),
        erasing: vec![samples::task_id(2)],
    }
}

#[test]
fn what_was_saved_is_loaded_by_another_process() {
    let (dir, store) = stand();
    assert_eq!(store.load().unwrap(), None);
    assert!(!dir.path().join("projection.redb").exists(), "looking makes no file");
    let saved = projection(u64::MAX, vec![task(1, "a"), task(2, "b")]);
    store.save(&saved).unwrap();
    assert_eq!(store.load().unwrap().as_ref(), Some(&saved));
    drop(store);
    let path = dir.path().join("projection.redb");
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = RedbStore::new(dir.path());
    assert_eq!(again.load().unwrap(), Some(saved));
}

#[test]
fn behaves_as_the_fake_does() {
    let (_dir, store) = stand();
    let fake = MemoryStore::new();
    let mut bare = projection(3, vec![task(1, "A")]);
    (bare.catalogue, bare.open_calls, bare.holds) = (None, Vec::new(), Vec::new());
    bare.standing = Vec::new();
    for step in [
        projection(2, vec![task(2, "b"), task(1, "a")]),
        bare,
        projection(4, Vec::new()),
        projection(5, vec![task(3, "c")]),
    ] {
        store.save(&step).unwrap();
        fake.save(&step).unwrap();
        assert_eq!(store.load().unwrap(), fake.load().unwrap());
    }
    assert_eq!(store.load().unwrap().unwrap().tasks.len(), 3);
}

/// `store` finds nothing, has moved the file aside, and works on.
fn assert_moved_aside(dir: &TempDir, store: &RedbStore, what: &str) {
    assert_eq!(store.load().unwrap(), None, "{what}");
    assert!(dir.path().join("projection.redb.bad").exists(), "{what}");
    assert!(!dir.path().join("projection.redb").exists(), "{what}");
    let fresh = projection(1, vec![task(1, "a")]);
    store.save(&fresh).unwrap();
    assert_eq!(store.load().unwrap(), Some(fresh), "{what}");
}

#[test]
fn nothing_of_what_was_set_aside_comes_back() {
    let (dir, store) = stand();
    store.save(&projection(9, vec![task(1, "a"), task(2, "b")])).unwrap();
    store.load().unwrap();
    store.set_aside("ahead").unwrap();
    let fresh = projection(1, vec![task(2, "b")]);
    store.save(&fresh).unwrap();
    assert_eq!(store.load().unwrap(), Some(fresh));
    assert!(dir.path().join("projection.redb.bad").exists());
}

#[test]
fn nothing_is_saved_beside_what_cannot_be_set_aside() {
    let (dir, store) = stand();
    let before = projection(9, vec![task(1, "a")]);
    store.save(&before).unwrap();
    // A file cannot take the place of a folder.
    let aside = dir.path().join("projection.redb.bad");
    fs::create_dir(&aside).unwrap();
    let fresh = projection(1, vec![task(2, "b")]);
    let error = store.set_aside("ahead").unwrap_err().to_string();
    assert!(error.contains("could not be moved aside"), "{error}");
    store.save(&fresh).unwrap_err();
    assert_eq!(store.load().unwrap(), Some(before));
    fs::remove_dir(&aside).unwrap();
    store.save(&fresh).unwrap();
    assert_eq!(store.load().unwrap(), Some(fresh));
}

#[test]
fn what_is_no_database_is_moved_aside() {
    for (what, content) in [("empty", &b""[..]), ("text", b"hello"), ("long", &[0x5a; 9000])] {
        let (dir, store) = stand();
        fs::write(dir.path().join("projection.redb"), content).unwrap();
        assert_moved_aside(&dir, &store, what);
    }
}

#[test]
fn a_file_cut_short_is_moved_aside() {
    let (dir, store) = stand();
    store.save(&projection(1, vec![task(1, "a")])).unwrap();
    drop(store);
    let path = dir.path().join("projection.redb");
    let whole = fs::read(&path).unwrap();
    for length in [100, 4096, whole.len() / 2] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_moved_aside(&dir, &RedbStore::new(dir.path()), &format!("{length} bytes"));
    }
}

#[test]
fn a_damaged_file_never_gives_a_wrong_answer() {
    let (dir, store) = stand();
    let saved = projection(41, vec![task(1, "a purpose that stands in a leaf page")]);
    store.save(&saved).unwrap();
    drop(store);
    let path = dir.path().join("projection.redb");
    let whole = fs::read(&path).unwrap();
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let (mut refused, mut survived) = (0, 0);
    for at in used.iter().step_by(used.len() / 60 + 1) {
        let mut bent = whole.clone();
        bent[*at] ^= 0x11;
        fs::write(&path, &bent).unwrap();
        match RedbStore::new(dir.path()).load().unwrap() {
            None => refused += 1,
            Some(loaded) => {
                assert_eq!(loaded, saved, "byte {at}");
                survived += 1;
            }
        }
    }
    // Bytes of free pages and of redb's own books may change without harm.
    assert!(refused > 5, "{refused} refused, {survived} survived");
}

#[test]
fn another_version_is_moved_aside() {
    for (name, json, says) in [
        ("version", "1", "version 1, expected 6"),
        ("position", "-1", "`position`"),
        ("open_calls", "[[1]]", "`open_calls`"),
    ] {
        let (dir, store) = stand();
        store.save(&projection(1, Vec::new())).unwrap();
        drop(store);
        let path = dir.path().join("projection.redb");
        let database = Database::open(&path).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(META).unwrap().insert(name, json).unwrap();
        write.commit().unwrap();
        let fault = tables::read(&database).unwrap_err();
        assert!(matches!(&fault, Fault::Useless(why) if why.contains(says)), "{fault}");
        drop(database);
        assert_moved_aside(&dir, &RedbStore::new(dir.path()), name);
    }
}

#[test]
fn a_row_under_another_key_is_no_task() {
    let (dir, store) = stand();
    store.save(&projection(1, vec![task(1, "a")])).unwrap();
    drop(store);
    let database = Database::open(dir.path().join("projection.redb")).unwrap();
    let tasks: TableDefinition<'_, &str, &str> = TableDefinition::new("tasks");
    let json = serde_json::to_string(&task(1, "a")).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(tasks).unwrap().insert("tsk_other", json.as_str()).unwrap();
    write.commit().unwrap();
    assert!(database.begin_read().is_ok());
    drop(database);
    assert_moved_aside(&dir, &RedbStore::new(dir.path()), "row");
}

#[test]
fn a_disk_that_refuses_is_an_error_and_not_a_reason_to_move_anything() {
    let (dir, store) = stand();
    let gone = RedbStore::new(&dir.path().join("no such folder"));
    let error = gone.save(&projection(1, Vec::new())).unwrap_err().to_string();
    assert!(error.starts_with("the projection could not be written"), "{error}");
    store.save(&projection(1, Vec::new())).unwrap();
    // Another process has it open.
    let second = RedbStore::new(dir.path());
    assert!(second.load().unwrap_err().to_string().contains("could not be read"));
    assert!(second.save(&projection(2, Vec::new())).is_err());
    assert!(dir.path().join("projection.redb").exists());
    drop(store);
    assert_eq!(second.load().unwrap().unwrap().position, 1, "it tries anew");
}

#[test]
fn a_file_that_vanishes_while_in_use_is_not_begun_anew_with_half_the_tasks() {
    let (dir, store) = stand();
    store.save(&projection(1, vec![task(1, "a")])).unwrap();
    fs::remove_file(dir.path().join("projection.redb")).unwrap();
    // The open database does not notice; a failure closes it.
    store.state().database = None;
    let error = store.save(&projection(2, vec![task(2, "b")])).unwrap_err().to_string();
    assert!(error.contains("its file is gone"), "{error}");
    assert_eq!(store.load().unwrap(), None);
    assert_eq!(RedbStore::new(dir.path()).load().unwrap(), None);
}
