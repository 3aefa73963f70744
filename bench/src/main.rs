//! Measures Remit from outside: a load generator, a trivial tool server, a bare proxy, and tables
//! that hold them side by side.
//!
//! Every process under measurement is one of its own, so that its CPU time and memory are its own;
//! the load generator is this one, on a single thread. What is measured is the built program with
//! its ledger on disk, set up and spoken to as its users do: nothing of Remit is linked in.

mod child;
mod cli;
mod clock;
mod export;
mod fail;
mod figures;
mod lineup;
mod load;
mod machine;
mod operator;
mod pace;
mod parts;
mod process;
mod proxy;
mod say;
mod service;
mod stand;
mod sustained;
mod table;
mod target;
mod upstream;
mod wire;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Cli, Command};
use crate::fail::Fail;
use crate::figures::Figures;
use crate::process::Process;
use crate::target::Target;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fail) => {
            say::progress(&format!("remit-bench: {fail}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Fail> {
    // Servers take the cores they get, as real ones do; the generator takes one.
    let servers = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let generator = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match command {
        Command::Upstream { listen } => servers()?.block_on(upstream::run(listen)),
        Command::Proxy { listen, upstream } => servers()?.block_on(proxy::run(listen, upstream)),
        Command::Load(args) => generator()?.block_on(load(args)),
        Command::Table(args) => generator()?.block_on(unless_stopped(table::run(&args))),
        Command::Parts(args) => parts::run(&args),
        Command::Sustained(args) => generator()?.block_on(unless_stopped(sustained::run(&args))),
    }
}

/// Gives up `work` when this process is told to stop, so that its processes and folders go with it.
async fn unless_stopped(work: impl Future<Output = Result<(), Fail>>) -> Result<(), Fail> {
    let mut told = signal(SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = told.recv() => Err(Fail::new("told to stop")),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Err(Fail::new("interrupted"))
        }
    }
}

/// Load on an endpoint that runs already.
async fn load(args: cli::Load) -> Result<(), Fail> {
    let mut target = Target::new(&args.url, &args.tool)?;
    target.tokens = args.token;
    target.process = args.pid.map(Process::new).transpose()?;
    for plan in args.shape.plans() {
        let run = load::run(&target, plan).await?;
        let figures = Figures::of(&run.total()?);
        let connections = plan.connections;
        say::result(&format!("{connections} connections, {} B: {figures}", plan.bytes))?;
    }
    Ok(())
}
