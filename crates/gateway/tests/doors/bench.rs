//! A gateway on the test kit's fakes, and clients that say exactly what a test wants.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{Method, Request};
use http_body_util::BodyExt;
use remit_catalogue::Overrides;
use remit_engine::open::{Holding, Opener, Proposal};
use remit_engine::{Caller, Elsewhere, Engine, Ports, Settings, Template};
use remit_gateway::{Config, Gateway, router};
use remit_mcp::sse::Events;
use remit_model::{
    Budget, Confidentiality, Digest, Door, Foreseeable, ServerName, TaskId, Timestamp, ToolRule,
    Workload,
};
use remit_policy::Source;
use remit_ports::{
    Armed, BoxFuture, Discovery, Done, Link, ServerStatus, ToClient, Upstream, UpstreamError,
    UpstreamEvent,
};
use remit_testkit::samples::{agent, agent_name, server};
use remit_testkit::{
    FixedKeys, ManualClock, MemoryKeys, MemoryLedger, MemoryStore, ScriptedUpstream, SeededEntropy,
};
use remit_token::{GrantKey, GrantKeys, Minter, Realm};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{broadcast, oneshot};
use tower::ServiceExt;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a test waits for what must not come.
pub(crate) const A_WHILE: Duration = Duration::from_millis(150);

/// Everything passes but effects, which need the approval of an operator.
const POLICY: &str = r#"
@id("all") permit (principal, action, resource);
@id("effects") @reason("an effect needs the approval of an operator")
forbid (principal, action in Remit::Action::"effect:write", resource)
unless { context has approval && context.approval.group == Remit::ApproverGroup::"operators" };
"#;

/// What a client answered to a server's request, if it did.
type Asked = Result<Value, Value>;

/// Scripted servers that can also ask the client something during each call.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    pub(crate) script: ScriptedUpstream,
    question: Mutex<Option<(String, Value)>>,
    answers: Mutex<Vec<Option<Asked>>>,
}

impl Servers {
    /// Each call asks its client this before it is answered.
    pub(crate) fn ask(&self, method: &str, params: Value) {
        *self.question.lock().unwrap() = Some((method.to_owned(), params));
    }

    /// What clients answered, in order; `None` where the question was refused.
    pub(crate) fn answers(&self) -> Vec<Option<Asked>> {
        self.answers.lock().unwrap().clone()
    }

    async fn put(&self, link: &Link) {
        let Some((method, params)) = self.question.lock().unwrap().clone() else { return };
        let (answer, waiting) = oneshot::channel();
        let params = RawValue::from_string(params.to_string()).ok();
        link.to_client.send(ToClient::Request { method, params, answer }).await.unwrap();
        let value = |raw: Box<RawValue>| serde_json::from_str(raw.get()).unwrap();
        let answered = waiting.await.ok().map(|answer| answer.map(value).map_err(value));
        self.answers.lock().unwrap().push(answered);
    }
}

impl Upstream for Servers {
    fn send(&self, armed: Armed, link: Link) -> BoxFuture<'_, Done> {
        Box::pin(async move {
            self.put(&link).await;
            self.script.send(armed, link).await
        })
    }
    fn discover<'a>(
        &'a self,
        server: &'a ServerName,
        leases: Vec<Arc<remit_ports::Lease>>,
    ) -> BoxFuture<'a, Result<Discovery, UpstreamError>> {
        self.script.discover(server, leases)
    }
    fn pin(&self, server: &ServerName, executable: Digest) {
        self.script.pin(server, executable);
    }
    fn recall(&self, lease: &remit_model::LeaseId) {
        self.script.recall(lease);
    }

    fn release(&self, task: &TaskId) {
        self.script.release(task);
    }
    fn events(&self) -> broadcast::Receiver<UpstreamEvent> {
        self.script.events()
    }
    fn status(&self) -> Vec<ServerStatus> {
        self.script.status()
    }
}

/// Everything a test holds.
pub(crate) struct Bench {
    pub(crate) engine: Arc<Engine>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) servers: Arc<Servers>,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) clock: Arc<ManualClock>,
    router: Router,
}

/// An open task and its grant.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) id: TaskId,
    pub(crate) token: String,
}

/// A tool definition with blanks, an exponent and an order of members that a second serialiser
/// would change.
pub(crate) const READ_FILE: &str = r#"{"title":"R", "name" : "read_file","description":"Reads a file.","inputSchema":{"type":"object","properties":{"path":{"type":"string","x-mcp-header":"Path"}},"x-max":1e3},"annotations":{"readOnlyHint":true}}"#;
const WRITE_FILE: &str = r#"{"name":"write_file","description":"Writes a file.","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}},"outputSchema":{"type":"object"},"annotations":{"readOnlyHint":false}}"#;
const READ_MAIL: &str = r#"{"name":"read_mail","description":"Reads mail.","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#;

pub(crate) fn files() -> Discovery {
    Discovery {
        tools: vec![READ_FILE.to_owned(), WRITE_FILE.to_owned()],
        resources: vec![
            r#"{"uri":"file:///a", "name":"a"}"#.to_owned(),
            r#"{"uri":"note://both","name":"b"}"#.to_owned(),
        ],
        templates: vec![r#"{"uriTemplate":"file:///{path}","name":"any"}"#.to_owned()],
        capabilities: r#"{"resources":{"subscribe":true}}"#.to_owned(),
        ..Discovery::default()
    }
}

fn mail() -> Discovery {
    Discovery {
        tools: vec![READ_MAIL.to_owned()],
        resources: vec![r#"{"uri":"note://both","name":"b"}"#.to_owned()],
        prompts: vec![r#"{"name":"greet", "description":"Greets."}"#.to_owned()],
        capabilities: r#"{"prompts":{},"completions":{}}"#.to_owned(),
        ..Discovery::default()
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let clock = Arc::new(ManualClock::default());
        let keys = Arc::new(MemoryKeys::new());
        let ledger = Arc::new(MemoryLedger::new(Arc::clone(&clock) as _, Arc::clone(&keys) as _));
        let servers = Arc::new(Servers::default());
        servers.script.offer(&server("files"), files());
        servers.script.offer(&server("mail"), mail());
        servers.script.offer(&server("vault"), mail());
        let ports = Ports {
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SeededEntropy::new(1)),
            ledger: Arc::clone(&ledger) as _,
            keys,
            issuers: Arc::default(),
            elsewhere: Arc::new(FixedKeys::default()),
            store: Arc::new(MemoryStore::new()),
            upstream: Arc::clone(&servers) as _,
        };
        let policy = Source { path: "test.cedar".into(), text: POLICY.into() };
        let engine = Engine::start(ports, settings(), vec![policy], minter()).await.unwrap();
        for name in ["files", "mail", "vault"] {
            engine.discover(&server(name)).await.unwrap();
        }
        let gateway = Gateway::new(Arc::clone(&engine), config);
        let router = router(Arc::clone(&gateway));
        Self { engine, gateway, servers, ledger, clock, router }
    }

    /// Opens a task that may use `files` and `mail`.
    pub(crate) async fn task(&self) -> Work {
        let proposal = Proposal { template: "work".into(), ..Proposal::default() };
        let opener = Opener::Peer(Workload::of_user(7));
        let opened = self.engine.open_with_grant(&opener, proposal, &Holding::default()).await;
        let (task, token) = opened.unwrap();
        Work { id: task.id().clone(), token }
    }

    pub(crate) fn caller(&self, work: &Work) -> Caller {
        self.engine.caller(&work.id, Door::McpStdio).unwrap()
    }

    /// The server `files` offers this from now on.
    pub(crate) async fn change_files(&self, offer: Discovery) {
        self.servers.script.offer(&server("files"), offer);
        self.engine.discover(&server("files")).await.unwrap();
    }

    /// The server `files` says that `uri` changed.
    pub(crate) fn updated(&self, uri: &str) {
        let method = "notifications/resources/updated";
        let message = json!({"jsonrpc": "2.0", "method": method, "params": {"uri": uri}});
        self.servers.script.emit(UpstreamEvent {
            server: server("files"),
            task: None,
            method: method.to_owned(),
            message: message.to_string(),
        });
    }

    /// Opens a session and gives its id.
    pub(crate) async fn session(&self, work: &Work, capabilities: Value) -> String {
        let answer = initialize(work, capabilities).send(self).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.header("mcp-session-id").unwrap()
    }
}

pub(crate) fn initialize(work: &Work, capabilities: Value) -> Post {
    let mut params = json!({"protocolVersion": "2025-11-25",
        "clientInfo": {"name": "t", "version": "1"}});
    params["capabilities"] = capabilities;
    Post::bare(work).body(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": params}))
}

fn minter() -> Minter {
    let key = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &aws_lc_rs::rand::SystemRandom::new(),
    )
    .unwrap();
    let endpoint = "http://127.0.0.1:7070/mcp";
    let key = GrantKey::open(1, Timestamp(0), key.as_ref()).unwrap();
    Minter::new(GrantKeys::from_iter([key]), Realm::new(endpoint, endpoint, "test").unwrap())
}

fn settings() -> Settings {
    let rules = ["files/*", "mail/*"];
    let template = Template {
        name: "work".into(),
        may_open: vec![agent_name("bot")],
        purpose: Some("test".into()),
        known: Vec::new(),
        declare: false,
        foreseen: Foreseeable::default(),
        tools: rules.map(|rule| ToolRule::any_arguments(rule.parse().unwrap())).to_vec(),
        ceiling: Confidentiality::Confidential,
        budget: Budget::default(),
        lasts: Duration::from_hours(1),
        idle: None,
        delegation: 0,
    };
    let overrides =
        Overrides { owner: "operators".into(), trust_annotations: true, tools: BTreeMap::new() };
    let servers = ["files", "mail", "vault"].map(|name| (server(name), overrides.clone()));
    Settings {
        node: "test".into(),
        agents: std::iter::once(agent()).collect(),
        templates: BTreeMap::from([("work".into(), Arc::new(template))]),
        groups: BTreeMap::from([("operators".into(), vec![])]),
        servers: BTreeMap::from(servers),
        lends: BTreeMap::new(),
        pick_ups: BTreeMap::new(),
        canaries: std::collections::BTreeSet::new(),
        approval_lifetime: Duration::from_mins(5),
        renewed_within: Duration::from_hours(24),
        call_timeout: Duration::from_mins(1),
        grant_lifetime: Duration::from_mins(30),
        svid_lifetime: Duration::from_mins(10),
        own_uid: 7,
        bearer: true,
        client_keys: BTreeMap::new(),
        elsewhere: Elsewhere::default(),
    }
}

/// One HTTP request, in parts that a test can spoil.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) method: Method,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Post {
    /// Everything but a message.
    pub(crate) fn bare(work: &Work) -> Self {
        let headers = [
            ("host", "127.0.0.1:8321"),
            ("authorization", &format!("Bearer {}", work.token)),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { method: Method::POST, path: "/mcp".to_owned(), headers, body: Vec::new() }
    }

    /// A correct request of the stateless era.
    pub(crate) fn stateless(work: &Work, method: &str, mut params: Value) -> Self {
        let name = params["name"].as_str().or_else(|| params["uri"].as_str()).map(str::to_owned);
        let meta = params.as_object_mut().unwrap().entry("_meta").or_insert_with(|| json!({}));
        meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        let capabilities = "io.modelcontextprotocol/clientCapabilities";
        meta.as_object_mut().unwrap().entry(capabilities).or_insert_with(|| json!({}));
        let post = Self::bare(work)
            .with("mcp-protocol-version", Some("2026-07-28"))
            .with("mcp-method", Some(method))
            .body(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        match name {
            Some(name) => post.with("mcp-name", Some(&name)),
            None => post,
        }
    }

    /// A call of the stateless era.
    pub(crate) fn call(work: &Work, name: &str) -> Self {
        Self::stateless(work, "tools/call", json!({"name": name, "arguments": {}}))
    }

    /// A request within a session.
    pub(crate) fn within(
        work: &Work,
        session: &str,
        id: u64,
        (method, params): (&str, Value),
    ) -> Self {
        let mut body = json!({"jsonrpc": "2.0", "id": id, "method": method});
        body["params"] = params;
        Self::bare(work)
            .with("mcp-session-id", Some(session))
            .with("mcp-protocol-version", Some("2025-11-25"))
            .body(&body)
    }

    pub(crate) fn body(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    pub(crate) fn text(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn by(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With a header replaced, added, or (by `None`) left out.
    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// Sends it and gives the answer as it begins.
    pub(crate) async fn open(self, bench: &Bench) -> Response {
        let mut request = Request::builder().method(self.method).uri(self.path);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(self.body)).unwrap();
        let answer = bench.router.clone().oneshot(request);
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time").unwrap()
    }

    /// Sends it and reads the answer to its end.
    pub(crate) async fn send(self, bench: &Bench) -> Answer {
        let response = self.open(bench).await;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await;
        let bytes = body.expect("the whole answer in time").unwrap().to_bytes();
        Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// Sends it and reads the answer as a stream.
    pub(crate) async fn stream(self, bench: &Bench) -> Stream {
        let response = self.open(bench).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Stream { body: response.into_body(), events: Events::new(1 << 20) }
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }

    /// The result, or a panic that shows what came instead.
    pub(crate) fn result(&self) -> Value {
        let json = self.json();
        assert!(json["result"].is_object(), "{json}");
        json["result"].clone()
    }

    /// HTTP status and JSON-RPC error code.
    pub(crate) fn error(&self) -> (u16, i64) {
        (self.status, self.json()["error"]["code"].as_i64().unwrap_or_default())
    }
}

/// An open event stream; dropping it closes the connection.
pub(crate) struct Stream {
    body: Body,
    events: Events,
}

impl Stream {
    /// The next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("a message in time")
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(A_WHILE, self.read()).await.is_err()
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.events.next_event() {
                return Some(serde_json::from_str(&event.unwrap().data).unwrap());
            }
            let frame = self.body.frame().await?.unwrap();
            self.events.feed(&frame.into_data().unwrap());
        }
    }
}

/// Waits until `done` says so.
pub(crate) async fn eventually(done: impl Fn() -> bool) {
    let waited = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.expect("it happens in time");
}
