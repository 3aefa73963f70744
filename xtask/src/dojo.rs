//! `cargo xtask dojo`: the obeying agent of `e2e/dojo`, every run of it, and the page of what it came to.

use std::path::Path;

use crate::Failure;
use crate::step::{command, timed};

/// The page that holds the tables.
const PAGE: &str = "docs/containment.md";

/// Replays the recordings through the built program; `options` are those of `e2e/dojo/run.py`. Without any, all of it
/// is played in every shape, and the page is written.
///
/// Errors: the program cannot be built, a run could not be played, or an attack got further than is expected of it.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result<(), Failure> {
    command(root, &["e2e/setup"], &[])?;
    command(root, &["cargo", "build", "--package", "remit-app", "--locked"], &[])?;
    if !options.is_empty() {
        return timed("dojo", || play(root, "run.py", options));
    }
    timed("dojo", || play(root, "run.py", &["--variant", "all", "--write", PAGE]))?;
    timed("dojo, attacker", || play(root, "attacker.py", &["--write", PAGE]))
}

fn play(root: &Path, script: &str, options: &[&str]) -> Result<(), Failure> {
    let script = format!("e2e/dojo/{script}");
    command(root, &[&["e2e/.venv/bin/python", script.as_str()], options].concat(), &[])
}
