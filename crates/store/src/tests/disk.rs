//! A disk that fails under the projection, at every single operation of a save: the caller is told,
//! and what is found afterwards is the projection before, the one after, or none. Any of them is
//! good: the ledger is replayed from its position. Half of one would not be.

use remit_testkit::{DiskFault, DiskPlan};

use super::*;

/// More than any of these cases does.
const OPERATIONS: u64 = 10_000;

/// A store that was saved once and whose disk fails from now on as `plan` says.
fn failing(before: &Projection, plan: &DiskPlan) -> (TempDir, RedbStore) {
    let (dir, store) = stand();
    store.save(before).unwrap();
    drop(store);
    let file = fs::File::options().read(true).write(true).open(dir.path().join("projection.redb"));
    let database = Database::builder().create_with_backend(plan.strikes(file.unwrap())).unwrap();
    let store = RedbStore::new(dir.path());
    *store.state() = State { database: Some(database), begun: true, in_the_way: None };
    (dir, store)
}

/// Saves while `fault` strikes after `left` operations; `false` if there were fewer.
fn strike(fault: DiskFault, left: u64, ends: bool) -> bool {
    let many = |range: std::ops::Range<u8>| range.map(|n| task(n, "purpose")).collect();
    let (before, after) = (projection(3, many(1..20)), projection(4, many(20..60)));
    let whole = Projection { tasks: many(1..60), ..after.clone() };
    // Opening reads and writes, too; the fault is for the save.
    let plan = DiskPlan::new(fault, u64::MAX, ends);
    let (dir, store) = failing(&before, &plan);
    plan.strike_after(left);
    let told = store.save(&after);
    drop(store);
    if !plan.has_struck() {
        told.unwrap();
        return false;
    }
    let what = format!("{fault:?} after {left}, ends {ends}");
    let store = RedbStore::new(dir.path());
    match store.load().unwrap() {
        None => {}
        Some(found) if found == whole => {}
        Some(found) if found == before && told.is_err() => {}
        other => panic!("{what}: told {told:?}, found {other:?}"),
    }
    store.save(&whole).unwrap();
    assert_eq!(store.load().unwrap(), Some(whole), "{what}: it never recovers");
    true
}

#[test]
fn a_save_that_the_disk_fails_leaves_the_projection_before_or_after_or_none() {
    for fault in DiskFault::ALL {
        for ends in [false, true] {
            let struck = (0..OPERATIONS).take_while(|left| strike(fault, *left, ends)).count();
            // A save may read nothing from the disk: its pages are in memory.
            assert!(struck > 0 || fault == DiskFault::ReadError, "{fault:?} never struck");
        }
    }
}

/// Opens a saved projection while `fault` strikes after `left` operations; `false` if there were
/// fewer.
fn strike_opening(fault: DiskFault, left: u64) -> bool {
    let (dir, store) = stand();
    let saved = projection(3, vec![task(1, "purpose")]);
    store.save(&saved).unwrap();
    drop(store);
    let file = fs::File::options().read(true).write(true).open(dir.path().join("projection.redb"));
    let plan = DiskPlan::new(fault, left, true);
    let mut builder = Database::builder();
    builder.set_check_integrity_on_open(true);
    let opened = RedbStore::guarded(|| {
        builder.create_with_backend(plan.strikes(file.unwrap())).map_err(file::fault)
    });
    drop(opened);
    let found = RedbStore::new(dir.path()).load().unwrap();
    assert!(found.is_none_or(|found| found == saved), "{fault:?} after {left}");
    plan.has_struck()
}

#[test]
fn an_open_that_the_disk_fails_leaves_the_projection_or_none() {
    for fault in DiskFault::ALL {
        let struck = (0..OPERATIONS).take_while(|left| strike_opening(fault, *left)).count();
        assert!(struck > 0 || fault == DiskFault::NoSpace, "{fault:?} never struck");
    }
}
