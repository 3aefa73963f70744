//! One file for each group of commands: ask the running Remit, render the answer.

mod agent;
mod audit;
mod completions;
mod credential;
mod demo_server;
mod doctor;
mod hold;
mod hook;
mod import;
mod init;
mod keys;
mod lent;
mod policy;
mod reconcile;
mod scan;
mod secret;
mod status;
mod stored;
mod svid;
mod task;
mod tool;
mod verify;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use remit_model::Timestamp;

use crate::cli::{Cli, Command};
use crate::client::Client;
use crate::environment;
use crate::fail::Fail;
use crate::out::Out;

pub(crate) use init::make as make_state;

/// What every command knows.
#[derive(Debug)]
pub(crate) struct Context {
    /// The state directory.
    pub(crate) state: PathBuf,
    /// Where the passphrase is, if not typed.
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl Context {
    /// A client of the Remit that owns the state directory.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.state, self.passphrase_file.as_deref())
    }

    /// A client that proved to be an operator.
    pub(crate) async fn operator(&self) -> Result<Client, Fail> {
        let mut client = self.client();
        client.log_in().await?;
        Ok(client)
    }

    /// The configuration file of the state directory.
    pub(crate) fn config(&self) -> PathBuf {
        self.state.join("remit.toml")
    }
}

fn state(given: Option<PathBuf>) -> Result<PathBuf, Fail> {
    given
        .or_else(|| environment::variable("REMIT_STATE").map(PathBuf::from))
        .or_else(|| environment::default_state("remit"))
        .ok_or_else(|| Fail::new("no state directory: name one with --state"))
}

/// Runs one command.
pub(crate) async fn run(cli: Cli, out: &mut Out) -> Result<ExitCode, Fail> {
    let given = cli.state.clone();
    let context = Context { state: state(cli.state)?, passphrase_file: cli.passphrase_file };
    match cli.command {
        Command::Demo(args) => return crate::demo::run(&args, out).await,
        Command::Init(args) => init::run(&context, &args, out)?,
        Command::Serve(args) => crate::serve::run(&context, &args, out).await?,
        Command::Mcp(args) => crate::mcp::run(&context, &args).await?,
        Command::Run(args) => return crate::run::run(&context, &args).await,
        Command::Status => status::run(&context, out).await?,
        Command::Doctor => return doctor::run(&context, out).await,
        Command::Agent(args) => agent::run(&context, args, out).await?,
        Command::Task(args) => task::run(&context, args, out).await?,
        Command::Hook(args) => hook::run(&context, args).await?,
        Command::Tool(args) => tool::run(&context, args, out).await?,
        Command::Hold(args) => hold::run(&context, args, out).await?,
        Command::Approve(id) => hold::answer(&context, &id.hold, "approve", out).await?,
        Command::Deny(id) => hold::answer(&context, &id.hold, "deny", out).await?,
        Command::Credential(args) => credential::run(&context, args, out).await?,
        Command::Stored(args) => stored::run(&context, args, out).await?,
        Command::Svid(args) => svid::run(&context, args, out).await?,
        Command::Keys(args) => keys::run(&context, args, out).await?,
        Command::Secret(args) => secret::run(&context, args, out).await?,
        Command::Scan(args) => return scan::run(&context, &args, out).await,
        Command::Policy(args) => return policy::run(&context, args, out).await,
        Command::Audit(args) => return audit::run(&context, args, out).await,
        // Not the state directory of a log, so not the default of one.
        Command::Witness(args) => witness::run(given, args, out).await?,
        Command::Completions { shell } => completions::run(shell),
        Command::DemoServer(args) => demo_server::run(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A moment as a person reads it, to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    if at == Timestamp(u64::MAX) {
        return "never".to_owned();
    }
    let mut text = at.to_string();
    text.truncate(19);
    text.replace('T', " ") + "Z"
}
