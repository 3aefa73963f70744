//! Whoever goes on with a task proves itself anew, and policies see that proof.

use std::time::Duration;

use remit_engine::client::Client;
use remit_engine::open::{Holding, OPENING_WINDOW, OPENINGS_PER_WINDOW, Opener, Proposal, Vouched};
use remit_engine::renew::{LAPSES_AT_ONCE, MAX_WORKERS, STANDS, Successor};
use remit_engine::{Caller, Settings};
use remit_model::agent::AttestationMethod;
use remit_model::{Descent, Digest, Door, Named, Refusal, Task, Workload};
use remit_policy::Source;
use remit_ports::Kind;
use remit_testkit::samples::agent_name;

use super::bench::{self, Bench, bot, policy};

/// A proof that is older than four minutes is none.
const FRESH: &str = r#"@id("fresh") @reason("the agent has not proved itself lately")
forbid (principal, action in Remit::Action::"tools", resource)
when { context.now.durationSince(context.attestation.at) > duration("4m") };"#;

/// Only whom others call so may call anything.
const NAMED: &str = r#"@id("named") forbid (principal, action in Remit::Action::"tools", resource)
unless { context.attestation.method == "oidc" && context.attestation has named
    && context.attestation.named.subject == "job-2" };"#;

async fn opened(bench: &Bench, rule: &str) -> (Task, Caller) {
    let rule = Source { path: "rule.cedar".into(), text: rule.into() };
    bench.reload_policies(vec![policy(), rule]).await.unwrap();
    let opener = bench::client("bot", AttestationMethod::PrivateKeyJwt);
    let proposal = Proposal { template: "work".into(), ..Proposal::default() };
    let task = bench.engine.open(&opener, proposal).await.unwrap();
    let caller = bench.engine.caller(task.id(), Door::McpHttp).unwrap();
    (task, caller)
}

fn job(subject: &str) -> Client {
    let named = Some(Named { issuer: "https://ci.example".into(), subject: subject.into() });
    Client { method: AttestationMethod::Oidc, named, ..bot() }
}

async fn go_on(bench: &Bench, task: &Task, client: &Client) -> Result<String, Refusal> {
    bench.engine.grant_anew(task, Successor::Client(client), &Holding::default()).await
}

#[tokio::test]
async fn a_proof_that_was_not_renewed_lapses_and_a_newer_one_counts_from_its_own_time() {
    let bench = Bench::new().await;
    let (task, caller) = opened(&bench, FRESH).await;
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.clock.advance(Duration::from_mins(5));
    let lapsed = bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(lapsed.reasons[0].policy, "fresh");
    let mut bench = bench;
    for after in [0, 3, 3] {
        bench.clock.advance(Duration::from_mins(after));
        go_on(&bench, &task, &bot()).await.unwrap();
        bench.call(&caller, "files/read_file").await.unwrap();
    }
    bench.clock.advance(Duration::from_mins(3));
    bench.restart().await;
    let caller = bench.engine.caller(task.id(), Door::McpHttp).unwrap();
    let rule = Source { path: "rule.cedar".into(), text: FRESH.into() };
    bench.reload_policies(vec![policy(), rule]).await.unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.clock.advance(Duration::from_mins(2));
    assert!(bench.call(&caller, "files/read_file").await.is_err());
    bench.assert_recorded_then_done();
}

/// Whose proof has lapsed may call nothing.
const RENEWED: &str = r#"@id("renewed") forbid (principal, action in Remit::Action::"tools", resource)
when { context.attestation.lapsed };"#;

/// A proof lapses after four minutes.
async fn lapse(bench: &Bench) {
    let settings = Settings {
        renewed_within: Duration::from_mins(4),
        ..Settings::clone(&bench.engine.settings())
    };
    bench.reload_settings(settings).await;
}

/// What signals say of which agent.
fn signals(bench: &Bench, task: &Task) -> Vec<String> {
    let records = bench.records(task.id()).into_iter().map(|(_, entry)| entry);
    let signals = records.filter(|entry| entry.kind == Kind::Signal).map(|entry| entry.clear);
    signals.map(|clear| format!("{} {}", clear.what, clear.agent.unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_proof_that_lapses_is_a_signal_once_until_it_is_renewed() {
    let mut bench = Bench::new().await;
    let (task, caller) = opened(&bench, RENEWED).await;
    lapse(&bench).await;
    bench.clock.advance(Duration::from_mins(4));
    bench.call(&caller, "files/read_file").await.unwrap();
    assert!(signals(&bench, &task).is_empty(), "it may be as old as that");
    bench.clock.advance(Duration::from_millis(1));
    for _ in 0..2 {
        let refused = bench.call(&caller, "files/read_file").await.unwrap_err();
        assert_eq!(refused.reasons[0].policy, "renewed", "the very call that comes too late knows");
    }
    assert_eq!(signals(&bench, &task), ["lapsed bot"]);
    bench.restart().await;
    lapse(&bench).await;
    let rule = || Source { path: "rule.cedar".into(), text: RENEWED.into() };
    bench.reload_policies(vec![policy(), rule()]).await.unwrap();
    let caller = bench.engine.caller(task.id(), Door::McpHttp).unwrap();
    bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(signals(&bench, &task), ["lapsed bot"], "also after a restart");
    bench.engine.grant_anew(&task, Successor::Anyone, &Holding::default()).await.unwrap();
    bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(signals(&bench, &task), ["lapsed bot"], "an operator's grant proves nothing");
    go_on(&bench, &task, &bot()).await.unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    bench.clock.advance(Duration::from_mins(5));
    bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(signals(&bench, &task), ["lapsed bot", "lapsed bot"], "each lapse is one");
    assert_eq!(bench.engine.counters.proofs_lapsed.get(), 1, "of this process");
    bench.assert_recorded_then_done();
}

/// A task whose agent has not proved itself in time, of which nobody has been told yet.
async fn lapsed() -> (Bench, Task, Caller) {
    let bench = Bench::new().await;
    let (task, caller) = opened(&bench, "").await;
    lapse(&bench).await;
    bench.clock.advance(Duration::from_mins(5));
    (bench, task, caller)
}

#[tokio::test]
async fn a_proof_that_lapses_is_told_of_though_nobody_calls() {
    let (mut bench, task, _) = lapsed().await;
    bench.clock.jump(task.charter.opened.after(Duration::from_mins(4)));
    bench.engine.expire();
    assert!(signals(&bench, &task).is_empty(), "it may be as old as that");
    bench.clock.advance(Duration::from_millis(1));
    bench.ledger.set_full(true);
    bench.engine.expire();
    assert_eq!(bench.engine.counters.proofs_lapsed.get(), 0, "what is not on record is not so");
    bench.ledger.set_full(false);
    for _ in 0..2 {
        bench.engine.expire();
        assert_eq!(signals(&bench, &task), ["lapsed bot"]);
    }
    assert_eq!(bench.engine.counters.proofs_lapsed.get(), 1);
    bench.restart().await;
    lapse(&bench).await;
    bench.engine.expire();
    assert_eq!(signals(&bench, &task), ["lapsed bot"], "also after a restart");
    go_on(&bench, &task, &bot()).await.unwrap();
    bench.clock.advance(Duration::from_mins(5));
    bench.engine.expire();
    assert_eq!(signals(&bench, &task), ["lapsed bot", "lapsed bot"], "each lapse is one");
}

#[tokio::test]
async fn a_proof_that_lapsed_while_nothing_ran_is_told_of_at_the_next_start() {
    let (mut bench, task, _) = lapsed().await;
    bench.restart().await;
    lapse(&bench).await;
    bench.engine.expire();
    assert_eq!(signals(&bench, &task), ["lapsed bot"]);
}

#[tokio::test]
async fn many_proofs_that_lapse_together_are_told_of_one_look_after_the_other() {
    let (bench, first, _) = lapsed().await;
    bench.clock.jump(first.charter.opened);
    let more = LAPSES_AT_ONCE + 1;
    for _ in 1..more {
        bench.clock.advance(OPENING_WINDOW / OPENINGS_PER_WINDOW);
        bench.task().await;
    }
    bench.clock.advance(Duration::from_mins(5));
    for told in [LAPSES_AT_ONCE, more, more] {
        bench.engine.expire();
        assert_eq!(bench.engine.counters.proofs_lapsed.get(), u64::try_from(told).unwrap());
    }
}

#[tokio::test]
async fn a_call_of_a_lapsed_proof_that_cannot_be_told_of_goes_nowhere() {
    let (bench, task, caller) = lapsed().await;
    bench.ledger.set_full(true);
    bench.call(&caller, "files/read_file").await.unwrap_err();
    assert!(bench.upstream.sent().is_empty() && signals(&bench, &task).is_empty());
    bench.ledger.set_full(false);
    bench.call(&caller, "files/read_file").await.unwrap();
    assert_eq!(signals(&bench, &task).len(), 1);
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn a_task_that_was_stopped_says_nothing_of_its_proof() {
    let (bench, task, caller) = lapsed().await;
    bench.engine.freeze(task.id(), "olga").unwrap();
    bench.call(&caller, "files/read_file").await.unwrap_err();
    bench.engine.expire();
    assert!(signals(&bench, &task).is_empty());
    bench.engine.thaw(task.id(), "olga").unwrap();
    bench.engine.expire();
    assert_eq!(signals(&bench, &task), ["lapsed bot"], "once it goes on");
}

#[tokio::test]
async fn who_goes_on_is_who_proved_itself_last_and_its_name_is_not_in_the_clear() {
    let bench = Bench::new().await;
    let (task, caller) = opened(&bench, NAMED).await;
    assert!(bench.call(&caller, "files/read_file").await.is_err());
    go_on(&bench, &task, &job("job-1")).await.unwrap();
    assert!(bench.call(&caller, "files/read_file").await.is_err());
    go_on(&bench, &task, &job("job-2")).await.unwrap();
    bench.call(&caller, "files/read_file").await.unwrap();
    for (_, entry) in bench.records(task.id()) {
        let clear = serde_json::to_string(&entry).unwrap();
        assert!(!clear.contains("job-") && !clear.contains("ci.example"), "{clear}");
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_gives_no_grant_and_changes_nothing() {
    let bench = Bench::new().await;
    let (task, caller) = opened(&bench, NAMED).await;
    bench.ledger.set_full(true);
    let refused = go_on(&bench, &task, &job("job-2")).await;
    assert!(refused.is_err());
    bench.ledger.set_full(false);
    assert!(bench.call(&caller, "files/read_file").await.is_err());
}

#[tokio::test]
async fn proofs_leave_few_records_however_many_there_are() {
    let bench = Bench::new().await;
    let (task, _) = opened(&bench, FRESH).await;
    let before = bench.records(task.id()).len();
    for _ in 0..50 {
        go_on(&bench, &task, &bot()).await.unwrap();
    }
    assert_eq!(bench.records(task.id()).len(), before, "it says what was said just now");
    bench.clock.advance(STANDS);
    go_on(&bench, &task, &bot()).await.unwrap();
    assert_eq!(bench.records(task.id()).len(), before + 1);
    let mut refused = 0;
    for turn in 0..2 * OPENINGS_PER_WINDOW {
        let client = if turn % 2 == 0 { job("job") } else { bot() };
        refused += u32::from(go_on(&bench, &task, &client).await.is_err());
    }
    assert!(refused > 0);
    let most = usize::try_from(OPENINGS_PER_WINDOW).unwrap();
    assert!(bench.records(task.id()).len() <= before + 1 + most);
}

fn process(name: &str) -> Descent {
    Descent { kin: vec![Digest::of(name.as_bytes())], above: Vec::new() }
}

/// What a client that shows a JWT-SVID of ours opens, issued to `process`.
async fn opened_by(bench: &Bench, process: Option<Descent>) -> Task {
    let proposal = Proposal { template: "work".into(), ..Proposal::default() };
    let method = AttestationMethod::JwtSvid;
    let agent = agent_name("bot");
    let who = Vouched { agent, method, named: None, on_behalf: None, process };
    bench.engine.open(&Opener::Client(Box::new(who)), proposal).await.unwrap()
}

async fn contaminate(bench: &Bench, task: &Task) {
    let caller = bench.engine.caller(task.id(), Door::McpHttp).unwrap();
    bench.call(&caller, "files/read_page").await.unwrap();
}

#[tokio::test]
async fn two_processes_of_an_agent_are_two_and_what_one_starts_is_not() {
    let bench = Bench::new().await;
    let dirty = opened_by(&bench, Some(process("dirty"))).await;
    contaminate(&bench, &dirty).await;
    let sealed = async |process| opened_by(&bench, process).await.account().sealed;
    assert!(!sealed(Some(process("other"))).await);
    assert!(sealed(Some(process("dirty"))).await);
    // It has others ask in its place, which end at once.
    let [helper, itself, shell] = ["helper", "dirty", "shell"].map(|it| Digest::of(it.as_bytes()));
    assert!(sealed(Some(Descent { kin: vec![helper], above: vec![itself] })).await);
    assert!(sealed(None).await, "it could be any");
    let by_a_helper = Descent { kin: vec![Digest::of(b"first"), shell], above: Vec::new() };
    contaminate(&bench, &opened_by(&bench, Some(by_a_helper)).await).await;
    assert!(sealed(Some(Descent { kin: vec![Digest::of(b"second"), shell], above: vec![] })).await);
    // One whom nobody can tell from others makes all of them count.
    contaminate(&bench, &opened_by(&bench, None).await).await;
    assert!(sealed(Some(process("other"))).await);
}

#[tokio::test]
async fn whoever_gets_a_further_grant_works_on_the_task_too() {
    let successors = ["client", "unknown", "peer", "anyone"].into_iter();
    for (successor, restarts) in successors.flat_map(|it| [(it, false), (it, true)]) {
        let mut bench = Bench::new().await;
        let task = opened_by(&bench, Some(process("first"))).await;
        let second = Client { process: Some(process("second")), ..bot() };
        let workload =
            Workload { processes: vec![Digest::of(b"second")], kin: 1, ..Workload::of_user(7) };
        let unknown = bot();
        let successor = match successor {
            "client" => Successor::Client(&second),
            "unknown" => Successor::Client(&unknown),
            "peer" => Successor::Peer(&workload),
            _ => Successor::Anyone,
        };
        bench.engine.grant_anew(&task, successor, &Holding::default()).await.unwrap();
        contaminate(&bench, &task).await;
        if restarts {
            bench.restart().await;
        }
        assert!(opened_by(&bench, Some(process("second"))).await.account().sealed, "{successor:?}");
    }
}

#[tokio::test]
async fn no_more_work_on_a_task_than_are_remembered() {
    let bench = Bench::new().await;
    let task = opened_by(&bench, Some(process("first"))).await;
    for number in 0..MAX_WORKERS {
        let client = Client { process: Some(process(&number.to_string())), ..bot() };
        go_on(&bench, &task, &client).await.unwrap();
    }
    let more = Client { process: Some(process("more")), ..bot() };
    let refused = go_on(&bench, &task, &more).await.unwrap_err();
    assert!(refused.to_string().contains("have worked on the task"), "{refused}");
    let known = Client { process: Some(process("7")), ..bot() };
    go_on(&bench, &task, &known).await.unwrap();
}
