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
mod log;
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

/// A call makes some hundred small values, and what one thread made another drops.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
