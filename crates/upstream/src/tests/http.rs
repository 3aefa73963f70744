//! Calls to Streamable HTTP endpoints.

use std::path::PathBuf;
use std::process::Stdio;

use remit_ports::Upstream;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::*;
use crate::config::HttpServer;

struct Running {
    servers: Servers,
    log: PathBuf,
    _folder: tempfile::TempDir,
    _child: Child,
}

async fn start(era: &str) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut child = Command::new("python3")
        .args([script("http_server.py"), era.to_owned(), log.to_str().unwrap().to_owned()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next_line().await.unwrap().unwrap();
    let headers = [("authorization".to_owned(), "Bearer upstream-token".to_owned())].into();
    let http = HttpServer::new(&format!("http://127.0.0.1:{port}/mcp?x=1"), &headers).unwrap();
    let servers = servers(Transport::Http(http), false, limits());
    Running { servers, log, _folder: folder, _child: child }
}

fn headers(entry: &Value) -> &Value {
    &entry["headers"]
}

#[tokio::test]
async fn a_stateless_endpoint_gets_headers_that_mirror_the_body() {
    let running = start("stateless").await;
    let mut events = running.servers.events();
    let offer = running.servers.discover(&name(), Vec::new()).await.unwrap();
    assert_eq!(offer.revision, "2026-07-28");
    let names = offer.tools.join(" ");
    assert!(names.contains("echo") && !names.contains("bad_header"), "{names}");
    assert_eq!(events.recv().await.unwrap().method, "notifications/tools/list_changed");
    let (ended, opened) = carry(&running.servers, "echo", r#"{"region":"Köln"}"#).await;
    assert_eq!((text(&ended).as_str(), opened), ("ok", 1));
    let calls = logged(&running.log, "tools/call");
    let sent = headers(calls.last().unwrap());
    assert_eq!(sent["mcp-method"], "tools/call");
    assert_eq!(sent["mcp-name"], "echo");
    assert_eq!(sent["mcp-param-region"], "=?base64?S8O2bG4=?=");
    assert_eq!(sent["mcp-protocol-version"], "2026-07-28");
    assert_eq!(sent["authorization"], "Bearer upstream-token");
    assert!(sent["mcp-session-id"].is_null());
}

#[tokio::test]
async fn a_session_is_opened_kept_and_ended() {
    let running = start("sessions").await;
    for _ in 0..2 {
        let (ended, _) = carry(&running.servers, "echo", "{}").await;
        assert_eq!(text(&ended), "ok");
    }
    assert_eq!(logged(&running.log, "\"initialize\"").len(), 1);
    let calls = logged(&running.log, "tools/call");
    for call in &calls {
        assert_eq!(headers(call)["mcp-session-id"], "session-1");
        assert_eq!(headers(call)["mcp-protocol-version"], "2025-06-18");
        assert!(headers(call)["mcp-method"].is_null());
        assert!(!call["body"].to_string().contains("io.modelcontextprotocol"));
    }
    running.servers.release(&task(1));
    eventually(|| logged(&running.log, "DELETE").len() == 1).await;
}

#[tokio::test]
async fn a_stream_carries_progress_and_requests_before_the_answer() {
    for era in ["sessions", "stateless"] {
        let running = start(era).await;
        let (link, mut messages) = link(r#"{"elicitation":{}}"#);
        let client = tokio::spawn(async move {
            let mut tokens = Vec::new();
            while let Some(message) = messages.recv().await {
                match message {
                    ToClient::Notification(n) => {
                        let n: Value = serde_json::from_str(n.get()).unwrap();
                        tokens.push(n["params"]["progressToken"].clone());
                    }
                    ToClient::Request { answer, .. } => {
                        let no = serde_json::value::RawValue::from_string(
                            "{\"code\":1,\"message\":\"no\"}".to_owned(),
                        );
                        answer.send(Err(no.unwrap())).unwrap();
                    }
                }
            }
            tokens
        });
        let gate = Arc::new(Counting::default());
        let stream = call("stream", "{}");
        let ended =
            running.servers.carry((&stream, &task(1)), (link, Arc::default()), gate, LONG).await;
        let answered: Value = serde_json::from_str(&text(&ended)).unwrap();
        assert_eq!(client.await.unwrap(), [json!("mine")], "{era}");
        if era == "sessions" {
            assert_eq!(answered["answer"]["error"], json!({"code": 1, "message": "no"}));
        }
    }
}

#[tokio::test]
async fn what_was_written_and_not_answered_is_unknown_and_never_repeated() {
    for era in ["sessions", "stateless"] {
        let running = start(era).await;
        for (tool, expected) in [
            ("cut", "ended before the answer"),
            ("hang_up", "broke"),
            ("html", "something else than JSON"),
            ("not_json", "malformed"),
            ("other_id", "something else than what was asked"),
            ("flood", "more than 65536 bytes"),
        ] {
            let (ended, opened) = carry(&running.servers, tool, "{}").await;
            assert!(lost(&ended).contains(expected), "{era} {tool}: {ended:?}");
            assert_eq!(opened, 1, "{era} {tool}");
            let sent = logged(&running.log, &format!("\"{tool}\"")).len();
            assert_eq!(sent, 1, "{era} {tool}: one send");
        }
        let slow = call("slow", "{}");
        let (ended, _) = carry_within(&running.servers, &slow, Duration::from_millis(300)).await;
        assert!(lost(&ended).contains("within 300 ms"), "{era}: {ended:?}");
        let (ended, _) = carry(&running.servers, "echo", "{}").await;
        assert_eq!(text(&ended), "ok", "{era}: the next call is well");
        let cancels = usize::from(era == "sessions");
        eventually(|| logged(&running.log, "notifications/cancelled").len() == cancels).await;
    }
}

#[tokio::test]
async fn a_stream_that_was_let_go_is_taken_up_again_without_a_second_send() {
    let running = start("sessions").await;
    let (ended, opened) = carry(&running.servers, "let_go", "{}").await;
    assert_eq!((text(&ended).as_str(), opened), ("the rest", 1));
    assert_eq!(logged(&running.log, "\"let_go\"").len(), 1);
    let running = start("stateless").await;
    let (ended, _) = carry(&running.servers, "let_go", "{}").await;
    assert!(lost(&ended).contains("ended before the answer"), "{ended:?}");
    assert_eq!(logged(&running.log, "\"GET\"").len(), 0, "there is nothing to resume there");
}

#[tokio::test]
async fn an_answer_that_comes_on_the_sessions_own_stream_is_taken() {
    let running = start("sessions").await;
    let (ended, opened) = carry(&running.servers, "elsewhere", "{}").await;
    assert_eq!((text(&ended).as_str(), opened), ("over here", 1));
}

#[tokio::test]
async fn a_server_that_refuses_a_revision_and_lists_it_is_asked_once_more() {
    let running = start("reluctant").await;
    let offer = running.servers.discover(&name(), Vec::new()).await.unwrap();
    assert_eq!(offer.revision, "2026-07-28");
    assert_eq!(logged(&running.log, "server/discover").len(), 2);
    assert_eq!(logged(&running.log, "\"initialize\"").len(), 0);
}

#[tokio::test]
async fn a_server_of_both_eras_is_spoken_to_as_its_client_speaks() {
    let running = start("both").await;
    running.servers.discover(&name(), Vec::new()).await.unwrap();
    let echo = call("echo", "{}");
    for (session, opened) in [(false, 0), (true, 1), (false, 1), (true, 1)] {
        let (mut link, _messages) = link("{}");
        link.session = session;
        let gate = Arc::new(Counting::default());
        let ended =
            running.servers.carry((&echo, &task(1)), (link, Arc::default()), gate, LONG).await;
        assert_eq!(text(&ended), "ok");
        let sessions = logged(&running.log, "\"initialize\"").len();
        assert_eq!(sessions, opened, "session: {session}");
        let calls = logged(&running.log, "tools/call");
        let of_session = headers(calls.last().unwrap())["mcp-session-id"].is_string();
        assert_eq!(of_session, session);
    }
    assert_eq!(running.servers.status()[0].revision.as_deref(), Some("2026-07-28"));
}

#[tokio::test]
async fn statuses_tell_what_was_not_acted_on() {
    let running = start("sessions").await;
    for (tool, status) in
        [("unauthorized", 401), ("redirect", 307), ("broken", 503), ("expire", 404)]
    {
        let (ended, _) = carry(&running.servers, tool, "{}").await;
        let Ended::Http { status: got, .. } = ended else { panic!("{tool}: {ended:?}") };
        assert_eq!(got, status);
        assert_eq!(logged(&running.log, &format!("\"{tool}\"")).len(), 1);
    }
    assert_eq!(logged(&running.log, "\"initialize\"").len(), 1);
    let (ended, _) = carry(&running.servers, "echo", "{}").await;
    assert_eq!(text(&ended), "ok");
    assert_eq!(logged(&running.log, "\"initialize\"").len(), 2, "an expired session is replaced");
}

#[tokio::test]
async fn nobody_there_means_nothing_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let http = HttpServer::new(&format!("http://127.0.0.1:{port}/"), &BTreeMap::new()).unwrap();
    let servers = servers(Transport::Http(http), false, limits());
    let (ended, opened) = carry(&servers, "echo", "{}").await;
    assert!(matches!(&ended, Ended::Unsent(why) if why.contains("no connection")), "{ended:?}");
    assert_eq!(opened, 0);
    assert!(servers.status()[0].last_error.as_deref().unwrap().contains("no connection"));
}
