//! Answers that become streams, subscriptions, and what ends them.

use std::time::Duration;

use http_body_util::BodyExt;
use remit_gateway::Config;
use remit_model::ServerName;
use remit_ports::Discovery;
use remit_testkit::Answer as Scripted;
use serde_json::{Value, json};

use crate::bench::{Bench, Post, Stream, Work, eventually, files};

const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"p","progress":1.50}}"#;
const LOG: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;

#[tokio::test]
async fn a_notification_turns_the_answer_into_a_stream() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    bench.servers.script.set_notifications(vec![PROGRESS.to_owned(), LOG.to_owned()]);
    let call = Post::call(&work, "mail__read_mail");
    let answer = call.clone().send(&bench).await;
    assert_eq!(answer.header("content-type").unwrap(), "text/event-stream");
    assert!(answer.text.contains(&format!("data: {PROGRESS}\n")), "byte for byte: {}", answer.text);
    assert!(!answer.text.contains("notifications/message"), "no level, no log messages");
    assert_eq!(answer.text.matches("data: ").count(), 2);
    let json = call.clone().with("accept", Some("application/json")).send(&bench).await;
    assert!(json.result()["content"].is_array());
    let events = call.with("accept", Some("text/event-stream")).send(&bench).await;
    assert_eq!(events.header("content-type").unwrap(), "text/event-stream");
}

#[tokio::test]
async fn what_a_server_says_meanwhile_comes_without_secrets() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let token = format!("glpat-{}", "q7Zt3VbK9xWm2RdLp8Yc");
    let params = json!({"progressToken": "p", "progress": 1, "message": format!("with {token}")});
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
    bench.servers.script.set_notifications(vec![progress.to_string()]);
    let answer = Post::call(&work, "mail__read_mail").send(&bench).await;
    assert!(answer.text.contains("with [cut: gitlab-pat "), "{}", answer.text);
    assert!(!answer.text.contains(&token), "{}", answer.text);
}

#[tokio::test]
async fn a_long_call_becomes_a_stream_that_stays_alive() {
    let config = Config { keep_alive: Duration::from_millis(20), ..Config::default() };
    let bench = Bench::with(config).await;
    let work = bench.task().await;
    bench.servers.script.set_answer_gate(false);
    let response = Post::call(&work, "mail__read_mail").open(&bench).await;
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b":"), "{first:?}");
    bench.servers.script.set_answer_gate(true);
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(String::from_utf8(rest.to_vec()).unwrap().contains("\"result\""));
}

#[tokio::test]
async fn closing_the_stream_cancels_the_call_and_it_is_settled_all_the_same() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    bench.servers.script.set_notifications(vec![PROGRESS.to_owned()]);
    bench.servers.script.set_script(|_| Scripted::Never);
    let mut stream = Post::call(&work, "mail__read_mail").stream(&bench).await;
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/progress");
    assert_eq!(bench.engine.cell(&work.id).unwrap().in_flight(), 1);
    drop(stream);
    eventually(|| bench.engine.counters.unknown.get() == 1).await;
    eventually(|| bench.engine.cell(&work.id).unwrap().in_flight() == 0).await;
}

#[tokio::test]
async fn hanging_up_before_any_answer_cancels_too() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    bench.servers.script.set_script(|_| Scripted::Never);
    let call = Post::call(&work, "mail__read_mail");
    tokio::select! {
        _ = call.send(&bench) => panic!("nothing answers"),
        () = bench.servers.script.written(1) => {}
    }
    eventually(|| bench.engine.counters.unknown.get() == 1).await;
}

#[tokio::test]
async fn a_stop_ends_open_calls_with_an_answer() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    bench.servers.script.set_script(|_| Scripted::Never);
    let stop = async {
        bench.servers.script.written(1).await;
        bench.engine.freeze(&work.id, "olga").unwrap();
    };
    let (answer, ()) = tokio::join!(Post::call(&work, "mail__read_mail").send(&bench), stop);
    let result = answer.result();
    assert_eq!(result["structuredContent"]["class"], "transient", "{result}");
}

#[tokio::test]
async fn too_many_calls_at_once_are_refused_for_now() {
    let bench = Bench::with(Config { max_in_flight: 1, ..Config::default() }).await;
    let work = bench.task().await;
    let other = bench.task().await;
    bench.servers.script.set_answer_gate(false);
    let second = async {
        bench.servers.script.written(1).await;
        let refused = Post::call(&work, "mail__read_mail").send(&bench).await.result();
        assert_eq!(refused["structuredContent"]["class"], "transient", "{refused}");
        let elsewhere = async {
            bench.servers.script.written(2).await;
            bench.servers.script.set_answer_gate(true);
        };
        let (answer, ()) =
            tokio::join!(Post::call(&other, "mail__read_mail").send(&bench), elsewhere);
        assert!(answer.result()["isError"].is_null());
    };
    let (first, ()) = tokio::join!(Post::call(&work, "mail__read_mail").send(&bench), second);
    assert!(first.result()["isError"].is_null());
    assert!(Post::call(&work, "mail__read_mail").send(&bench).await.result()["isError"].is_null());
}

async fn listen(bench: &Bench, work: &Work, notifications: Value) -> Stream {
    let params = json!({"notifications": notifications});
    Post::stateless(work, "subscriptions/listen", params).stream(bench).await
}

#[tokio::test]
async fn a_subscription_says_what_it_grants_then_what_changes_then_that_it_ends() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let wanted = json!({"toolsListChanged": true,
        "resourceSubscriptions": ["file:///a", "http://elsewhere"]});
    let mut stream = listen(&bench, &work, wanted).await;
    let id = json!({"io.modelcontextprotocol/subscriptionId": 1});
    let first = stream.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["_meta"], id);
    assert_eq!(
        first["params"]["notifications"],
        json!({"toolsListChanged": true, "resourceSubscriptions": ["file:///a"]})
    );
    let subscribed = bench.servers.script.sent();
    assert_eq!(subscribed[0].call.method, "resources/subscribe");

    bench.updated("file:///other");
    bench.updated("file:///a");
    let update = stream.next().await.unwrap();
    assert_eq!(update["method"], "notifications/resources/updated");
    assert_eq!(update["params"], json!({"_meta": id, "uri": "file:///a"}));

    let fewer = Discovery { tools: vec![], resources: vec![], ..files() };
    bench.change_files(fewer).await;
    let changed = stream.next().await.unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"], id);
    assert!(stream.is_quiet().await, "resources were not asked for");

    bench.engine.freeze(&work.id, "olga").unwrap();
    let end = stream.next().await.unwrap();
    assert_eq!((&end["id"], &end["result"]["resultType"]), (&json!(1), &json!("complete")));
    assert_eq!(end["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_stream_ends_when_the_key_of_its_grant_is_taken_back() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut stream = listen(&bench, &work, json!({"toolsListChanged": true})).await;
    stream.next().await.unwrap();
    bench.engine.use_grant_keys(bench.engine.grant_keys());
    assert!(stream.is_quiet().await, "a new key changes nothing for it");
    bench.engine.take_grant_keys_back();
    let end = stream.next().await.unwrap();
    assert_eq!((&end["id"], &end["result"]["resultType"]), (&json!(1), &json!("complete")));
    assert_eq!(stream.next().await, None);
    let refused = Post::call(&work, "mail__read_mail").send(&bench).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn events_of_another_task_or_server_are_nobody_elses() {
    let bench = Bench::new().await;
    let (work, other) = (bench.task().await, bench.task().await);
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["file:///a"]});
    let mut stream = listen(&bench, &work, wanted).await;
    stream.next().await.unwrap();
    for (server, task) in [("files", Some(&other.id)), ("vault", None)] {
        let server: ServerName = server.parse().unwrap();
        bench.servers.script.emit(remit_ports::UpstreamEvent {
            server,
            task: task.cloned(),
            method: "notifications/resources/updated".to_owned(),
            message: r#"{"method":"x","params":{"uri":"file:///a"}}"#.to_owned(),
        });
    }
    bench.engine.freeze(&other.id, "olga").unwrap();
    assert!(stream.is_quiet().await);
    let refused = Post::stateless(&work, "subscriptions/listen", json!({})).send(&bench).await;
    assert_eq!(refused.error(), (200, -32602));
    let json = Post::stateless(&work, "subscriptions/listen", json!({"notifications": {}}));
    assert_eq!(json.with("accept", Some("application/json")).send(&bench).await.status, 406);
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    let bench = Bench::with(Config { max_streams: 1, ..Config::default() }).await;
    let work = bench.task().await;
    let mut first = listen(&bench, &work, json!({})).await;
    first.next().await.unwrap();
    let params = json!({"notifications": {}});
    let second = || Post::stateless(&work, "subscriptions/listen", params.clone());
    assert_eq!(second().send(&bench).await.error(), (200, -32603));
    drop(first);
    let mut room = false;
    for _ in 0..200 {
        let response = second().open(&bench).await;
        room = response.headers()["content-type"] == "text/event-stream";
        if room {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(room);
}
