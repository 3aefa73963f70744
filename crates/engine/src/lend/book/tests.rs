//! A duty to take back is never forgotten, and never overtakes what it is about.

use super::*;
use remit_ports::LeaseNote;

fn out(n: u8, until: u64) -> LeaseOut {
    let note = LeaseNote {
        credential: "db".parse().unwrap(),
        handle: None,
        id: format!("lse_{n:026}").parse().unwrap(),
        kind: "postgres".into(),
        server: "orders".parse().unwrap(),
        until: Timestamp(until),
    };
    LeaseOut { note, task: None, agent: None, since: Timestamp(0), runs_out: false }
}

fn book(leases: &[LeaseOut]) -> Book {
    let mut book = Book::default();
    for lease in leases {
        book.begin(lease.clone(), None);
        assert!(book.issued(lease.clone(), true, Timestamp(0)).is_some());
    }
    book
}

#[test]
fn what_is_out_is_owed_when_it_ends_and_given_to_one_at_a_time() {
    let lease = out(1, 1_000);
    let mut book = book(std::slice::from_ref(&lease));
    assert_eq!(book.due(Timestamp(999)), []);
    assert_eq!(book.next(), Some(Timestamp(1_000)));
    assert_eq!(book.due(Timestamp(1_000)), [Due::Return(lease.clone())]);
    assert_eq!(book.due(Timestamp(1_000)), [], "somebody is at it");
    assert_eq!(book.gone(&lease.note.id), Some(Timestamp(1_000)));
    assert_eq!((book.next(), book.out()), (None, vec![]));
}

#[test]
fn what_outlives_its_use_is_owed_when_that_ends() {
    let (wanted, longer) = (out(1, 1_000), out(1, 9_000));
    let mut book = Book::default();
    book.begin(wanted, None);
    assert!(book.issued(longer.clone(), true, Timestamp(0)).is_some());
    assert_eq!((book.next(), book.due(Timestamp(999))), (Some(Timestamp(1_000)), vec![]));
    assert_eq!(book.due(Timestamp(1_000)), [Due::Return(longer.clone())]);
    book.runs_out(&longer.note.id);
    assert_eq!(book.next(), Some(Timestamp(9_000)), "it counts as long as it is worth something");
    let mut shorter = Book::default();
    shorter.begin(out(1, 1_000), None);
    assert!(shorter.issued(out(1, 500), true, Timestamp(0)).is_some());
    assert_eq!(shorter.next(), Some(Timestamp(500)));
    assert!(shorter.renewed(&out(1, 0).note.id, Timestamp(800)));
    assert_eq!(shorter.next(), Some(Timestamp(800)));
}

#[test]
fn an_issuer_that_is_down_delays_the_return_and_never_ends_it() {
    let lease = out(1, 1_000_000);
    let id = &lease.note.id;
    let mut book = book(std::slice::from_ref(&lease));
    assert_eq!(book.owe(Timestamp(0), |_| true), 1);
    let (mut now, mut told, mut waits) = (Timestamp(0), 0, Vec::new());
    for _ in 0..40 {
        assert_eq!(book.due(now), [Due::Return(lease.clone())]);
        told += usize::from(book.failed(id, "it is down".into(), now).is_some());
        let next = book.next().unwrap();
        waits.push(next.since(now).as_secs());
        now = next;
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(told, 1, "an alarm is raised once");
    let (_, stage) = book.lines().next().unwrap();
    assert_eq!(stage.name(now), "overdue");
    book.owe(now, |_| true);
    assert_eq!(book.next(), Some(now), "whoever asks for it does not have to wait");
}

#[test]
fn what_became_unwanted_while_it_was_issued_is_taken_back_once_it_is_there() {
    let lease = out(1, 1_000);
    let mut book = Book::default();
    book.begin(lease.clone(), None);
    book.owe(Timestamp(5), |_| true);
    assert_eq!(book.due(Timestamp(5)), [], "a revocation must not overtake the issue");
    assert!(book.issued(lease.clone(), true, Timestamp(6)).is_none(), "it may not be used");
    assert!(!book.is_out(&lease.note.id));
    assert_eq!(book.due(Timestamp(6)), [Due::Return(lease)]);
}

#[test]
fn what_may_have_been_issued_is_taken_back_too() {
    let lease = out(1, 1_000);
    let mut book = Book::default();
    book.begin(lease.clone(), None);
    assert!(book.issued(lease.clone(), false, Timestamp(6)).is_none());
    assert_eq!(book.due(Timestamp(6)), [Due::Return(lease)]);
}

#[test]
fn what_cannot_be_taken_back_counts_until_it_runs_out() {
    let lease = out(1, 1_000);
    let mut book = book(std::slice::from_ref(&lease));
    book.owe(Timestamp(5), |_| true);
    book.due(Timestamp(5));
    book.runs_out(&lease.note.id);
    assert_eq!(book.due(Timestamp(999)), []);
    let gone = LeaseOut { runs_out: true, ..lease };
    assert_eq!(book.due(Timestamp(1_000)), [Due::RanOut(gone.clone())]);
    assert_eq!((book.due(Timestamp(1_000)), book.next()), (vec![], None), "somebody is at it");
    book.failed(&gone.note.id, "the disk is full".into(), Timestamp(1_000));
    assert_eq!(book.next(), Some(Timestamp(2_000)), "it is not tried at once again");
}

#[test]
fn after_a_crash_everything_is_owed_but_what_cannot_be_taken_back() {
    let (one, other) = (out(1, 1_000), LeaseOut { runs_out: true, ..out(2, 1_000) });
    let all = [&one, &other].map(|lease| (lease.note.id.clone(), lease.clone()));
    let mut book = Book::recovered(all.into(), Timestamp(7));
    assert_eq!(book.due(Timestamp(7)), [Due::Return(one)]);
    assert_eq!(book.of_task(&"tsk_00000000000000000000000000".parse().unwrap()), (0, 0));
}

#[test]
fn whoever_holds_one_sees_that_it_was_taken_back() {
    let lease = out(1, 1_000);
    let mut book = Book::default();
    book.begin(lease.clone(), None);
    let good = book.issued(lease.clone(), true, Timestamp(0)).unwrap();
    assert!(good.load(Ordering::Acquire));
    book.owe(Timestamp(5), |_| true);
    assert!(!good.load(Ordering::Acquire));
    assert!(!book.renewed(&lease.note.id, Timestamp(9_000)), "a renewal does not undo it");
}
