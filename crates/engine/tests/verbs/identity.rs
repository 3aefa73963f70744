//! Which process may appear as which run.

use std::time::Duration;

use remit_engine::identify::MAX_RUNS;
use remit_engine::open::{Opener, Proposal};
use remit_model::task::CloseReason;
use remit_model::{TaskId, Workload};
use remit_ports::Kind;

use crate::bench::Bench;

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
    bench.engine.key_made("svid-1").await.unwrap();
    let last = bench.ledger.entries().pop().unwrap().entry;
    assert_eq!((last.kind, last.clear.what.as_str()), (Kind::Key, "made"));
    assert!(last.commitments.contains_key("key"));
}
