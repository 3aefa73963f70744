//! Keys and a log that refuses their records: what a start finds then.

use remit_model::{Clock as _, Timestamp};
use remit_spiffe::trust_domain;
use remit_testkit::Fault;

use super::*;
use crate::serve::place::{Place, olga};

const DAY: Duration = Duration::from_hours(24);

/// What a start at `place` finds.
async fn start(place: &Place) -> Arc<Svids> {
    let (keys, engine) = place.start().await;
    Svids::open(keys.svids(), &trust_domain("remit.test").unwrap(), (DAY, true), engine)
        .await
        .unwrap()
}

fn assert_all_on_record(place: &Place, svids: &Svids) {
    let made = place.records("made");
    for generation in svids.generations() {
        let is_it = |record: &String| record.contains(generation.kid());
        assert!(made.iter().any(is_it), "{generation:?} is on no record: {made:?}");
    }
}

fn numbers(svids: &Svids) -> Vec<u64> {
    svids.generations().iter().map(|generation| generation.number()).collect()
}

#[tokio::test]
async fn keys_that_are_on_no_record_are_used_by_nobody_also_after_a_restart() {
    for fault in [None, Some(Fault::Before), Some(Fault::After)] {
        let place = Place::new();
        let svids = start(&place).await;
        assert_eq!(numbers(&svids), [1]);
        place.clock.advance(DAY);
        place.refuse_records(fault);
        assert!(svids.turn().await.is_err());
        assert_eq!(numbers(&svids), [1], "{fault:?}");
        // What such a start finds on disk is not due for anything.
        let again = start(&place).await;
        assert_eq!(again.generations().len(), 2, "{fault:?}");
        assert_all_on_record(&place, &again);
    }
}

#[tokio::test]
async fn keys_that_are_taken_back_stay_so_though_nothing_can_be_recorded() {
    let place = Place::new();
    let svids = start(&place).await;
    place.ledger.set_full(true);
    assert!(svids.replace(&olga()).await.is_err(), "there are no new ones");
    assert!(svids.generations().is_empty(), "and the old ones are gone all the same");
    assert_eq!(place.records("withdrawn").len(), 1, "for which room was kept");
    place.ledger.fail_next(Fault::Before);
    let again = start(&place).await;
    place.ledger.set_full(false);
    assert_ne!(numbers(&again), [1]);
    again.turn().await.unwrap();
    assert_all_on_record(&place, &again);
    assert!(numbers(&again) > vec![1], "no number is used twice");
}

#[tokio::test]
async fn new_keys_wait_until_those_before_have_taken_over() {
    let place = Place::new();
    let svids = start(&place).await;
    let takes_over = svids.generations()[0].takes_over();
    assert!(svids.rotate(&olga()).await.is_err());
    place.clock.advance(takes_over.since(place.clock.now()));
    assert_eq!(svids.rotate(&olga()).await.unwrap().number(), 2);
    assert!(svids.rotate(&olga()).await.is_err());
    assert_eq!(numbers(&svids), [1, 2]);
    assert!(svids.generations()[1].takes_over() > Timestamp(0));
    let (made, old) = svids.replace(&olga()).await.unwrap();
    assert_eq!((made.number(), old), (3, vec!["svid-1".to_owned(), "svid-2".to_owned()]));
    assert_eq!(numbers(&svids), [3]);
    assert_eq!(numbers(&*start(&place).await), [3], "also after a restart");
    assert_all_on_record(&place, &svids);
    assert_eq!(place.records_by("olga"), 3, "two made and one taken back");
}
