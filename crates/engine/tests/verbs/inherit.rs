//! Whoever has read something bad does not begin anew as if it had not (R5, R6).

use remit_engine::open::{Opener, Proposal};
use remit_model::agent::AttestationMethod;
use remit_model::{Digest, Door, Task, Workload};

use crate::bench::{self, Bench};

/// A process named by the first word, which descends from those named by the others.
fn process(names: &[&str]) -> Opener {
    let processes = names.iter().map(|name| Digest::of(name.as_bytes())).collect();
    Opener::Peer(Workload { processes, ..Workload::of_user(7) })
}

fn client() -> Opener {
    bench::client("bot", AttestationMethod::PrivateKeyJwt)
}

async fn open(bench: &Bench, opener: &Opener) -> Task {
    let proposal = Proposal { template: "work".into(), ..Proposal::default() };
    bench.engine.open(opener, proposal).await.unwrap()
}

/// Opens a task, and something from outside enters it.
async fn contaminated(bench: &Bench, opener: &Opener) -> Task {
    let task = open(bench, opener).await;
    let caller = bench.engine.caller(task.id(), Door::McpHttp).unwrap();
    bench.call(&caller, "files/read_page").await.unwrap();
    let task = bench.engine.cell(task.id()).unwrap().lock().clone();
    assert!(task.account().sealed, "the test means nothing otherwise");
    task
}

#[tokio::test]
async fn a_process_and_what_it_starts_begin_where_it_left_off() {
    let mut bench = Bench::new().await;
    let before = contaminated(&bench, &process(&["agent", "shell"])).await;
    bench.engine.close(before.id(), remit_model::task::CloseReason::Done, "bot").unwrap();
    bench.restart().await;
    for names in [&["agent", "shell"][..], &["helper", "agent", "shell"], &["x", "helper", "agent"]]
    {
        let task = open(&bench, &process(names)).await;
        assert_eq!(task.account().label, before.account().label, "{names:?}");
        assert!(task.account().sealed, "{names:?}");
    }
}

#[tokio::test]
async fn whoever_says_that_it_is_but_a_pipe_begins_where_it_left_off_itself() {
    let bench = Bench::new().await;
    contaminated(&bench, &process(&["agent", "shell"])).await;
    let pipe = |names| match process(names) {
        Opener::Peer(workload) => Opener::Peer(workload.as_a_pipe()),
        other => other,
    };
    assert!(!open(&bench, &pipe(&["command", "shell"])).await.account().sealed);
    assert!(open(&bench, &pipe(&["agent", "shell"])).await.account().sealed);
    // The task is the shell's, which it is a pipe to.
    assert!(open(&bench, &process(&["other", "shell"])).await.account().sealed);
}

#[tokio::test]
async fn another_process_and_a_person_begin_cleanly() {
    let bench = Bench::new().await;
    contaminated(&bench, &process(&["agent", "shell"])).await;
    // The shell that started both has seen nothing itself.
    for opener in [process(&["other", "shell"]), Opener::Operator("olga".into())] {
        let task = open(&bench, &opener).await;
        assert!(task.account().label.is_bottom() && !task.account().sealed, "{opener:?}");
    }
}

#[tokio::test]
async fn clients_that_no_kernel_names_could_all_be_the_same() {
    let bench = Bench::new().await;
    assert!(open(&bench, &client()).await.account().label.is_bottom());
    let before = contaminated(&bench, &client()).await;
    let after = open(&bench, &client()).await;
    assert_eq!(after.account().label, before.account().label);
    assert!(after.account().sealed);
    // It could be any process of the agent's, too, and what the kernel did not name could be anybody.
    for opener in [process(&["some", "shell"]), process(&[])] {
        assert!(open(&bench, &opener).await.account().sealed, "{opener:?}");
    }
}

#[tokio::test]
async fn a_client_could_be_any_process_of_its_agents() {
    let bench = Bench::new().await;
    contaminated(&bench, &process(&["agent", "shell"])).await;
    assert!(open(&bench, &client()).await.account().sealed);
    assert!(open(&bench, &process(&[])).await.account().sealed);
}

#[tokio::test]
async fn what_enters_a_task_that_an_operator_opened_is_remembered_of_its_client() {
    let bench = Bench::new().await;
    contaminated(&bench, &Opener::Operator("olga".into())).await;
    assert!(open(&bench, &client()).await.account().sealed);
}
