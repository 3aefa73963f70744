//! `cargo xtask dojo`: the obeying agent of `e2e/dojo`, every run of it, and the page of what it came to.

use std::path::Path;

use crate::Failure;
use crate::step::{command, timed};

/// The page that holds the tables.
const PAGE: &str = "docs/containment.md";

/// Replays the recordings through the built program; `options` are those of `e2e/dojo/run.py`, and without any
/// the page is written.
///
/// Errors: the program cannot be built, or a run could not be played.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result<(), Failure> {
    command(root, &["e2e/setup"], &[])?;
    command(root, &["cargo", "build", "--package", "remit-app", "--locked"], &[])?;
    let whole = ["--write", PAGE];
    let options = if options.is_empty() { &whole } else { options };
    let program = ["e2e/.venv/bin/python", "e2e/dojo/run.py"];
    timed("dojo", || command(root, &[&program, options].concat(), &[]))
}
