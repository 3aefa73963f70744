//! Holds Remit against the MCP conformance suite.
//!
//! Each scenario of the suite runs twice, directly and through Remit, and what the suite says of
//! both is compared check by check ([`compare`]). A server scenario meets the [`fixture`], a client
//! scenario drives the [`agent`]; in between stands a real `remit serve` ([`stand`]). The result is
//! a page of the documentation ([`page`]), which is wrong as soon as it differs.

mod agent;
mod authorization;
mod checks;
mod compare;
mod fixture;
mod page;
mod run;
mod stand;
mod suite;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Why something did not work, in words for whoever started it.
type Failure = String;

/// Runs the MCP conformance suite directly and through Remit, and compares.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything and write the page; fail on a difference that nobody argued for.
    Run {
        /// The root of the checkout.
        #[arg(long, default_value = ".")]
        root: PathBuf,
        /// Fail if the page is not what it would be, instead of writing it.
        #[arg(long)]
        check: bool,
    },
    /// Serve the fixture on a loopback port, for a look by hand.
    Fixture,
    /// Be the client of a client scenario; the suite calls this.
    Agent {
        /// Reach the scenario's server through a Remit of its own.
        #[arg(long)]
        through: bool,
        /// The scenario's server.
        url: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run { root, check } => run::run(&root, check).await,
        Command::Fixture => serve().await,
        Command::Agent { through, url } => agent::run(&url, through).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "conformance: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Failure> {
    let url = fixture::start().await.map_err(|error| error.to_string())?;
    say(&url);
    std::future::pending().await
}

/// Prints one line of progress.
fn say(line: &str) {
    // A reader that went away is no reason to stop the work.
    let _ = writeln!(io::stdout(), "{line}");
}
