//! What is handed on is never more than there was, and knows all that was known (R3, R6, R7).

use proptest::prelude::*;
use remit_engine::client::Client;
use remit_engine::hand_off::HandOff;
use remit_engine::open::{Holding, Narrowing};
use remit_model::agent::AttestationMethod;
use remit_model::task::{CloseReason, MAX_HANDED_ON, MAX_LINEAGE};
use remit_model::{
    Budget, Class, Door, Lifecycle, Limit, Refusal, ServerName, Spent, Task, TaskId, ToolRule,
};
use remit_testkit::Answer;
use remit_testkit::samples::agent_name;
use remit_token::Binding;

use crate::bench::{Bench, calls, operator};

fn client(name: &str) -> Client {
    let method = AttestationMethod::PrivateKeyJwt;
    let (agent, id) = (agent_name(name), name.to_owned());
    Client { agent, id, method, named: None, binding: Binding::Nothing, nonce: None }
}

fn rules(patterns: &[&str]) -> Vec<ToolRule> {
    patterns.iter().map(|it| ToolRule::any_arguments(it.parse().unwrap())).collect()
}

/// Asks for a child of `parent` for the agent `to`.
async fn ask(
    bench: &Bench,
    parent: &Task,
    to: &str,
    narrowing: Narrowing,
) -> Result<Task, Refusal> {
    ask_for(bench, parent, to, (narrowing, None)).await
}

async fn ask_for(
    bench: &Bench,
    parent: &Task,
    to: &str,
    (narrowing, server): (Narrowing, Option<ServerName>),
) -> Result<Task, Refusal> {
    let holding = Holding { binding: Binding::Nothing, server };
    let token = bench.engine.grant(parent, &holding).unwrap();
    let subject = bench.engine.shown(&token).unwrap();
    let wanted = HandOff { subject, template: None, purpose: None, plan: None, narrowing };
    let handed = bench.engine.hand_off(&client(to), wanted, &Holding::default()).await?;
    Ok(handed.0)
}

fn now(bench: &Bench, task: &TaskId) -> Task {
    bench.engine.cell(task).unwrap().lock().clone()
}

fn spent(bench: &Bench, task: &Task) -> Spent {
    now(bench, task.id()).account().spent
}

#[tokio::test]
async fn a_child_has_what_was_handed_on_and_its_parent_has_it_no_more() {
    let bench = Bench::with_budget(calls(10)).await;
    let parent = bench.opened().await;
    let narrowing = Narrowing { budget: Some(calls(4)), ..Narrowing::default() };
    let child = ask(&bench, &parent, "clerk", narrowing).await.unwrap();
    assert_eq!(child.charter.agent, agent_name("clerk"));
    assert_eq!(child.parent(), Some(parent.id()));
    assert_eq!(child.charter.remit.budget.calls, Limit::at_most(4));
    assert_eq!(child.charter.remit.delegation, parent.charter.remit.delegation - 1);
    assert_eq!(spent(&bench, &parent).calls, 4, "it is used up before anybody used it");

    let caller = bench.engine.caller(child.id(), Door::McpHttp).unwrap();
    assert_eq!(caller.agent.name, agent_name("clerk"));
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.engine.close(child.id(), CloseReason::Done, "clerk").unwrap();
    assert_eq!(spent(&bench, &parent).calls, 1, "what was not used is back, once");
    bench.engine.expire();
    assert_eq!(spent(&bench, &parent).calls, 1);
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn all_of_it_together_is_never_more_than_it_was() {
    let bench = Bench::with_budget(calls(5)).await;
    let parent = bench.opened().await;
    let some = |n| Narrowing { budget: Some(calls(n)), ..Narrowing::default() };
    ask(&bench, &parent, "clerk", some(3)).await.unwrap();
    let all = ask(&bench, &parent, "clerk", some(100)).await.unwrap();
    assert_eq!(all.charter.remit.budget.calls, Limit::at_most(2), "what was left, not more");
    let caller = bench.engine.caller(parent.id(), Door::McpHttp).unwrap();
    let refusal = bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(refusal.class, Class::Budget, "{refusal}");
}

/// What a server answers is counted when it has come, so a task can end up with more than it had.
#[tokio::test]
async fn what_a_child_used_beyond_its_part_is_its_parents_too() {
    let bytes = |n| Budget { bytes: Limit::at_most(n), ..Budget::default() };
    let bench = Bench::with_budget(bytes(10_000)).await;
    bench.upstream.set_script(|_| Answer::text(&"x".repeat(2_000)));
    let parent = bench.opened().await;
    let narrowing = Narrowing { budget: Some(bytes(100)), ..Narrowing::default() };
    let child = ask(&bench, &parent, "bot", narrowing).await.unwrap();
    let caller = bench.engine.caller(child.id(), Door::McpHttp).unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.engine.close(child.id(), CloseReason::Done, "bot").unwrap();
    let (parent, child) = (spent(&bench, &parent), spent(&bench, &child));
    assert!(child.bytes > 2_000 && parent.bytes == child.bytes, "{parent:?} {child:?}");
}

/// What may have been done already is not done again by somebody who knows nothing of it.
#[tokio::test]
async fn a_child_knows_what_nobody_knows_whether_it_happened() {
    let bench = Bench::new().await;
    let parent = bench.opened().await;
    let caller = bench.engine.caller(parent.id(), Door::McpHttp).unwrap();
    bench.upstream.set_script(|_| Answer::Unknown("it died".to_owned()));
    drop(bench.call(&caller, "files/read_file").await);
    let parent = now(&bench, parent.id());
    assert_eq!(parent.account().unsettled.len(), 1, "the test means nothing otherwise");
    let child = ask(&bench, &parent, "clerk", Narrowing::default()).await.unwrap();
    assert_eq!(child.account().unsettled, parent.account().unsettled);
}

/// A crash can come between the stop of a task and that of what was handed on from it.
#[tokio::test]
async fn a_stop_that_a_crash_cut_short_goes_on_at_the_start() {
    for (freeze, expected) in [(true, "frozen"), (false, "closed")] {
        let mut bench = Bench::new().await;
        let parent = bench.opened().await;
        let child = ask(&bench, &parent, "clerk", Narrowing::default()).await.unwrap();
        bench.ledger.hold();
        if freeze {
            bench.engine.freeze(parent.id(), "olga").unwrap();
        } else {
            bench.engine.close(parent.id(), CloseReason::Revoked, "olga").unwrap();
        }
        assert!(bench.ledger.waiting() >= 2, "that of the parent, and that of the child");
        bench.ledger.fail_next(remit_testkit::Fault::After);
        bench.ledger.release();
        bench.restart().await;
        assert_eq!(now(&bench, child.id()).state.name(), expected);
    }
}

#[tokio::test]
async fn what_entered_the_parent_has_entered_the_child() {
    let bench = Bench::new().await;
    let parent = bench.opened().await;
    let caller = bench.engine.caller(parent.id(), Door::McpHttp).unwrap();
    bench.call(&caller, "files/read_page").await.unwrap();
    let parent = now(&bench, parent.id());
    assert!(parent.account().sealed, "the test means nothing otherwise");
    let child = ask(&bench, &parent, "clerk", Narrowing::default()).await.unwrap();
    assert_eq!(child.account().label, parent.account().label);
    assert!(child.account().sealed);
}

#[tokio::test]
async fn only_whom_the_agent_hands_to_is_handed_anything() {
    let bench = Bench::new().await;
    let parent = bench.opened().await;
    let why = ask(&bench, &parent, "loner", Narrowing::default()).await.unwrap_err().to_string();
    assert!(why.contains("`bot` hands nothing on to `loner`"), "{why}");
    ask(&bench, &parent, "bot", Narrowing::default()).await.unwrap();
    let child = ask(&bench, &parent, "clerk", Narrowing::default()).await.unwrap();
    // The name of the one it was handed on by is not enough: each hands on by its own leave.
    let why = ask(&bench, &child, "loner", Narrowing::default()).await.unwrap_err().to_string();
    assert!(why.contains("`clerk` hands nothing on to `loner`"), "{why}");
}

#[tokio::test]
async fn a_grant_for_one_server_hands_on_what_is_there_alone() {
    let bench = Bench::new().await;
    let parent = bench.opened().await;
    let other = (Narrowing::default(), Some("other".parse().unwrap()));
    let child = ask_for(&bench, &parent, "clerk", other).await.unwrap();
    assert!(!child.charter.remit.tools.could_cover("files/read_file"));
    assert!(child.charter.remit.tools.within(&parent.charter.remit.tools));
}

#[tokio::test]
async fn handing_on_ends_somewhere() {
    let bench = Bench::new().await;
    let mut last = bench.opened().await;
    for n in 0..MAX_LINEAGE {
        let to = if n % 2 == 0 { "clerk" } else { "bot" };
        last = ask(&bench, &last, to, Narrowing::default()).await.unwrap();
    }
    let why = ask(&bench, &last, "clerk", Narrowing::default()).await.unwrap_err().to_string();
    assert!(why.contains("16 times at most"), "{why}");

    let wide = bench.opened().await;
    for _ in 0..MAX_HANDED_ON {
        ask(&bench, &wide, "clerk", Narrowing::default()).await.unwrap();
        bench.clock.advance(std::time::Duration::from_millis(200));
    }
    let why = ask(&bench, &wide, "clerk", Narrowing::default()).await.unwrap_err().to_string();
    assert!(why.contains("64 tasks were handed on"), "{why}");
}

#[tokio::test]
async fn a_stop_reaches_whatever_was_handed_on() {
    let mut bench = Bench::new().await;
    let parent = bench.opened().await;
    let child = ask(&bench, &parent, "clerk", Narrowing::default()).await.unwrap();
    let grandchild = ask(&bench, &child, "bot", Narrowing::default()).await.unwrap();
    let state = |bench: &Bench, task: &Task| now(bench, task.id()).state.name();
    bench.engine.freeze(parent.id(), "olga").unwrap();
    assert_eq!((state(&bench, &child), state(&bench, &grandchild)), ("frozen", "frozen"));
    let why = bench.engine.thaw(child.id(), "olga").unwrap_err().to_string();
    assert!(why.contains("thaw that one first"), "{why}");
    bench.engine.thaw(parent.id(), "olga").unwrap();
    assert_eq!(state(&bench, &child), "frozen", "each is thawed by itself");
    bench.engine.thaw(child.id(), "olga").unwrap();
    bench.engine.close(parent.id(), CloseReason::Revoked, "olga").unwrap();
    let all = [&parent, &child, &grandchild].map(|task| state(&bench, task));
    assert_eq!(all, ["closed"; 3]);
    bench.restart().await;
    let all = [&parent, &child, &grandchild].map(|task| state(&bench, task));
    assert_eq!(all, ["closed"; 3]);
}

#[tokio::test]
async fn a_suspended_receiver_gives_back_what_it_was_handed() {
    let bench = Bench::with_budget(calls(10)).await;
    let parent = bench.opened().await;
    let narrowing = Narrowing { budget: Some(calls(4)), ..Narrowing::default() };
    ask(&bench, &parent, "clerk", narrowing.clone()).await.unwrap();
    let clerk = agent_name("clerk");
    let change = remit_engine::lifecycle::ToStand {
        agent: &clerk,
        lifecycle: Lifecycle::Suspended,
        actor: &operator().name,
        reason: None,
    };
    assert_eq!(bench.engine.stand(change).unwrap().1.len(), 1);
    assert_eq!(spent(&bench, &parent), Spent::default());
    let why = ask(&bench, &parent, "clerk", narrowing).await.unwrap_err().to_string();
    assert!(why.contains("`clerk` is not there"), "{why}");
}

#[tokio::test]
async fn a_crash_between_the_two_records_costs_nothing() {
    let mut bench = Bench::with_budget(calls(10)).await;
    let parent = bench.opened().await;
    let narrowing = Narrowing { budget: Some(calls(4)), ..Narrowing::default() };
    bench.ledger.hold();
    let asking = ask(&bench, &parent, "clerk", narrowing);
    let (asked, ()) = tokio::join!(asking, async {
        while bench.ledger.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        // The disk has what was handed on, and not the opening of the child.
        bench.ledger.fail_next(remit_testkit::Fault::After);
        bench.ledger.release();
    });
    asked.unwrap_err();
    bench.restart().await;
    let parent = now(&bench, parent.id());
    assert_eq!(parent.account().spent, Spent::default());
    assert!(parent.account().handed_on.is_empty());
}

#[tokio::test]
async fn without_a_record_nothing_is_handed_on() {
    let bench = Bench::with_budget(calls(10)).await;
    let parent = bench.opened().await;
    bench.ledger.set_full(true);
    let why = ask(&bench, &parent, "clerk", Narrowing::default()).await.unwrap_err();
    assert_eq!(why.class, Class::Transient, "{why}");
    assert_eq!(bench.engine.cells().len(), 1);
    assert_eq!(spent(&bench, &parent), Spent::default());
}

/// One step of a chain: to whom, and what is asked.
fn step() -> impl Strategy<Value = (bool, Narrowing)> {
    let patterns = ["*", "files/*", "files/read_*", "other/*", "*/write_file"];
    let tools = proptest::option::of(proptest::sample::subsequence(patterns.to_vec(), 1..4));
    let budget = proptest::option::of((0u64..40, 0u64..40, 0u64..4000));
    let seconds = proptest::option::of(1u64..10_000);
    (any::<bool>(), tools, budget, seconds).prop_map(|(to_clerk, tools, budget, seconds)| {
        let limit = |n: u64| if n == 0 { Limit::UNLIMITED } else { Limit::at_most(n) };
        let budget = budget.map(|(calls, effects, bytes)| Budget {
            calls: limit(calls),
            effects: limit(effects),
            bytes: limit(bytes),
        });
        let tools = tools.map(|patterns| rules(&patterns));
        (to_clerk, Narrowing { tools, budget, seconds })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is asked for along the way, nobody ends up with more than anybody before, and all
    /// together with no more than the first was given.
    #[test]
    fn every_descendant_is_within_every_ancestor(
        steps in proptest::collection::vec((step(), any::<proptest::sample::Index>()), 1..10)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::with_budget(calls(30)).await;
            let mut tasks = vec![bench.opened().await];
            for ((to_clerk, narrowing), from) in steps {
                let parent = now(&bench, from.get(&tasks).id());
                let to = if to_clerk || parent.charter.agent == agent_name("clerk") {
                    if parent.charter.agent == agent_name("clerk") { "bot" } else { "clerk" }
                } else {
                    "bot"
                };
                // A budget that is used up is no reason to stop: there are other parents.
                if let Ok(child) = ask(&bench, &parent, to, narrowing).await {
                    tasks.push(child);
                }
            }
            assert!(tasks.len() > 1, "the first can be handed on");
            let find = |id: &TaskId| tasks.iter().find(|task| task.id() == id).unwrap();
            for task in &tasks {
                for ancestor in &task.charter.lineage {
                    let ancestor = find(&ancestor.task);
                    assert!(
                        task.charter.remit.within(&ancestor.charter.remit),
                        "{:?}\n{:?}", task.charter.remit, ancestor.charter.remit
                    );
                    assert!(ancestor.account().label.flows_to(&task.account().label));
                }
            }
            // What is still free, of all of them.
            let free: u64 = tasks
                .iter()
                .map(|task| {
                    let task = now(&bench, task.id());
                    let left = task.charter.remit.budget.left(task.account().spent).calls;
                    left.get().unwrap()
                })
                .sum();
            assert_eq!(free, 30, "nothing was made and nothing was lost");
        });
    }
}
