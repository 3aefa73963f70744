//! The adapter against real processes and real sockets: servers in `tests/servers/` that behave,
//! dawdle, crash, lie and flood, and logs of what really reached them.

mod http;
mod process;
mod stdio;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use remit_mcp::Outcome;
use remit_model::{Call, Clock, Entropy, Operation, ServerName, TaskId, Timestamp};
use remit_ports::{Link, ToClient};
use remit_testkit::samples;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::config::{Base, Limits, ServerConfig, StdioServer, Transport};
use crate::gate::Gate;
use crate::servers::Servers;
use crate::wire::Ended;

/// Long enough for a Python process on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// The time of the test's runtime.
struct Ticking(tokio::time::Instant);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
    fn monotonic(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap()
    }
}

/// Task number `n`.
struct Numbered(u8);

impl Entropy for Numbered {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn task(n: u8) -> TaskId {
    TaskId::draw(&Numbered(n))
}

/// A gate that counts how often it was opened, and can be shut.
#[derive(Default)]
struct Counting {
    opened: AtomicUsize,
    shut: bool,
}

impl Gate for Counting {
    fn open(&self) -> bool {
        if !self.shut {
            self.opened.fetch_add(1, Ordering::SeqCst);
        }
        !self.shut
    }
}

fn base(limits: Limits) -> Base {
    let path = option_env!("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    let environment = [("PATH", path), ("HOME", "/tmp"), ("AWS_SECRET_ACCESS_KEY", "leak")];
    Base {
        environment: environment.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        version: "9.9".to_owned(),
        lent: std::env::temp_dir(),
        limits,
    }
}

fn limits() -> Limits {
    Limits { message: 1 << 16, probe: Duration::from_secs(10), ..Limits::default() }
}

fn name() -> ServerName {
    "t".parse().unwrap()
}

fn servers(transport: Transport, shared: bool, limits: Limits) -> Servers {
    let clock = Arc::new(Ticking(tokio::time::Instant::now()));
    let config = ServerConfig { transport, shared, deliveries: Vec::new() };
    Servers::new([(name(), config)].into(), base(limits), clock)
}

fn script(file: &str) -> String {
    format!("{}/tests/servers/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn python(args: &[&str]) -> StdioServer {
    StdioServer {
        program: "python3".to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        env: BTreeMap::new(),
        directory: None,
    }
}

fn call(tool: &str, arguments: &str) -> Call {
    Call {
        server: name(),
        operation: Operation::CallTool { name: tool.to_owned() },
        method: "tools/call".to_owned(),
        params: format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#).into(),
    }
}

fn link(capabilities: &str) -> (Link, mpsc::Receiver<ToClient>) {
    let (to_client, messages) = mpsc::channel(16);
    let link = Link {
        to_client,
        capabilities: Some(capabilities.to_owned()),
        progress_token: Some("\"mine\"".to_owned()),
        ..samples::link()
    };
    (link, messages)
}

/// Carries a call of task 1 and says how it ended and how often its gate was opened.
async fn carry(servers: &Servers, tool: &str, arguments: &str) -> (Ended, usize) {
    carry_within(servers, &call(tool, arguments), LONG).await
}

async fn carry_within(servers: &Servers, call: &Call, within: Duration) -> (Ended, usize) {
    let gate = Arc::new(Counting::default());
    let (link, _messages) = link("{}");
    let of: Arc<dyn Gate> = Arc::<Counting>::clone(&gate);
    let ended = servers.carry((call, &task(1)), (link, Arc::default()), of, within).await;
    (ended, gate.opened.load(Ordering::SeqCst))
}

/// The text of a result.
fn text(ended: &Ended) -> String {
    let Ended::Reply(Outcome::Result(result)) = ended else { panic!("no result: {ended:?}") };
    let result: Value = serde_json::from_str(result.raw().as_str()).unwrap();
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

fn lost(ended: &Ended) -> &str {
    let Ended::Lost(why) = ended else { panic!("not lost: {ended:?}") };
    why
}

/// The messages in a server's log whose text contains `part`.
fn logged(log: &Path, part: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines = text.lines().filter(|line| line.contains(part));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until `condition` holds.
async fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..400 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it did not happen within ten seconds");
}

fn stdio(args: &[&str]) -> Transport {
    Transport::Stdio(python(args))
}
