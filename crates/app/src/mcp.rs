//! `remit mcp`: an MCP server on standard input and output, for any client's configuration.
//!
//! It holds no key and decides nothing: it connects to the Remit that owns the state directory
//! (starting it if need be), which opens a task for this run, and copies lines both ways.

use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy};
use tokio::sync::mpsc;

use crate::cli;
use crate::client::SOCKET;
use crate::commands::Context;
use crate::fail::Fail;
use crate::socket::ATTACH;

/// How much of standard input is read at once: as much as Remit reads of a connection.
const CHUNK: usize = 16 * 1024;
/// How many pieces of it may wait to be sent: one, so that a client whose calls are not taken is held back.
const READ_AHEAD: usize = 1;

/// Serves until either side ends.
///
/// Errors: there is no task to be had, or Remit ended before its client did.
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
    let (from_remit, to_remit) = tokio::io::split(TokioIo::new(upgraded));
    let (sending, receiving) = (send(standard_input()?, to_remit), receive(from_remit));
    tokio::pin!(receiving);
    // The client closing its end lets answers still arrive; Remit closing its own ends the run.
    let sent_all = tokio::select! {
        sent_all = sending => {
            let sent_all = sent_all?;
            receiving.await?;
            sent_all
        }
        received = &mut receiving => {
            received?;
            false
        }
    };
    if sent_all { Ok(()) } else { Err(left()) }
}

/// That Remit ended before its client did.
fn left() -> Fail {
    Fail::new(
        "expected the client to end first, but Remit closed the connection: the task has ended or \
         Remit was stopped; start `remit mcp` again to work on a new task",
    )
}

/// What comes on standard input, piece by piece. A thread of its own reads it, because nothing can call
/// a read off: the runtime waits for those of its own threads, so that the process would stay for as long
/// as its client says nothing.
///
/// Errors: the thread cannot be started.
fn standard_input() -> std::io::Result<mpsc::Receiver<std::io::Result<Vec<u8>>>> {
    let (pieces, read) = mpsc::channel(READ_AHEAD);
    let reading = move || read_standard_input(&pieces);
    std::thread::Builder::new().name("stdin".to_owned()).spawn(reading)?;
    Ok(read)
}

fn read_standard_input(pieces: &mpsc::Sender<std::io::Result<Vec<u8>>>) {
    let (mut input, mut chunk) = (std::io::stdin().lock(), vec![0; CHUNK]);
    loop {
        let piece = match input.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => Ok(chunk.get(..count).unwrap_or_default().to_vec()),
            Err(why) if why.kind() == ErrorKind::Interrupted => continue,
            Err(why) => Err(why),
        };
        let broken = piece.is_err();
        if pieces.blocking_send(piece).is_err() || broken {
            return;
        }
    }
}

/// Sends what the client says until it closes its end; whether Remit took all of it.
async fn send(
    mut input: mpsc::Receiver<std::io::Result<Vec<u8>>>,
    mut to_remit: impl AsyncWrite + Unpin,
) -> std::io::Result<bool> {
    while let Some(piece) = input.recv().await {
        if to_remit.write_all(&piece?).await.is_err() {
            return Ok(false);
        }
    }
    Ok(to_remit.shutdown().await.is_ok())
}

/// Hands the client what Remit says, until Remit closes its side.
async fn receive(mut from_remit: impl AsyncRead + Unpin) -> std::io::Result<()> {
    let mut stdout = tokio::io::stdout();
    let copied = copy(&mut from_remit, &mut stdout).await;
    stdout.flush().await?;
    match copied {
        // It left something unread of what the client said.
        Err(why) if why.kind() == ErrorKind::ConnectionReset => Ok(()),
        copied => copied.map(drop),
    }
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
