//! Other people's secrets (promise R12): not in what comes back, not in what is kept, and told of in what goes out.

use remit_engine::Caller;
use remit_model::{Confidentiality, Secret};
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
