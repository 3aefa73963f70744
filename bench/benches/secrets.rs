//! How well and how fast other people's secrets are found, beside public scanners in the same run and
//! beside a bare pass for the keywords, which is the least that any such scanner does.
//!
//! `bench/secrets/setup` fills `target/secrets`; without it only the passes over text that is made here are
//! timed. Which texts are missed or found in vain stands in `target/secrets/misses` then.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to say"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use remit_secrets::{Key, Lookout};

/// Stands for the file that a scanner writes its findings to, where it does not print them.
const REPORT: &str = "REPORT";
/// How long a pass is repeated.
const LASTS: Duration = Duration::from_secs(2);
/// Bytes of each text that is made.
const SIZE: usize = 1024 * 1024;

fn main() {
    let lookout = Lookout::new(Key::new(&[7; 32]));
    passes(&lookout);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/secrets");
    if !folder.is_dir() {
        return;
    }
    let folder = folder.canonicalize().unwrap();
    let mut misses = fs::File::create(folder.join("misses")).unwrap();
    let scanners = Scanner::all(&folder);
    let mut corpora: Vec<PathBuf> = fs::read_dir(folder.join("corpora"))
        .expect("run bench/secrets/setup first")
        .map(|entry| entry.unwrap().path())
        .collect();
    corpora.retain(|path| path.is_dir());
    corpora.sort();
    say("| Corpus | Scanner | Found | of | False alarms | of | MB/s |");
    say("|---|---|---|---|---|---|---|");
    for corpus in corpora {
        compare(&lookout, &corpus, (&scanners, &mut misses));
    }
}

/// Passes over text of several kinds, in MB/s and as parts of the bare one.
fn passes(lookout: &Lookout) {
    let keywords = keywords();
    say("| Text | Keywords alone, MB/s | Secrets, MB/s | Part of the bare pass |");
    say("|---|---|---|---|");
    for (name, text) in texts() {
        let bare = rate(text.len(), || keywords.find_overlapping_iter(&text).count());
        let found = rate(text.len(), || lookout.find(&text).len());
        say(&format!("| {name} | {bare:.0} | {found:.0} | {:.2} |", found / bare));
    }
}

/// The keywords of all rules.
fn keywords() -> AhoCorasick {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/secrets/rules");
    let mut words = BTreeSet::new();
    for file in ["gitleaks.toml", "remit.toml"] {
        let table: toml::Table = fs::read_to_string(rules.join(file)).unwrap().parse().unwrap();
        let rules = table.get("rules").or(table.get("rule")).and_then(toml::Value::as_array);
        for rule in rules.unwrap() {
            let keywords = rule.get("keywords").and_then(toml::Value::as_array).unwrap();
            words.extend(keywords.iter().map(|word| word.as_str().unwrap().to_owned()));
        }
    }
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .unwrap()
}

/// Prose, an issue tracker's ids, code and something encoded, a MiB each.
fn texts() -> Vec<(&'static str, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let encoded: String = (0..SIZE / 4)
        .map(|n| data_encoding::BASE64.encode(&n.wrapping_mul(2_654_435_761).to_le_bytes()[..3]))
        .collect();
    let texts = [
        ("prose", read("LIMITATIONS.md")),
        ("a lock file", read("Cargo.lock")),
        ("code", read("crates/engine/src/call.rs")),
        ("base 64", encoded),
    ];
    texts.map(|(name, text)| (name, text.repeat(SIZE.div_ceil(text.len())))).into()
}

fn rate<T>(bytes: usize, pass: impl Fn() -> T) -> f64 {
    std::hint::black_box(pass());
    let (started, mut passes) = (now(), 0_u32);
    while started.elapsed() < LASTS {
        std::hint::black_box(pass());
        passes += 1;
    }
    megabytes(bytes) * f64::from(passes) / started.elapsed().as_secs_f64()
}

/// A scanner that somebody else wrote: how it is started over a folder, and which files its output names.
struct Scanner {
    name: &'static str,
    program: PathBuf,
    arguments: &'static [&'static str],
}

impl Scanner {
    fn all(folder: &Path) -> Vec<Self> {
        let scanner =
            |name, program, arguments| Self { name, program: folder.join(program), arguments };
        vec![
            scanner(
                "gitleaks 8.28.0 (WebAssembly)",
                "node_modules/.bin/gitleaks",
                &[
                    "dir",
                    ".",
                    "--no-banner",
                    "--exit-code=0",
                    "--report-format=json",
                    "--report-path",
                    REPORT,
                ],
            ),
            scanner(
                "detect-secrets 1.5.0",
                "venv/bin/detect-secrets",
                &["scan", "--all-files", "--no-verify", "."],
            ),
            scanner("ripsecrets 0.1.11", "bin/ripsecrets", &["."]),
        ]
    }

    /// The files in which it finds something, and how long it takes, its start included.
    fn flagged(&self, folder: &Path, files: &[PathBuf]) -> (BTreeSet<PathBuf>, Duration) {
        let report = folder.with_extension("json");
        let started = now();
        let run = Command::new(&self.program)
            .args(
                self.arguments
                    .iter()
                    .map(|it| if *it == REPORT { report.as_os_str() } else { it.as_ref() }),
            )
            .current_dir(folder)
            .stderr(Stdio::null())
            .output()
            .expect("run bench/secrets/setup first");
        let took = started.elapsed();
        let said = [run.stdout, fs::read(&report).unwrap_or_default()].concat();
        let said = String::from_utf8_lossy(&said);
        let _ = fs::remove_file(&report);
        let named = |path: &&PathBuf| {
            let name = path.strip_prefix(folder).unwrap().to_string_lossy();
            said.contains(&*name)
        };
        (files.iter().filter(named).cloned().collect(), took)
    }
}

fn compare(lookout: &Lookout, corpus: &Path, (scanners, out): (&[Scanner], &mut fs::File)) {
    let (yes, no) = (files(&corpus.join("yes")), files(&corpus.join("no")));
    let all: Vec<PathBuf> = yes.iter().chain(&no).cloned().collect();
    let texts: Vec<String> = all.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let bytes = texts.iter().map(String::len).sum();
    let started = now();
    let found = all.iter().zip(&texts).filter(|(_, text)| !lookout.find(text).is_empty());
    let ours: BTreeSet<PathBuf> = found.map(|(path, _)| path.clone()).collect();
    let took = started.elapsed();
    let name = corpus.file_name().unwrap().to_string_lossy();
    let row = |scanner: &str, flagged: &BTreeSet<PathBuf>, took: Duration| {
        let count = |of: &[PathBuf]| of.iter().filter(|path| flagged.contains(*path)).count();
        let rate = megabytes(bytes) / took.as_secs_f64();
        let (found, alarms) = (count(&yes), count(&no));
        let (all, none) = (yes.len(), no.len());
        say(&format!("| {name} | {scanner} | {found} | {all} | {alarms} | {none} | {rate:.1} |"));
    };
    row("remit", &ours, took);
    let missed = yes.iter().filter(|path| !ours.contains(*path));
    for path in missed.chain(no.iter().filter(|path| ours.contains(*path))) {
        writeln!(out, "{}", path.display()).unwrap();
    }
    for scanner in scanners {
        let (flagged, took) = scanner.flagged(corpus, &all);
        row(scanner.name, &flagged, took);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn megabytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).expect("less than 4 GiB")) / 1e6
}

fn say(line: &str) {
    let out = &mut std::io::stdout();
    writeln!(out, "{line}").unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a measurement takes real time")]
fn now() -> Instant {
    Instant::now()
}
