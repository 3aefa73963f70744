//! Clients of the session era over HTTP.

use std::time::Duration;

use http::Method;
use remit_gateway::Config;
use remit_model::task::CloseReason;
use remit_ports::Discovery;
use remit_testkit::Answer as Scripted;
use serde_json::{Value, json};

use crate::bench::{Bench, Post, Stream, Work, eventually, files, initialize};

fn get(work: &Work, session: &str) -> Post {
    Post::bare(work).by(Method::GET).with("mcp-session-id", Some(session))
}

fn notify(work: &Work, session: &str, message: &Value) -> Post {
    Post::bare(work).with("mcp-session-id", Some(session)).body(message)
}

fn call(work: &Work, session: &str, id: u64) -> Post {
    let params = json!({"name": "mail__read_mail", "arguments": {}});
    Post::within(work, session, id, ("tools/call", params))
}

#[tokio::test]
async fn a_session_lives_from_initialize_to_delete() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let opened = initialize(&work, json!({})).send(&bench).await;
    let session = opened.header("mcp-session-id").unwrap();
    assert!(session.len() >= 32 && session.bytes().all(|b| b.is_ascii_graphic()));
    let result = opened.result();
    assert_eq!(result["protocolVersion"], "2025-11-25");
    assert_eq!(result["serverInfo"]["name"], "remit");
    assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
    assert!(result["instructions"].as_str().unwrap().contains("needs_approval"));
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(notify(&work, &session, &ready).send(&bench).await.status, 202);

    let ask = |method: &'static str, params: Value| {
        Post::within(&work, &session, 5, (method, params)).send(&bench)
    };
    assert_eq!(ask("ping", json!({})).await.text, r#"{"jsonrpc":"2.0","id":5,"result":{}}"#);
    assert_eq!(ask("logging/setLevel", json!({"level": "error"})).await.text.len(), 36);
    assert_eq!(ask("logging/setLevel", json!({"level": "loud"})).await.error(), (200, -32602));
    let listed = ask("tools/list", json!({})).await.result();
    assert_eq!(listed["tools"].as_array().unwrap().len(), 3);
    assert!(listed["ttlMs"].is_null() && listed["resultType"].is_null(), "{listed}");
    for method in ["server/discover", "subscriptions/listen", "no/such"] {
        assert_eq!(ask(method, json!({})).await.error(), (200, -32601), "{method}");
    }
    assert_eq!(ask("initialize", json!({})).await.error().0, 200);

    let delete = || Post::bare(&work).by(Method::DELETE).with("mcp-session-id", Some(&session));
    assert_eq!(delete().send(&bench).await.status, 204);
    assert_eq!(delete().send(&bench).await.status, 404);
    assert_eq!(ask("ping", json!({})).await.status, 404);
}

#[tokio::test]
async fn old_revisions_are_spoken_and_new_ones_offered_less() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    for (asked, spoken) in
        [("2025-03-26", "2025-03-26"), ("2025-06-18", "2025-06-18"), ("2030-01-01", "2025-11-25")]
    {
        let params = json!({"protocolVersion": asked, "capabilities": {}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let answer = Post::bare(&work).body(&body).send(&bench).await;
        assert_eq!(answer.result()["protocolVersion"], spoken);
    }
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}});
    let answer = Post::bare(&work).body(&body).send(&bench).await;
    assert_eq!(answer.error(), (200, -32602));
    assert!(answer.header("mcp-session-id").is_none());
    let session = bench.session(&work, json!({})).await;
    let list = Post::within(&work, &session, 1, ("tools/list", json!({})));
    let wrong = list.clone().with("mcp-protocol-version", Some("1999-01-01"));
    assert_eq!(wrong.send(&bench).await.status, 400);
    assert_eq!(list.with("mcp-protocol-version", None).send(&bench).await.status, 200);
}

#[tokio::test]
async fn a_session_is_its_tasks_and_its_endpoints_alone() {
    let bench = Bench::new().await;
    let (work, other) = (bench.task().await, bench.task().await);
    let session = bench.session(&work, json!({})).await;
    let ping = |work: &Work| Post::within(work, &session, 1, ("ping", json!({})));
    assert_eq!(ping(&work).send(&bench).await.status, 200);
    assert_eq!(ping(&other).send(&bench).await.status, 404);
    assert_eq!(ping(&work).at("/mcp/mail").send(&bench).await.status, 404);
    assert_eq!(ping(&work).with("mcp-session-id", None).send(&bench).await.status, 400);
    assert_eq!(ping(&work).with("mcp-session-id", Some("x")).send(&bench).await.status, 404);
    assert_eq!(get(&other, &session).send(&bench).await.status, 404);
    let stolen = Post::bare(&other).by(Method::DELETE).with("mcp-session-id", Some(&session));
    assert_eq!(stolen.send(&bench).await.status, 404);
    assert_eq!(ping(&work).send(&bench).await.status, 200);
    bench.clock.advance(Duration::from_mins(29));
    assert_eq!(ping(&work).send(&bench).await.status, 200);
}

#[tokio::test]
async fn an_idle_session_ends() {
    let config = Config { session_idle: Duration::from_mins(5), ..Config::default() };
    let bench = Bench::with(config).await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({})).await;
    bench.clock.advance(Duration::from_mins(6));
    let ping = Post::within(&work, &session, 1, ("ping", json!({})));
    assert_eq!(ping.send(&bench).await.status, 404);
}

#[tokio::test]
async fn the_stream_of_a_session_tells_what_changes_and_ends_at_a_stop() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({})).await;
    assert_eq!(
        get(&work, &session).with("accept", Some("application/json")).send(&bench).await.status,
        406
    );
    let mut first = get(&work, &session).stream(&bench).await;
    let mut stream = get(&work, &session).stream(&bench).await;
    assert_eq!(first.next().await, None, "one stream at a time");
    let held = Post::within(
        &work,
        &session,
        1,
        ("tools/call", json!({"name": "files__write_file", "arguments": {}})),
    );
    held.send(&bench).await.result();
    assert!(stream.is_quiet().await, "a hold leaves the tools as they are");
    bench.change_files(Discovery { tools: vec![], ..files() }).await;
    let changed = stream.next().await.unwrap();
    assert_eq!(changed, json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
    bench.engine.freeze(&work.id, "olga").unwrap();
    assert_eq!(stream.next().await, None);
    assert_eq!(get(&work, &session).send(&bench).await.status, 403);
    bench.engine.thaw(&work.id, "olga").unwrap();
    let _again = get(&work, &session).stream(&bench).await;
}

#[tokio::test]
async fn a_refusal_does_not_break_the_session_even_when_the_task_is_over() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({})).await;
    assert!(call(&work, &session, 1).send(&bench).await.result()["isError"].is_null());
    bench.engine.close(&work.id, CloseReason::Done, "olga").unwrap();
    let refused = call(&work, &session, 2).send(&bench).await.result();
    assert_eq!(refused["structuredContent"]["class"], "structural", "{refused}");
    let ping = Post::within(&work, &session, 3, ("ping", json!({})));
    assert_eq!(ping.send(&bench).await.status, 200);
    let listed = Post::within(&work, &session, 4, ("tools/list", json!({})));
    assert_eq!(listed.send(&bench).await.result(), json!({"tools": []}));
}

#[tokio::test]
async fn cancelled_by_notification_and_not_by_hanging_up() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({})).await;
    bench.servers.script.set_script(|_| Scripted::Never);
    tokio::select! {
        _ = call(&work, &session, 7).send(&bench) => panic!("nothing answers"),
        () = bench.servers.script.written(1) => {}
    }
    tokio::time::sleep(crate::bench::A_WHILE).await;
    assert_eq!(bench.engine.cell(&work.id).unwrap().in_flight(), 1, "hanging up is no cancelling");
    let again = call(&work, &session, 7).send(&bench).await;
    assert_eq!(again.json()["error"]["code"], -32600, "the id is still in use: {}", again.text);
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 7}});
    assert_eq!(notify(&work, &session, &cancelled).send(&bench).await.status, 202);
    eventually(|| bench.engine.counters.unknown.get() == 1).await;
}

async fn asked(stream: &mut Stream) -> Value {
    let question = stream.next().await.unwrap();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    question["id"].clone()
}

#[tokio::test]
async fn a_server_may_ask_the_person_behind_a_client_that_can_be_asked() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({"elicitation": {}})).await;
    bench.servers.ask("elicitation/create", json!({"message": "who?"}));
    let mut stream = call(&work, &session, 1).stream(&bench).await;
    let id = asked(&mut stream).await;
    let answer = json!({"jsonrpc": "2.0", "id": id, "result": {"action": "decline"}});
    let other = bench.task().await;
    let foreign = bench.session(&other, json!({})).await;
    assert_eq!(notify(&other, &foreign, &answer).send(&bench).await.status, 202);
    assert!(bench.servers.answers().is_empty(), "the answer of another session is no answer");
    assert_eq!(notify(&work, &session, &answer).send(&bench).await.status, 202);
    assert_eq!(stream.next().await.unwrap()["id"], 1);
    assert_eq!(stream.next().await, None);
    assert_eq!(bench.servers.answers(), [Some(Ok(json!({"action": "decline"})))]);

    let mut stream = call(&work, &session, 2).stream(&bench).await;
    let id = asked(&mut stream).await;
    let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": -1, "message": "no"}});
    notify(&work, &session, &error).send(&bench).await;
    stream.next().await.unwrap();
    assert!(matches!(&bench.servers.answers()[1], Some(Err(error)) if error["code"] == -1));
}

#[tokio::test]
async fn who_cannot_be_asked_is_not_and_nobody_is_asked_for_sampling() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({"sampling": {}})).await;
    for method in ["elicitation/create", "roots/list", "sampling/createMessage", "x/y"] {
        bench.servers.ask(method, json!({}));
        call(&work, &session, 1).send(&bench).await.result();
        assert_eq!(bench.servers.answers().last().unwrap(), &None, "{method}");
    }
}

#[tokio::test]
async fn a_result_that_wants_input_has_no_form_in_a_session() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({})).await;
    let wants = r#"{"resultType":"input_required","requestState":"s"}"#;
    bench.servers.script.set_script(move |_| Scripted::Result(wants.to_owned()));
    let result = call(&work, &session, 1).send(&bench).await.result();
    assert_eq!(result["isError"], true);
    assert!(!result.to_string().contains("requestState"));
}

#[tokio::test]
async fn subscriptions_of_a_session_are_governed_and_end() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({})).await;
    let mut stream = get(&work, &session).stream(&bench).await;
    let ask = |method: &'static str| {
        Post::within(&work, &session, 1, (method, json!({"uri": "file:///a"}))).send(&bench)
    };
    bench.updated("file:///a");
    assert!(stream.is_quiet().await);
    ask("resources/subscribe").await.result();
    assert_eq!(bench.servers.script.sent()[0].call.method, "resources/subscribe");
    bench.updated("file:///a");
    assert_eq!(stream.next().await.unwrap()["params"]["uri"], "file:///a");
    ask("resources/unsubscribe").await.result();
    bench.updated("file:///a");
    assert!(stream.is_quiet().await);
}

#[tokio::test]
async fn nothing_of_a_session_is_done_in_a_revision_that_is_not_spoken() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({})).await;
    let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let answered = json!({"jsonrpc": "2.0", "id": 7, "result": {}});
    let delete = Post::bare(&work).by(Method::DELETE).with("mcp-session-id", Some(&session));
    let all = [
        (notify(&work, &session, &told), 202),
        (notify(&work, &session, &answered), 202),
        (get(&work, &session), 200),
        (delete, 204),
    ];
    for (post, _) in &all {
        for version in ["1999-01-01", "", "2025-11-25, 2025-11-25"] {
            let post = post.clone().with("mcp-protocol-version", Some(version));
            let answer = post.send(&bench).await;
            assert_eq!(answer.error(), (400, -32022), "`{version}`: {}", answer.text);
            assert!(answer.text.contains("2025-11-25"), "{}", answer.text);
        }
    }
    for (post, status) in all {
        let answer = post.with("mcp-protocol-version", Some("2025-11-25")).open(&bench).await;
        assert_eq!(answer.status(), status);
    }
}
