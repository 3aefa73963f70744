//! `remit completions`: generated from the command line's own definition.

use clap::CommandFactory;

use crate::cli::Cli;

/// Prints the completions of `shell`.
pub(crate) fn run(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "remit", &mut std::io::stdout());
}
