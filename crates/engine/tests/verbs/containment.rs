//! A stop stops (R7).

use std::sync::{Arc, mpsc};
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_reaches_what_is_under_way_while_another_call_is_decided() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_script(|_| Answer::Never);
    let call = bench.spawn(&caller, "files/read_file");
    bench.upstream.written(1).await;
    let cell = bench.engine.cell(&caller.task).unwrap();
    let ((holds, held), (let_go, may_go)) = (tokio::sync::oneshot::channel(), mpsc::channel());
    let deciding = std::thread::spawn(move || {
        let _task = cell.lock();
        holds.send(()).unwrap();
        may_go.recv().unwrap();
    });
    held.await.unwrap();
    let (engine, task) = (Arc::clone(&bench.engine), caller.task.clone());
    let freezing = std::thread::spawn(move || engine.freeze(&task, "olga").map(drop));
    let stopped = async {
        while bench.engine.counters.unknown.get() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let stopped = tokio::time::timeout(Duration::from_secs(10), stopped).await;
    let_go.send(()).unwrap();
    deciding.join().unwrap();
    freezing.join().unwrap().unwrap();
    stopped.unwrap();
    call.await.unwrap().unwrap();
    bench.call(&caller, "files/read_file").await.unwrap_err();
    bench.engine.thaw(&caller.task, "olga").unwrap();
    bench.upstream.set_script(|_| Answer::text("ok"));
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn a_stop_that_comes_too_late_stops_nothing_that_began_after_a_thaw() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.engine.freeze(&caller.task, "olga").unwrap();
    bench.engine.freeze(&caller.task, "olga").unwrap_err();
    bench.engine.thaw(&caller.task, "olga").unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.assert_recorded_then_done();
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
