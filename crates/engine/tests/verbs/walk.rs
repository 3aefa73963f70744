//! One governed call: what is decided is recorded, what is recorded is sent once.

use std::time::Duration;

use remit_model::{Class, Integrity};
use remit_ports::{Kind, Outcome};
use remit_testkit::Answer;

use crate::bench::{Bench, calls};

#[tokio::test]
async fn a_permitted_call_is_recorded_sent_and_settled() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let settled = bench.call(&caller, "files/read_file").await.unwrap();
    assert!(matches!(settled.outcome(), Outcome::Answered { failed: false, .. }));
    assert_eq!(bench.kinds(&caller.task), [Kind::Task, Kind::Decision, Kind::Outcome]);
    let (decision, entry) = bench.records(&caller.task)[1].clone();
    assert_eq!(entry.clear.policies, ["reads"]);
    assert_eq!(bench.upstream.sent()[0].decision, decision);
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn nothing_is_sent_before_its_record_is_durable() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.ledger.hold();
    let call = bench.spawn(&caller, "files/read_file");
    while bench.ledger.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(bench.upstream.sent().is_empty());
    bench.ledger.release();
    call.await.unwrap().unwrap();
    assert_eq!(bench.upstream.sent().len(), 1);
}

#[tokio::test]
async fn an_unknown_tool_and_one_outside_the_remit_are_refused_on_record() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    for tool in ["files/format_disk", "bank/read_balance"] {
        let refusal = bench.call(&caller, tool).await.unwrap_err();
        assert_eq!(refusal.class, Class::Structural, "{refusal:?}");
        assert!(!refusal.remedy.is_empty());
    }
    assert!(bench.upstream.sent().is_empty());
    assert_eq!(bench.kinds(&caller.task), [Kind::Task, Kind::Refusal, Kind::Refusal]);
}

#[tokio::test]
async fn arguments_that_two_parsers_could_read_differently_are_refused() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let twice = r#"{"path":"a","path":"/etc/shadow"}"#;
    let refusal = bench.call_with(&caller, "files/read_file", twice).await.unwrap_err();
    assert_eq!(refusal.class, Class::Structural);
    assert!(bench.upstream.sent().is_empty());
}

#[tokio::test]
async fn parallel_calls_cannot_overdraw_the_budget() {
    let bench = Bench::with_budget(calls(3)).await;
    let caller = bench.task().await;
    let attempts = (0..12).map(|_| bench.spawn(&caller, "files/read_file"));
    let mut refused = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        if let Err(refusal) = attempt.await.unwrap() {
            assert_eq!(refusal.class, Class::Budget);
            refused += 1;
        }
    }
    assert_eq!((bench.upstream.sent().len(), refused), (3, 9));
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn untrusted_content_seals_the_task_when_its_call_is_recorded() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_answer_gate(false);
    let call = bench.spawn(&caller, "files/read_page");
    bench.upstream.written(1).await;
    let cell = bench.engine.cell(&caller.task).unwrap();
    let profile_says = bench.engine.world().catalogue.tools().next().unwrap().profile.returns.value;
    let untrusted = profile_says == remit_model::tool::Trust::Untrusted;
    assert_eq!(cell.lock().account().sealed, untrusted, "before the bytes come back");
    bench.upstream.set_answer_gate(true);
    call.await.unwrap().unwrap();
    let integrity = cell.lock().account().label.integrity.clone();
    assert_eq!(matches!(integrity, Integrity::Untrusted(_)), untrusted);
}

#[tokio::test]
async fn a_server_that_dies_leaves_an_unknown_outcome_and_no_second_send() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_script(|_| Answer::Unknown("the server died".into()));
    let settled = bench.call(&caller, "files/read_file").await.unwrap();
    assert!(matches!(settled.outcome(), Outcome::Unknown { .. }));
    assert_eq!(bench.upstream.sent().len(), 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_the_reply_not_the_record() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_answer_gate(false);
    let call = bench.spawn(&caller, "files/read_file");
    bench.upstream.written(1).await;
    call.abort();
    bench.upstream.set_answer_gate(true);
    while bench.kinds(&caller.task).len() < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.kinds(&caller.task)[2], Kind::Outcome);
}

#[tokio::test]
async fn a_flood_of_refused_calls_is_bounded_in_the_log() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    for _ in 0..500 {
        bench.call(&caller, "files/format_disk").await.unwrap_err();
    }
    assert!(bench.kinds(&caller.task).len() < 120);
    assert!(bench.engine.counters.throttled.get() > 300);
    bench.clock.advance(Duration::from_secs(11));
    bench.call(&caller, "files/read_file").await.unwrap();
}
