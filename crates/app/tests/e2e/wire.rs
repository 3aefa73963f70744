//! Raw HTTP against the endpoint: what no well-behaved client sends, and the answers that Streamable HTTP
//! (MCP 2026-07-28) gives to it.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::peers::Changing;
use crate::stand::{PATIENCE, Plan, Stand};

/// An HTTP answer: status, head, and body.
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The status line and headers, as they came.
    raw: String,
    /// The same in small letters.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

impl Answer {
    /// The value of the header `name`, empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.raw.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.next().map_or("", |(_, value)| value)
    }

    /// The JSON-RPC error code in the body.
    fn code(&self) -> Option<i64> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        body["error"]["code"].as_i64()
    }
}

/// Sends a request as written and reads nothing.
async fn dispatch(address: &str, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{head}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    // A server may refuse by its head alone and close before it has read the whole body.
    let _ = stream.write_all(request.as_bytes()).await;
    stream
}

/// Sends a request as written and reads the answer to the end.
pub(crate) async fn exchange(address: &str, head: &str, body: &str) -> Answer {
    let mut stream = dispatch(address, head, body).await;
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer in time");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not HTTP: {text}"));
    let (raw, body) = (head.to_owned(), body.to_owned());
    Answer { status, head: head.to_lowercase(), raw, body }
}

/// A GET without a body.
pub(crate) async fn get(address: &str, path: &str) -> Answer {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n"), "").await
}

/// How much of `name` the server has counted.
pub(crate) async fn metric(stand: &Stand, name: &str) -> u64 {
    let page = get(stand.address(), "/metrics").await.body;
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

/// A correct stateless request, in parts that a test can spoil.
pub(crate) struct Request {
    /// Headers, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// The JSON-RPC message.
    pub(crate) body: Value,
}

impl Request {
    /// `method` with `params`; a `name` or `uri` in them is mirrored in the header.
    pub(crate) fn new(address: &str, token: &str, method: &str, mut params: Value) -> Self {
        let mut headers = vec![
            ("Host".to_owned(), address.to_owned()),
            ("Authorization".to_owned(), format!("Bearer {token}")),
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Accept".to_owned(), "application/json, text/event-stream".to_owned()),
            ("MCP-Protocol-Version".to_owned(), "2026-07-28".to_owned()),
            ("Mcp-Method".to_owned(), method.to_owned()),
        ];
        if let Some(name) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
            headers.push(("Mcp-Name".to_owned(), name.to_owned()));
        }
        params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Self { headers, body }
    }

    /// With a header replaced, added, or (by `None`) left out.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.headers.retain(|(header, _)| !header.eq_ignore_ascii_case(name));
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    fn head(&self, method: &str) -> String {
        let lines = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("{method} /mcp HTTP/1.1\r\n{}", lines.collect::<String>())
    }

    /// Sends it and leaves the answer unread for as long as the connection is kept.
    pub(crate) async fn send_only(&self, address: &str) -> TcpStream {
        dispatch(address, &self.head("POST"), &self.body.to_string()).await
    }

    /// Sends it.
    pub(crate) async fn send(&self, address: &str) -> Answer {
        exchange(address, &self.head("POST"), &self.body.to_string()).await
    }
}

async fn stand() -> (Stand, Changing, String) {
    let folder = tempfile::tempdir().unwrap();
    let notes = Changing::new(folder.path(), &json!([crate::drift::read_note("Reads a note.")]));
    let command = notes.command();
    let plan = Plan::new()
        .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
        .template("reading", &["notes/*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    let token = stand.open("reading").await.token;
    (stand, notes, token)
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_body_must_agree() {
    let (stand, notes, token) = stand().await;
    let address = stand.address();
    let call = || {
        Request::new(
            address,
            &token,
            "tools/call",
            json!({"name": "notes__read_note", "arguments": {}}),
        )
    };
    let good = call().send(address).await;
    assert_eq!(good.status, 200, "{}{}", good.head, good.body);
    for (header, value) in [
        ("Mcp-Method", Some("tools/list")),
        ("Mcp-Method", None),
        ("Mcp-Name", Some("notes__other")),
        ("Mcp-Name", None),
        ("MCP-Protocol-Version", Some("2025-11-25")),
    ] {
        let answer = call().with(header, value).send(address).await;
        let seen = (answer.status, answer.code());
        assert_eq!(seen, (400, Some(-32020)), "{header}: {value:?} gave {}", answer.body);
    }
    let mut unknown = call().with("MCP-Protocol-Version", Some("2999-01-01"));
    unknown.body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] =
        json!("2999-01-01");
    let answer = unknown.send(address).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32022)), "{}", answer.body);
    let mut bare = call();
    bare.body["params"]["_meta"]
        .as_object_mut()
        .unwrap()
        .remove("io.modelcontextprotocol/clientCapabilities");
    let answer = bare.send(address).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32602)), "{}", answer.body);
    assert_eq!(notes.reached().len(), 1, "a request that was refused reached the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_requests_get_their_status_and_reach_nobody() {
    let (stand, notes, token) = stand().await;
    let address = stand.address();
    let list = || Request::new(address, &token, "tools/list", json!({}));
    let call = || {
        Request::new(
            address,
            &token,
            "tools/call",
            json!({"name": "notes__read_note", "arguments": {}}),
        )
    };
    let status = async |request: Request| request.send(address).await.status;
    assert_eq!(status(list()).await, 200);
    assert_eq!(status(call().with("Origin", Some("https://evil.example"))).await, 403);
    assert_eq!(status(call().with("Host", Some("evil.example"))).await, 403);
    assert_eq!(status(call().with("Content-Type", Some("text/plain"))).await, 415);
    assert_eq!(status(call().with("Accept", Some("text/html"))).await, 406);
    assert_eq!(status(Request::new(address, &token, "no/such", json!({}))).await, 404);

    let broken =
        exchange(address, &call().head("POST"), "{\"jsonrpc\": \"2.0\", \"id\": 1, ").await;
    assert_eq!((broken.status, broken.code()), (400, Some(-32700)), "{}", broken.body);
    let twice =
        call().body.to_string().replace("\"method\":", "\"method\":\"tools/list\",\"method\":");
    let twice = exchange(address, &call().head("POST"), &twice).await;
    assert_eq!(twice.status, 400, "a member given twice: {}", twice.body);
    let batch = exchange(address, &call().head("POST"), &json!([call().body]).to_string()).await;
    assert_eq!(batch.status, 400, "a batch: {}", batch.body);
    let mut large = call();
    large.body["params"]["arguments"] = json!({"title": "x".repeat(32 << 20)});
    assert_eq!(status(large).await, 413);
    assert!(notes.reached().is_empty(), "{:?}", notes.reached());
    assert_eq!(status(call()).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_challenge_says_where_to_get_a_grant_and_lists_are_private() {
    let (stand, _notes, token) = stand().await;
    let address = stand.address();
    let none = Request::new(address, &token, "tools/list", json!({})).with("Authorization", None);
    let answer = none.send(address).await;
    assert_eq!(answer.status, 401);
    assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
    let listed = Request::new(address, &token, "tools/list", json!({})).send(address).await;
    let listed: Value = serde_json::from_str(&listed.body).unwrap();
    assert_eq!(listed["result"]["cacheScope"], "private", "{listed}");
    assert!(listed["result"]["ttlMs"].is_u64(), "{listed}");
    let discovered =
        Request::new(address, &token, "server/discover", json!({})).send(address).await;
    let discovered: Value = serde_json::from_str(&discovered.body).unwrap();
    let versions = discovered["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")), "{discovered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_answer_without_a_grant_and_tell_no_secret() {
    let (stand, _notes, token) = stand().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = get(stand.address(), path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(!answer.body.contains(&token), "{path}");
    }
    let metrics = get(stand.address(), "/metrics").await.body;
    assert!(metrics.contains("# TYPE remit_"), "{metrics}");
}
