//! A disk that fails under sealed storage, at every single operation, and a process that ends between
//! any two steps: a secret that was told to be kept is there, no other is lost, the old or the new
//! value is what is read, never anything else, and signing keys open.

use remit_testkit::{DiskFault, DiskPlan};

use super::*;

/// More than any of these cases does.
const OPERATIONS: u64 = 10_000;

/// The storage with `a` in it, whose disk fails as `plan` says.
fn failing(stand: &Stand, plan: &DiskPlan) -> Chest {
    let path = stand.file("secrets.redb");
    let place = place(stand);
    let (mut chest, _) = Chest::find(&place).unwrap();
    // Closed before it is opened through the plan.
    chest.database = crate::kek::builder().create(stand.dir.path().join("aside.redb")).unwrap();
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    chest.database = crate::kek::builder().create_with_backend(plan.strikes(file)).unwrap();
    chest
}

fn place(stand: &Stand) -> Place {
    Place { dir: stand.dir.path().join("keys"), guard: Guard::nothing(), before: None }
}

fn about(text: &str) -> About {
    let (made, changed) = (Timestamp(1), Timestamp(2));
    About { name: name(text), made, changed, by: "ann".to_owned() }
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
fn each_change_happens_whole_or_not_at_all_and_costs_no_other_secret() {
    for act in ["add", "replace", "remove", "turn"] {
        let there = Stand::new();
        there.open().add(&name("a"), &secret("one"), "ann").unwrap();
        there.open().add(&name("b"), &secret("other"), "ann").unwrap();
        let signing = there.open().signing().clone();
        signing.create("log-1.key", b"signs", there.entropy.as_ref()).unwrap();
        every(|(fault, left, ends)| {
            let stand = there.copy();
            let plan = DiskPlan::new(fault, u64::MAX, ends);
            let mut chest = failing(&stand, &plan);
            plan.strike_after(left);
            let (kept, entropy) = (secret("two"), Arc::clone(&stand.entropy));
            let (a, c, gone) = (about("a"), about("c"), name("a"));
            let told = match act {
                "add" => chest.put(&Change::Keep { about: &c, secret: &kept }, entropy.as_ref()),
                "replace" => {
                    chest.turn(&Change::Keep { about: &a, secret: &kept }, entropy.as_ref())
                }
                "remove" => chest.turn(&Change::Remove(&gone), entropy.as_ref()),
                _ => chest.turn(&Change::Nothing, entropy.as_ref()),
            };
            drop(chest);
            let what = format!("{act}: {fault:?} after {left}, ends {ends}, told {told:?}");
            let sealed = stand.open();
            assert_eq!(read(&sealed, "b").as_deref(), Some("other"), "{what}");
            assert_eq!(**sealed.signing().read("log-1.key").unwrap(), *b"signs", "{what}");
            let now = (read(&sealed, "a"), read(&sealed, "c"));
            let (before, after) = match act {
                "add" => ((Some("one"), None), (Some("one"), Some("two"))),
                "replace" => ((Some("one"), None), (Some("two"), None)),
                "remove" => ((Some("one"), None), (None, None)),
                _ => ((Some("one"), None), (Some("one"), None)),
            };
            let now = (now.0.as_deref(), now.1.as_deref());
            assert!(now == after || (now == before && told.is_err()), "{what}: {now:?}");
            assert_eq!(stand.names(), ["log-1.key", "secrets.kek", "secrets.redb"], "{what}");
            plan.has_struck()
        });
    }
}

#[test]
fn a_process_that_ends_between_two_steps_of_a_change_of_guard_finishes_it_at_the_next_start() {
    let stand = Stand::new();
    stand.open().add(&name("a"), &secret(CANARY), "ann").unwrap();
    let guard = stand.guard("key", &[7; 32]);
    let there = stand.copy();
    // Step 1 alone, whole and short.
    for short in [false, true] {
        let stand = there.copy();
        let new = Place { guard: guard.clone(), ..place(&stand) };
        new.kek().stage(stand.entropy.as_ref()).unwrap();
        if short {
            fs::write(stand.file("secrets.kek.next"), "K half").unwrap();
        }
        assert_eq!(read(&stand.open_as(guard.clone(), None).unwrap(), "a").unwrap(), CANARY);
        assert_eq!(stand.names(), ["secrets.kek", "secrets.redb"]);
    }
    // Steps 1 and 2: what step 3 would have renamed is where step 1 had put it.
    let stand = there.copy();
    let bare = fs::read(stand.file("secrets.kek")).unwrap();
    drop(stand.open_as(guard.clone(), None).unwrap());
    fs::rename(stand.file("secrets.kek"), stand.file("secrets.kek.next")).unwrap();
    file::create(&stand.file("secrets.kek"), &bare).unwrap();
    assert_eq!(read(&stand.open_as(guard, None).unwrap(), "a").unwrap(), CANARY);
    assert_eq!(stand.names(), ["secrets.kek", "secrets.redb"]);
    assert_ne!(fs::read(stand.file("secrets.kek")).unwrap(), bare);
    // The same from one key to another, where nobody says any more what the old one was.
    let closed = fs::read(stand.file("secrets.kek")).unwrap();
    let (old, new) = (stand.guard("key", &[7; 32]), stand.guard("new", &[8; 32]));
    drop(stand.open_as(new.clone(), Some(old)).unwrap());
    fs::rename(stand.file("secrets.kek"), stand.file("secrets.kek.next")).unwrap();
    file::create(&stand.file("secrets.kek"), &closed).unwrap();
    assert_eq!(read(&stand.open_as(new, None).unwrap(), "a").unwrap(), CANARY);
}

#[test]
fn a_making_that_was_interrupted_starts_over() {
    let stand = Stand::new();
    fs::write(stand.file("secrets.redb.new"), "half a database").unwrap();
    stand.open().add(&name("a"), &secret(CANARY), "ann").unwrap();
    assert_eq!(read(&stand.open(), "a").unwrap(), CANARY);
    assert_eq!(stand.names(), ["secrets.kek", "secrets.redb"]);
}
