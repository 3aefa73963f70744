//! `remit run`: an agent finds its tools at an address, holds nothing, and nobody else gets in.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::grants::stand;
use crate::peers::{Client, python};
use crate::stand::{PATIENCE, Plan, REMIT, Stand};
use crate::wire::{exchange, get};

fn run(stand: &Stand, command: &[&str]) -> Command {
    let mut run = Command::new(REMIT);
    run.args(["run", "--template", "reading", "--state"]).arg(stand.state()).arg("--");
    run.args(command).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    run
}

/// What `sh -c program` prints, and its exit code.
async fn shell(stand: &Stand, program: &str) -> (String, Option<i32>) {
    let output = run(stand, &["sh", "-c", program, "{url}"]).output();
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

/// A run that does nothing but say where its tools are.
async fn waiting(stand: &Stand) -> (Child, String) {
    let mut run = run(stand, &["sh", "-c", "echo $REMIT_MCP_URL; exec sleep 600"]);
    let mut child = run.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    (child, url)
}

async fn states(stand: &Stand) -> Vec<String> {
    let tasks = stand.ask(&["task", "list"]).await;
    let tasks = tasks.as_array().unwrap().iter();
    tasks.map(|task| task["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_cannot_hold_a_bound_grant_need_none() {
    let (stand, notes) = stand(Plan::new().bound_only()).await;
    let clients = [
        Client::PythonStateless,
        Client::PythonSessions,
        Client::TypeScriptOld,
        Client::FastMcpSessions,
    ];
    for client in clients {
        let mut talk = client.connect_run(stand.state(), "reading").await;
        let text = talk.text("notes__read_note", &json!({"title": "a"})).await;
        assert_eq!(text, "a note", "{client:?}");
        talk.end().await;
    }
    assert_eq!(notes.reached().len(), clients.len());
    let entries = stand.entries().await;
    let decisions: Vec<_> = entries.iter().filter(|entry| entry["kind"] == "decision").collect();
    assert!(decisions.iter().all(|entry| entry["clear"]["possession"] == "dpop"), "{decisions:?}");
    for _ in 0..100 {
        if states(&stand).await.iter().all(|state| state == "closed") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("every task ends with its command: {:?}", states(&stand).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_is_given_an_address_and_no_secret() {
    let (stand, _notes) = stand(Plan::new().bound_only()).await;
    let look = "echo \"$0\"; env; cat /proc/$$/cmdline | tr '\\0' ' '; echo; ls /proc/$$/fd | wc -l; exit 7";
    let (said, code) = shell(&stand, look).await;
    assert_eq!(code, Some(7), "the command's exit code is ours: {said}");
    let url = said.lines().next().unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/mcp"), "{said}");
    assert!(said.contains(&format!("REMIT_MCP_URL={url}")), "{said}");
    assert!(said.contains("SPIFFE_ENDPOINT_SOCKET=unix:///"), "{said}");
    assert!(!said.contains("eyJ"), "no token: {said}");
    assert_eq!(states(&stand).await, ["closed"]);
    // Its own descriptors are closed to it: standard ones, and the one that lists them.
    assert!(said.trim_end().lines().last().unwrap().trim().parse::<u32>().unwrap() <= 5, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_it_did_not_start_is_turned_away() {
    let (stand, notes) = stand(Plan::new().bound_only()).await;
    let (mut child, url) = waiting(&stand).await;
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/mcp").unwrap();
    let refused = get(address, "/mcp").await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("only what `remit run` started"), "{}", refused.body);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "notes__read_note", "arguments": {"title": "a"}}});
    let head =
        format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    let refused = exchange(address, &head, &call.to_string()).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(notes.reached().is_empty());
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_sends_as_its_own_proof_goes_no_further() {
    let (stand, notes) = stand(Plan::new().bound_only()).await;
    // The right process, with a name that is not ours, and with somebody else's grant.
    let program = format!(
        "{} -c '\nimport http.client, os, sys\n\
         host = os.environ[\"REMIT_MCP_URL\"].split(\"/\")[2]\n\
         for headers in ({{\"Host\": \"evil.example\"}}, {{\"Authorization\": \"Bearer x\", \"DPoP\": \"y\"}}):\n\
         \x20   c = http.client.HTTPConnection(host)\n\
         \x20   c.request(\"GET\", \"/v1/status\", headers=headers)\n\
         \x20   print(c.getresponse().status)\n'",
        python()
    );
    let (said, code) = shell(&stand, &program).await;
    assert_eq!((said.as_str(), code), ("421\n404\n", Some(0)));
    assert!(notes.reached().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_tells_the_command_and_ends_the_task() {
    let (stand, _notes) = stand(Plan::new().bound_only()).await;
    let (mut child, _url) = waiting(&stand).await;
    assert_eq!(states(&stand).await, ["open"]);
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(128 + 15));
    assert_eq!(states(&stand).await, ["closed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_runs_out_is_renewed() {
    let (stand, notes) = stand(Plan::new().bound_only().limits("grant = \"2s\"")).await;
    let mut talk = Client::TypeScriptOld.connect_run(stand.state(), "reading").await;
    for _ in 0..4 {
        talk.text("notes__read_note", &json!({"title": "a"})).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    talk.end().await;
    assert_eq!(notes.reached().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_started_opens_nothing_for_long() {
    let (stand, _notes) = stand(Plan::new().bound_only()).await;
    let output = run(&stand, &["/no/such/program"]).stderr(Stdio::piped()).output().await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot start `/no/such/program`"), "{said}");
    assert_eq!(states(&stand).await, ["closed"]);
}
