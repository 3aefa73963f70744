//! An approval is for one thing (R8).

use std::time::Duration;

use remit_engine::approve::Actor;
use remit_model::{Class, HoldId};
use remit_ports::Kind;

use crate::bench::{Bench, operator};

async fn held(bench: &Bench, caller: &remit_engine::Caller) -> HoldId {
    let refusal = bench.call(caller, "files/write_file").await.unwrap_err();
    assert_eq!(refusal.class, Class::NeedsApproval, "{refusal:?}");
    assert!(refusal.remedy.contains("remit approve"));
    refusal.hold.unwrap()
}

#[tokio::test]
async fn an_approved_call_passes_once_and_only_that_call() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let hold = held(&bench, &caller).await;
    assert_eq!(held(&bench, &caller).await, hold, "the same call waits once");
    let shown = bench.engine.held_call(&hold).unwrap();
    assert_eq!(shown.question.input.canonical(), r#"{"path":"a"}"#);
    bench.engine.approve(&operator(), &hold).await.unwrap();

    let other = bench.call_with(&caller, "files/write_file", r#"{"path":"b"}"#).await;
    assert_eq!(other.unwrap_err().class, Class::NeedsApproval);
    bench.call(&caller, "files/write_file").await.unwrap();
    assert_eq!(bench.upstream.sent().len(), 1);
    assert_ne!(held(&bench, &caller).await, hold, "one use");
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn an_approval_is_of_no_use_in_another_task_or_after_its_time() {
    let bench = Bench::new().await;
    let (mine, other) = (bench.task().await, bench.task().await);
    let hold = held(&bench, &mine).await;
    bench.engine.approve(&operator(), &hold).await.unwrap();
    held(&bench, &other).await;
    bench.clock.advance(Duration::from_mins(6));
    held(&bench, &mine).await;
    assert!(bench.upstream.sent().is_empty());
}

#[tokio::test]
async fn a_hold_is_answered_once_by_somebody_who_may() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let hold = held(&bench, &caller).await;
    bench.engine.deny(&operator(), &hold).await.unwrap();
    assert!(bench.engine.approve(&operator(), &hold).await.is_err());
    assert!(bench.call(&caller, "files/write_file").await.is_err());
    let kinds = bench.kinds(&caller.task);
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Approval).count(), 1);
}

#[tokio::test]
async fn membership_is_what_the_settings_say_now() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let hold = held(&bench, &caller).await;
    let mut settings = bench.engine.settings().as_ref().clone();
    settings.groups.insert("operators".into(), vec!["olga".into()]);
    bench.reload_settings(settings).await;
    let stranger = Actor { name: "mallory".into() };
    let why = bench.engine.approve(&stranger, &hold).await.unwrap_err();
    assert!(why.to_string().contains("operators"), "{why}");
    bench.engine.approve(&operator(), &hold).await.unwrap();
}

#[tokio::test]
async fn a_policy_that_changed_since_decides_anew() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let hold = held(&bench, &caller).await;
    bench.engine.approve(&operator(), &hold).await.unwrap();
    let mut stricter = crate::bench::policy();
    stricter.text.push_str(
        r#"@id("no") forbid (principal, action in Remit::Action::"effect:write", resource);"#,
    );
    bench.reload_policies(vec![stricter]).await.unwrap();
    let refusal = bench.call(&caller, "files/write_file").await.unwrap_err();
    assert_eq!(refusal.class, Class::Structural, "{refusal:?}");
    assert!(bench.upstream.sent().is_empty());
}

#[tokio::test]
async fn a_call_that_may_have_happened_is_not_repeated_unasked() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let hold = held(&bench, &caller).await;
    bench.engine.approve(&operator(), &hold).await.unwrap();
    bench.upstream.set_script(|_| remit_testkit::Answer::Unknown("the server died".into()));
    bench.call(&caller, "files/write_file").await.unwrap();
    let mut permissive = crate::bench::policy();
    permissive.text.push_str("@id(\"all\") permit (principal, action, resource);");
    bench.reload_policies(vec![permissive]).await.unwrap();

    let refusal = bench.call(&caller, "files/write_file").await.unwrap_err();
    assert_eq!(refusal.reasons[0].policy, "remit:unsettled", "{refusal:?}");
    assert_eq!(refusal.class, Class::NeedsApproval);
    bench.call_with(&caller, "files/write_file", r#"{"path":"b"}"#).await.unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.engine.approve(&operator(), &refusal.hold.unwrap()).await.unwrap();
    bench.call(&caller, "files/write_file").await.unwrap();
    bench.assert_recorded_then_done();
}
