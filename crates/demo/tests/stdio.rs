#![cfg(test)]
//! Each demo server as a real child process on stdio: it answers, and it ends when its client
//! leaves, so no demo leaves processes behind.
//!
//! This test is its own server: started with `demo-server NAME` it serves, else it drives four
//! such children.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use remit_demo::{DemoServer, Seat, serve};
use rmcp::ServiceExt as _;
use tokio::process::Command;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// How long a server may take to notice that its client has left.
const PARTING: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["demo-server", kind] => Ok(serve(kind.parse()?, Seat::default()).await?),
        words if words.contains(&"--list") => {
            Ok(writeln!(std::io::stdout(), "every_server_runs_as_a_child: test")?)
        }
        _ => every_server_runs_as_a_child().await,
    }
}

async fn every_server_runs_as_a_child() -> Outcome {
    for kind in DemoServer::ALL {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["demo-server", kind.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = (child.stdout.take(), child.stdin.take());
        let (Some(stdout), Some(stdin)) = pipes else { return Err("no pipes to the child".into()) };
        let client = ().serve((stdout, stdin)).await?;
        let tools = client.list_all_tools().await?;
        if tools.is_empty() {
            return Err(format!("{kind} lists no tools").into());
        }
        client.cancel().await?;
        let status = tokio::time::timeout(PARTING, child.wait()).await;
        let status = status.map_err(|_| format!("{kind} still runs after its client left"))??;
        if !status.success() {
            return Err(format!("{kind} ended with {status}").into());
        }
        writeln!(std::io::stdout(), "test {kind} serves on stdio and ends with its client ... ok")?;
    }
    Ok(())
}
