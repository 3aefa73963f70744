//! `remit`: runtime identity governance for autonomous agents.
//!
//! The composition root. Only this crate reads configuration, environment, clock and randomness,
//! and only it knows which adapter stands behind which port.

mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod environment;
mod fail;
mod mcp;
mod network;
mod out;
mod run;
mod serve;
mod socket;
mod tls;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::out::Out;

/// A call makes and drops some hundred small values on several threads, which costs the system's
/// allocator a sixth of all the time there is.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = Out::new(cli.json);
    match commands::run(cli, &mut out).await {
        Ok(code) => code,
        Err(fail) => {
            out.fail(&fail);
            ExitCode::FAILURE
        }
    }
}
