//! The stdio transport: newline-delimited JSON over any stream of bytes.

use std::io;
use std::sync::Arc;

use remit_gateway::{Config, serve_lines};
use remit_model::ServerName;
use remit_model::task::CloseReason;
use remit_ports::Discovery;
use remit_testkit::Answer as Scripted;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bench::{A_WHILE, Bench, PATIENCE, Work, eventually, files};

/// The client's end of a connection.
struct Client {
    reader: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
    stop: CancellationToken,
    served: JoinHandle<io::Result<()>>,
}

impl Client {
    fn connect(bench: &Bench, work: &Work, server: Option<&str>) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (reader, writer) = tokio::io::split(theirs);
        let server: Option<ServerName> = server.map(|name| name.parse().unwrap());
        let gateway = Arc::clone(&bench.gateway);
        let (caller, stop) = (bench.caller(work), CancellationToken::new());
        let both = (reader, writer);
        let served = tokio::spawn(serve_lines(gateway, caller, server, both, stop.clone()));
        let (reader, writer) = tokio::io::split(ours);
        Self { reader: BufReader::new(reader).lines(), writer, stop, served }
    }

    async fn session(bench: &Bench, work: &Work, capabilities: Value) -> Self {
        let mut client = Self::connect(bench, work, None);
        let params = json!({"protocolVersion": "2025-06-18", "capabilities": capabilities});
        client.ask(0, "initialize", params).await;
        let opened = client.next().await;
        assert_eq!(opened["result"]["protocolVersion"], "2025-06-18", "{opened}");
        client.write(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client
    }

    async fn write(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.write(&message.to_string()).await;
    }

    async fn ask_stateless(&mut self, id: u64, method: &str, mut params: Value) {
        params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}});
        self.ask(id, method, params).await;
    }

    async fn call(&mut self, id: u64, name: &str) {
        self.ask(id, "tools/call", json!({"name": name, "arguments": {}})).await;
    }

    async fn cancel(&mut self, id: u64) {
        let params = json!({"requestId": id});
        let message =
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params});
        self.write(&message.to_string()).await;
    }

    async fn read(&mut self) -> Option<Value> {
        let line = self.reader.next_line().await.unwrap()?;
        Some(serde_json::from_str(&line).unwrap())
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.read()).await;
        line.expect("a line in time").expect("a line before the end")
    }

    async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(A_WHILE, self.read()).await.is_err()
    }

    /// Waits for the other side to end.
    async fn ended(self) -> io::Result<()> {
        tokio::time::timeout(PATIENCE, self.served).await.expect("an end in time").unwrap()
    }
}

#[tokio::test]
async fn both_eras_on_one_connection() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::connect(&bench, &work, None);
    client.ask(1, "tools/list", json!({})).await;
    assert_eq!(client.next().await["error"]["code"], -32600, "nothing before initialize");
    client.ask_stateless(2, "server/discover", json!({})).await;
    assert_eq!(client.next().await["result"]["supportedVersions"][0], "2026-07-28");
    client.ask_stateless(3, "tools/list", json!({})).await;
    assert_eq!(client.next().await["result"]["tools"][0]["name"], "files__read_file");
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
    client.ask(4, "initialize", params.clone()).await;
    assert_eq!(client.next().await["result"]["serverInfo"]["name"], "remit");
    client.ask(5, "initialize", params).await;
    assert_eq!(client.next().await["error"]["code"], -32600);
    client.call(6, "mail__read_mail").await;
    assert_eq!(client.next().await["result"]["content"][0]["text"], "ok");
    client.call(7, "vault__read_mail").await;
    let refused = client.next().await;
    assert_eq!(refused["result"]["structuredContent"]["class"], "structural", "{refused}");
}

#[tokio::test]
async fn one_server_keeps_its_names() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::connect(&bench, &work, Some("mail"));
    client.ask_stateless(1, "tools/list", json!({})).await;
    assert_eq!(client.next().await["result"]["tools"][0]["name"], "read_mail");
}

#[tokio::test]
async fn answers_come_as_they_end_and_a_cancelled_call_has_none() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    bench.servers.script.set_script(|call| match call.scope_name().as_str() {
        "files/read_file" => Scripted::Never,
        _ => Scripted::text("mail"),
    });
    let mut client = Client::session(&bench, &work, json!({})).await;
    client.call(1, "files__read_file").await;
    bench.servers.script.written(1).await;
    client.call(1, "mail__read_mail").await;
    assert_eq!(client.next().await["error"]["code"], -32600, "the id is in use");
    client.call(2, "mail__read_mail").await;
    assert_eq!(client.next().await["id"], 2);
    client.cancel(1).await;
    eventually(|| bench.engine.counters.unknown.get() == 1).await;
    assert!(client.is_quiet().await);
    client.call(1, "mail__read_mail").await;
    assert_eq!(client.next().await["id"], 1);
}

#[tokio::test]
async fn what_is_not_a_message_is_answered_and_the_connection_goes_on() {
    let bench = Bench::with(Config { max_body: 1024, ..Config::default() }).await;
    let work = bench.task().await;
    let mut client = Client::connect(&bench, &work, None);
    for (line, code) in [
        ("{\"jsonrpc\"".to_owned(), -32700),
        ("[]".to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#.to_owned(), -32600),
        ("x".repeat(5000), -32600),
    ] {
        client.write(&line).await;
        let answer = client.next().await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    client.write(r#"{"jsonrpc":"2.0","id":9,"result":{}}"#).await;
    client.ask_stateless(10, "tools/list", json!({})).await;
    assert_eq!(client.next().await["id"], 10);
}

#[tokio::test]
async fn a_server_asks_and_is_answered() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::session(&bench, &work, json!({"elicitation": {}})).await;
    bench.servers.ask("elicitation/create", json!({"message": "who?"}));
    client.call(1, "mail__read_mail").await;
    let question = client.next().await;
    assert_eq!(question["method"], "elicitation/create");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "cancel"}});
    client.write(&answer.to_string()).await;
    assert_eq!(client.next().await["id"], 1);
    assert_eq!(bench.servers.answers(), [Some(Ok(json!({"action": "cancel"})))]);
}

#[tokio::test]
async fn changes_are_told_to_sessions_and_to_subscriptions() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::session(&bench, &work, json!({})).await;
    bench.change_files(Discovery { tools: vec![], ..files() }).await;
    assert_eq!(client.next().await["method"], "notifications/tools/list_changed");

    let mut client = Client::connect(&bench, &work, None);
    let params = json!({"notifications": {"toolsListChanged": true}});
    client.ask_stateless(1, "subscriptions/listen", params.clone()).await;
    assert_eq!(client.next().await["method"], "notifications/subscriptions/acknowledged");
    bench.change_files(files()).await;
    let changed = client.next().await;
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    client.cancel(1).await;
    client.ask_stateless(2, "tools/list", json!({})).await;
    assert_eq!(client.next().await["id"], 2);
    bench.change_files(Discovery { tools: vec![], ..files() }).await;
    assert!(client.is_quiet().await);
}

/// A client whose call 1 is answered once its server's gate is open.
async fn with_a_call_under_way() -> (Bench, Client) {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::session(&bench, &work, json!({})).await;
    bench.servers.script.set_answer_gate(false);
    client.call(1, "mail__read_mail").await;
    bench.servers.script.written(1).await;
    (bench, client)
}

#[tokio::test]
async fn the_end_of_the_clients_side_lets_answers_under_way_end() {
    let (bench, mut client) = with_a_call_under_way().await;
    client.writer.shutdown().await.unwrap();
    assert!(client.is_quiet().await);
    bench.servers.script.set_answer_gate(true);
    assert_eq!(client.next().await["id"], 1);
    client.ended().await.unwrap();
}

#[tokio::test]
async fn a_stop_lets_answers_under_way_end_and_begins_nothing_more() {
    let (bench, mut client) = with_a_call_under_way().await;
    client.stop.cancel();
    tokio::task::yield_now().await;
    client.call(2, "mail__read_mail").await;
    assert!(client.is_quiet().await);
    bench.servers.script.set_answer_gate(true);
    assert_eq!(client.next().await["id"], 1);
    assert!(client.read().await.is_none(), "the call after the stop was begun");
    client.ended().await.unwrap();
}

#[tokio::test]
async fn a_stop_ends_a_connection_on_which_nothing_is_under_way() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let client = Client::session(&bench, &work, json!({})).await;
    client.stop.cancel();
    client.ended().await.unwrap();
}

#[tokio::test]
async fn a_client_that_is_gone_cancels_what_it_asked_for() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::session(&bench, &work, json!({})).await;
    bench.servers.script.set_script(|_| Scripted::Never);
    client.call(1, "mail__read_mail").await;
    bench.servers.script.written(1).await;
    drop(client);
    eventually(|| bench.engine.counters.unknown.get() == 1).await;
}

#[tokio::test]
async fn a_frozen_task_refuses_and_a_closed_one_ends_the_connection() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::session(&bench, &work, json!({})).await;
    bench.engine.freeze(&work.id, "olga").unwrap();
    client.call(1, "mail__read_mail").await;
    let refused = client.next().await;
    assert_eq!(refused["result"]["structuredContent"]["class"], "structural", "{refused}");
    bench.engine.close(&work.id, CloseReason::Done, "olga").unwrap();
    client.ended().await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let config =
        Config { write_timeout: std::time::Duration::from_millis(100), ..Config::default() };
    let bench = Bench::with(config).await;
    let work = bench.task().await;
    let (ours, theirs) = tokio::io::duplex(512);
    let (reader, writer) = tokio::io::split(theirs);
    let gateway = Arc::clone(&bench.gateway);
    let (caller, both) = (bench.caller(&work), (reader, writer));
    let served = tokio::spawn(serve_lines(gateway, caller, None, both, CancellationToken::new()));
    let (_unread, mut writer) = tokio::io::split(ours);
    let line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n";
    let flood = async {
        // The other side stops reading once it cannot write; that is the point. When it lets go,
        // writing fails a moment before its task has ended.
        while writer.write_all(line.as_bytes()).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = served => ended.unwrap(),
        () = flood => unreachable!("a flood has no end"),
        () = tokio::time::sleep(PATIENCE) => panic!("it waits for ever"),
    };
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_client_that_only_writes_calls_is_held_back_and_loses_none_of_them() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::session(&bench, &work, json!({})).await;
    let line = |id: usize| {
        let params = json!({"name": "vault__read_mail", "arguments": {}});
        let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
        format!("{call}\n")
    };
    let mut written = 0;
    while let Ok(done) =
        tokio::time::timeout(A_WHILE, client.writer.write_all(line(written).as_bytes())).await
    {
        done.unwrap();
        written += 1;
        assert!(written < 20_000, "whatever it writes is taken");
    }
    let mut answered = std::collections::BTreeSet::new();
    while answered.len() < written {
        answered.insert(client.next().await["id"].as_u64().unwrap());
    }
}

#[tokio::test]
async fn one_subscription_too_many_is_refused_until_another_ends() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let mut client = Client::connect(&bench, &work, None);
    let params = json!({"notifications": {"toolsListChanged": true}});
    for id in 1..=16 {
        client.ask_stateless(id, "subscriptions/listen", params.clone()).await;
        assert_eq!(client.next().await["method"], "notifications/subscriptions/acknowledged");
    }
    client.ask_stateless(17, "subscriptions/listen", params.clone()).await;
    let refused = client.next().await;
    assert_eq!(refused["id"], 17, "{refused}");
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("16 subscriptions of this connection"), "{why}");
    client.cancel(1).await;
    let mut id = 17;
    let opened = loop {
        id += 1;
        assert!(id < 10_000, "the place of the one that ended is taken");
        client.ask_stateless(id, "subscriptions/listen", params.clone()).await;
        let answer = client.next().await;
        if answer["error"].is_null() {
            break answer;
        }
    };
    assert_eq!(opened["method"], "notifications/subscriptions/acknowledged");
}
