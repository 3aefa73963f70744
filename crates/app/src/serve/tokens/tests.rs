//! Keys and a log that refuses their records, or a disk that does: what signs then, and what a start
//! finds.

use std::fs;

use remit_model::Door;
use remit_testkit::{Fault, SeededEntropy, samples};
use remit_token::{MAX_GRANT_KEYS, Minter, Presented, Terms, TokenError, Uncertified};

use super::*;
use crate::serve::place::{Place, olga};

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// What a start at `place` finds.
async fn start(place: &Place) -> Arc<Tokens> {
    let (keys, engine) = place.start().await;
    Tokens::open(keys.tokens(), DAY, engine).await
}

fn numbers(tokens: &Tokens) -> Vec<u64> {
    tokens.keys().iter().map(|(key, _)| key.number()).collect()
}

/// A grant for a task that nobody opened, signed as grants are at the moment.
fn grant(tokens: &Tokens) -> String {
    let minter = Minter::new(tokens.keys(), tokens.engine.realm().clone());
    let terms = Terms { lifetime: HOUR, ..Terms::default() };
    let now = tokens.engine.now();
    let mut charter = samples::charter(1);
    charter.remit.deadline = now.after(DAY);
    minter.mint(&charter, &terms, now, &SeededEntropy::new(3)).unwrap().0
}

/// Whether the engine believes `token`, and only misses its task.
fn believes(tokens: &Tokens, token: &str) -> bool {
    let url = tokens.engine.realm().audience();
    let certificate = Err(Uncertified::None);
    let shown = Presented { token, proof: None, certificate, method: "POST", url };
    match tokens.engine.authenticate(&shown, Door::McpHttp).map(drop) {
        Err(TokenError::UnknownTask) => true,
        Err(TokenError::Key) => false,
        other => panic!("{other:?}"),
    }
}

fn assert_all_on_record(place: &Place, tokens: &Tokens) {
    let made = place.records("made");
    for (key, _) in tokens.keys().iter() {
        assert!(made.iter().any(|record| record.contains(key.kid())), "{key:?}: {made:?}");
    }
}

#[tokio::test]
async fn a_key_is_replaced_when_it_is_due_and_wiped_when_nothing_it_signed_is_good() {
    let place = Place::new();
    let tokens = start(&place).await;
    let old = grant(&tokens);
    place.clock.advance(HOUR * 23);
    let late = grant(&tokens);
    place.clock.advance(Duration::from_mins(59));
    tokens.turn().await.unwrap();
    assert_eq!(numbers(&tokens), [1]);
    place.clock.advance(Duration::from_mins(1));
    tokens.turn().await.unwrap();
    assert_eq!(numbers(&tokens), [1, 2]);
    assert!(believes(&tokens, &late) && believes(&tokens, &grant(&tokens)));
    assert_eq!(numbers(&*start(&place).await), [1, 2], "also after a restart");
    place.clock.advance(HOUR * 2);
    tokens.turn().await.unwrap();
    assert_eq!(numbers(&tokens), [2]);
    assert!(!believes(&tokens, &old) && !tokens.file(1).exists());
    assert_all_on_record(&place, &tokens);
}

#[tokio::test]
async fn a_key_that_is_on_no_record_signs_nothing_also_after_a_restart() {
    for fault in [None, Some(Fault::Before), Some(Fault::After)] {
        let place = Place::new();
        let tokens = start(&place).await;
        let old = grant(&tokens);
        place.refuse_records(fault);
        let told = format!("{:?}", tokens.rotate(&olga()).await.unwrap_err());
        assert!(told.contains("the old one goes on"), "{told}");
        assert_eq!(numbers(&tokens), [1], "{fault:?}");
        assert!(believes(&tokens, &old));
        let again = start(&place).await;
        assert_eq!(numbers(&again), [1], "{fault:?}");
        assert_all_on_record(&place, &again);
    }
}

#[tokio::test]
async fn a_disk_that_refuses_brings_no_key_into_use_and_none_back() {
    let place = Place::new();
    let tokens = start(&place).await;
    let old = grant(&tokens);
    let (keys, aside) = (place.dir.path().join("keys"), place.dir.path().join("aside"));
    fs::rename(&keys, &aside).unwrap();
    assert!(tokens.rotate(&olga()).await.is_err());
    assert!(numbers(&tokens) == [1] && believes(&tokens, &old));
    let told = format!("{:?}", tokens.replace(&olga()).await.unwrap_err());
    assert!(told.contains("not all was done"), "{told}");
    assert!(tokens.keys().is_empty() && !believes(&tokens, &old));
    assert!(tokens.turn().await.is_err() && tokens.keys().is_empty());
    fs::rename(&aside, &keys).unwrap();
    tokens.turn().await.unwrap();
    assert_eq!(numbers(&tokens), [2]);
    let again = start(&place).await;
    assert!(!believes(&again, &old), "what was left on the disk went before the next was made");
    assert_eq!(numbers(&again), [2]);
}

#[tokio::test]
async fn what_was_taken_back_is_believed_no_more_whatever_fails() {
    let place = Place::new();
    let tokens = start(&place).await;
    let old = grant(&tokens);
    assert!(believes(&tokens, &old), "so it is remembered as verified");
    place.ledger.set_full(true);
    assert!(tokens.replace(&olga()).await.is_err(), "there is no new one");
    assert!(tokens.keys().is_empty() && !believes(&tokens, &old));
    assert_eq!(place.records("withdrawn").len(), 1, "for which room was kept");
    let again = start(&place).await;
    assert!(numbers(&again) > vec![1], "no number is used twice");
    assert!(believes(&again, &grant(&again)) && !believes(&again, &old));
    assert_all_on_record(&place, &again);
}

#[tokio::test]
async fn a_crash_between_taking_a_key_back_and_making_the_next_brings_nothing_back() {
    let place = Place::new();
    let tokens = start(&place).await;
    let old = grant(&tokens);
    tokens.keys.withdraw().unwrap();
    let again = start(&place).await;
    assert_eq!(numbers(&again), [2]);
    assert!(!believes(&again, &old) && believes(&again, &grant(&again)));
}

#[tokio::test]
async fn rotations_at_once_each_make_a_key_and_never_more_than_may_be() {
    let place = Place::new();
    let tokens = start(&place).await;
    let first = grant(&tokens);
    let (one, two) = (olga(), olga());
    let (one, two) = tokio::join!(tokens.rotate(&one), tokens.rotate(&two));
    let mut made = [one.unwrap().number(), two.unwrap().number()];
    made.sort_unstable();
    assert_eq!(made, [2, 3]);
    while tokens.keys().len() < MAX_GRANT_KEYS {
        tokens.rotate(&olga()).await.unwrap();
    }
    let told = format!("{:?}", tokens.rotate(&olga()).await.unwrap_err());
    assert!(told.contains("there are 8 keys"), "{told}");
    assert!(believes(&tokens, &first), "all of them count");
    let (made, old) = tokens.replace(&olga()).await.unwrap();
    assert_eq!((made.number(), old.len()), (9, MAX_GRANT_KEYS));
    assert!(!believes(&tokens, &first));
    assert_eq!(numbers(&*start(&place).await), [9]);
    assert_eq!(place.records_by("olga"), 9, "eight made and all taken back at once");
}
