//! A disk that fails under the key database, at every single operation: no key that was there is
//! lost, one that was told to be there is, and one that was told to be gone stays gone.

use remit_testkit::{DiskFault, DiskPlan};

use super::*;

/// More than any of these cases does.
const OPERATIONS: u64 = 10_000;

/// The vault with the keys `a`, `b` and `c`, whose disk fails as `plan` says.
fn failing(stand: &Stand, plan: &DiskPlan) -> Vault {
    let file = fs::File::options().read(true).write(true).open(database_path(stand.dir.path()));
    let database = builder().create_with_backend(plan.strikes(file.unwrap())).unwrap();
    let file = kek_file(stand.dir.path(), &stand.guards);
    Vault { file, database, kek: stand.kek(&stand.dir) }
}

/// Runs `act` while `fault` strikes after `left` operations, then `check` with whether it was told
/// to have succeeded; `false` if there were fewer operations.
fn strike(
    (fault, left, ends): (DiskFault, u64, bool),
    act: impl FnOnce(Vault, &Stand) -> bool,
    check: impl FnOnce(&Stand, &[Option<[u8; 32]>], bool, &str),
) -> bool {
    let stand = Stand::new();
    let before = all(&stand.open());
    let plan = DiskPlan::new(fault, u64::MAX, ends);
    let vault = failing(&stand, &plan);
    plan.strike_after(left);
    let told = act(vault, &stand);
    check(&stand, &before, told, &format!("{fault:?} after {left}, ends {ends}, told {told}"));
    plan.has_struck()
}

fn every(mut strike: impl FnMut((DiskFault, u64, bool)) -> bool) {
    for fault in DiskFault::ALL {
        for ends in [false, true] {
            let struck = (0..OPERATIONS).take_while(|left| strike((fault, *left, ends))).count();
            // What is read is in memory already; a small change may need no room.
            let rare = [DiskFault::ReadError, DiskFault::NoSpace].contains(&fault);
            assert!(struck > 0 || rare, "{fault:?} never struck");
        }
    }
}

#[test]
fn a_key_that_is_being_made_is_there_if_that_was_told_and_costs_no_other() {
    every(|what| {
        strike(
            what,
            |vault, stand| vault.add("d", &stand.entropy).is_ok(),
            |stand, before, told, what| {
                let vault = stand.open();
                assert_eq!(all(&vault), before, "{what}");
                assert!(bytes(&vault, "d").is_some() || !told, "{what}: told and not there");
                let again = vault.add("d", &stand.entropy).unwrap();
                assert_eq!(bytes(&stand.reopen(vault), "d"), Some(*again.as_bytes()), "{what}");
            },
        )
    });
}

#[test]
fn an_erasure_happens_whole_or_not_at_all_and_costs_no_other_key() {
    every(|what| {
        strike(
            what,
            |vault, stand| vault.erase("b", &stand.entropy).is_ok(),
            |stand, before, told, what| {
                let found = all(&stand.open());
                let mut erased = before.to_vec();
                erased[2] = None;
                assert!(found == erased || (found == before && !told), "{what}: {found:?}");
                // The ledger says that it is to be erased, so it is tried again at the next start.
                drop(stand.open().erase("b", &stand.entropy).unwrap());
                assert_eq!(all(&stand.open()), erased, "{what}");
            },
        )
    });
}
