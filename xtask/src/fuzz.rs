//! `cargo xtask fuzz`: every fuzz target over its seeds, and then for a while over what libFuzzer
//! makes of them, guided by what is reached.
//!
//! Everything it runs is built once more, instrumented. No sanitizer is on: the code has no `unsafe`,
//! and without one the pinned stable toolchain suffices and each second does several times as much.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::Failure;
use crate::install;
use crate::step::{command, quiet, timed};

/// The version of cargo-fuzz that the flags below are for.
const CARGO_FUZZ: &str = "0.13.2";

/// How long each target runs unless somebody says, in seconds.
pub(crate) const SECONDS: u32 = 60;

/// One input may take this long, in seconds; more is a finding. Loaded machines are slow.
const PATIENCE: &str = "-timeout=60";

/// One input may take this much memory, in MiB; more is a finding.
const MEMORY: &str = "-rss_limit_mb=2048";

/// Says which target the program asks.
const TARGET: &str = "REMIT_FUZZ_TARGET";

/// What makes a stable compiler take the flags of a fuzzer, and a build of minutes: what runs in
/// production is optimised across crates.
const BUILD: [(&str, &str); 4] = [
    ("RUSTC_BOOTSTRAP", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only"),
];

const FLAGS: [&str; 5] = ["-s", "none", "--features", "libfuzzer", "libfuzzer"];

const PANICKED: &str = "a thread that ran targets panicked: what it said is above";

/// Runs the target called `only`, or all of them, for so many seconds each.
///
/// Errors: there is no such target, or one of them found something; what it found lies under
/// `fuzz/artifacts`.
pub(crate) fn run(root: &Path, seconds: u32, only: Option<&str>) -> Result<(), Failure> {
    let all = targets(root)?;
    let chosen: Vec<&String> =
        all.iter().filter(|name| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        return Err(format!("expected one of the targets {}", all.join(", ")));
    }
    install::ensure(root, "fuzz", CARGO_FUZZ)?;
    let line = [&["cargo", "fuzz", "build", "--codegen-units", "16"][..], &FLAGS].concat();
    timed("fuzz: build", || command(root, &line, &BUILD))?;
    let time = format!("-max_total_time={seconds}");
    let flags = [&time, PATIENCE, MEMORY, "-print_final_stats=1", "-verbosity=0"];
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
    let folder = |kind: &str| format!("fuzz/{kind}/{name}");
    let (corpus, artifacts) = (folder("corpus"), folder("artifacts"));
    for made in [&corpus, &artifacts] {
        std::fs::create_dir_all(root.join(made))
            .map_err(|why| format!("{made} cannot be made: {why}"))?;
    }
    let artifacts = format!("-artifact_prefix={}/", root.join(artifacts).display());
    let folders = [corpus.as_str(), &folder("seeds"), "--", &artifacts].map(str::to_owned);
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let line = [&["cargo", "fuzz", "run", "--codegen-units", "16"][..], &FLAGS, &folders, flags];
    run(root, &line.concat(), &[&BUILD[..], &[(TARGET, name)]].concat())
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

/// The names of the targets: those of the folders of their seeds.
fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let seeds = root.join("fuzz/seeds");
    let unread = |why| format!("{}: {why}", seeds.display());
    let names = seeds.read_dir().map_err(unread)?.map(|folder| Ok(folder?.file_name()));
    let names: Result<Vec<_>, std::io::Error> = names.collect();
    let mut names: Vec<String> =
        names.map_err(unread)?.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_none_is_named() {
        let error = run(&crate::workspace_root(), SECONDS, Some("none")).unwrap_err();
        assert!(error.contains("expected one of the targets client, "), "{error}");
    }
}
