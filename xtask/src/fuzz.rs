//! `cargo xtask fuzz`: every fuzz target over its seeds, and then for a while over what the fuzzer
//! makes of them.
//!
//! The targets are a workspace of their own (`fuzz/`), because everything they are built of is
//! instrumented. No sanitizer is on: the code has no `unsafe`, and without one the pinned stable
//! toolchain suffices and each second does several times as much.

use std::path::Path;

use toml::{Table, Value};

use crate::Failure;
use crate::install;
use crate::step::{command, timed};

/// The version of cargo-fuzz that the flags below are for.
const CARGO_FUZZ: &str = "0.13.2";

/// How the targets run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effort {
    /// The seeds and a sign of life, from the same random numbers each time: what a merge waits for
    /// must not depend on luck.
    Smoke,
    /// So many seconds each, from other random numbers each time.
    Seconds(u32),
}

/// How long a smoke run of one target takes at most, in seconds.
const SMOKE: u32 = 4;

/// One input may take this long, in seconds; more is a finding. Loaded machines are slow.
const PATIENCE: &str = "-timeout=60";

/// One input may take this much memory, in MiB; more is a finding.
const MEMORY: &str = "-rss_limit_mb=2048";

/// Runs the target called `only`, or all of them.
///
/// Errors: there is no such target, or one of them found something; what it found lies under
/// `fuzz/artifacts`.
pub(crate) fn run(root: &Path, effort: Effort, only: Option<&str>) -> Result<(), Failure> {
    let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml"))
        .map_err(|why| format!("fuzz/Cargo.toml cannot be read: {why}"))?;
    let all = targets(&manifest)?;
    let chosen: Vec<&String> =
        all.iter().filter(|name| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        return Err(format!("expected one of the targets {}", all.join(", ")));
    }
    install::ensure(root, "fuzz", CARGO_FUZZ)?;
    let line = ["cargo", "fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"];
    timed("fuzz: fmt", || command(root, &line, &[]))?;
    timed("fuzz: build", || cargo_fuzz(root, &["build", "-s", "none"]))?;
    let (seconds, seed) = match effort {
        Effort::Smoke => (SMOKE, "-seed=1"),
        Effort::Seconds(seconds) => (seconds, "-seed=0"),
    };
    let time = format!("-max_total_time={seconds}");
    for name in chosen {
        let (corpus, seeds) = (format!("fuzz/corpus/{name}"), format!("fuzz/seeds/{name}"));
        std::fs::create_dir_all(root.join(&corpus))
            .map_err(|why| format!("{corpus} cannot be made: {why}"))?;
        let run = ["run", "-s", "none", name, &corpus, &seeds, "--"];
        let bounds =
            [time.as_str(), seed, PATIENCE, MEMORY, "-print_final_stats=1", "-verbosity=0"];
        timed(&format!("fuzz: {name}"), || cargo_fuzz(root, &[&run[..], &bounds].concat()))?;
    }
    Ok(())
}

/// The names of the targets, in the order of the manifest.
fn targets(manifest: &str) -> Result<Vec<String>, Failure> {
    let table: Table = manifest.parse().map_err(|why| format!("fuzz/Cargo.toml: {why}"))?;
    let bins = table.get("bin").and_then(Value::as_array).into_iter().flatten();
    Ok(bins.filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned)).collect())
}

/// cargo-fuzz asks the compiler for what only nightly gives by default.
fn cargo_fuzz(root: &Path, words: &[&str]) -> Result<(), Failure> {
    command(root, &[&["cargo", "fuzz"], words].concat(), &[("RUSTC_BOOTSTRAP", "1")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_file_and_seeds() {
        let root = crate::workspace_root();
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        let targets = targets(&manifest).unwrap();
        assert!(targets.len() > 10, "{targets:?}");
        for name in targets {
            assert!(root.join(format!("fuzz/targets/{name}.rs")).is_file(), "{name}");
            assert!(root.join(format!("fuzz/seeds/{name}")).is_dir(), "{name}");
        }
    }

    #[test]
    fn a_target_that_is_none_is_named() {
        let error = run(&crate::workspace_root(), Effort::Smoke, Some("none")).unwrap_err();
        assert!(error.contains("expected one of the targets frame, "), "{error}");
    }
}
