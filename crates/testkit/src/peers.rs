//! Other people's programs, which `e2e/setup` installs: where they are, and how a server of theirs is started.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a peer that does not start fails the test that asked for it"
)]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a log is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);
/// How many ports are tried: another process can take one between its choice and its use.
const PORTS: u32 = 5;

/// A server, which ends when this is dropped.
#[derive(Debug)]
pub struct Listening {
    _child: tokio::process::Child,
    /// What it calls itself.
    pub url: String,
}

impl Listening {
    /// What `child` listens at.
    pub fn new(child: tokio::process::Child, url: String) -> Self {
        Self { _child: child, url }
    }
}

/// A file under `e2e/`; it must be there.
pub fn peer(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e").canonicalize();
    // A symbolic link in a virtual environment must stay one, or it loses its packages.
    let file = root.expect("the repository has its peers").join(path);
    assert!(file.exists(), "{} is missing: run e2e/setup first", file.display());
    file.display().to_string()
}

/// The Python that has the packages.
pub fn python() -> String {
    peer(".venv/bin/python")
}

/// A server in Python that prints its URL first.
pub async fn started(arguments: &[&str]) -> Listening {
    let mut command = Command::new(python());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("there is a Python");
    let said = child.stdout.take().expect("it is piped");
    let url = timeout(PATIENCE, BufReader::new(said).lines().next_line()).await;
    let url = url.expect("it starts in time").expect("it prints text");
    let url = url.unwrap_or_else(|| panic!("{arguments:?} ended, for the reason it printed"));
    Listening::new(child, url)
}

/// What `run` makes of a free port, once it wrote `ready` into its log, in which `{port}` stands for the port.
/// A program that ends before it gets another one.
pub async fn on_a_free_port(run: impl Fn(u16) -> Child, log: &Path, ready: &str) -> (Child, u16) {
    let said = || std::fs::read_to_string(log).unwrap_or_default();
    for _ in 0..PORTS {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
        let port = free.expect("there is a free port").port();
        let ready = ready.replace("{port}", &port.to_string());
        let mut child = run(port);
        let starting = async {
            while child.try_wait().expect("it is ours").is_none() {
                if said().contains(&ready) {
                    return true;
                }
                sleep(LOOK).await;
            }
            false
        };
        match timeout(PATIENCE, starting).await {
            Ok(true) => return (child, port),
            Ok(false) => {}
            Err(_) => {
                drop(child.kill());
                panic!("it does not get ready: {}", said());
            }
        }
    }
    panic!("it ends on each of {PORTS} ports: {}", said());
}
