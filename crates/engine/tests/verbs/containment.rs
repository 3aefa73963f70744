//! A stop stops (R7).

use std::time::Duration;

use remit_model::Class;
use remit_model::task::CloseReason;
use remit_ports::{Kind, Outcome};
use remit_testkit::Answer;

use crate::bench::Bench;

#[tokio::test]
async fn a_stop_between_record_and_send_sends_nothing() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_write_gate(false);
    let call = bench.spawn(&caller, "files/read_file");
    bench.upstream.arrived(1).await;
    bench.engine.freeze(&caller.task, "olga").unwrap();
    bench.upstream.set_write_gate(true);
    let settled = call.await.unwrap().unwrap();
    assert!(
        matches!(settled.outcome(), Outcome::Stopped | Outcome::NotSent { .. }),
        "{:?}",
        settled.outcome()
    );
    assert!(bench.upstream.sent().is_empty());
    let expected = [Kind::Task, Kind::Decision, Kind::Restriction, Kind::Outcome];
    assert_eq!(bench.kinds(&caller.task), expected);
}

#[tokio::test]
async fn a_stop_reaches_a_call_that_waits_for_its_server() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_script(|_| Answer::Never);
    let call = bench.spawn(&caller, "files/read_file");
    bench.upstream.written(1).await;
    bench.engine.close(&caller.task, CloseReason::Revoked, "olga").unwrap();
    let settled = call.await.unwrap().unwrap();
    assert!(matches!(settled.outcome(), Outcome::Unknown { .. }));
    let cell = bench.engine.cell(&caller.task).unwrap();
    while !cell.lock().is_closed() {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.upstream.released(), std::slice::from_ref(&caller.task));
    let last = bench.records(&caller.task).pop().unwrap().1;
    assert_eq!(last.clear.what, "closed");
}

#[tokio::test]
async fn a_stopped_task_refuses_and_a_thawed_one_goes_on() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.engine.freeze(&caller.task, "olga").unwrap();
    let refusal = bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(refusal.class, Class::Structural);
    assert!(refusal.to_string().contains("frozen"));
    assert!(bench.engine.freeze(&caller.task, "olga").is_err());
    bench.engine.thaw(&caller.task, "olga").unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
}

#[tokio::test]
async fn deadline_and_idle_limit_end_a_task_by_themselves() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.clock.advance(Duration::from_mins(9));
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.clock.advance(Duration::from_mins(9));
    bench.engine.expire();
    assert!(bench.engine.cell(&caller.task).unwrap().lock().is_open());
    bench.clock.advance(Duration::from_mins(2));
    let refusal = bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(refusal.class, Class::Budget, "before the sweep has come by");
    bench.engine.expire();
    let cell = bench.engine.cell(&caller.task).unwrap();
    assert_eq!(cell.lock().close_reason(), Some(CloseReason::Idle));
    assert!(cell.lock().is_closed());
}
