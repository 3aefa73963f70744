#![cfg(test)]
//! The port's promise from outside: a recorded permit is spent at the last moment and sent at most
//! once, and the outcome says no more than what is certain (promise R2).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use remit_model::{Clock, Digest, Effect, TaskId, Timestamp};
use remit_ports::{
    Armed, Body, Clear, Done, Draft, Drafted, Kind, Lease, Ledger, Material, Outcome, Pins, Reply,
    Room, Ticket, Upstream, Veil,
};
use remit_testkit::{ManualClock, MemoryKeys, MemoryLedger, samples};
use remit_upstream::{Base, Limits, ServerConfig, Servers, StdioServer, Transport};

const EPOCH: u64 = 5;

/// The clock of a process that can stand still for twenty seconds right after a look at it. Timers
/// do not notice; they have not fired when it goes on.
struct Halting {
    clock: ManualClock,
    stops_after_next: AtomicBool,
}

impl Clock for Halting {
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        if self.stops_after_next.swap(false, Ordering::SeqCst) {
            self.clock.advance(Duration::from_secs(20));
        }
        now
    }
    fn monotonic(&self) -> u64 {
        self.clock.monotonic()
    }
}

struct Stand {
    servers: Servers,
    clock: Arc<Halting>,
    log: PathBuf,
    _folder: tempfile::TempDir,
}

fn stand(program: &str) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/stdio_server.py");
    let stdio = StdioServer {
        program: program.to_owned(),
        args: [script, "sessions", log.to_str().unwrap()].map(str::to_owned).into(),
        env: BTreeMap::new(),
        directory: None,
    };
    let path = option_env!("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin").to_owned();
    let base = Base {
        environment: [("PATH".to_owned(), path)].into(),
        version: "1".to_owned(),
        lent: std::env::temp_dir(),
        limits: Limits::default(),
    };
    let config =
        ServerConfig { transport: Transport::Stdio(stdio), shared: false, deliveries: Vec::new() };
    let (clock, stops_after_next) = (ManualClock::at(samples::NOW), AtomicBool::new(false));
    let clock = Arc::new(Halting { clock, stops_after_next });
    let of: Arc<Halting> = Arc::clone(&clock);
    let servers = Servers::new([(samples::server("files"), config)].into(), base, of);
    Stand { servers, clock, log, _folder: folder }
}

/// A recorded call of `tool`, with `millis` to go.
async fn armed(tool: &str, millis: u64) -> (Armed, Arc<AtomicU64>) {
    let tool = samples::tool(&format!("files/{tool}"), Effect::Write);
    let (drafted, _) = Drafted::new(samples::permit(&tool, "{}")).unwrap();
    let pin = Digest::of(b"pin");
    let draft = Draft {
        kind: Kind::Decision,
        subject: None,
        parents: Vec::new(),
        pins: Pins { policy: pin, schema: pin, catalogue: pin, engine: "test" },
        clear: Clear { question: Some(drafted.question_digest()), ..Clear::default() },
        body: Body::new(),
        room: Room::Permit,
    };
    let clock = Arc::new(ManualClock::at(samples::NOW));
    let ledger = MemoryLedger::new(clock, Arc::new(MemoryKeys::new()));
    let receipt = ledger.append(draft).unwrap().durable().await.unwrap();
    let epoch = Arc::new(AtomicU64::new(EPOCH));
    let deadline = samples::NOW.after(Duration::from_millis(millis));
    let ticket = Ticket { epoch: Arc::clone(&epoch), expected: EPOCH, deadline };
    (drafted.recorded(receipt).unwrap().arm(ticket), epoch)
}

async fn send(stand: &Stand, tool: &str, millis: u64) -> Done {
    let (armed, _) = armed(tool, millis).await;
    stand.servers.send(armed, samples::link()).await
}

fn arrived(log: &Path, tool: &str) -> usize {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.contains(&format!("\"name\":\"{tool}\""))).count()
}

#[tokio::test]
async fn an_answer_is_relayed_byte_for_byte() {
    let stand = stand("python3");
    let done = send(&stand, "fail", 20_000).await;
    assert!(matches!(done.outcome(), Outcome::Answered { failed: true, .. }), "{done:?}");
    let Some(Reply::Result(raw)) = done.reply() else { panic!("{done:?}") };
    let expected = r#"{"content": [{"type": "text", "text": "no such file"}], "isError": true}"#;
    assert_eq!(raw.raw().as_str(), expected);
    let done = send(&stand, "refuse", 20_000).await;
    let Some(Reply::Error(raw)) = done.reply() else { panic!("{done:?}") };
    assert!(raw.as_str().contains("-32602"));
    assert!(matches!(done.outcome(), Outcome::Answered { failed: true, .. }));
}

#[tokio::test]
async fn a_moved_epoch_stops_the_call_before_its_first_byte() {
    let stand = stand("python3");
    let (armed, epoch) = armed("echo", 20_000).await;
    epoch.store(EPOCH + 1, Ordering::Release);
    let done = stand.servers.send(armed, samples::link()).await;
    assert_eq!(done.outcome(), &Outcome::Stopped);
    assert_eq!(arrived(&stand.log, "echo"), 0);
}

#[tokio::test]
async fn a_call_whose_time_ran_out_while_the_process_stood_still_is_not_sent() {
    let stand = stand("python3");
    send(&stand, "echo", 20_000).await;
    let (armed, _) = armed("echo", 20_000).await;
    stand.clock.stops_after_next.store(true, Ordering::SeqCst);
    let done = stand.servers.send(armed, samples::link()).await;
    assert!(matches!(done.outcome(), Outcome::NotSent { .. }), "{done:?}");
    assert_eq!(arrived(&stand.log, "echo"), 1);
}

#[tokio::test]
async fn a_death_after_the_first_byte_is_unknown_and_sent_once() {
    let stand = stand("python3");
    let done = send(&stand, "crash", 20_000).await;
    assert!(matches!(done.outcome(), Outcome::Unknown { .. }), "{done:?}");
    assert!(done.reply().is_none());
    assert_eq!(arrived(&stand.log, "crash"), 1);
}

#[tokio::test]
async fn a_passed_deadline_is_unknown_once_sent_and_not_sent_before() {
    let stand = stand("python3");
    let warm = send(&stand, "echo", 20_000).await;
    assert!(matches!(warm.outcome(), Outcome::Answered { failed: false, .. }), "{warm:?}");
    let done = send(&stand, "slow", 300).await;
    assert!(matches!(done.outcome(), Outcome::Unknown { .. }), "{done:?}");
    let cold = self::stand("python3");
    let done = send(&cold, "echo", 1).await;
    assert!(matches!(done.outcome(), Outcome::NotSent { .. }), "{done:?}");
    assert_eq!(arrived(&cold.log, "echo"), 0);
}

#[tokio::test]
async fn a_server_that_cannot_start_was_sent_nothing() {
    let stand = stand("/no/such/program");
    let done = send(&stand, "echo", 20_000).await;
    let Outcome::NotSent { why } = done.outcome() else { panic!("{done:?}") };
    assert!(why.contains("/no/such/program"), "{why}");
}

/// What may be lent within `task` for calls of `server`.
fn lease(task: Option<TaskId>, server: &str) -> Arc<Lease> {
    Arc::new(Lease {
        id: samples::lease_id(1),
        credential: "key".parse().unwrap(),
        server: samples::server(server),
        task,
        until: samples::NOW.after(Duration::from_mins(1)),
        material: Material::default(),
        veil: Veil::default(),
        good: Arc::new(true.into()),
    })
}

#[tokio::test]
async fn a_recorded_call_takes_no_credential_of_another_task_or_server() {
    let own = || Some(samples::task_id(1));
    for (task, server) in [
        (Some(samples::task_id(2)), "files"),
        (None, "files"),
        (own(), "file"),
        (Some(samples::task_id(2)), "shop"),
    ] {
        let (armed, _) = armed("echo", 20_000).await;
        let refused = armed.lend(lease(task.clone(), server));
        let done = refused.expect_err(&format!("{task:?} {server}"));
        let Outcome::NotSent { why } = done.outcome() else { panic!("{done:?}") };
        assert!(why.contains("another task or server"), "{why}");
    }
    let (armed, _) = armed("echo", 20_000).await;
    let armed = armed.lend(lease(own(), "files")).unwrap();
    assert_eq!(armed.leases().len(), 1);
}
