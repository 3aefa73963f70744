//! What is lent for a decision is on record first, belongs to its task, and is taken back with it.

use std::sync::Arc;
use std::time::Duration;

use remit_engine::Caller;
use remit_engine::open::{Opener, Proposal};
use remit_model::{Door, LeaseId, TaskId, Workload};
use remit_ports::{IssuerError, Kind, Outcome};
use remit_testkit::samples::server;
use remit_testkit::{Answer, Fault, MemoryIssuer};

use crate::bench::Bench;

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A task that may use `shop`, whose calls need `key`.
async fn task(bench: &Bench) -> Caller {
    bench.engine.discover(&server("shop")).await.unwrap();
    settled(bench).await;
    let proposal = Proposal { template: "lent".into(), ..Proposal::default() };
    let opened = bench.engine.open(&Opener::Peer(Workload::of_user(7)), proposal).await.unwrap();
    bench.engine.caller(opened.id(), Door::McpHttp).unwrap()
}

/// Lets the engine take back what is due.
async fn settled(bench: &Bench) {
    let returning = tokio::spawn(Arc::clone(&bench.engine).keep_returning());
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if bench.engine.leases().iter().all(|lease| lease.state != "returning") {
            break;
        }
    }
    returning.abort();
}

/// What became of each lease of `task`, as the records say.
fn told(bench: &Bench, task: &TaskId) -> Vec<String> {
    let records = bench.records(task).into_iter();
    let leases = records.filter(|(_, entry)| entry.kind == Kind::Lease);
    leases.map(|(_, entry)| entry.clear.what).collect()
}

#[tokio::test]
async fn a_call_is_sent_with_a_lease_of_its_task_that_was_on_record_before() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    bench.call(&caller, "shop/read_order").await.unwrap();
    bench.call(&caller, "shop/read_stock").await.unwrap();
    let sent = bench.upstream.sent();
    let lease = sent[0].leases[0].clone();
    assert_eq!(sent[1].leases, std::slice::from_ref(&lease), "it is used again");
    let holder = &bench.issuer.alive()[&lease];
    assert_eq!(holder.task.as_ref(), Some(&caller.task));
    assert_eq!(holder.tools.len(), 2, "both tools that the remit covers: {holder:?}");
    let kinds = bench.kinds(&caller.task);
    let order = [Kind::Task, Kind::Decision, Kind::Lease, Kind::Lease, Kind::Outcome];
    assert_eq!(kinds[..5], order, "{kinds:?}");
    let records = bench.records(&caller.task);
    let (decision, lending) = (&records[1], &records[2].1);
    assert_eq!(lending.parents[0].index, decision.0, "it names the decision it is for");
    assert!(lending.clear.question.is_some(), "and what was asked");
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn servers_that_need_nothing_get_nothing() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    bench.call(&caller, "files/read_file").await.unwrap();
    assert!(bench.upstream.sent()[0].leases.is_empty());
    assert_eq!(bench.issuer.issued(), 0);
}

#[tokio::test]
async fn two_tasks_never_share_a_lease() {
    let bench = Bench::new().await;
    let (one, other) = (task(&bench).await, task(&bench).await);
    bench.call(&one, "shop/read_order").await.unwrap();
    bench.call(&other, "shop/read_order").await.unwrap();
    let sent = bench.upstream.sent();
    assert_ne!(sent[0].leases, sent[1].leases);
    bench.engine.close(&one.task, remit_model::task::CloseReason::Done, "olga").unwrap();
    settled(&bench).await;
    assert_eq!(bench.issuer.alive().into_keys().collect::<Vec<_>>(), sent[1].leases);
}

#[tokio::test]
async fn whatever_ends_a_task_takes_back_what_it_had() {
    for end in ["close", "freeze", "deadline"] {
        let bench = Bench::new().await;
        let caller = task(&bench).await;
        bench.call(&caller, "shop/read_order").await.unwrap();
        match end {
            "close" => {
                let reason = remit_model::task::CloseReason::Done;
                drop(bench.engine.close(&caller.task, reason, "olga").unwrap());
            }
            "freeze" => drop(bench.engine.freeze(&caller.task, "olga").unwrap()),
            _ => {
                bench.clock.advance(Duration::from_hours(2));
                bench.engine.expire();
            }
        }
        settled(&bench).await;
        assert!(bench.issuer.alive().is_empty(), "{end}");
        let lease = &bench.upstream.sent()[0].leases[0];
        assert!(bench.upstream.recalled().contains(lease), "{end}: processes that hold it end");
        assert!(bench.engine.leases().is_empty(), "{end}");
        let told = told(&bench, &caller.task);
        assert_eq!(told, ["lending", "lent", "returned"], "{end}");
    }
}

#[tokio::test]
async fn what_was_taken_back_while_it_was_issued_is_used_by_nobody() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    let before = bench.issuer.issued();
    bench.issuer.set_gate(false);
    let call = bench.spawn(&caller, "shop/read_order");
    let waiting = bench.spawn(&caller, "shop/read_order");
    let asked = async {
        while bench.issuer.issued() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("the issuer is asked");
    let lease = bench.issuer.alive().into_keys().next().unwrap();
    assert_eq!(bench.engine.withdraw(|_| true), 1);
    settled(&bench).await;
    assert_eq!(bench.issuer.alive().len(), 1, "what is being issued is not taken back before");
    bench.issuer.set_gate(true);
    for ended in [call, waiting] {
        drop(ended.await.unwrap());
    }
    settled(&bench).await;
    assert!(!bench.issuer.alive().contains_key(&lease));
    bench.call(&caller, "shop/read_order").await.unwrap();
    let sent = bench.upstream.sent();
    assert!(sent.iter().all(|sent| !sent.leases.contains(&lease)), "{sent:?}");
}

#[tokio::test]
async fn whoever_gives_up_waiting_leaves_nothing_half_issued() {
    let bench = Bench::new().await;
    bench.issuer.set_gate(false);
    let engine = Arc::clone(&bench.engine);
    let asking = tokio::spawn(async move { engine.discover(&server("shop")).await });
    while bench.engine.leases().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    asking.abort();
    drop(asking.await);
    assert_eq!(bench.engine.leases()[0].state, "issuing");
    bench.issuer.set_gate(true);
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if bench.engine.leases()[0].state == "lent" {
            break;
        }
    }
    assert_eq!(bench.engine.leases()[0].state, "lent", "it went on by itself");
    bench.clock.advance(Duration::from_mins(11));
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty() && bench.engine.leases().is_empty());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_an_issuer() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    bench.issuer.set_gate(false);
    let call = bench.spawn(&caller, "shop/read_order");
    while bench.engine.leases().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let reason = remit_model::task::CloseReason::Done;
    drop(bench.engine.close(&caller.task, reason, "olga").unwrap());
    let ended = call.await.unwrap().unwrap();
    assert!(matches!(ended.outcome(), Outcome::NotSent { .. }), "{:?}", ended.outcome());
    assert_eq!(bench.engine.leases()[0].state, "issuing", "the issuer is still at it");
    bench.issuer.set_gate(true);
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty() && bench.engine.leases().is_empty());
}

#[tokio::test]
async fn at_the_end_everything_is_taken_back_also_what_is_being_issued() {
    let bench = Bench::new().await;
    let (caller, other) = (task(&bench).await, task(&bench).await);
    bench.call(&caller, "shop/read_order").await.unwrap();
    bench.issuer.set_gate(false);
    let call = bench.spawn(&other, "shop/read_order");
    while bench.engine.leases().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let engine = Arc::clone(&bench.engine);
    let ending = tokio::spawn(async move { engine.return_all(Duration::from_secs(20)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench.issuer.set_gate(true);
    ending.await.unwrap();
    assert!(bench.issuer.alive().is_empty() && bench.engine.leases().is_empty());
    drop(call.await);
}

#[tokio::test]
async fn nothing_is_sent_with_what_was_taken_back_on_its_way() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    bench.call(&caller, "shop/read_order").await.unwrap();
    bench.upstream.set_write_gate(false);
    let call = bench.spawn(&caller, "shop/read_order");
    bench.upstream.arrived(2).await;
    bench.engine.withdraw(|_| true);
    bench.upstream.set_write_gate(true);
    let ended = call.await.unwrap().unwrap();
    let Outcome::NotSent { why } = ended.outcome() else { panic!("{:?}", ended.outcome()) };
    assert!(why.contains("taken back"), "{why}");
    assert_eq!(bench.upstream.sent().len(), 1);
}

#[tokio::test]
async fn what_may_no_longer_be_lent_is_taken_back_though_the_task_goes_on() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    bench.call(&caller, "shop/read_order").await.unwrap();
    bench.engine.expire();
    settled(&bench).await;
    assert_eq!(bench.issuer.alive().len(), 1, "nothing changed");
    let policies = |text: String| vec![remit_policy::Source { path: "test.cedar".into(), text }];
    let lends = crate::bench::POLICY.to_owned();
    bench.reload_policies(policies(format!("{lends}\n"))).await.unwrap();
    bench.engine.expire();
    settled(&bench).await;
    assert_eq!(bench.issuer.alive().len(), 1, "it still may");
    let forbids = "@id(\"no\") forbid (principal, action == Remit::Action::\"lend\", resource);";
    bench.reload_policies(policies(format!("{lends}\n{forbids}"))).await.unwrap();
    bench.engine.expire();
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty());
    assert!(bench.engine.cell(&caller.task).unwrap().lock().is_open());
}

#[tokio::test]
async fn a_thawed_task_gets_another() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    bench.call(&caller, "shop/read_order").await.unwrap();
    bench.engine.freeze(&caller.task, "olga").unwrap();
    settled(&bench).await;
    bench.engine.thaw(&caller.task, "olga").unwrap();
    bench.call(&caller, "shop/read_order").await.unwrap();
    let sent = bench.upstream.sent();
    assert_ne!(sent[0].leases, sent[1].leases);
    assert_eq!(bench.issuer.alive().len(), 1);
}

/// Reloads the policies, with `more`.
async fn policies(bench: &Bench, more: &str) {
    let text = format!("{}\n{more}", crate::bench::POLICY);
    let source = remit_policy::Source { path: "test.cedar".into(), text };
    bench.reload_policies(vec![source]).await.unwrap();
}

const KEEP: &str = "@id(\"keep\") permit (principal, action == Remit::Action::\"keepLent\", resource) \
                    when { resource.value == \"key\" && context.kind == \"memory\" };";

#[tokio::test]
async fn a_policy_can_say_what_stays_lent_while_a_task_stands_still() {
    let bench = Bench::new().await;
    policies(&bench, KEEP).await;
    let caller = task(&bench).await;
    bench.call(&caller, "shop/read_order").await.unwrap();
    bench.engine.freeze(&caller.task, "olga").unwrap();
    bench.engine.expire();
    settled(&bench).await;
    assert_eq!(bench.issuer.alive().len(), 1);
    let lease = &bench.upstream.sent()[0].leases[0];
    assert!(!bench.upstream.recalled().contains(lease), "processes that hold it go on");
    bench.call(&caller, "shop/read_order").await.unwrap_err();
    let records = bench.records(&caller.task);
    let kept = records.iter().find(|(_, entry)| entry.clear.what == "kept").unwrap();
    assert!(kept.1.clear.question.is_some(), "what was asked is on record");
    bench.engine.thaw(&caller.task, "olga").unwrap();
    bench.engine.expire();
    bench.call(&caller, "shop/read_order").await.unwrap();
    let sent = bench.upstream.sent();
    assert_eq!(sent[0].leases, sent[1].leases, "it is used again");
    drop(bench.engine.close(&caller.task, remit_model::task::CloseReason::Done, "olga").unwrap());
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty(), "nothing survives the end");
    assert_eq!(told(&bench, &caller.task), ["lending", "lent", "kept", "returned"]);
}

#[tokio::test]
async fn what_is_kept_goes_back_all_the_same_when_it_has_to() {
    for end in ["policy", "time", "somebody", "crash"] {
        let mut bench = Bench::new().await;
        policies(&bench, KEEP).await;
        let caller = task(&bench).await;
        bench.call(&caller, "shop/read_order").await.unwrap();
        bench.engine.freeze(&caller.task, "olga").unwrap();
        match end {
            "policy" => {
                policies(&bench, "").await;
                bench.engine.expire();
            }
            "time" => bench.clock.advance(Duration::from_mins(11)),
            "somebody" => drop(bench.engine.withdraw(|out| out.task.is_some())),
            _ => bench.restart().await,
        }
        settled(&bench).await;
        assert!(bench.issuer.alive().is_empty(), "{end}");
        assert_eq!(told(&bench, &caller.task), ["lending", "lent", "kept", "returned"], "{end}");
        assert!(!bench.engine.cell(&caller.task).unwrap().lock().is_closed(), "{end}");
    }
}

#[tokio::test]
async fn what_cannot_be_put_on_record_is_not_kept() {
    let bench = Bench::new().await;
    policies(&bench, KEEP).await;
    let caller = task(&bench).await;
    bench.call(&caller, "shop/read_order").await.unwrap();
    bench.ledger.set_exhausted(true);
    bench.engine.freeze(&caller.task, "olga").unwrap();
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty());
}

#[tokio::test]
async fn what_is_lent_by_a_policy_for_calls_is_not_kept_by_it() {
    let bench = Bench::new().await;
    let others = KEEP.replace("== \"key\"", "== \"another\"");
    policies(&bench, &others).await;
    let caller = task(&bench).await;
    bench.call(&caller, "shop/read_order").await.unwrap();
    bench.engine.freeze(&caller.task, "olga").unwrap();
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty());
    assert_eq!(told(&bench, &caller.task), ["lending", "lent", "returned"]);
}

#[tokio::test]
async fn an_issuer_that_is_down_refuses_the_call_and_owes_what_it_may_have_made() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    bench.issuer.fail(Some(IssuerError::Unavailable("it is down".into())));
    let ended = bench.call(&caller, "shop/read_order").await.unwrap();
    let Outcome::NotSent { why } = ended.outcome() else { panic!("{:?}", ended.outcome()) };
    assert!(why.contains("`key`") && why.contains("it is down"), "{why}");
    assert!(bench.upstream.sent().is_empty());
    assert_eq!(bench.issuer.alive().len(), 1, "the answer was lost, the credential is there");
    settled(&bench).await;
    let lease = &bench.engine.leases()[0];
    assert_eq!(lease.trouble.as_deref(), Some("it is down"));
    bench.issuer.fail(None);
    bench.engine.withdraw(|_| true);
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty() && bench.engine.leases().is_empty());
    bench.call(&caller, "shop/read_order").await.unwrap();
}

#[tokio::test]
async fn after_a_crash_everything_is_taken_back_whatever_the_moment() {
    // Issued and used; issued and the answer lost; issued, with its record lost.
    for moment in ["lent", "lending", "unrecorded"] {
        let mut bench = Bench::new().await;
        let caller = task(&bench).await;
        match moment {
            "lent" => drop(bench.call(&caller, "shop/read_order").await.unwrap()),
            "lending" => {
                bench.issuer.fail(Some(IssuerError::Unavailable("lost".into())));
                drop(bench.call(&caller, "shop/read_order").await);
                bench.issuer.fail(None);
            }
            _ => {
                bench.call(&caller, "shop/read_order").await.unwrap();
                bench.engine.project().await.unwrap();
            }
        }
        assert_eq!(bench.issuer.alive().len(), 1, "{moment}");
        bench.restart().await;
        settled(&bench).await;
        assert!(bench.issuer.alive().is_empty(), "{moment}");
        assert!(bench.engine.leases().is_empty(), "{moment}");
        bench.call(&caller, "shop/read_order").await.unwrap();
        assert_eq!(bench.issuer.alive().len(), 1, "{moment}: the task goes on with another");
        bench.restart().await;
        assert_eq!(bench.engine.leases().len(), 1, "{moment}: and that is known, too");
    }
}

#[tokio::test]
async fn what_cannot_be_put_on_record_is_not_asked_for() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    let before = bench.issuer.issued();
    bench.ledger.fail_next(Fault::Before);
    bench.call(&caller, "shop/read_order").await.unwrap_err();
    assert_eq!(bench.issuer.issued(), before);
}

#[tokio::test]
async fn what_ends_soon_is_prolonged_or_replaced() {
    for renews in [true, false] {
        let bench = Bench::new().await;
        if renews {
            bench.issuer.renews();
        }
        let caller = task(&bench).await;
        bench.call(&caller, "shop/read_order").await.unwrap();
        bench.clock.advance(Duration::from_secs(595));
        bench.call(&caller, "shop/read_order").await.unwrap();
        let sent = bench.upstream.sent();
        assert_eq!(sent[0].leases == sent[1].leases, renews);
        bench.clock.advance(Duration::from_secs(10));
        settled(&bench).await;
        let alive: Vec<LeaseId> = bench.issuer.alive().into_keys().collect();
        assert_eq!(alive, sent[1].leases, "the old one went when it ended");
    }
}

#[tokio::test]
async fn a_policy_can_refuse_to_lend() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    let text =
        crate::bench::POLICY.replace("resource.value == \"key\"", "resource.value == \"none\"");
    let source = remit_policy::Source { path: "test.cedar".into(), text };
    bench.reload_policies(vec![source]).await.unwrap();
    let refusal = bench.call(&caller, "shop/read_order").await.unwrap_err();
    assert!(refusal.to_string().contains("lending `key` for `shop`"), "{refusal}");
    assert!(bench.issuer.alive().is_empty() && bench.upstream.sent().is_empty());
    let kinds = bench.kinds(&caller.task);
    assert_eq!(kinds, [Kind::Task, Kind::Refusal], "the call is not permitted either");
}

#[tokio::test]
async fn an_answer_that_gives_the_credential_away_is_cut_and_ends_the_lease() {
    let bench = Bench::new().await;
    let caller = task(&bench).await;
    bench.call(&caller, "shop/read_order").await.unwrap();
    let lease = bench.upstream.sent()[0].leases[0].clone();
    let token = MemoryIssuer::token(&lease);
    bench.upstream.set_script(move |_| Answer::text(&format!("you sent me {token}!")));
    let ended = bench.call(&caller, "shop/read_order").await.unwrap();
    let (_, reply) = ended.into_reply();
    let text = reply.unwrap().text().to_owned();
    assert!(!text.contains("token-of"), "{text}");
    assert!(text.contains("you sent me [credential cut by remit]!"), "{text}");
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty());
    for entry in bench.ledger.entries() {
        let body = format!("{:?}", entry.body);
        assert!(!body.contains("token-of"), "{body}");
    }
}

#[tokio::test]
async fn remit_itself_lends_no_tool_and_takes_it_back_at_once() {
    let bench = Bench::new().await;
    bench.engine.discover(&server("shop")).await.unwrap();
    let alive = bench.issuer.alive();
    let holder = alive.values().next().unwrap();
    assert!(holder.task.is_none() && holder.tools.is_empty(), "{holder:?}");
    settled(&bench).await;
    assert!(bench.issuer.alive().is_empty());
    assert_eq!(bench.issuer.issued(), 1);
}
