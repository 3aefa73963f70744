//! `cargo xtask test` and `cargo xtask ci`: the checks, in the order in which they fail fastest.

use std::path::Path;

use crate::step::{command, quiet, timed};
use crate::{Failure, install, tidy};

/// The version of cargo-deny whose configuration `deny.toml` is written for.
const CARGO_DENY: &str = "0.20.2";

/// Installs the peers of the end-to-end tests, then runs every test of the workspace and compares
/// the conformance page.
pub(crate) fn test(root: &Path) -> Result<(), Failure> {
    timed("peers of the end-to-end tests", || command(root, &["e2e/setup"], &[]))?;
    tests(root)
}

fn tests(root: &Path) -> Result<(), Failure> {
    let threads = threads().to_string();
    timed("test", || {
        let line = ["cargo", "test", "--workspace", "--locked"];
        command(root, &line, &[("RUST_TEST_THREADS", &threads)])
    })?;
    timed("conformance", || conformance(root, &["--check"]))
}

/// How many tests run at a time. Most of those that take long wait for other processes, so that one for
/// each processor would leave it idle.
fn threads() -> usize {
    2 * std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs the conformance suite directly and through Remit, and writes the page of the comparison.
pub(crate) fn conformance(root: &Path, options: &[&str]) -> Result<(), Failure> {
    // The person at the consent page is one of the peers.
    command(root, &["e2e/setup"], &[])?;
    command(root, &["conformance/setup"], &[])?;
    // The whole workspace, so that features and thus builds are those of the tests.
    command(root, &["cargo", "build", "--workspace", "--bins", "--locked"], &[])?;
    let own = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let runner = own.with_file_name("remit-conformance").display().to_string();
    command(root, &[&[runner.as_str(), "run"], options].concat(), &[])
}

/// Everything that must pass before a merge. What is fetched is fetched meanwhile: it keeps no processor
/// busy.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let peers = scope.spawn(|| quiet(root, &["e2e/setup"], &[]));
        checks(root)?;
        timed("peers of the end-to-end tests", || {
            peers.join().map_err(|_| "the thread that installs them panicked")?
        })
    })?;
    tests(root)
}

/// What needs nothing but the compiler.
fn checks(root: &Path) -> Result<(), Failure> {
    timed("fmt", || command(root, &["cargo", "fmt", "--all", "--check"], &[]))?;
    timed("tidy", || tidy::run(root))?;
    timed("clippy", || {
        let line = "cargo clippy --workspace --all-targets --locked -- -D warnings";
        command(root, &words(line), &[])
    })?;
    timed("doc", || {
        let line = "cargo doc --workspace --no-deps --locked --document-private-items";
        command(root, &words(line), &[("RUSTDOCFLAGS", "-D warnings")])
    })?;
    timed("deny", || deny(root))
}

/// Licences, bans and sources. Advisories need a database from the network and are not asked here;
/// `deny.toml` configures them for whoever has one.
fn deny(root: &Path) -> Result<(), Failure> {
    install::ensure(root, "deny", CARGO_DENY)?;
    let line = "cargo deny --locked check --hide-inclusion-graph licenses bans sources";
    command(root, &words(line), &[])
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}
