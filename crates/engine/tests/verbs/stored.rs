//! What one agent leaves in a server, another finds there with its labels (R6).

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_engine::Caller;
use remit_engine::lower::{LowerError, ToLower};
use remit_engine::open::{Opener, Proposal};
use remit_model::label::{Integrity, Sources};
use remit_model::task::{CloseReason, Event};
use remit_model::{Ceiling, Digest, Door, Label, TaskId, Workload};
use remit_policy::Source;
use remit_ports::{Discovery, Ledger as _};
use remit_testkit::samples::{link, server};

use crate::bench::{Bench, call, operator};

/// A server of notes under paths, and one of pages that anybody may have written.
async fn bench() -> Bench {
    let bench = Bench::new().await;
    let tool = |name: &str, properties: &str, reads: bool| {
        format!(
            r#"{{"name":"{name}","description":"Notes.","inputSchema":{{"type":"object","properties":{{{properties}}}}},"annotations":{{"readOnlyHint":{reads},"destructiveHint":false}}}}"#
        )
    };
    let path = r#""path":{"type":"string"}"#;
    let tools = vec![
        tool("read_note", path, true),
        tool("read_all_notes", "", true),
        tool("write_note", &format!(r#"{path},"content":{{"type":"string"}}"#), false),
        tool(
            "move_note",
            r#""source_path":{"type":"string"},"destination_path":{"type":"string"}"#,
            false,
        ),
    ];
    bench.upstream.offer(&server("notes"), Discovery { tools, ..Discovery::default() });
    ready(&bench).await;
    bench
}

async fn ready(bench: &Bench) {
    bench.engine.discover(&server("notes")).await.unwrap();
    let text = "permit (principal, action, resource);".to_owned();
    bench.reload_policies(vec![Source { path: "all.cedar".into(), text }]).await.unwrap();
}

/// Another agent, of another user, in a process of its own, with a task of its own.
async fn reader(bench: &Bench) -> Caller {
    let proposal = Proposal { template: "alone".into(), ..Proposal::default() };
    let process = Digest::of(&bench.engine.cells().len().to_be_bytes());
    let workload = Workload { processes: vec![process], ..Workload::of_user(19) };
    let opener = Opener::Peer(workload);
    let task = bench.engine.open(&opener, proposal).await.unwrap();
    bench.engine.caller(task.id(), Door::McpHttp).unwrap()
}

/// Through which servers outsiders can have had a say in a task.
fn sources(bench: &Bench, task: &TaskId) -> BTreeSet<String> {
    match &bench.engine.cell(task).unwrap().lock().account().label.integrity {
        Integrity::Untrusted(Sources::Named(names)) => names.clone(),
        Integrity::Untrusted(Sources::Many) => panic!("too many to name"),
        Integrity::Trusted => BTreeSet::new(),
    }
}

/// What another agent's task has taken in after one call.
async fn after(bench: &Bench, tool: &str, arguments: &str) -> BTreeSet<String> {
    let caller = reader(bench).await;
    bench.call_with(&caller, tool, arguments).await.unwrap();
    let sources = sources(bench, &caller.task);
    bench.engine.close(&caller.task, CloseReason::Done, "loner").unwrap();
    sources
}

/// A task that has read a page, and leaves words of its own under `path`.
async fn leave(bench: &Bench, path: &str) -> Caller {
    let caller = bench.task().await;
    bench.call(&caller, "files/read_page").await.unwrap();
    let arguments = format!(r#"{{"path":"{path}","content":"as I understand it"}}"#);
    bench.call_with(&caller, "notes/write_note", &arguments).await.unwrap();
    caller
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn whoever_reads_what_was_left_takes_its_labels_on() {
    let mut bench = bench().await;
    leave(&bench, "/n/a").await;
    for round in ["at once", "after a crash", "from the projection"] {
        for (tool, arguments) in [
            ("notes/read_note", r#"{"path":"/n/a"}"#),
            ("notes/read_note", r#"{"path":"/n"}"#),
            ("notes/read_note", r#"{"path":"a"}"#),
            ("notes/read_all_notes", "{}"),
        ] {
            let found = after(&bench, tool, arguments).await;
            assert_eq!(found, names(&["files", "notes"]), "{tool} {arguments} {round}");
        }
        let elsewhere = after(&bench, "notes/read_note", r#"{"path":"/n/b"}"#).await;
        assert_eq!(elsewhere, names(&["notes"]), "{round}");
        if round == "after a crash" {
            bench.engine.project().await.unwrap();
        }
        bench.restart().await;
        ready(&bench).await;
    }
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn what_is_left_nobody_knows_where_is_found_everywhere() {
    let bench = bench().await;
    leave(&bench, "a").await;
    let found = after(&bench, "notes/read_note", r#"{"path":"/n/b"}"#).await;
    assert_eq!(found, names(&["files", "notes"]));
}

#[tokio::test]
async fn what_is_moved_keeps_its_labels() {
    let bench = bench().await;
    leave(&bench, "/n/a").await;
    let mover = reader(&bench).await;
    let arguments = r#"{"source_path":"/n/a","destination_path":"/m/z"}"#;
    bench.call_with(&mover, "notes/move_note", arguments).await.unwrap();
    let found = after(&bench, "notes/read_note", r#"{"path":"/m/z"}"#).await;
    assert_eq!(found, names(&["files", "notes"]));
}

#[tokio::test]
async fn a_task_that_has_read_nothing_leaves_nothing() {
    let bench = bench().await;
    let caller = bench.task().await;
    let arguments = r#"{"path":"/n/a","content":"of my own"}"#;
    bench.call_with(&caller, "notes/write_note", arguments).await.unwrap();
    let records = bench.records(&caller.task);
    let left = records.iter().any(|(_, entry)| {
        matches!(&entry.clear.event, Some(Event::Permitted(permitted)) if permitted.writes.is_some())
    });
    assert!(!left);
}

#[tokio::test]
async fn what_is_left_while_somebody_reads_reaches_them_with_its_labels() {
    let bench = bench().await;
    let caller = reader(&bench).await;
    bench.upstream.set_answer_gate(false);
    let reading = bench.spawn(&caller, "notes/read_all_notes");
    while bench.upstream.sent().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(sources(&bench, &caller.task), names(&["notes"]));
    let writer = bench.task().await;
    let page = bench.spawn(&writer, "files/read_page");
    while bench.upstream.sent().len() < 2 {
        tokio::task::yield_now().await;
    }
    let (engine, words) = (Arc::clone(&bench.engine), r#"{"path":"/n/a","content":"b"}"#);
    let writing = tokio::spawn(engine.call(writer, call("notes/write_note", words), link()));
    while bench.upstream.sent().len() < 3 {
        tokio::task::yield_now().await;
    }
    bench.upstream.set_answer_gate(true);
    for call in [reading, page, writing] {
        call.await.unwrap().unwrap();
    }
    assert_eq!(sources(&bench, &caller.task), names(&["files", "notes"]));
    bench.assert_recorded_then_done();
}

/// More than the records between a start and the first write after it.
const LOST: usize = 60;

#[tokio::test]
async fn records_that_were_lost_while_a_projection_was_saved_hide_none_that_took_their_place() {
    let mut bench = bench().await;
    let writer = bench.task().await;
    bench.call(&writer, "files/read_page").await.unwrap();
    let (synced, is_synced) = tokio::sync::oneshot::channel();
    let (go_on, goes_on) = std::sync::mpsc::channel();
    bench.ledger.after_sync(move || {
        synced.send(()).unwrap();
        goes_on.recv().unwrap();
    });
    let engine = Arc::clone(&bench.engine);
    let saving = tokio::spawn(async move { engine.project().await });
    is_synced.await.unwrap();
    bench.ledger.hold();
    let words = r#"{"path":"/n/lost","content":"b"}"#;
    for _ in 0..LOST {
        tokio::spawn(bench.engine.call(writer.clone(), call("notes/write_note", words), link()));
    }
    while bench.ledger.waiting() < LOST {
        tokio::task::yield_now().await;
    }
    go_on.send(()).unwrap();
    saving.await.unwrap().unwrap();
    bench.restart().await;
    ready(&bench).await;
    leave(&bench, "/n/a").await;
    let found = after(&bench, "notes/read_note", r#"{"path":"/n/a"}"#).await;
    assert_eq!(found, names(&["files", "notes"]));
    bench.assert_recorded_then_done();
}

/// What whoever reads there takes on once an operator has said that nobody from outside wrote it.
async fn trust(bench: &Bench, path: Option<&str>) -> Result<Label, LowerError> {
    let to = Ceiling { trusted: true, ..Ceiling::default() };
    let server = &server("notes");
    let ask = ToLower { server, path, to, reason: "I have read it" };
    bench.engine.lower(&operator(), ask).await
}

#[tokio::test]
async fn what_an_operator_has_looked_at_is_read_as_what_they_say_it_is() {
    let mut bench = bench().await;
    leave(&bench, "/n/a").await;
    leave(&bench, "/n/b").await;
    let seen: Vec<_> = bench.engine.labelled().into_iter().map(|it| it.path).collect();
    assert!(seen.contains(&Some("/n/a".to_owned())) && seen.len() == 2, "{seen:?}");
    let left = trust(&bench, Some("/n/a")).await.unwrap();
    assert_eq!(left.integrity, Integrity::Trusted);
    for round in ["at once", "after a crash", "from the projection"] {
        for (path, found) in
            [("/n/a", &["notes"][..]), ("/n/b", &["files", "notes"]), ("/n", &["files", "notes"])]
        {
            let arguments = format!(r#"{{"path":"{path}"}}"#);
            assert_eq!(
                after(&bench, "notes/read_note", &arguments).await,
                names(found),
                "{path} {round}"
            );
        }
        if round == "after a crash" {
            bench.engine.project().await.unwrap();
        }
        bench.restart().await;
        ready(&bench).await;
    }
    assert!(matches!(trust(&bench, Some("/n/a")).await, Err(LowerError::Nothing(_))));
    trust(&bench, None).await.unwrap();
    assert_eq!(after(&bench, "notes/read_all_notes", "{}").await, names(&["notes"]));
    leave(&bench, "/n/a").await;
    let found = after(&bench, "notes/read_note", r#"{"path":"/n/a"}"#).await;
    assert_eq!(found, names(&["files", "notes"]), "what is written later is as it was before");
    bench.assert_recorded_then_done();
}

#[tokio::test]
async fn a_call_under_way_keeps_what_it_writes_from_being_lowered() {
    let mut bench = bench().await;
    let writer = leave(&bench, "/n/z").await;
    let sent = bench.upstream.sent().len();
    bench.upstream.set_answer_gate(false);
    let (engine, words) = (Arc::clone(&bench.engine), r#"{"path":"/n/a","content":"b"}"#);
    let writing = tokio::spawn(engine.call(writer, call("notes/write_note", words), link()));
    while bench.upstream.sent().len() == sent {
        tokio::task::yield_now().await;
    }
    let left = trust(&bench, None).await.unwrap();
    assert!(left.integrity.is_untrusted(), "{left:?}");
    assert!(matches!(trust(&bench, Some("/n/a")).await, Err(LowerError::Nothing(_))));
    bench.upstream.set_answer_gate(true);
    writing.await.unwrap().unwrap();
    for round in ["at once", "after a crash"] {
        let found = after(&bench, "notes/read_note", r#"{"path":"/n/a"}"#).await;
        assert_eq!(found, names(&["files", "notes"]), "{round}");
        let elsewhere = after(&bench, "notes/read_note", r#"{"path":"/n/z"}"#).await;
        assert_eq!(elsewhere, names(&["notes"]), "{round}");
        bench.restart().await;
        ready(&bench).await;
    }
    trust(&bench, None).await.unwrap();
    assert_eq!(after(&bench, "notes/read_all_notes", "{}").await, names(&["notes"]));
}

#[tokio::test]
async fn nothing_is_lowered_without_a_limit_a_reason_and_a_path_that_says_where() {
    let bench = bench().await;
    leave(&bench, "/n/a").await;
    let size = bench.ledger.status().size;
    let server = &server("notes");
    let to = Ceiling { trusted: true, ..Ceiling::default() };
    let reason = "I have read it";
    let whole = ToLower { server, path: None, to, reason };
    for ask in [
        ToLower { to: Ceiling::default(), ..whole },
        ToLower { reason: "", ..whole },
        ToLower { reason: " ", ..whole },
        ToLower { reason: &"x".repeat(1025), ..whole },
        ToLower { path: Some("n/a"), ..whole },
        ToLower { path: Some("/n/../n/a"), ..whole },
        ToLower { path: Some("/n/z"), ..whole },
    ] {
        assert!(bench.engine.lower(&operator(), ask).await.is_err(), "{ask:?}");
    }
    assert_eq!(bench.ledger.status().size, size);
    let found = after(&bench, "notes/read_note", r#"{"path":"/n/a"}"#).await;
    assert_eq!(found, names(&["files", "notes"]));
}
