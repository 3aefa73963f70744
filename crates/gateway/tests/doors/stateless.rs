//! Requests of the stateless era: agreement, statuses, what reaches the server, what comes back.

use remit_ports::Kind;
use remit_testkit::Answer as Scripted;
use serde_json::{Value, json};

use crate::bench::{Bench, Post};

#[tokio::test]
async fn a_call_reaches_its_server_as_the_server_knows_it() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    bench.servers.script.set_script(|_| {
        Scripted::Result(r#"{"content" : [],"structuredContent":{"n":1.50}}"#.to_owned())
    });
    let params = json!({"name": "mail__read_mail", "arguments": {"n": 1}, "task": {"ttl": 60000},
        "_meta": {"progressToken": "p", "traceparent": "00-1"}});
    let answer = Post::stateless(&work, "tools/call", params).send(&bench).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        answer.text.contains(r#"{"content" : [],"structuredContent":{"n":1.50},"resultType""#),
        "{}",
        answer.text
    );
    let sent = bench.servers.script.sent();
    let params: Value = serde_json::from_str(&sent[0].call.params).unwrap();
    assert_eq!(
        params,
        json!({"name": "read_mail", "arguments": {"n": 1},
            "_meta": {"progressToken": "p", "traceparent": "00-1"}})
    );
    assert_eq!(sent[0].call.server.as_str(), "mail");
    let own = Post::call(&work, "read_mail").at("/mcp/mail").send(&bench).await;
    assert_eq!(own.status, 200);
    let params: Value = serde_json::from_str(&bench.servers.script.sent()[1].call.params).unwrap();
    assert_eq!(params, json!({"name": "read_mail", "arguments": {}}));
}

#[tokio::test]
async fn headers_must_say_what_the_body_says() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let call = |path: Value| {
        let params = json!({"name": "files__read_file", "arguments": {"path": path}});
        Post::stateless(&work, "tools/call", params).with("mcp-param-path", Some("/a"))
    };
    assert_eq!(call(json!("/a")).send(&bench).await.status, 200);
    for (header, value) in [
        ("mcp-method", Some("tools/list")),
        ("mcp-method", None),
        ("mcp-name", Some("files__write_file")),
        ("mcp-name", None),
        ("mcp-protocol-version", Some("2025-11-25")),
        ("mcp-protocol-version", None),
        ("mcp-param-path", Some("/b")),
        ("mcp-param-path", None),
    ] {
        let answer = call(json!("/a")).with(header, value).send(&bench).await;
        assert_eq!(answer.error(), (400, -32020), "{header}: {value:?} gave {}", answer.text);
    }
    let own = Post::stateless(
        &work,
        "tools/call",
        json!({"name": "read_file", "arguments": {"path": "/a"}}),
    );
    let answer = own.with("mcp-param-path", Some("/b")).at("/mcp/files").send(&bench).await;
    assert_eq!(answer.error(), (400, -32020), "{}", answer.text);
    assert_eq!(bench.servers.script.sent().len(), 1);
}

#[tokio::test]
async fn metadata_is_required_and_what_the_era_removed_is_gone() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let body = |meta: Value| json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let version = "io.modelcontextprotocol/protocolVersion";
    let list = Post::stateless(&work, "tools/list", json!({}));
    for (meta, code) in [
        (json!({}), -32602),
        (json!({ version: "2026-07-28" }), -32602),
        (json!({ version: 7 }), -32602),
        // Header and body disagree; that nobody knows the body's version comes second.
        (json!({ version: "2999-01-01" }), -32020),
    ] {
        let answer = list.clone().body(&body(meta.clone())).send(&bench).await;
        assert_eq!(answer.error(), (400, code), "{meta}: {}", answer.text);
    }
    let unknown = list.clone().with("mcp-protocol-version", Some("2999-01-01"));
    let agreed = unknown.clone().body(&body(json!({ version: "2999-01-01" })));
    assert_eq!(agreed.send(&bench).await.error(), (400, -32022));
    let unknown = unknown.body(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert_eq!(unknown.send(&bench).await.error(), (400, -32022));
    for method in ["ping", "logging/setLevel", "resources/subscribe", "initialize", "no/such"] {
        let answer = Post::stateless(&work, method, json!({})).send(&bench).await;
        assert_eq!(answer.error(), (404, -32601), "{method}");
    }
    let note = json!({"jsonrpc": "2.0", "method": "notifications/x"});
    assert_eq!(list.body(&note).send(&bench).await.status, 202);
}

#[tokio::test]
async fn a_refusal_is_a_result_for_tools_and_an_error_for_the_rest() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let refusals = || {
        let entries = bench.ledger.entries();
        entries.iter().filter(|entry| entry.entry.kind == Kind::Refusal).count()
    };
    for name in ["vault__read_mail", "files__no_such_tool"] {
        let answer = Post::call(&work, name).send(&bench).await;
        assert_eq!(answer.status, 200);
        let result = answer.result();
        assert_eq!(result["isError"], true, "{name}: {result}");
        assert_eq!(result["structuredContent"]["class"], "structural", "{name}");
        assert_eq!(result["resultType"], "complete");
    }
    assert_eq!(refusals(), 2, "a tool that no catalogue knows is denied on record");
    for name in ["nobody__x", "read_mail", ""] {
        let answer = Post::call(&work, name).send(&bench).await;
        assert_eq!(answer.error(), (200, -32602), "{name}: {}", answer.text);
    }
    let held = Post::call(&work, "files__write_file").send(&bench).await.result();
    assert!(held["structuredContent"].is_null(), "its own schema would be applied to ours");
    let details = &held["_meta"]["remit/refusal"];
    assert_eq!(details["class"], "needs_approval", "{held}");
    assert!(details["hold"].as_str().unwrap().starts_with("hld_"));
    assert!(held["content"][0]["text"].as_str().unwrap().contains("remit approve"));
    let read = Post::stateless(&work, "prompts/get", json!({"name": "vault__greet"}));
    let read = read.send(&bench).await;
    assert_eq!(read.error(), (200, 40_300), "{}", read.text);
    assert_eq!(read.json()["error"]["data"]["class"], "structural");
    assert!(bench.servers.script.sent().is_empty());
}

#[tokio::test]
async fn what_became_of_a_call_is_told_honestly() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    for (scripted, words) in [
        (Scripted::Unknown("it died".to_owned()), "may or may not have happened"),
        (Scripted::NotSent("no such program".to_owned()), "nothing was sent"),
        // Two readers could differ, so it is no answer.
        (Scripted::Result(r#"{"a":1,"a":2}"#.to_owned()), "may or may not have happened"),
    ] {
        bench.servers.script.set_script(move |_| scripted.clone());
        let result = Post::call(&work, "mail__read_mail").send(&bench).await.result();
        assert_eq!(result["isError"], true);
        assert_eq!(result["structuredContent"]["class"], "transient", "{result}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(words), "{text}");
    }
    bench.servers.script.set_script(|_| {
        Scripted::Error(r#"{"code": -32099, "message":"no\u0020mail", "data" :1.50}"#.to_owned())
    });
    let answer = Post::call(&work, "mail__read_mail").send(&bench).await;
    assert_eq!(
        answer.text,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code": -32099, "message":"no\u0020mail", "data" :1.50}}"#
    );
}

#[tokio::test]
async fn resources_go_to_the_server_that_has_them_and_to_no_other() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let read = |uri: &str| Post::stateless(&work, "resources/read", json!({"uri": uri}));
    for (uri, server) in [("file:///a", "files"), ("file:///deep/b", "files")] {
        let result = read(uri).send(&bench).await.result();
        assert_eq!(result["cacheScope"], "private");
        assert_eq!(bench.servers.script.sent().last().unwrap().call.server.as_str(), server);
    }
    let both = read("note://both").send(&bench).await;
    assert_eq!(both.error(), (200, -32602));
    assert!(both.text.contains("/mcp/files"), "{}", both.text);
    assert_eq!(read("http://elsewhere").send(&bench).await.error(), (200, -32602));
    read("note://both").at("/mcp/mail").send(&bench).await.result();
    assert_eq!(bench.servers.script.sent().len(), 3);
    assert_eq!(bench.servers.script.sent()[2].call.server.as_str(), "mail");
}

#[tokio::test]
async fn prompts_and_completions_lose_their_prefix_on_the_way() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let get = Post::stateless(&work, "prompts/get", json!({"name": "mail__greet"}));
    get.send(&bench).await.result();
    let reference = json!({"type": "ref/prompt", "name": "mail__greet"});
    let params = json!({"ref": reference, "argument": {"name": "who", "value": "a"}});
    Post::stateless(&work, "completion/complete", params).send(&bench).await.result();
    let sent = bench.servers.script.sent();
    let params = |n: usize| serde_json::from_str::<Value>(&sent[n].call.params).unwrap();
    assert_eq!(params(0)["name"], "greet");
    assert_eq!(params(1)["ref"], json!({"type": "ref/prompt", "name": "greet"}));
    assert!(sent.iter().all(|sent| sent.call.server.as_str() == "mail"));
    let bad = Post::stateless(&work, "completion/complete", json!({"ref": {"type": "x"}}));
    assert_eq!(bad.send(&bench).await.error(), (200, -32602));
}

#[tokio::test]
async fn a_stateless_client_gets_input_requests_and_is_asked_nothing_itself() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let wants = r#"{"resultType":"input_required","requestState":"s"}"#;
    bench.servers.script.set_script(move |_| Scripted::Result(wants.to_owned()));
    bench.servers.ask("elicitation/create", json!({"message": "who?"}));
    let result = Post::call(&work, "mail__read_mail").send(&bench).await.result();
    assert_eq!(result["resultType"], "input_required");
    assert_eq!(bench.servers.answers(), [None], "the question was refused on its behalf");
}

#[tokio::test]
async fn a_result_that_wants_the_clients_model_is_refused() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let wants = r#"{"resultType":"input_required","inputRequests":{
        "name":{"method":"elicitation/create","params":{"message":"who?"}},
        "greeting":{"method":"sampling/createMessage","params":{"messages":[]}}}}"#;
    bench.servers.script.set_script(move |_| Scripted::Result(wants.to_owned()));
    let result = Post::call(&work, "mail__read_mail").send(&bench).await.result();
    assert_eq!(result["isError"], true);
    assert!(!result.to_string().contains("sampling/createMessage"), "{result}");
}

#[tokio::test]
async fn the_level_of_log_messages_reaches_a_server_without_sessions() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let session = bench.session(&work, json!({})).await;
    let within = |method, params| Post::within(&work, &session, 1, (method, params)).send(&bench);
    within("logging/setLevel", json!({"level": "warning"})).await.result();
    within("tools/call", json!({"name": "mail__read_mail", "arguments": {}})).await.result();
    let level = "io.modelcontextprotocol/logLevel";
    let meta = json!({ level: "error" });
    let params = json!({"name": "mail__read_mail", "arguments": {}, "_meta": meta});
    Post::stateless(&work, "tools/call", params).send(&bench).await.result();
    let levels = bench.servers.script.sent().into_iter().map(|sent| {
        let params: Value = serde_json::from_str(&sent.call.params).unwrap();
        params["_meta"].clone()
    });
    let levels: Vec<_> = levels.collect();
    assert_eq!(levels, [json!({ level: "warning" }), json!({ level: "error" })]);
}
