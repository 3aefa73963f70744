//! Who gets in at all, and what is not a message.

use http::Method;
use remit_gateway::Config;
use serde_json::json;

use crate::bench::{Answer, Bench, Post, Work, initialize};

#[tokio::test]
async fn without_a_good_grant_nobody_gets_in_and_it_is_counted() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let stranger = Work { token: "nonsense".to_owned(), ..work.clone() };
    let (head, signature) = work.token.rsplit_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    let forged = Work { token: format!("{head}.{reversed}"), ..work.clone() };
    let list = |work: &Work| Post::stateless(work, "tools/list", json!({}));
    let none = list(&work).with("authorization", None);
    let basic = list(&work).with("authorization", Some("Basic abc"));
    for post in [none, basic, list(&stranger), list(&forged)] {
        let answer = post.send(&bench).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(answer.json()["how"].as_str().unwrap().contains("remit task open"));
    }
    assert_eq!(bench.engine.counters.unauthenticated.get(), 4);
    assert_eq!(list(&work).send(&bench).await.status, 200);
    bench.clock.advance(std::time::Duration::from_mins(31));
    assert_eq!(list(&work).send(&bench).await.status, 401, "the grant ran out");
}

#[tokio::test]
async fn only_our_names_allowed_pages_and_the_right_media_types() {
    let config = Config {
        allowed_origins: vec!["https://console.example".to_owned()],
        allowed_hosts: vec!["remit.example".to_owned()],
        ..Config::default()
    };
    let bench = Bench::with(config).await;
    let work = bench.task().await;
    for (header, value, status) in [
        ("host", Some("remit.example"), 200),
        ("host", Some("evil.example"), 403),
        ("host", None, 403),
        ("origin", Some("https://console.example"), 200),
        ("origin", Some("http://127.0.0.1:8321"), 200),
        ("origin", Some("https://evil.example"), 403),
        ("content-type", Some("application/json; charset=utf-8"), 200),
        ("content-type", Some("text/plain"), 415),
        ("content-type", None, 415),
        ("accept", Some("text/html"), 406),
        ("accept", Some("*/*"), 200),
        ("accept", None, 200),
    ] {
        let post = Post::stateless(&work, "tools/list", json!({})).with(header, value);
        let answer = post.send(&bench).await;
        assert_eq!(answer.status, status, "{header}: {value:?} gave {}", answer.text);
    }
}

#[tokio::test]
async fn the_stateless_endpoint_takes_post_and_known_servers_only() {
    let bench = Bench::new().await;
    let work = bench.task().await;
    let list = || Post::stateless(&work, "tools/list", json!({}));
    for method in [Method::GET, Method::DELETE, Method::PUT, Method::OPTIONS] {
        let answer = list().by(method.clone()).send(&bench).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow").unwrap(), "POST");
    }
    assert_eq!(list().at("/mcp/mail").send(&bench).await.status, 200);
    for path in ["/mcp/nobody", "/mcp/..%2f", "/mcp/UPPER"] {
        assert_eq!(list().at(path).send(&bench).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_one_message_is_refused_in_words() {
    let config = Config { max_body: 4096, max_depth: 8, ..Config::default() };
    let bench = Bench::with(config).await;
    let work = bench.task().await;
    let post = || Post::call(&work, "files__read_file");
    let good = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"a":{}1{}}}}}"#,
        "[".repeat(9),
        "]".repeat(9)
    );
    for (body, status, code) in [
        ("{\"jsonrpc\":\"2.0\",\"id\":1,".to_owned(), 400, -32700),
        (String::new(), 400, -32700),
        (format!("[{good}]"), 400, -32600),
        (good.replace("\"id\":1", "\"id\":1,\"method\":\"tools/call\""), 400, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":1,"\u0061":2}}"#.into(),
            400,
            -32600,
        ),
        (good.replace("2.0", "1.0"), 400, -32600),
        (good.replace("\"id\":1", "\"id\":null"), 400, -32600),
        (deep, 400, -32600),
        (format!("{good}{}", " ".repeat(4096)), 413, -32600),
    ] {
        let answer = post().text(body.clone()).send(&bench).await;
        assert_eq!(answer.error(), (status, code), "{body}: {}", answer.text);
        assert!(answer.json()["error"]["message"].as_str().unwrap().len() > 20);
    }
    let not_utf8 = post().text(vec![b'"', 0xff, b'"']).send(&bench).await;
    assert_eq!(not_utf8.error(), (400, -32700));
    assert!(bench.servers.script.sent().is_empty());
}

/// An answer's headers for a browser, and that none says more than a page needs.
fn told(answer: &Answer, name: &str) -> Option<String> {
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    answer.header(&format!("access-control-{name}"))
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_ask_and_read_and_no_other() {
    let page = "https://console.example";
    let config = Config { allowed_origins: vec![page.to_owned()], ..Config::default() };
    let bench = Bench::with(config).await;
    let work = bench.task().await;
    let asked = "authorization, Content-Type,dpop,mcp-method,mcp-param-region,mcp-protocol-version,\
                 cookie,x-own";
    // As browsers ask: without a grant, whose header is what they ask about.
    let ask = |origin: &str| {
        let bare = Post::bare(&work).by(Method::OPTIONS).with("authorization", None);
        bare.with("access-control-request-method", Some("POST"))
            .with("access-control-request-headers", Some(asked))
            .with("origin", Some(origin))
    };
    for path in ["/mcp", "/mcp/mail"] {
        let answer = ask(page).at(path).send(&bench).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{path}");
        assert_eq!(told(&answer, "allow-origin").as_deref(), Some(page));
        assert_eq!(told(&answer, "allow-methods").as_deref(), Some("POST, GET, DELETE"));
        let allowed = "authorization, content-type, dpop, mcp-method, mcp-param-region, \
                       mcp-protocol-version";
        assert_eq!(told(&answer, "allow-headers").as_deref(), Some(allowed));
        assert_eq!(answer.header("vary").as_deref(), Some("Origin"));
    }
    assert_eq!(bench.engine.counters.unauthenticated.get(), 0);
    let list = || Post::stateless(&work, "tools/list", json!({})).with("origin", Some(page));
    let refused = list().with("authorization", None).send(&bench).await;
    let opened = initialize(&work, json!({})).with("origin", Some(page)).send(&bench).await;
    for (answer, status) in [(list().send(&bench).await, 200), (refused, 401), (opened, 200)] {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(told(&answer, "allow-origin").as_deref(), Some(page));
        let exposed = told(&answer, "expose-headers").unwrap();
        for name in ["Mcp-Session-Id", "DPoP-Nonce", "WWW-Authenticate"] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
    for origin in ["https://evil.example", "null"] {
        let answers = [ask(origin), list().with("origin", Some(origin))];
        for post in answers {
            let answer = post.send(&bench).await;
            assert_eq!((answer.status, told(&answer, "allow-origin")), (403, None), "{origin}");
        }
    }
    let no_page = list().with("origin", None).send(&bench).await;
    assert_eq!((no_page.status, told(&no_page, "allow-origin")), (200, None));
    let no_page = ask(page).with("origin", None).send(&bench).await;
    assert_eq!(no_page.status, 401, "who is no page has nothing to ask");
}
