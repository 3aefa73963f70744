//! Who leaves first: Remit while a client of `remit mcp` is still there, with a call under way or without.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::misbehaviour::process;
use crate::stand::{PATIENCE, Plan, Stand};

/// A client that keeps its end open whatever happens.
struct Holding {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Holding {
    async fn begin(stand: &Stand) -> Self {
        let door = stand.stdio_door("reading");
        let mut command = Command::new(&door[0]);
        command.args(&door[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut begun = Self { child, input, output };
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
        begun.ask(0, "initialize", &params).await;
        assert_eq!(begun.next().await.unwrap()["id"], 0);
        begun
    }

    async fn ask(&mut self, id: u64, method: &str, params: &Value) {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The next message, unless the connection ends before it.
    async fn next(&mut self) -> Option<Value> {
        let line = timeout(PATIENCE, self.output.next_line()).await.expect("a line or an end");
        line.unwrap().map(|line| serde_json::from_str(&line).unwrap())
    }

    /// How `remit mcp` ends, and what it says then, while its standard input stays open.
    async fn left(mut self) -> (ExitStatus, String) {
        while self.next().await.is_some() {}
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
        (ended, said)
    }
}

async fn the_client_is_told_that_remit_left(client: Holding) {
    let (ended, said) = client.left().await;
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("Remit closed the connection"), "{said}");
}

/// A stand before a server that is slow, and the file in which that writes which calls reach it.
async fn slow() -> (Stand, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("calls.jsonl");
    let server = process(&["--journal", journal.to_str().unwrap()]);
    let server: Vec<&str> = server.iter().map(String::as_str).collect();
    let plan = Plan::new().stdio("slow", &server, "").template("reading", &["*"], "");
    let state = folder.path().join("state");
    let stand = Stand::up(&plan, folder, state).await;
    let known = |tools: &Value| tools.as_array().is_some_and(|tools| !tools.is_empty());
    stand.until("the server has been asked", &["tool", "list"], known).await;
    (stand, journal)
}

async fn reached(journal: &std::path::Path) {
    let there = async {
        while !std::fs::read_to_string(journal).is_ok_and(|calls| calls.contains("read_")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, there).await.expect("the call reaches its server");
}

/// What became of the tasks.
async fn tasks(stand: &Stand) -> Vec<String> {
    let listed = stand.ask(&["task", "list"]).await;
    let state = |task: &Value| task["state"].as_str().unwrap_or_default().to_owned();
    listed.as_array().unwrap().iter().map(state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_a_call_over_stdio_be_answered_and_ends_its_task() {
    let (mut stand, journal) = slow().await;
    let (mut calling, idle) = (Holding::begin(&stand).await, Holding::begin(&stand).await);
    let params = json!({"name": "slow__read_late", "arguments": {}});
    calling.ask(1, "tools/call", &params).await;
    reached(&journal).await;
    stand.stop().await;
    let answer = calling.next().await.expect("the answer comes before the end");
    assert_eq!(answer["result"]["content"][0]["text"], "ok", "{answer}");
    the_client_is_told_that_remit_left(calling).await;
    the_client_is_told_that_remit_left(idle).await;
    stand.start().await;
    assert_eq!(tasks(&stand).await, ["closed", "closed"]);
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_call_without_end_and_ends_its_task_all_the_same() {
    let (mut stand, journal) = slow().await;
    let mut calling = Holding::begin(&stand).await;
    let params = json!({"name": "slow__read_never", "arguments": {}});
    calling.ask(1, "tools/call", &params).await;
    reached(&journal).await;
    // What is said while it stops is not read any more.
    let more = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        calling.ask(2, "ping", &json!({})).await;
    };
    tokio::join!(stand.stop(), more);
    the_client_is_told_that_remit_left(calling).await;
    stand.start().await;
    assert_eq!(tasks(&stand).await, ["closed"]);
    crate::proof::log_is_good(&stand).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remit_mcp_ends_with_its_task_although_its_client_says_nothing() {
    let (stand, _journal) = slow().await;
    let client = Holding::begin(&stand).await;
    let listed = stand.ask(&["task", "list"]).await;
    stand.act(&["task", "close", listed[0]["task"].as_str().unwrap()]).await;
    the_client_is_told_that_remit_left(client).await;
}
