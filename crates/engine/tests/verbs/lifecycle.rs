//! An agent that is stopped is nobody, and one that is retired stays so (R7).

use remit_engine::Settings;
use remit_engine::lifecycle::{MAX_REASON, StandingError, ToStand};
use remit_engine::open::{Opener, Proposal};
use remit_model::task::CloseReason;
use remit_model::{AgentName, Lifecycle, LifecycleError, TaskId, Workload};
use remit_ports::{Kind, LedgerError, Outcome};
use remit_testkit::Answer;
use remit_testkit::samples::agent_name;

use crate::bench::Bench;

fn stand(bench: &Bench, lifecycle: Lifecycle) -> Result<Vec<TaskId>, StandingError> {
    let agent: AgentName = agent_name("bot");
    let change =
        ToStand { agent: &agent, lifecycle, actor: "olga", reason: Some("it went astray") };
    bench.engine.stand(change).map(|(_, ended)| ended)
}

fn lifecycle(bench: &Bench) -> Lifecycle {
    bench.engine.settings().agents.lifecycle(&agent_name("bot"))
}

/// Why nothing is opened for the agent; nothing, if something is.
async fn opening(bench: &Bench, opener: Opener) -> Option<String> {
    let proposal = Proposal { template: "work".into(), ..Proposal::default() };
    bench.engine.open(&opener, proposal).await.err().map(|refusal| refusal.to_string())
}

fn peer() -> Opener {
    Opener::Peer(Workload::of_user(7))
}

#[tokio::test]
async fn a_suspended_agent_does_nothing_and_its_tasks_end() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.upstream.set_script(|_| Answer::Never);
    let under_way = bench.spawn(&caller, "files/read_file");
    bench.upstream.written(1).await;

    assert_eq!(stand(&bench, Lifecycle::Suspended).unwrap(), std::slice::from_ref(&caller.task));
    let settled = under_way.await.unwrap().unwrap();
    assert!(matches!(settled.outcome(), Outcome::Unknown { .. }), "its call was ended");
    let task = bench.engine.cell(&caller.task).unwrap().lock().clone();
    assert_eq!(task.close_reason(), Some(CloseReason::Revoked));
    let refused = bench.call(&caller, "files/read_file").await.unwrap_err();
    assert!(refused.to_string().contains("clos"), "a refusal is an answer: {refused}");
    assert!(bench.engine.identify(&Workload::of_user(7)).is_empty(), "there is no SVID for it");
    for opener in [peer(), Opener::Operator("olga".into())] {
        let why = opening(&bench, opener).await.unwrap();
        assert!(why.contains("agent `bot` is suspended"), "{why}");
    }

    let mut records = bench.ledger.entries();
    records.retain(|record| record.entry.kind == Kind::Agent);
    let [record] = records.as_slice() else { panic!("one record: {records:?}") };
    let clear = &record.entry.clear;
    assert_eq!((clear.what.as_str(), clear.actor.as_deref()), ("suspended", Some("olga")));
    assert_eq!(clear.agent.as_deref(), Some("bot"));
    assert_eq!(record.body.as_ref().unwrap()["reason"], r#""it went astray""#);
}

#[tokio::test]
async fn a_resumed_agent_begins_anew() {
    let mut bench = Bench::new().await;
    let before = bench.task().await;
    stand(&bench, Lifecycle::Suspended).unwrap();
    assert_eq!(stand(&bench, Lifecycle::Active).unwrap(), []);
    assert!(bench.call(&before, "files/read_file").await.is_err(), "what has ended stays so");
    assert_eq!(opening(&bench, peer()).await, None);
    bench.restart().await;
    assert_eq!(lifecycle(&bench), Lifecycle::Active);
}

#[tokio::test]
async fn how_an_agent_stands_outlives_the_process_and_the_projection() {
    let mut bench = Bench::new().await;
    let caller = bench.task().await;
    stand(&bench, Lifecycle::Suspended).unwrap();
    bench.restart().await;
    assert_eq!(lifecycle(&bench), Lifecycle::Suspended, "from the ledger");
    assert!(bench.engine.cell(&caller.task).unwrap().lock().is_closed());
    bench.engine.project().await.unwrap();
    stand(&bench, Lifecycle::Retired).unwrap();
    bench.restart().await;
    assert_eq!(
        lifecycle(&bench),
        Lifecycle::Retired,
        "from the projection and the ledger after it"
    );
    bench.engine.project().await.unwrap();
    bench.restart().await;
    assert_eq!(lifecycle(&bench), Lifecycle::Retired, "from the projection");
}

#[tokio::test]
async fn a_retired_name_is_used_up() {
    let bench = Bench::new().await;
    stand(&bench, Lifecycle::Retired).unwrap();
    for (to, expected) in [
        (Lifecycle::Active, LifecycleError::Retired),
        (Lifecycle::Suspended, LifecycleError::Retired),
        (Lifecycle::Retired, LifecycleError::Already(Lifecycle::Retired)),
    ] {
        let why = stand(&bench, to).unwrap_err();
        assert!(matches!(&why, StandingError::State(_, it) if *it == expected), "{why}");
    }
    // The configuration is read again, with an agent of that name.
    bench.reload_settings(Settings::clone(&bench.engine.settings())).await;
    assert!(opening(&bench, peer()).await.unwrap().contains("retired"));
    let settings = bench.engine.settings();
    assert!(settings.agents.all().any(|it| *it.name == agent_name("bot")), "it is still told of");
}

#[tokio::test]
async fn a_stop_takes_effect_on_a_full_disk_and_is_recorded_when_there_is_room() {
    let bench = Bench::new().await;
    bench.task().await;
    bench.ledger.set_exhausted(true);
    stand(&bench, Lifecycle::Suspended).unwrap();
    assert_eq!(lifecycle(&bench), Lifecycle::Suspended);
    let why = stand(&bench, Lifecycle::Active).unwrap_err();
    assert!(matches!(why, StandingError::Ledger(LedgerError::NoSpace)), "{why}");
    assert_eq!(lifecycle(&bench), Lifecycle::Suspended, "nothing is resumed off the record");
    bench.ledger.set_exhausted(false);
    bench.engine.expire();
    stand(&bench, Lifecycle::Active).unwrap();
    let entries = bench.ledger.entries();
    let words: Vec<_> = entries
        .iter()
        .filter(|record| record.entry.kind == Kind::Agent)
        .map(|record| record.entry.clear.what.as_str())
        .collect();
    assert_eq!(words, ["suspended", "resumed"]);
}

#[tokio::test]
async fn a_task_that_slipped_in_ends_too() {
    let bench = Bench::new().await;
    bench.ledger.hold();
    let engine = std::sync::Arc::clone(&bench.engine);
    let opening = tokio::spawn(async move {
        let proposal = Proposal { template: "work".into(), ..Proposal::default() };
        engine.open(&peer(), proposal).await
    });
    while bench.ledger.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    let ended = stand(&bench, Lifecycle::Suspended).unwrap();
    assert_eq!(ended.len(), 1, "it is on its way to the disk, and ends as all others");
    bench.ledger.release();
    let why = opening.await.unwrap().unwrap_err().to_string();
    assert!(why.contains("was suspended meanwhile"), "{why}");
    let cells = bench.engine.cells();
    assert!(cells.len() == 1 && cells.iter().all(|cell| cell.lock().is_closed()));
}

#[tokio::test]
async fn what_nobody_registered_has_no_standing_and_reasons_are_bounded() {
    let bench = Bench::new().await;
    let reason = "x".repeat(MAX_REASON + 1);
    for (agent, reason, expected) in [
        ("nobody", None, "no agent `nobody`"),
        ("bot", Some(reason.as_str()), "at most 1024 bytes"),
    ] {
        let agent = agent_name(agent);
        let lifecycle = Lifecycle::Suspended;
        let change = ToStand { agent: &agent, lifecycle, actor: "olga", reason };
        let why = bench.engine.stand(change).unwrap_err().to_string();
        assert!(why.contains(expected), "{why}");
    }
}
