//! The fake keeps its own promises.

use remit_ports::{BodyKeys, Clear, Pins, Subject};

use super::*;
use crate::{ManualClock, MemoryKeys, samples};

struct Stand {
    keys: Arc<MemoryKeys>,
    ledger: MemoryLedger,
}

fn stand() -> Stand {
    let keys = Arc::new(MemoryKeys::new());
    keys.create(&samples::task_id(1)).unwrap();
    let clock = Arc::new(ManualClock::default());
    let ledger = MemoryLedger::new(clock, Arc::<MemoryKeys>::clone(&keys));
    Stand { keys, ledger }
}

fn draft(kind: Kind, sequence: u64, room: Room) -> Draft {
    let pin = Digest::of(b"pin");
    Draft {
        kind,
        subject: Some(Subject { task: samples::task_id(1), sequence, epoch: 0 }),
        parents: Vec::new(),
        pins: Pins { policy: pin, schema: pin, catalogue: pin, engine: "test" },
        clear: Clear { question: Some(Digest::of(b"question")), ..Clear::default() },
        body: Body::from([("words".to_owned(), format!("\"{sequence}\""))]),
        room,
    }
}

fn outcome(sequence: u64, decision: u64) -> Draft {
    Draft { parents: vec![decision], ..draft(Kind::Outcome, sequence, Room::Outcome) }
}

#[tokio::test]
async fn keeps_order_and_gives_receipts_once_durable() {
    let Stand { ledger, keys } = stand();
    ledger.hold();
    let one = ledger.append(draft(Kind::Task, 0, Room::Ordinary)).unwrap();
    let two = ledger.append(draft(Kind::Decision, 1, Room::Permit)).unwrap();
    assert_eq!((one.index(), two.index(), ledger.waiting()), (0, 1, 2));
    assert!(ledger.read(0).unwrap().is_none());
    ledger.release();
    let receipt = two.durable().await.unwrap();
    assert_eq!((receipt.index(), receipt.question()), (1, Some(Digest::of(b"question"))));
    assert_eq!(one.durable().await.unwrap().index(), 0);
    let read = ledger.read(1).unwrap().unwrap();
    assert_eq!(read.body.unwrap()["words"], "\"1\"");
    assert_eq!(read.entry.commitments.len(), 1);
    keys.erase(&samples::task_id(1)).unwrap();
    assert_eq!(ledger.read(1).unwrap().unwrap().body, None);
    let refused = ledger.append(draft(Kind::Task, 2, Room::Ordinary)).unwrap_err();
    assert!(matches!(refused, LedgerError::Key(_)), "{refused}");
    let mut seen = Vec::new();
    ledger.replay(1, &mut |each| seen.push(each.index)).unwrap();
    assert_eq!(seen, [1]);
}

#[tokio::test]
async fn a_full_disk_refuses_permits_and_takes_stops_and_reserved_outcomes() {
    let Stand { ledger, .. } = stand();
    ledger.append(draft(Kind::Decision, 0, Room::Permit)).unwrap();
    ledger.set_full(true);
    for room in [Room::Permit, Room::Ordinary] {
        let refused = ledger.append(draft(Kind::Decision, 1, room)).unwrap_err();
        assert_eq!(refused, LedgerError::NoSpace);
    }
    assert_eq!(ledger.status().refusing, Some(LedgerError::NoSpace));
    assert!(ledger.append(draft(Kind::Restriction, 1, Room::Restriction)).is_ok());
    assert!(ledger.append(outcome(2, 0)).is_ok());
    assert_eq!(ledger.append(outcome(3, 0)).unwrap_err(), LedgerError::NoSpace, "reserved one");
    ledger.set_full(false);
    ledger.set_busy(true);
    let refused = ledger.append(draft(Kind::Decision, 3, Room::Permit)).unwrap_err();
    assert_eq!(refused, LedgerError::Busy);
    assert!(ledger.append(outcome(3, 0)).is_ok());
}

#[tokio::test]
async fn a_fault_comes_in_two_kinds_and_ends_the_ledger_until_a_restart() {
    for (fault, kept) in [(Fault::Before, 1), (Fault::After, 2)] {
        let Stand { ledger, .. } = stand();
        ledger.append(draft(Kind::Task, 0, Room::Ordinary)).unwrap();
        ledger.hold();
        let hit = ledger.append(draft(Kind::Decision, 1, Room::Permit)).unwrap();
        let behind = ledger.append(draft(Kind::Decision, 2, Room::Permit)).unwrap();
        ledger.fail_next(fault);
        ledger.release();
        assert!(hit.durable().await.is_err() && behind.durable().await.is_err());
        assert!(ledger.append(draft(Kind::Restriction, 3, Room::Restriction)).is_err());
        assert_eq!(ledger.entries().len(), kept, "{fault:?}");
        ledger.restart();
        assert_eq!(ledger.status().refusing, None);
        ledger.set_full(true);
        assert_eq!(ledger.append(outcome(2, 1)).is_ok(), fault == Fault::After);
    }
}

#[tokio::test]
async fn a_restart_loses_what_waited() {
    let Stand { ledger, .. } = stand();
    ledger.hold();
    let waiting = ledger.append(draft(Kind::Task, 0, Room::Ordinary)).unwrap();
    ledger.restart();
    assert!(waiting.durable().await.is_err());
    assert_eq!(ledger.append(draft(Kind::Task, 0, Room::Ordinary)).unwrap().index(), 0);
}

#[test]
fn sees_what_breaks_the_schema() {
    let Stand { ledger, .. } = stand();
    for draft in [
        draft(Kind::Task, 0, Room::Ordinary),
        draft(Kind::Decision, 1, Room::Permit),
        outcome(2, 1),
    ] {
        ledger.append(draft).unwrap();
    }
    assert_eq!(ledger.violations(), Vec::<String>::new());
    for draft in [
        draft(Kind::Task, 4, Room::Ordinary),
        outcome(4, 1),
        outcome(5, 0),
        Draft { parents: vec![9], ..draft(Kind::Signal, 6, Room::Ordinary) },
    ] {
        ledger.append(draft).unwrap();
    }
    let found = ledger.violations();
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found[0].contains("entry 3") && found[0].contains("at 3, not 4"), "{found:#?}");
    assert!(found[1].contains("entry 4") && found[1].contains("settled by 2"), "{found:#?}");
    assert!(found[2].contains("entry 5") && found[2].contains("no decision"), "{found:#?}");
    assert!(found[3].contains("entry 6") && found[3].contains("cause 9"), "{found:#?}");
}

#[test]
fn an_entry_beyond_its_bound_is_refused() {
    let Stand { ledger, .. } = stand();
    let mut large = draft(Kind::Task, 0, Room::Ordinary);
    large.clear.actor = Some("x".repeat(MAX_ENTRY));
    assert!(matches!(ledger.append(large), Err(LedgerError::TooLarge(_))));
    assert_eq!(ledger.append(draft(Kind::Task, 0, Room::Ordinary)).unwrap().index(), 0);
}
