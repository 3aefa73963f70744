//! The tasks of this workspace: `cargo xtask tidy | conformance | dojo | test | crash | fuzz | dist | ci`.
//!
//! What a reviewer would otherwise check by hand is checked here (`tidy`), and what a newcomer
//! would otherwise have to know is started here (`conformance`, `test`, `ci`).

mod ci;
mod crash;
mod dist;
mod dojo;
mod fuzz;
mod install;
mod step;
mod tidy;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy   rules that no compiler checks: layers, module pages, file length, assertions, links
  conformance
         run the MCP conformance suite directly and through Remit, and write docs/conformance.md
  dojo   replay the recordings of an agent that obeys whatever it reads, and write the figures into
         docs/containment.md; options are those of e2e/dojo/run.py
  test   install the peers of the end-to-end tests (e2e/setup), run every test, then the
         conformance suite, which must find that page as it is
  crash  kill the server at random instants under load: [--kills N] [--seed N]
  fuzz   the fuzz targets, or one, each over its seeds and then for N seconds, which are 60 unless
         said: [--seconds N] [--target T]
  dist   build the program as it is to be installed, laid out by a recorded load, into target/dist
  ci     fmt, clippy, tidy, doc, deny, test: everything that must pass before a merge
";

/// Why a task failed, in words for whoever typed the command.
type Failure = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = workspace_root();
    let result = match words.as_slice() {
        ["tidy"] => tidy::run(&root),
        ["conformance"] => ci::conformance(&root, &[]),
        ["dojo", options @ ..] => dojo::run(&root, options),
        ["test"] => ci::test(&root),
        ["crash", options @ ..] => crash::run(&root, options),
        ["dist"] => dist::run(&root),
        ["ci"] => ci::run(&root),
        ["fuzz", options @ ..] => fuzz_as(options).and_then(|(n, t)| fuzz::run(&root, n, t)),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to do if standard error is closed.
            let _ = writeln!(std::io::stderr(), "{}", failure.trim_end());
            ExitCode::FAILURE
        }
    }
}

/// How long, and which target.
fn fuzz_as<'a>(options: &[&'a str]) -> Result<(u32, Option<&'a str>), Failure> {
    match options {
        [] => Ok((fuzz::SECONDS, None)),
        [rest @ .., "--seconds", count] => {
            let count = count.parse().map_err(|_| USAGE.to_owned())?;
            fuzz_as(rest).map(|(_, target)| (count, target))
        }
        [rest @ .., "--target", name] => fuzz_as(rest).map(|(seconds, _)| (seconds, Some(*name))),
        _ => Err(USAGE.to_owned()),
    }
}

/// The folder of the workspace's `Cargo.toml`.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
