//! `cargo xtask fuzz`: every fuzz target over its seeds, and then for a while over what the fuzzer
//! makes of them.
//!
//! The targets are a workspace of their own (`fuzz/`), because everything they are built of is
//! instrumented. No sanitizer is on: the code has no `unsafe`, and without one the pinned stable
//! toolchain suffices and each second does several times as much.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use toml::{Table, Value};

use crate::Failure;
use crate::install;
use crate::step::{command, quiet, timed};

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

/// What makes a stable compiler take the flags of a fuzzer.
const STABLE: [(&str, &str); 1] = [("RUSTC_BOOTSTRAP", "1")];

const PANICKED: &str = "a thread that ran targets panicked: what it said is above";

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
    let line = ["cargo", "fuzz", "build", "-s", "none"];
    timed("fuzz: build", || command(root, &line, &STABLE))?;
    let (seconds, seed) = match effort {
        Effort::Smoke => (SMOKE, "-seed=1"),
        Effort::Seconds(seconds) => (seconds, "-seed=0"),
    };
    let time = format!("-max_total_time={seconds}");
    let flags = [time.as_str(), seed, PATIENCE, MEMORY, "-print_final_stats=1", "-verbosity=0"];
    match chosen.as_slice() {
        // Whoever waits for one looks on.
        [only] => timed(&format!("fuzz: {only}"), || target(root, only, &flags, command)),
        all => beside_each_other(all, |name| {
            timed(&format!("fuzz: {name}"), || target(root, name, &flags, quiet))
        }),
    }
}

type Run = fn(&Path, &[&str], &[(&str, &str)]) -> Result<(), Failure>;

/// Runs one target over what is in its corpus and among its seeds.
fn target(root: &Path, name: &str, flags: &[&str], run: Run) -> Result<(), Failure> {
    let (corpus, seeds) = (format!("fuzz/corpus/{name}"), format!("fuzz/seeds/{name}"));
    std::fs::create_dir_all(root.join(&corpus))
        .map_err(|why| format!("{corpus} cannot be made: {why}"))?;
    let words = ["cargo", "fuzz", "run", "-s", "none", name, &corpus, &seeds, "--"];
    run(root, &[&words, flags].concat(), &STABLE)
}

/// Does `work` for each of `names`, as many at a time as there are processors: a target takes one. A
/// failure is told once all have run that can.
fn beside_each_other(
    names: &[&String],
    work: impl Fn(&str) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let left = Mutex::new(names.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || std::iter::from_fn(next).try_for_each(|name| work(name));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        running.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err(PANICKED.into())))
    })
}

/// The names of the targets, in the order of the manifest.
fn targets(manifest: &str) -> Result<Vec<String>, Failure> {
    let table: Table = manifest.parse().map_err(|why| format!("fuzz/Cargo.toml: {why}"))?;
    let bins = table.get("bin").and_then(Value::as_array).into_iter().flatten();
    Ok(bins.filter_map(|bin| bin.get("name")?.as_str().map(str::to_owned)).collect())
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
