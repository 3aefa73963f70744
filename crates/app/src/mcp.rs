//! `remit mcp`: an MCP server on standard input and output, for any client's configuration.
//!
//! It holds no key and decides nothing: it connects to the Remit that owns the state directory
//! (starting it if need be), which opens a task for this run, and copies lines both ways.

use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy};

use crate::cli;
use crate::client::SOCKET;
use crate::commands::Context;
use crate::fail::Fail;
use crate::socket::ATTACH;

/// Serves until either side ends.
pub(crate) async fn run(context: &Context, args: &cli::Mcp) -> Result<(), Fail> {
    ensure_served(&context.state).await?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("template", &args.opening.template);
    for (name, value) in [
        ("purpose", &args.opening.purpose),
        ("agent", &args.opening.agent),
        ("server", &args.server),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let path = format!("{}?{}", ATTACH, query.finish());
    let upgraded = context.client().upgrade(&path, crate::socket::PROTOCOL).await?;
    let (mut from_remit, mut to_remit) = tokio::io::split(TokioIo::new(upgraded));
    let (mut stdin, mut stdout) = (tokio::io::stdin(), tokio::io::stdout());
    let sending = async {
        copy(&mut stdin, &mut to_remit).await?;
        to_remit.shutdown().await
    };
    let receiving = async {
        let copied = copy(&mut from_remit, &mut stdout).await;
        stdout.flush().await?;
        copied
    };
    // Remit closing its side ends the run; the client closing its own lets answers still arrive.
    tokio::select! {
        received = receiving => { received?; }
        sent = async { sending.await?; std::future::pending::<std::io::Result<()>>().await } => sent?,
    }
    Ok(())
}

/// Starts `remit serve` for the state directory if none answers, as a process of its own.
pub(crate) async fn ensure_served(state: &Path) -> Result<(), Fail> {
    let socket = state.join(SOCKET);
    if tokio::net::UnixStream::connect(&socket).await.is_ok() {
        return Ok(());
    }
    if !state.join("remit.toml").exists() {
        return Err(Fail::new(format!(
            "{} is no state directory of Remit: run `remit init --state {}` first",
            state.display(),
            state.display()
        )));
    }
    let mut log = std::fs::File::options();
    let log = log.create(true).append(true).mode(0o600).open(state.join("serve.log"))?;
    let program = std::env::current_exe()?;
    std::process::Command::new(program)
        .args(["serve", "--json", "--state"])
        .arg(state)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // Its own group: a signal to the client's does not end it.
        .process_group(0)
        .spawn()
        .map_err(|why| Fail::new(format!("cannot start `remit serve`: {why}")))?;
    for _ in 0..200 {
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Fail::new(format!(
        "`remit serve` did not come up within 20 seconds; see {}",
        state.join("serve.log").display()
    )))
}
