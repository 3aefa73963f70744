//! The ledger is the commit point: what it cannot write is not permitted, and what it holds is the
//! state.

use std::time::Duration;

use remit_engine::lifecycle::ToStand;
use remit_model::task::CloseReason;
use remit_model::{Class, Lifecycle, Task, TaskId};
use remit_ports::{Kind, Outcome, Projection, Store as _};
use remit_testkit::{Fault, samples};

use crate::bench::{Bench, operator};

#[tokio::test]
async fn a_full_disk_permits_nothing_and_stops_still_work() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.ledger.set_full(true);
    let refusal = bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(refusal.class, Class::Transient);
    assert!(refusal.to_string().contains("room"), "{refusal}");
    assert!(bench.upstream.sent().is_empty());
    bench.engine.freeze(&caller.task, "olga").unwrap();
    assert_eq!(bench.engine.cell(&caller.task).unwrap().lock().state.name(), "frozen");
    bench.ledger.set_full(false);
    bench.engine.thaw(&caller.task, "olga").unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn under_pressure_a_call_waits_for_room_and_a_stop_is_told_meanwhile() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.ledger.set_busy(true);
    let call = bench.spawn(&caller, "files/read_file");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!call.is_finished() && bench.upstream.sent().is_empty());
    bench.ledger.set_busy(false);
    call.await.unwrap().unwrap();
    bench.ledger.set_busy(true);
    let call = bench.spawn(&caller, "files/read_file");
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench.engine.freeze(&caller.task, "olga").unwrap();
    let refusal = call.await.unwrap().unwrap_err();
    assert!(refusal.to_string().contains("frozen"), "{refusal}");
    assert_eq!(bench.upstream.sent().len(), 1);
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn a_failed_write_sends_nothing_whether_it_was_kept_or_not() {
    for fault in [Fault::Before, Fault::After] {
        let mut bench = Bench::new().await;
        let caller = bench.task().await;
        bench.ledger.fail_next(fault);
        let refusal = bench.call(&caller, "files/read_file").await.unwrap_err();
        assert_eq!(refusal.class, Class::Transient);
        bench.call(&caller, "files/read_file").await.unwrap_err();
        assert!(bench.upstream.sent().is_empty());
        bench.restart().await;
        bench.call(&caller, "files/read_file").await.unwrap();
        assert_eq!(bench.upstream.sent().len(), 1);
        bench.assert_recorded_then_done();
    }
}

#[tokio::test]
async fn a_stop_acts_at_once_and_is_told_as_recorded_only_when_it_is_on_disk() {
    let mut bench = Bench::new().await;
    let caller = bench.task().await;
    let state = |bench: &Bench| bench.engine.cell(&caller.task).unwrap().lock().state.name();
    bench.ledger.hold();
    let frozen = tokio::spawn(bench.engine.freeze(&caller.task, "olga").unwrap().recorded());
    assert_eq!(state(&bench), "frozen");
    tokio::task::yield_now().await;
    assert!(!frozen.is_finished(), "told while it waits for the disk");
    bench.ledger.release();
    assert_eq!(frozen.await.unwrap(), Ok(()));
    for fault in [Fault::Before, Fault::After] {
        bench.engine.thaw(&caller.task, "olga").unwrap().recorded().await.unwrap();
        bench.ledger.fail_next(fault);
        let frozen = bench.engine.freeze(&caller.task, "olga").unwrap();
        assert_eq!(state(&bench), "frozen");
        frozen.recorded().await.unwrap_err();
        bench.restart().await;
        assert_eq!(state(&bench), if fault == Fault::Before { "open" } else { "frozen" });
        drop(bench.engine.freeze(&caller.task, "olga"));
    }
}

#[tokio::test]
async fn a_refusal_is_told_once_it_is_on_disk_and_also_when_it_cannot_be() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.ledger.hold();
    let call = bench.spawn(&caller, "files/no_such_tool");
    while bench.ledger.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!call.is_finished());
    bench.ledger.release();
    let refusal = call.await.unwrap().unwrap_err();
    assert_eq!(bench.kinds(&caller.task), [Kind::Task, Kind::Refusal]);
    bench.ledger.fail_next(Fault::Before);
    let again = bench.call(&caller, "files/no_such_tool").await.unwrap_err();
    assert_eq!(again.class, refusal.class);
}

#[tokio::test]
async fn an_end_that_a_full_disk_kept_from_the_record_comes_later() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_script(|_| remit_testkit::Answer::Never);
    let call = bench.spawn(&caller, "files/read_file");
    bench.upstream.written(1).await;
    bench.engine.close(&caller.task, CloseReason::Done, "olga").unwrap();
    bench.ledger.set_exhausted(true);
    call.await.unwrap().unwrap_err();
    let cell = bench.engine.cell(&caller.task).unwrap();
    assert_eq!(cell.lock().state.name(), "closing");
    bench.ledger.set_exhausted(false);
    bench.engine.expire();
    assert!(cell.lock().is_closed());
}

#[tokio::test]
async fn a_restart_finds_the_state_that_was() {
    let mut bench = Bench::new().await;
    let (first, second) = (bench.task().await, bench.task().await);
    bench.call(&first, "files/read_file").await.unwrap();
    bench.call(&first, "files/write_file").await.unwrap_err();
    bench.engine.freeze(&first.task, "olga").unwrap();
    bench.engine.close(&second.task, CloseReason::Done, "olga").unwrap();
    for projected in [false, true] {
        if projected {
            bench.engine.project().await.unwrap();
        }
        let before: Vec<_> = bench.engine.cells().iter().map(|cell| cell.lock().clone()).collect();
        let holds: Vec<_> =
            bench.engine.held_calls().into_iter().map(|held| (held.hold, held.index)).collect();
        assert_eq!(holds.len(), 1);
        bench.restart().await;
        let after: Vec<_> = bench.engine.cells().iter().map(|cell| cell.lock().clone()).collect();
        assert_eq!(before, after, "projected: {projected}");
        let again: Vec<_> =
            bench.engine.held_calls().into_iter().map(|held| (held.hold, held.index)).collect();
        assert_eq!(holds, again, "projected: {projected}");
    }
}

#[tokio::test]
async fn a_permit_without_an_outcome_is_settled_unknown_at_the_start() {
    let mut bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_answer_gate(false);
    let call = bench.spawn(&caller, "files/read_file");
    bench.upstream.written(1).await;
    call.abort();
    bench.restart().await;
    let records = bench.records(&caller.task);
    let (_, last) = records.last().unwrap();
    assert_eq!(last.kind, Kind::Outcome);
    assert!(matches!(last.clear.outcome, Some(Outcome::Unknown { .. })));
    assert_eq!(last.parents[0].index, records[1].0);
}

#[tokio::test]
async fn a_lost_projection_costs_time_not_truth() {
    let mut bench = Bench::new().await;
    let caller = bench.task().await;
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.engine.project().await.unwrap();
    bench.store.lose();
    bench.restart().await;
    assert_eq!(bench.engine.cell(&caller.task).unwrap().lock().account().spent.calls, 1);
}

#[tokio::test]
async fn while_a_stop_is_not_on_record_nothing_is_saved() {
    for caught_up in [false, true] {
        let mut bench = Bench::new().await;
        let caller = bench.task().await;
        bench.engine.project().await.unwrap();
        let saved = bench.store.kept();
        bench.call(&caller, "files/read_file").await.unwrap();
        bench.ledger.set_exhausted(true);
        bench.engine.freeze(&caller.task, "olga").unwrap();
        let why = bench.engine.project().await.unwrap_err().to_string();
        assert!(why.contains(caller.task.as_str()), "{why}");
        assert_eq!(bench.store.kept(), saved);
        bench.ledger.set_exhausted(false);
        if caught_up {
            bench.engine.expire();
        }
        bench.restart().await;
        if caught_up {
            bench.engine.thaw(&caller.task, "olga").unwrap();
        }
        bench.call(&caller, "files/read_file").await.unwrap();
        bench.engine.project().await.unwrap();
        bench.assert_recorded_then_done();
    }
}

#[tokio::test]
async fn a_stop_of_an_agent_is_not_saved_before_it_is_on_record() {
    let bench = Bench::new().await;
    bench.ledger.set_exhausted(true);
    let (agent, lifecycle) = (&"bot".parse().unwrap(), Lifecycle::Suspended);
    let stop = ToStand { agent, lifecycle, actor: "olga", reason: None };
    bench.engine.stand(stop).unwrap();
    bench.engine.project().await.unwrap_err();
    bench.ledger.set_exhausted(false);
    bench.engine.expire();
    bench.engine.project().await.unwrap();
    assert_eq!(bench.store.kept().unwrap().standing.len(), 1);
}

#[tokio::test]
async fn a_projection_that_the_ledger_does_not_follow_from_costs_time_not_truth() {
    let mut bench = Bench::new().await;
    let caller = bench.task().await;
    bench.engine.project().await.unwrap();
    let early = bench.store.kept().unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.engine.project().await.unwrap();
    // It covers records that its task does not.
    let late = bench.store.kept().unwrap();
    bench.store.save(&Projection { tasks: early.tasks, ..late }).unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.restart().await;
    assert_eq!(bench.engine.cell(&caller.task).unwrap().lock().account().spent.calls, 2);
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn nothing_of_a_projection_that_was_of_no_use_comes_back() {
    let of_another_log = |saved: &mut Projection| saved.position = u64::MAX;
    let unreadable = |saved: &mut Projection| saved.catalogue = Some("{".to_owned());
    for spoil in [of_another_log as fn(&mut Projection), unreadable] {
        let mut bench = Bench::new().await;
        let caller = bench.task().await;
        bench.engine.project().await.unwrap();
        let mut saved = bench.store.kept().unwrap();
        saved.tasks = vec![Task::open(samples::charter(9))];
        spoil(&mut saved);
        bench.store.save(&saved).unwrap();
        for _ in 0..2 {
            bench.restart().await;
            let tasks: Vec<_> = bench.engine.cells().iter().map(|cell| cell.id().clone()).collect();
            assert_eq!(tasks, std::slice::from_ref(&caller.task));
            bench.engine.project().await.unwrap();
        }
    }
}

/// A task that has ended and whose erasure is on record, while the keyring failed.
async fn erased_on_record_alone(bench: &Bench) -> TaskId {
    let task = bench.task().await.task;
    bench.engine.close(&task, CloseReason::Done, "olga").unwrap();
    bench.fail_next_key();
    let why = bench.engine.erase(&operator(), &task).await.unwrap_err().to_string();
    assert!(why.contains("on record") && bench.has_key(&task), "{why}");
    task
}

#[tokio::test]
async fn an_erasure_that_a_crash_interrupted_is_finished_at_the_start() {
    for projected in [false, true] {
        let mut bench = Bench::new().await;
        let task = erased_on_record_alone(&bench).await;
        if projected {
            bench.engine.project().await.unwrap();
        }
        bench.restart().await;
        assert!(!bench.has_key(&task), "projected: {projected}");
        bench.engine.project().await.unwrap();
        assert_eq!(bench.store.kept().unwrap().erasing, []);
    }
}

#[tokio::test]
async fn an_erasure_is_tried_at_each_start_until_the_key_is_gone() {
    let mut bench = Bench::new().await;
    let task = erased_on_record_alone(&bench).await;
    for unreadable in [false, true] {
        bench.engine.project().await.unwrap();
        bench.set_unreadable_keys(unreadable);
        bench.fail_next_key();
        bench.restart().await;
        bench.set_unreadable_keys(false);
        assert!(bench.has_key(&task), "unreadable: {unreadable}");
    }
    bench.engine.project().await.unwrap();
    bench.restart().await;
    assert!(!bench.has_key(&task));
}

#[tokio::test]
async fn an_erasure_whose_caller_goes_away_is_carried_out() {
    let bench = Bench::new().await;
    let task = bench.task().await.task;
    bench.engine.close(&task, CloseReason::Done, "olga").unwrap();
    bench.ledger.hold();
    let actor = operator();
    let mut erasing = Box::pin(bench.engine.erase(&actor, &task));
    while bench.ledger.waiting() == 0 {
        tokio::select! {
            erased = &mut erasing => panic!("it was not held: {erased:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(erasing);
    bench.ledger.release();
    let gone = async {
        while bench.has_key(&task) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}

#[tokio::test]
async fn whoever_goes_away_while_a_task_is_recorded_leaves_none_that_nobody_knows() {
    let bench = Bench::new().await;
    bench.ledger.hold();
    let mut opening = Box::pin(bench.opened());
    while bench.ledger.waiting() == 0 {
        tokio::select! {
            opened = &mut opening => panic!("it was not held: {opened:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(opening);
    bench.ledger.release();
    let cells = bench.engine.cells();
    assert_eq!(cells.len(), 1, "what is on record is known");
    bench.engine.close(cells[0].id(), CloseReason::Done, "olga").unwrap();
}
