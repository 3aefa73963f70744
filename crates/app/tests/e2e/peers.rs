//! The servers and clients of `e2e/`, and what a client saw.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

pub(crate) use remit_testkit::peers::{Listening, peer, python, started};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::rust_sdk::{self, Where};
use crate::stand::{Grant, PATIENCE, REMIT, Stand};

/// Node 24.
pub(crate) fn node() -> String {
    peer("node_modules/.bin/node")
}

/// The entry point of one of the reference servers on npm.
pub(crate) fn npm_server(name: &str) -> String {
    peer(&format!("node_modules/@modelcontextprotocol/server-{name}/dist/index.js"))
}

/// A client that is known at the token endpoint.
pub(crate) struct Registered<'a> {
    /// The endpoint.
    pub(crate) url: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
    /// The file of its private key, PEM.
    pub(crate) key: &'a str,
    /// Who gives out grants.
    pub(crate) issuer: &'a str,
    /// Whether it asks for a bound one.
    pub(crate) bound: bool,
    /// The file of a certificate that it trusts besides, PEM.
    pub(crate) trusts: Option<&'a Path>,
}

/// A client that shows at the token endpoint what somebody else says of it, or of a person.
pub(crate) struct Vouched<'a> {
    /// The endpoint.
    pub(crate) url: &'a str,
    /// Its name.
    pub(crate) name: &'a str,
    /// The file of the assertion.
    pub(crate) assertion: &'a Path,
    /// The file of its private key, PEM, if it proves to be itself besides.
    pub(crate) key: Option<&'a Path>,
    /// Who gives out grants.
    pub(crate) issuer: &'a str,
}

/// A client that knows only the endpoint and its own id, and asks a person.
pub(crate) struct Guided<'a> {
    /// The endpoint.
    pub(crate) url: &'a str,
    /// Its id.
    pub(crate) client: &'a str,
    /// The file of what the person knows.
    pub(crate) passphrase: &'a Path,
    /// Whether it asks for a bound grant.
    pub(crate) bound: bool,
    /// The file of its private key, if it has one.
    pub(crate) key: Option<&'a Path>,
}

/// A client that speaks one era of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// Python SDK, 2026-07-28.
    PythonStateless,
    /// Python SDK, 2025-11-25.
    PythonSessions,
    /// The client of fastmcp, 2026-07-28.
    FastMcpStateless,
    /// The client of fastmcp, 2025-11-25.
    FastMcpSessions,
    /// TypeScript client of the second line, 2026-07-28.
    TypeScriptStateless,
    /// TypeScript client of the second line, 2025-11-25.
    TypeScriptSessions,
    /// TypeScript SDK of the first line, 2025-11-25.
    TypeScriptOld,
    /// Rust SDK, 2026-07-28.
    RustStateless,
    /// Rust SDK, 2025-06-18.
    RustSessions,
}

impl Client {
    /// Every one of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::PythonStateless,
        Self::PythonSessions,
        Self::FastMcpStateless,
        Self::FastMcpSessions,
        Self::TypeScriptStateless,
        Self::TypeScriptSessions,
        Self::TypeScriptOld,
        Self::RustStateless,
        Self::RustSessions,
    ];

    /// One of each SDK, both eras among them: for tests whose subject is not the client.
    pub(crate) const EACH_SDK: [Self; 5] = [
        Self::PythonStateless,
        Self::PythonSessions,
        Self::TypeScriptStateless,
        Self::TypeScriptOld,
        Self::RustSessions,
    ];

    /// The protocol revision it must end up with.
    pub(crate) fn revision(self) -> &'static str {
        match self {
            Self::PythonStateless
            | Self::FastMcpStateless
            | Self::TypeScriptStateless
            | Self::RustStateless => "2026-07-28",
            Self::PythonSessions
            | Self::FastMcpSessions
            | Self::TypeScriptSessions
            | Self::TypeScriptOld => "2025-11-25",
            Self::RustSessions => "2025-06-18",
        }
    }

    /// The program to start; `None` for the client that runs within the tests.
    fn command(self) -> Option<Command> {
        let (program, script, era) = match self {
            Self::PythonStateless => (python(), "python_sdk.py", Some("stateless")),
            Self::PythonSessions => (python(), "python_sdk.py", Some("sessions")),
            Self::FastMcpStateless => (python(), "fastmcp_client.py", Some("stateless")),
            Self::FastMcpSessions => (python(), "fastmcp_client.py", Some("sessions")),
            Self::TypeScriptStateless => (node(), "ts_client.mjs", Some("stateless")),
            Self::TypeScriptSessions => (node(), "ts_client.mjs", Some("sessions")),
            Self::TypeScriptOld => (node(), "ts_sdk_old.mjs", None),
            Self::RustStateless | Self::RustSessions => return None,
        };
        let mut command = Command::new(program);
        command.arg(peer(&format!("clients/{script}")));
        command.args(era.into_iter().flat_map(|era| ["--era", era]));
        command.args(["--interactive", "--timeout", SDK_PATIENCE]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        Some(command)
    }

    /// Connects to an endpoint with a grant.
    pub(crate) async fn connect(self, grant: &Grant) -> Conversation {
        self.connect_to(&grant.endpoint, &grant.token).await
    }

    /// Connects to a URL with a bearer token.
    pub(crate) async fn connect_to(self, url: &str, token: &str) -> Conversation {
        self.begin(Where::Url(url.to_owned(), token.to_owned())).await
    }

    /// Connects to an endpoint as whoever is registered with the private key in `key`, and asks the
    /// token endpoint for a grant; for the clients that can.
    pub(crate) async fn connect_registered(self, who: &Registered<'_>) -> Conversation {
        let mut command = self.command().expect("a client that is a program of its own");
        let Registered { url, name, key, issuer, bound, trusts } = who;
        command.envs(trusts.map(|file| ("NODE_EXTRA_CA_CERTS", file)));
        command.args(["--url", url, "--client", name, "--key", key, "--issuer", issuer]);
        command.args(bound.then_some("--dpop"));
        self.start(command).await
    }

    /// Connects under `remit run`, to the address that it is given there.
    pub(crate) async fn connect_run(self, state: &Path, template: &str) -> Conversation {
        let own = self.command().expect("a client that is a program of its own");
        let mut command = Command::new(REMIT);
        command.args(["run", "--template", template, "--state"]).arg(state).arg("--");
        command.arg(own.as_std().get_program()).args(own.as_std().get_args());
        command.args(["--url", "{url}"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        self.start(command).await
    }

    /// Connects to an endpoint with what somebody else says; for the clients that can.
    pub(crate) async fn connect_vouched(self, who: &Vouched<'_>) -> Conversation {
        let mut command = self.command().expect("a client that is a program of its own");
        let Vouched { url, name, assertion, key, issuer } = who;
        command.args(["--url", url, "--client", name, "--issuer", issuer]);
        command.arg("--assertion").arg(assertion);
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        self.start(command).await
    }

    /// Connects to an endpoint, where a person says in a browser what it is to do; for the clients that
    /// can.
    pub(crate) async fn connect_guided(self, who: &Guided<'_>) -> Conversation {
        let mut command = self.command().expect("a client that is a program of its own");
        let Guided { url, client, passphrase, bound, key } = who;
        command.args(["--url", url, "--client", client, "--passphrase-file"]).arg(passphrase);
        command.args(bound.then_some("--dpop"));
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        self.start(command).await
    }

    /// Connects to a stdio server.
    pub(crate) async fn connect_stdio(self, server: &[String]) -> Conversation {
        self.begin(Where::Command(server.to_vec())).await
    }

    async fn begin(self, place: Where) -> Conversation {
        let Some(mut command) = self.command() else {
            let (mine, steps) = tokio::io::duplex(PIPE);
            let (written, lines) = tokio::io::duplex(PIPE);
            let run = tokio::spawn(rust_sdk::drive(self.revision(), place, steps, written));
            return Conversation::begin(self, Run::Within(run), mine, lines).await;
        };
        match &place {
            Where::Url(url, token) => command.args(["--url", url, "--token", token]),
            Where::Command(words) => command.arg("--").args(words),
        };
        self.start(command).await
    }

    async fn start(self, mut command: Command) -> Conversation {
        let mut child = command.spawn().unwrap();
        let (steps, lines) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Conversation::begin(self, Run::Process(Box::new(child)), steps, lines).await
    }
}

/// How many clients are at work at once: two cores cannot start more without running into timeouts.
const AT_ONCE: usize = 4;

/// Every client, over HTTP and over stdio, does `work` in a task of its own from `template`. `stand` is
/// where in the `place` that they share Remit stands; who is at work is told in words.
pub(crate) async fn everywhere<P, F>(
    place: &Arc<P>,
    template: &'static str,
    stand: fn(&P) -> &Stand,
    work: fn(Arc<P>, Conversation, String) -> F,
) where
    P: Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (client, stdio) in Client::ALL.into_iter().flat_map(|one| [(one, false), (one, true)]) {
        let (place, room) = (Arc::clone(place), Arc::clone(&room));
        running.spawn(async move {
            let _place = room.acquire_owned().await.unwrap();
            let talk = if stdio {
                client.connect_stdio(&stand(&place).stdio_door(template)).await
            } else {
                client.connect(&stand(&place).open(template).await).await
            };
            let who = format!("{client:?} over {}", if stdio { "stdio" } else { "HTTP" });
            work(place, talk, who).await;
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

/// How long an SDK waits for an answer, in seconds: less than the test waits for the SDK.
const SDK_PATIENCE: &str = "50";

/// How much may wait between a test and the client that runs within it.
const PIPE: usize = 1 << 20;

/// What carries a client.
enum Run {
    Process(Box<Child>),
    Within(JoinHandle<bool>),
}

impl Run {
    /// Waits for its end; whether the session held.
    async fn held(self) -> bool {
        match self {
            Self::Process(mut child) => child.wait().await.unwrap().success(),
            Self::Within(task) => task.await.unwrap(),
        }
    }
}

/// A session that one client holds, step by step.
pub(crate) struct Conversation {
    client: Client,
    run: Run,
    steps: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    lines: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    /// What came in beside the answers: notifications, questions, transport errors.
    pub(crate) beside: Vec<Value>,
    /// What the client learnt when it connected.
    pub(crate) connected: Value,
}

impl Conversation {
    async fn begin(
        client: Client,
        run: Run,
        steps: impl AsyncWrite + Send + Unpin + 'static,
        lines: impl AsyncRead + Send + Unpin + 'static,
    ) -> Self {
        let steps: Option<Box<dyn AsyncWrite + Send + Unpin>> = Some(Box::new(steps));
        let lines: Box<dyn AsyncRead + Send + Unpin> = Box::new(lines);
        let lines = BufReader::new(lines).lines();
        let connected = Value::Null;
        let mut begun = Self { client, run, steps, lines, beside: Vec::new(), connected };
        begun.connected = begun.answer().await["result"].clone();
        assert_eq!(begun.connected["protocolVersion"], client.revision(), "{client:?}");
        begun
    }

    /// The next answer; what came before it is kept in `beside`.
    async fn answer(&mut self) -> Value {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line())
                .await
                .unwrap_or_else(|_| {
                    panic!("{:?} got no answer; beside: {:?}", self.client, self.beside)
                })
                .unwrap()
                .unwrap_or_else(|| panic!("{:?} ended; beside: {:?}", self.client, self.beside));
            let line: Value = serde_json::from_str(&line).unwrap();
            assert!(line.get("broken").is_none(), "{:?}: the session broke: {line}", self.client);
            if line.get("method").is_some() {
                return line;
            }
            self.beside.push(line);
        }
    }

    /// Takes a step and gives the whole line of its answer.
    pub(crate) async fn step(&mut self, step: &Value) -> Value {
        self.say(step).await;
        self.answer().await
    }

    async fn say(&mut self, step: &Value) {
        let line = format!("{step}\n");
        self.steps.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
    }

    /// Takes several steps at once and gives their answers in the order they came.
    pub(crate) async fn parallel(&mut self, steps: &[Value]) -> Vec<Value> {
        self.say(&json!({"do": "parallel", "steps": steps})).await;
        let mut answers = Vec::new();
        for _ in steps {
            answers.push(self.answer().await);
        }
        answers
    }

    /// The result of a step that must have one.
    pub(crate) async fn result(&mut self, step: &Value) -> Value {
        let line = self.step(step).await;
        assert!(line.get("result").is_some(), "{:?}: {step} gave {line}", self.client);
        line["result"].clone()
    }

    /// The result of a tool call.
    pub(crate) async fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.result(&json!({"do": "tools/call", "name": tool, "arguments": arguments})).await
    }

    /// The text of a tool call that must have succeeded.
    pub(crate) async fn text(&mut self, tool: &str, arguments: &Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_ne!(result["isError"], true, "{:?}: {tool} gave {result}", self.client);
        text_of(&result)
    }

    /// The refusal of a tool call that must have been refused; its form is checked.
    pub(crate) async fn refusal(&mut self, tool: &str, arguments: &Value) -> Value {
        let result = self.call(tool, arguments).await;
        refusal_of(&result)
    }

    /// The names of the tools it is shown.
    pub(crate) async fn tools(&mut self) -> Vec<String> {
        let listed = self.result(&json!({"do": "tools/list"})).await;
        let tools = listed["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Ends the session; it must have held until now.
    pub(crate) async fn end(mut self) -> Vec<Value> {
        drop(self.steps.take());
        while let Some(line) = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap() {
            self.beside.push(serde_json::from_str(&line).unwrap());
        }
        let held = timeout(PATIENCE, self.run.held()).await.unwrap();
        assert!(held, "{:?}: the session broke: {:?}", self.client, self.beside);
        self.beside
    }
}

/// The texts of a result, joined.
pub(crate) fn text_of(result: &Value) -> String {
    let content = result["content"].as_array().unwrap_or_else(|| panic!("no content in {result}"));
    content.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// The structured part of a refusal of ours; in `_meta` where the tool declares an `outputSchema`,
/// which a refusal does not have.
pub(crate) fn refusal_in(result: &Value) -> Option<&Value> {
    let places = [&result["structuredContent"], &result["_meta"]["remit/refusal"]];
    places.into_iter().find(|place| place["class"].is_string())
}

/// The structured part of a refusal, after a check that it says what R11 promises: the class, at
/// least one reason, a remedy, and the same in words.
pub(crate) fn refusal_of(result: &Value) -> Value {
    assert_eq!(result["isError"], true, "not a refusal: {result}");
    let refusal = refusal_in(result).cloned().unwrap_or_default();
    let class = refusal["class"].as_str().unwrap_or_else(|| panic!("no class in {result}"));
    assert!(["structural", "needs_approval", "budget", "transient"].contains(&class), "{class}");
    let reasons = refusal["reasons"].as_array().unwrap_or_else(|| panic!("no reasons in {result}"));
    assert!(!reasons.is_empty(), "no reasons in {result}");
    for reason in reasons {
        assert!(reason["policy"].as_str().is_some_and(|id| !id.is_empty()), "{reason}");
        assert!(reason["text"].as_str().is_some_and(|text| !text.is_empty()), "{reason}");
    }
    let remedy = refusal["remedy"].as_str().unwrap_or_else(|| panic!("no remedy in {result}"));
    let words = text_of(result);
    assert!(words.contains(remedy), "the words leave out the remedy `{remedy}`: {words}");
    refusal
}

/// The inspector's command line, one request a run; gives the result.
pub(crate) async fn inspect(place: &[&str], era: &str, request: &[&str]) -> Value {
    let run = Command::new(peer("clients/inspector"))
        .args(place)
        .args(["--era", era, "--"])
        .args(request)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, run).await.expect("the inspector ends").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let line: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("inspector {request:?} ({error}): {said}"));
    line["result"].clone()
}

/// The fastmcp server of `e2e/servers/stateless.py` over HTTP, 2026-07-28.
pub(crate) async fn stateless_server() -> Listening {
    listening(&[&peer("servers/stateless.py"), "--port", "0"]).await
}

/// The server of `e2e/servers/misbehaving.py` over HTTP; writes the calls that reach it to `journal`.
pub(crate) async fn misbehaving_over_http(journal: &Path) -> Listening {
    let journal = journal.to_str().unwrap();
    listening(&[&peer("servers/misbehaving.py"), "--journal", journal, "--port", "0"]).await
}

/// The host of `e2e/servers/documents.py`, whose clients sign with `keys`; writes the paths that were asked
/// for to `journal`.
pub(crate) async fn documents(
    (certificate, key): (&Path, &Path),
    (journal, keys): (&Path, &Path),
) -> Listening {
    let files = [certificate, key, journal, keys].map(|file| file.to_str().unwrap());
    started(&[&[peer("servers/documents.py").as_str()], &files[..]].concat()).await
}

/// The server of `e2e/servers/guarded.py`, which accepts what stands in `keys` and writes what it was sent
/// to `journal`; `elsewhere` is where it redirects to.
pub(crate) async fn guarded(keys: &Path, journal: &Path, elsewhere: &str) -> Listening {
    let [keys, journal] = [keys, journal].map(|file| file.to_str().unwrap());
    let elsewhere = (!elsewhere.is_empty()).then_some(elsewhere);
    let script = peer("servers/guarded.py");
    let arguments: Vec<&str> = [&script, keys, journal].into_iter().chain(elsewhere).collect();
    listening(&arguments).await
}

/// Makes a certificate for 127.0.0.1 and its key.
pub(crate) async fn certificate(certificate: &Path, key: &Path) {
    let mut program = Command::new(python());
    program.arg(peer("certificate.py"));
    let run = program.arg(certificate).arg(key).output().await.unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// A server in Python that prints its URL first.
pub(crate) async fn listening(arguments: &[&str]) -> Listening {
    let server = started(arguments).await;
    reachable(&server.url).await;
    server
}

/// The everything server over HTTP with sessions, 2025-11-25, kept on the loopback interface.
pub(crate) async fn everything_over_http() -> Listening {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(node())
        .args(["--import", &peer("servers/loopback.mjs")])
        .args([npm_server("everything"), "streamableHttp".to_owned()])
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}/mcp");
    reachable(&url).await;
    Listening::new(child, url)
}

async fn reachable(url: &str) {
    let address = url.trim_start_matches("http://").trim_end_matches("/mcp");
    let connected = timeout(PATIENCE, async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    connected.await.unwrap_or_else(|_| panic!("{url} never listened"));
}

/// The server of `e2e/servers/changing.py`, its tools and its journal.
pub(crate) struct Changing {
    tools: PathBuf,
    journal: PathBuf,
}

impl Changing {
    /// In `folder`, with these tools.
    pub(crate) fn new(folder: &Path, tools: &Value) -> Self {
        let this = Self { tools: folder.join("tools.json"), journal: folder.join("journal.jsonl") };
        this.change(tools);
        this
    }

    /// Its command line.
    pub(crate) fn command(&self) -> Vec<String> {
        let [tools, journal] = [&self.tools, &self.journal].map(|path| path.to_str().unwrap());
        vec![python(), peer("servers/changing.py"), tools.to_owned(), journal.to_owned()]
    }

    /// Replaces its tools.
    pub(crate) fn change(&self, tools: &Value) {
        self.write(&json!({"tools": tools}));
    }

    /// Replaces its tools and tells nobody.
    pub(crate) fn change_in_silence(&self, tools: &Value) {
        self.write(&json!({"tools": tools, "announce": false}));
    }

    fn write(&self, content: &Value) {
        let next = self.tools.with_extension("next");
        std::fs::write(&next, content.to_string()).unwrap();
        std::fs::rename(&next, &self.tools).unwrap();
    }

    /// Where it writes down each call that reached it.
    pub(crate) fn journal(&self) -> PathBuf {
        self.journal.clone()
    }

    /// The calls that really reached it.
    pub(crate) fn reached(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.journal).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
