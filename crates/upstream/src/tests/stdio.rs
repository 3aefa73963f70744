//! Calls over the standard streams of a child.

use remit_ports::Upstream;
use serde_json::json;

use super::*;

fn server(era: &str, log: &Path) -> Servers {
    let script = script("stdio_server.py");
    servers(stdio(&[&script, era, log.to_str().unwrap()]), false, limits())
}

fn log() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    (folder, log)
}

#[tokio::test]
async fn both_eras_answer_and_each_gets_its_own_metadata() {
    for (era, methods) in [
        ("sessions", vec!["server/discover", "initialize", "notifications/initialized"]),
        ("stateless", vec!["server/discover", "subscriptions/listen"]),
        ("brittle", vec!["server/discover", "initialize", "notifications/initialized"]),
    ] {
        let (_folder, log) = log();
        let servers = server(era, &log);
        let (ended, opened) = carry(&servers, "echo", r#"{"n": 1.50}"#).await;
        let echoed: Value = serde_json::from_str(&text(&ended)).unwrap();
        assert_eq!((opened, &echoed["arguments"]), (1, &json!({"n": 1.5})), "{era}");
        let raw = std::fs::read_to_string(&log).unwrap();
        assert!(raw.contains(r#""arguments":{"n": 1.50}"#), "{era}: byte for byte");
        let modern = "io.modelcontextprotocol/protocolVersion";
        assert_eq!(echoed["meta"][modern].is_string(), era == "stateless", "{era}: {echoed}");
        assert!(echoed["meta"]["progressToken"].is_u64(), "{era}: our own token");
        for method in methods {
            eventually(|| logged(&log, &format!("\"{method}\"")).len() == 1).await;
        }
    }
}

#[tokio::test]
async fn silence_at_the_probe_means_sessions() {
    let (_folder, log) = log();
    let script = script("stdio_server.py");
    let limits = Limits { probe: Duration::from_secs(1), ..limits() };
    let servers = servers(stdio(&[&script, "silent", log.to_str().unwrap()]), false, limits);
    let (ended, _) = carry(&servers, "echo", "{}").await;
    assert!(text(&ended).contains("arguments"));
    assert_eq!(servers.status()[0].revision.as_deref(), Some("2025-11-25"));
}

#[tokio::test]
async fn a_crash_mid_call_leaves_the_outcome_unknown_and_sends_nothing_twice() {
    let (_folder, log) = log();
    let servers = server("sessions", &log);
    let (ended, opened) = carry(&servers, "crash", "{}").await;
    assert!(lost(&ended).contains("exit status: 3"), "{ended:?}");
    assert_eq!(opened, 1);
    assert_eq!(logged(&log, "\"crash\"").len(), 1);
    let (ended, _) = carry(&servers, "echo", "{}").await;
    assert!(text(&ended).contains("arguments"), "the next call finds a new process");
    assert_eq!(logged(&log, "\"crash\"").len(), 1, "and the old call is not sent again");
    assert_eq!(servers.status()[0].restarts, 1);
}

#[tokio::test]
async fn a_shut_gate_keeps_the_call_from_the_server() {
    let (_folder, log) = log();
    let servers = server("sessions", &log);
    let (link, _messages) = link("{}");
    let gate: Arc<dyn Gate> = Arc::new(Counting { shut: true, ..Counting::default() });
    let ended =
        servers.carry((&call("echo", "{}"), &task(1)), (link, Arc::default()), gate, LONG).await;
    assert!(lost(&ended).contains("stopped"), "{ended:?}");
    assert!(logged(&log, "tools/call").is_empty());
}

#[tokio::test]
async fn a_late_server_is_told_that_nobody_waits() {
    let (_folder, log) = log();
    let servers = server("sessions", &log);
    let _ = carry(&servers, "echo", "{}").await;
    let slow = call("slow", r#"{"seconds": 20}"#);
    let (ended, opened) = carry_within(&servers, &slow, Duration::from_millis(300)).await;
    assert!(lost(&ended).contains("within 300 ms"), "{ended:?}");
    assert_eq!(opened, 1);
    eventually(|| logged(&log, "notifications/cancelled").len() == 1).await;
    let (link, _messages) = link("{}");
    let cancelled = link.cancelled.clone();
    let gate = Arc::new(Counting::default());
    let (own, of) = (task(1), slow.clone());
    let carried = servers.carry((&of, &own), (link, Arc::default()), gate, LONG);
    let cancel = async {
        eventually(|| logged(&log, "\"slow\"").len() == 2).await;
        cancelled.cancel();
    };
    let (ended, ()) = tokio::join!(carried, cancel);
    assert!(lost(&ended).contains("cancelled"), "{ended:?}");
    eventually(|| logged(&log, "notifications/cancelled").len() == 2).await;
}

#[tokio::test]
async fn lies_are_no_answers() {
    let (_folder, log) = log();
    let servers = server("sessions", &log);
    let (ended, _) = carry(&servers, "garbage", "{}").await;
    assert!(lost(&ended).contains("malformed"), "{ended:?}");
    let other = call("wrong_id", "{}");
    let (ended, _) = carry_within(&servers, &other, Duration::from_secs(1)).await;
    assert!(lost(&ended).contains("no answer"), "{ended:?}");
    let (ended, _) = carry(&servers, "flood", r#"{"bytes": 200000}"#).await;
    assert!(lost(&ended).contains("too long"), "{ended:?}");
    let (ended, _) = carry(&servers, "echo", "{}").await;
    assert!(text(&ended).contains("arguments"), "the connection survives all of them");
    assert_eq!(servers.status()[0].restarts, 0);
}

#[tokio::test]
async fn failures_are_answers() {
    let (_folder, log) = log();
    let servers = server("stateless", &log);
    let (ended, _) = carry(&servers, "fail", "{}").await;
    assert_eq!(text(&ended), "no such file");
    let (ended, _) = carry(&servers, "refuse", "{}").await;
    let Ended::Reply(Outcome::Error(error)) = ended else { panic!("{ended:?}") };
    assert_eq!((error.code, error.message.as_str()), (-32602, "unknown tool"));
}

#[tokio::test]
async fn progress_returns_under_the_clients_token_and_no_other() {
    let (_folder, log) = log();
    let servers = server("sessions", &log);
    let (link, mut messages) = link("{}");
    let gate = Arc::new(Counting::default());
    let progress = call("progress", "{}");
    let ended = servers.carry((&progress, &task(1)), (link, Arc::default()), gate, LONG).await;
    assert_eq!(text(&ended), "done");
    let mut got = Vec::new();
    while let Ok(ToClient::Notification(message)) = messages.try_recv() {
        got.push(serde_json::from_str::<Value>(message.get()).unwrap());
    }
    let tokens: Vec<_> = got.iter().map(|m| &m["params"]["progressToken"]).collect();
    assert_eq!(tokens, [&json!("mine"), &json!("mine"), &Value::Null], "{got:?}");
    assert_eq!(got[2]["method"], "notifications/message");
}

#[tokio::test]
async fn a_server_asks_a_client_that_can_answer_and_never_its_model() {
    let (_folder, log) = log();
    let servers = server("sessions", &log);
    let (link, mut messages) = link(r#"{"elicitation":{},"sampling":{}}"#);
    let person = tokio::spawn(async move {
        let mut asked = Vec::new();
        while let Some(message) = messages.recv().await {
            if let ToClient::Request { method, params, answer } = message {
                asked.push((method, params.unwrap().get().to_owned()));
                let yes = r#"{"action":"accept", "content":{}}"#.to_owned();
                answer.send(Ok(serde_json::value::RawValue::from_string(yes).unwrap())).unwrap();
            }
        }
        asked
    });
    for (tool, expected) in [("elicit", "\"accept\""), ("sample", "switched off")] {
        let gate = Arc::new(Counting::default());
        let asking = call(tool, "{}");
        let ended =
            servers.carry((&asking, &task(1)), (link.clone(), Arc::default()), gate, LONG).await;
        assert!(text(&ended).contains(expected), "{ended:?}");
    }
    drop(link);
    let asked = person.await.unwrap();
    assert_eq!(asked, [("elicitation/create".to_owned(), "{\"message\": \"sure?\"}".to_owned())]);
    assert!(!logged(&log, "\"initialize\"")[0].to_string().contains("sampling"));
    let (ended, _) = carry(&servers, "elicit", "{}").await;
    assert!(text(&ended).contains("did not declare"), "{ended:?}");
}

#[tokio::test]
async fn everything_offered_is_listed_and_a_change_is_seen_where_it_happened() {
    for era in ["sessions", "stateless"] {
        let (_folder, log) = log();
        let servers = server(era, &log);
        let mut events = servers.events();
        let offer = servers.discover(&name(), Vec::new()).await.unwrap();
        assert_eq!(offer.tools.len(), 15, "{era}: all pages");
        assert_eq!(offer.tools[0], r#"{"name": "echo", "inputSchema": {"type": "object"}}"#);
        assert!(offer.executable.is_some());
        assert_eq!(offer.instructions.as_deref(), (era == "stateless").then_some("be kind"));
        assert_eq!(servers.status()[0].alive, 0, "{era}: asking leaves no process behind");
        let (ended, _) = carry(&servers, "change", "{}").await;
        assert_eq!(text(&ended), "changed");
        let event = events.recv().await.unwrap();
        assert_eq!(event.method, "notifications/tools/list_changed");
        assert_eq!(event.task, Some(task(1)));
        let offer = servers.discover(&name(), Vec::new()).await.unwrap();
        assert!(offer.tools[0].contains("evil.example"), "{era}: {}", offer.tools[0]);
    }
}

#[tokio::test]
async fn tasks_do_not_share_a_process_unless_configured() {
    let (_folder, log) = log();
    let script = script("stdio_server.py");
    for (shared, processes) in [(false, 2), (true, 1)] {
        let servers = servers(stdio(&[&script, "sessions"]), shared, limits());
        for n in [1, 2, 1] {
            let (link, _messages) = link("{}");
            let gate = Arc::new(Counting::default());
            let echo = call("echo", "{}");
            let ended = servers.carry((&echo, &task(n)), (link, Arc::default()), gate, LONG).await;
            assert!(text(&ended).contains("arguments"));
        }
        assert_eq!(servers.status()[0].alive, processes);
    }
    drop(log);
}

#[tokio::test]
async fn what_a_server_says_when_it_refuses_is_short_and_draws_nothing() {
    for (era, refused) in [("rude", "refused `initialize`"), ("rude_later", "`tools/list` failed")]
    {
        let (_folder, log) = log();
        let servers = server(era, &log);
        let why = servers.discover(&name(), Vec::new()).await.unwrap_err().to_string();
        assert!(why.contains(refused) && why.contains("no\u{fffd}2026"), "{why}");
        assert!(!why.contains(char::is_control), "{why:?}");
        assert!(why.chars().count() < 600, "{}", why.len());
    }
}
