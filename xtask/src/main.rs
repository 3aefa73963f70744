//! The tasks of this workspace: `cargo xtask tidy | conformance | test | ci`.
//!
//! What a reviewer would otherwise check by hand is checked here (`tidy`), and what a newcomer
//! would otherwise have to know is started here (`conformance`, `test`, `ci`).

mod ci;
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
  test   install the peers of the end-to-end tests (e2e/setup), run every test, then the
         conformance suite, which must find that page as it is
  ci     fmt, clippy, tidy, doc, deny, test: everything that must pass before a merge
";

/// Why a task failed, in words for whoever typed the command.
type Failure = String;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let root = workspace_root();
    let result = match (command.as_str(), arguments.next()) {
        ("tidy", None) => tidy::run(&root),
        ("conformance", None) => ci::conformance(&root, &[]),
        ("test", None) => ci::test(&root),
        ("ci", None) => ci::run(&root),
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

/// The folder of the workspace's `Cargo.toml`.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
