//! `remit run`: an agent that is started for one task and finds its tools at an address.
//!
//! Whatever the agent could hold it could be talked into giving away, so it holds nothing: the grant and
//! the key that it is bound to stay in this process, which forwards the requests of the processes that it
//! started, by the kernel's word, and of nobody else. The task ends with the command.

mod grant;
mod proxy;

use std::process::{ExitCode, ExitStatus};

use remit_operator::wire::{Granted, Status, Stopped};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::grant::{Holder, holder_key};
use self::proxy::Proxy;
use crate::cli;
use crate::commands::Context;
use crate::fail::Fail;
use crate::mcp::ensure_served;
use crate::serve::PATH;

/// What an argument of the command is replaced with the address for.
const URL: &str = "{url}";

/// Runs the command; its exit code is ours.
pub(crate) async fn run(context: &Context, args: &cli::Run) -> Result<ExitCode, Fail> {
    ensure_served(&context.state).await?;
    let key = holder_key()?;
    let client = context.client();
    let workloads = client.get::<Status>("/v1/status").await?.setup.workload_api;
    let proposal = proposal(&args.task, &key.public().thumbprint().to_string());
    let granted: Granted = client.post("/v1/tasks", &proposal).await?;
    let task = granted.task.clone();
    let holder = Holder::new(key, context.client(), granted);
    let served = serve(&workloads, args, holder).await;
    // It may have ended by itself.
    let closed: Result<Stopped, Fail> =
        client.post(&format!("/v1/tasks/{task}/close"), &json!({})).await;
    drop(closed);
    Ok(code(served?))
}

fn proposal(task: &cli::Mcp, jkt: &str) -> serde_json::Value {
    let mut proposal = json!({ "template": task.opening.template, "jkt": jkt });
    if let Some(members) = proposal.as_object_mut() {
        let more = [("purpose", &task.opening.purpose), ("agent", &task.opening.agent)];
        let more = more.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        members.extend(more.map(|(name, value)| (name.to_owned(), json!(value))));
    }
    proposal
}

async fn serve(workloads: &str, args: &cli::Run, holder: Holder) -> Result<ExitStatus, Fail> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = args.task.server.as_ref().map(|server| format!("/{server}")).unwrap_or_default();
    let path = format!("{PATH}{server}");
    let url = format!("http://{address}{path}");
    let child = start(workloads, &args.command, &url)?;
    let started = child.id().ok_or_else(|| Fail::new("the command ended as it began"))?;
    let stop = CancellationToken::new();
    let proxy = Proxy::new(holder, (address, path), started)?;
    let serving = tokio::spawn(proxy.serve(listener, stop.clone()));
    let ended = ended(child).await;
    stop.cancel();
    serving.await?;
    ended
}

fn start(workloads: &str, command: &[String], url: &str) -> Result<Child, Fail> {
    let mut words = command.iter().map(|word| word.replace(URL, url));
    let program = words.next().unwrap_or_default();
    Command::new(&program)
        .args(words)
        .env("REMIT_MCP_URL", url)
        .env("SPIFFE_ENDPOINT_SOCKET", workloads)
        .kill_on_drop(true)
        .spawn()
        .map_err(|why| Fail::new(format!("cannot start `{program}`: {why}")))
}

/// Waits for the command. A terminal's signals reach it by themselves; being told to end, we tell it.
async fn ended(mut child: Child) -> Result<ExitStatus, Fail> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            _ = terminate.recv() => {
                let child = child.id().and_then(|id| i32::try_from(id).ok());
                if let Some(child) = child.and_then(rustix::process::Pid::from_raw) {
                    rustix::process::kill_process(child, rustix::process::Signal::TERM)?;
                }
            }
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}

/// As a shell has it: the command's own, or 128 and the signal that ended it.
fn code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
