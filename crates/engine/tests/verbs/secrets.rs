//! Other people's secrets (promise R12): not in what comes back, not in what is kept, and told of in what goes out.

use remit_engine::{Caller, Settings};
use remit_model::{Confidentiality, Secret, SecretName};
use remit_policy::Source;
use remit_ports::Kind;
use remit_testkit::Answer;

use crate::bench::{Bench, operator};

/// Has a form that is looked for, and is nobody's.
fn token() -> String {
    format!("glpat-{}", "q7Zt3VbK9xWm2RdLp8Yc")
}

fn answers(bench: &Bench, text: &str) {
    let answer = Answer::text(text);
    bench.upstream.set_script(move |_| answer.clone());
}

async fn read(bench: &Bench, caller: &Caller) -> String {
    let (_, reply) = bench.call(caller, "files/read_file").await.unwrap().into_reply();
    reply.unwrap().text().to_owned()
}

/// The body of the newest record of this kind.
fn body(bench: &Bench, kind: Kind) -> String {
    let entries = bench.ledger.entries();
    let last = entries.iter().rfind(|entry| entry.entry.kind == kind).unwrap();
    format!("{:?}", last.body)
}

#[tokio::test]
async fn a_secret_in_a_result_is_cut_and_the_task_knows() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    answers(&bench, &format!("the token is {0}, I said {0}\n", token()));
    let before = bench.engine.cell(&caller.task).unwrap().lock().account().epoch;
    let text = read(&bench, &caller).await;
    assert!(!text.contains(&token()), "{text}");
    assert_eq!(text.matches("[cut: gitlab-pat ").count(), 2, "{text}");
    let record = body(&bench, Kind::Outcome);
    assert!(record.contains("gitlab-pat") && record.contains("fingerprint"), "{record}");
    assert!(!record.contains(&token()), "{record}");
    let account = bench.engine.cell(&caller.task).unwrap().lock().account().clone();
    assert!(account.label.tags.contains("secret"));
    assert!(account.label.confidentiality >= Confidentiality::Confidential);
    assert!(account.epoch > before, "what was decided without it is decided anew");
    assert_eq!(bench.engine.counters.secrets_cut.get(), 2);
    assert_eq!(read(&bench, &caller).await, text, "the same placeholder for the same secret");
}

#[tokio::test]
async fn an_error_is_cut_too_and_what_holds_no_secret_is_left() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let error = format!(r#"{{"code":-32000,"message":"denied for {}"}}"#, token());
    bench.upstream.set_script(move |_| Answer::Error(error.clone()));
    let text = read(&bench, &caller).await;
    assert!(text.contains("denied for [cut: gitlab-pat "), "{text}");
    answers(&bench, "commit 8f14e45fceea167a5a36dedd4bea2543a1b2c3d4");
    assert!(read(&bench, &caller).await.contains("8f14e45fceea167a5a36dedd4bea2543a1b2c3d4"));
}

#[tokio::test]
async fn what_lies_in_sealed_storage_is_found_as_long_as_it_does() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let name = "deploy".parse().unwrap();
    bench.engine.look_out_for(&name, &Secret::new("correct horse battery".to_owned()));
    answers(&bench, "use correct horse battery for it");
    assert!(read(&bench, &caller).await.contains("use [cut: sealed "));
    bench.engine.look_out_for(&name, &Secret::new("another one altogether".to_owned()));
    assert!(read(&bench, &caller).await.contains("correct horse battery"));
    answers(&bench, "another one altogether");
    assert!(read(&bench, &caller).await.contains("[cut: sealed "));
    bench.engine.look_out_no_more(&name);
    assert!(read(&bench, &caller).await.contains("another one altogether"));
}

#[tokio::test]
async fn a_question_says_which_arguments_carry_a_secret() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let arguments = format!(r#"{{"path":"notes of {}"}}"#, token());
    bench.call_with(&caller, "files/read_file", &arguments).await.unwrap();
    let record = body(&bench, Kind::Decision);
    assert!(record.contains(r#"\"path\":\"path\",\"rule\":\"gitlab-pat\""#), "{record}");
    let label = bench.engine.cell(&caller.task).unwrap().lock().account().label.clone();
    assert!(label.tags.contains("secret"), "an echo launders nothing");
    assert_eq!(bench.engine.counters.secrets_in_calls.get(), 1);
}

#[tokio::test]
async fn what_a_person_says_is_recorded_without_their_secrets() {
    let bench = Bench::new().await;
    let caller = bench.task().await;
    let said = format!("log in with {}", token());
    bench.engine.prompt(&operator(), &caller.task, &said).await.unwrap();
    let record = body(&bench, Kind::Prompt);
    assert!(record.contains("log in with [cut: gitlab-pat "), "{record}");
    assert!(!record.contains(&token()), "{record}");
}

/// A value that lies in sealed storage for nothing but to be found.
const CANARY: &str = "do not move this phrase";

/// Watches for the canary, as the configuration says.
async fn watch(bench: &Bench) {
    let name: SecretName = "bait".parse().unwrap();
    bench.engine.look_out_for(&name, &Secret::new(CANARY.to_owned()));
    let settings =
        Settings { canaries: [name].into(), ..Settings::clone(&bench.engine.settings()) };
    bench.reload_settings(settings).await;
}

fn signals(bench: &Bench, caller: &Caller) -> Vec<Option<String>> {
    let records = bench.records(&caller.task).into_iter();
    let signals = records.filter(|(_, entry)| entry.kind == Kind::Signal);
    signals.map(|(_, entry)| entry.clear.tool).collect()
}

fn knows(bench: &Bench, caller: &Caller) -> bool {
    bench.engine.cell(&caller.task).unwrap().lock().account().label.has_canary()
}

#[tokio::test]
async fn a_canary_in_a_result_is_cut_and_told_once_a_task() {
    let mut bench = Bench::new().await;
    let caller = bench.task().await;
    answers(&bench, &format!("log in with {CANARY}"));
    bench.engine.look_out_for(&"bait".parse().unwrap(), &Secret::new(CANARY.to_owned()));
    assert!(read(&bench, &caller).await.contains("with [cut: sealed "));
    assert!(!knows(&bench, &caller), "it is none before somebody says so");
    watch(&bench).await;
    for _ in 0..2 {
        assert!(read(&bench, &caller).await.contains("with [cut: canary "));
    }
    assert_eq!(signals(&bench, &caller), [Some("files/read_file".to_owned())]);
    assert_eq!(bench.engine.counters.canaries_seen.get(), 2);
    for _ in 0..2 {
        assert!(knows(&bench, &caller));
        bench.restart().await;
    }
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn whoever_moves_a_canary_is_known_before_the_call_is_decided() {
    let bench = Bench::new().await;
    watch(&bench).await;
    let text = "forbid (principal, action, resource) when { context.task.tags.contains(\"canary\") };\
                permit (principal, action, resource);";
    let source = Source { path: "all.cedar".into(), text: text.to_owned() };
    bench.reload_policies(vec![source]).await.unwrap();
    let caller = bench.task().await;
    bench.call(&caller, "files/read_file").await.unwrap();
    let arguments = format!(r#"{{"path":"x {CANARY} y"}}"#);
    let sent = bench.upstream.sent().len();
    bench.call_with(&caller, "files/read_file", &arguments).await.unwrap_err();
    bench.call(&caller, "files/read_file").await.unwrap_err();
    assert_eq!(bench.upstream.sent().len(), sent);
    assert_eq!(signals(&bench, &caller).len(), 1);
    assert!(body(&bench, Kind::Refusal).contains("canary"));
}

#[tokio::test]
async fn a_canary_that_cannot_be_told_of_goes_nowhere() {
    let bench = Bench::new().await;
    watch(&bench).await;
    let caller = bench.task().await;
    bench.ledger.set_full(true);
    let arguments = format!(r#"{{"path":"{CANARY}"}}"#);
    bench.call_with(&caller, "files/read_file", &arguments).await.unwrap_err();
    assert!(bench.upstream.sent().is_empty());
}

#[tokio::test]
async fn a_canary_in_progress_or_in_what_a_person_says_is_told_of_too() {
    let bench = Bench::new().await;
    watch(&bench).await;
    let (heard, asked) = (bench.task().await, bench.task().await);
    let progress =
        format!(r#"{{"method":"notifications/progress","params":{{"message":"{CANARY}"}}}}"#);
    bench.upstream.set_notifications(vec![progress]);
    bench.call(&heard, "files/read_file").await.unwrap();
    bench.engine.prompt(&operator(), &asked.task, &format!("use {CANARY}")).await.unwrap();
    for caller in [heard, asked] {
        assert_eq!(signals(&bench, &caller).len(), 1);
        assert!(knows(&bench, &caller));
    }
}
