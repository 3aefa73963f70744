//! Which process may appear as which run.

use std::collections::BTreeMap;
use std::time::Duration;

use remit_engine::identify::MAX_RUNS;
use remit_engine::open::{Opener, Proposal};
use remit_model::task::CloseReason;
use remit_model::{TaskId, Workload};
use remit_ports::Kind;

use crate::bench::{Bench, operator};

fn runs(bench: &Bench, uid: u32) -> Vec<TaskId> {
    let identities = bench.engine.identify(&Workload::of_user(uid));
    identities.iter().flat_map(|it| &it.runs).map(|run| run.task.clone()).collect()
}

#[tokio::test]
async fn a_run_belongs_to_the_user_whose_process_opened_it() {
    let mut bench = Bench::new().await;
    let own = bench.task().await.task;
    let proposal = Proposal { template: "work".into(), ..Proposal::default() };
    bench.engine.open(&Opener::Operator("olga".into()), proposal).await.unwrap();
    assert_eq!(runs(&bench, 7), std::slice::from_ref(&own), "not the one that an operator opened");
    assert!(bench.engine.identify(&Workload::of_user(8)).is_empty(), "another user is no agent");
    bench.restart().await;
    assert_eq!(runs(&bench, 7), [own], "it is on record");
}

#[tokio::test]
async fn a_run_that_stopped_is_nobodys_identity() {
    let bench = Bench::new().await;
    let (one, two) = (bench.task().await.task, bench.task().await.task);
    bench.engine.freeze(&one, "olga").unwrap();
    assert_eq!(runs(&bench, 7), std::slice::from_ref(&two));
    bench.engine.thaw(&one, "olga").unwrap();
    bench.engine.close(&two, CloseReason::Revoked, "olga").unwrap();
    assert_eq!(runs(&bench, 7), [one]);
}

#[tokio::test]
async fn a_process_has_a_bounded_number_of_runs_and_the_last_ones_count() {
    let bench = Bench::new().await;
    let mut opened = Vec::new();
    for _ in 0..MAX_RUNS + 3 {
        opened.push(bench.task().await.task);
        bench.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(runs(&bench, 7), opened[3..]);
}

#[tokio::test]
async fn a_new_key_is_on_record_before_anybody_hears_of_it() {
    let bench = Bench::new().await;
    let ids = BTreeMap::from([("jwt", "abc")]);
    bench.engine.key_made("svid-1", &ids, None).await.unwrap();
    let last = bench.ledger.entries().pop().unwrap();
    assert_eq!((last.entry.kind, last.entry.clear.what.as_str()), (Kind::Key, "made"));
    let body = last.body.unwrap();
    assert_eq!((body["key"].as_str(), body["ids"].as_str()), (r#""svid-1""#, r#"{"jwt":"abc"}"#));
}

#[tokio::test]
async fn that_a_key_was_taken_back_is_recorded_on_a_full_disk() {
    let bench = Bench::new().await;
    bench.ledger.set_full(true);
    assert!(bench.engine.key_made("svid-2", &BTreeMap::new(), None).await.is_err());
    bench.engine.keys_withdrawn(&["svid-1".to_owned()], &operator()).await.unwrap();
    let last = bench.ledger.entries().pop().unwrap();
    assert_eq!((last.entry.kind, last.entry.clear.what.as_str()), (Kind::Key, "withdrawn"));
    assert_eq!(last.entry.clear.actor.as_deref(), Some("olga"));
    assert_eq!(last.body.unwrap()["keys"], r#"["svid-1"]"#);
}
