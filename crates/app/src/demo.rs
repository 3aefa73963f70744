//! `remit demo`: the whole story on a real Remit in this process.
//!
//! Nothing is mocked: `serve` runs as always, the agent is a real MCP client on a real socket, and
//! the story's operator acts through the operator's socket with the passphrase, as anyone would.

mod stage;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use remit_demo::drift::Flag;
use remit_demo::setting::{Pace, Setting};

use crate::client::Client;
use crate::commands::Context;
use crate::fail::Fail;
use crate::out::Out;
use crate::serve::{self, Running};
use crate::{cli, environment};
use stage::Office;

/// How long the four servers may take to be known.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells the story; stays up afterwards unless it was told fast.
pub(crate) async fn run(args: &cli::Demo, out: &mut Out) -> Result<ExitCode, Fail> {
    let dir = tempfile::Builder::new().prefix("remit-demo-").tempdir()?;
    let context = prepare(dir.path())?;
    let running = serve::start(&context.state, &context.config()).await?;
    let mut client = context.client();
    client.log_in().await?;
    known(&client).await?;
    let flag = Flag::new(dir.path().join("drift"));
    let mut office = Office::new(client, context.state.clone());
    let told = tell(&mut office, args, flag, out).await;
    let code = match told {
        Ok(summary) => {
            if out.is_json() {
                out.say(&summary, |_| String::new())?;
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            out.fail(&why);
            ExitCode::FAILURE
        }
    };
    if !args.fast && code == ExitCode::SUCCESS {
        stay(&running, &context, out).await?;
    }
    running.stop().await;
    Ok(code)
}

async fn tell(
    office: &mut Office,
    args: &cli::Demo,
    drift: Flag,
    out: &Out,
) -> Result<remit_demo::Summary, Fail> {
    let terminal = Out::is_terminal();
    let setting = Setting {
        colour: terminal && environment::variable("NO_COLOR").is_none(),
        width: 88,
        pace: if args.fast || !terminal { Pace::Fast } else { Pace::Told },
        patience: PATIENCE,
        drift,
    };
    let told = if out.is_json() {
        remit_demo::tell(office, &mut std::io::sink(), &setting).await
    } else {
        remit_demo::tell(office, &mut std::io::stdout(), &setting).await
    };
    told.map_err(Fail::from)
}

/// A state directory like any other, made by `remit init` itself.
fn prepare(dir: &Path) -> Result<Context, Fail> {
    let files = dir.join("files");
    std::fs::create_dir(&files)?;
    let passphrase = dir.join("passphrase");
    let words = remit_keys::generate_passphrase(&environment::SystemEntropy);
    std::fs::write(&passphrase, words.as_bytes())?;
    let context = Context { state: dir.join("state"), passphrase_file: Some(passphrase) };
    crate::commands::make_state(&context, None)?;
    let program = std::env::current_exe()?.display().to_string();
    let command = [program, "demo-server".to_owned()];
    let flag = Flag::new(dir.join("drift"));
    let servers = remit_demo::setting::configuration(&command, &files, &flag);
    let text = format!("policies = \"policies\"\n[listen]\naddress = \"127.0.0.1:0\"\n{servers}");
    std::fs::write(context.config(), text)?;
    Ok(context)
}

/// Waits until all four servers were asked what they offer.
async fn known(client: &Client) -> Result<(), Fail> {
    let mut status: remit_operator::wire::Status = client.get("/v1/status").await?;
    for _ in 0..PATIENCE.as_millis() / 100 {
        let tools: Vec<remit_model::Tool> = client.get("/v1/tools").await?;
        let asked = |server: &remit_operator::wire::Server| {
            tools.iter().any(|tool| tool.id.server.as_str() == server.name)
        };
        if status.servers.iter().all(asked) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        status = client.get("/v1/status").await?;
    }
    let errors: Vec<_> =
        status.servers.into_iter().filter_map(|server| server.last_error).collect();
    Err(Fail::new(format!("the demo's servers did not come up: {}", errors.join("; "))))
}

/// Leaves it running for the reader's own client.
async fn stay(running: &Running, context: &Context, out: &mut Out) -> Result<(), Fail> {
    let (state, program) = (context.state.display(), std::env::current_exe()?);
    let program = program.display();
    out.line(&format!(
        "\nIt is still running. Try it with a client of your own:\n\
         \n  in an MCP client's configuration\n    {{\"mcpServers\": {{\"remit\": {{\"command\": \
         \"{program}\",\n      \"args\": [\"mcp\", \"--template\", \"inbox\", \"--state\", \
         \"{state}\"]}}}}}}\n\
         \n  or over HTTP, with a grant from\n    {program} task open --template inbox --state \
         {state}\n    at {}\n\
         \n  and look around\n    {program} status --state {state}\n    {program} audit tail \
         --state {state}\n\nThe operator's passphrase is in {}. End it with Ctrl-C; everything is \
         removed then.",
        running.endpoint,
        context.passphrase_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
    ))?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
