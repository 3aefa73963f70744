//! One step of a task: a heading, a command, how long it took.

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::Failure;

/// Runs `work` under a heading and says how long it took.
pub(crate) fn timed<T>(
    name: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    timed_on(&mut std::io::stdout(), name, work)
}

fn timed_on<T>(
    out: &mut dyn Write,
    name: &str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    print(out, &format!("== {name}"));
    let started = now();
    let result = work();
    let ending = if result.is_ok() { "ok" } else { "FAILED" };
    print(out, &format!("== {name}: {ending} after {}", seconds(now().duration_since(started))));
    result
}

/// Runs a command in `root` and fails if it does.
pub(crate) fn command(
    root: &Path,
    words: &[&str],
    variables: &[(&str, &str)],
) -> Result<(), Failure> {
    ended(words, started(root, words, variables, Command::status)?)
}

/// The same for a command that runs beside others: what it says is shown if it fails, as a whole.
pub(crate) fn quiet(
    root: &Path,
    words: &[&str],
    variables: &[(&str, &str)],
) -> Result<(), Failure> {
    let output = started(root, words, variables, Command::output)?;
    ended(words, output.status).inspect_err(|_| {
        say(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
    })
}

/// The same for a command whose output is asked for.
///
/// Errors: it cannot be started, or fails; with what it said of that.
pub(crate) fn output(root: &Path, words: &[&str]) -> Result<String, Failure> {
    let output = started(root, words, &[], Command::output)?;
    let why = String::from_utf8_lossy(&output.stderr);
    ended(words, output.status).map_err(|failed| format!("{failed}: {}", why.trim()))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn started<T>(
    root: &Path,
    words: &[&str],
    variables: &[(&str, &str)],
    run: fn(&mut Command) -> std::io::Result<T>,
) -> Result<T, Failure> {
    let (program, rest) = words.split_first().ok_or("expected a command, got none")?;
    let mut command = Command::new(program);
    command.args(rest).envs(variables.iter().copied()).current_dir(root);
    run(&mut command).map_err(|why| format!("`{}` cannot be started: {why}", words.join(" ")))
}

fn ended(words: &[&str], status: ExitStatus) -> Result<(), Failure> {
    if status.success() { Ok(()) } else { Err(format!("`{}` failed: {status}", words.join(" "))) }
}

/// Prints one line of progress.
pub(crate) fn say(line: &str) {
    print(&mut std::io::stdout(), line);
}

fn print(out: &mut dyn Write, line: &str) {
    // A reader that went away is no reason to stop the work.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A duration for people: `42 s`, `3 min 07 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let all = duration.as_secs();
    match (all / 60, all % 60) {
        (0, rest) => format!("{rest} s"),
        (minutes, rest) => format!("{minutes} min {rest:02} s"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a task runner measures real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_a_failure() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(command(here, &["true"], &[]).is_ok());
        assert!(command(here, &["false"], &[]).unwrap_err().contains("`false` failed"));
        assert!(
            command(here, &["no-such-program"], &[]).unwrap_err().contains("cannot be started")
        );
        assert!(command(here, &[], &[]).is_err());
        assert!(quiet(here, &["true"], &[]).is_ok());
        assert!(quiet(here, &["false"], &[]).unwrap_err().contains("`false` failed"));
        let said = output(here, &["sh", "-c", "echo why >&2; exit 3"]).unwrap_err();
        assert!(said.ends_with("exit status: 3: why"), "{said}");
        assert_eq!(output(here, &["echo", "what"]), Ok("what\n".to_owned()));
    }

    #[test]
    fn a_variable_reaches_the_command() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = ["sh", "-c", "test \"$GREETING\" = hello"];
        assert!(command(here, &script, &[("GREETING", "hello")]).is_ok());
        assert!(command(here, &script, &[]).is_err());
    }

    #[test]
    fn a_heading_tells_how_it_ended() {
        let mut out = Vec::new();
        assert_eq!(timed_on::<()>(&mut out, "x", || Err("no".to_owned())), Err("no".to_owned()));
        assert_eq!(timed_on(&mut out, "y", || Ok(7)), Ok(7));
        let lines = String::from_utf8(out).unwrap();
        assert_eq!(lines, "== x\n== x: FAILED after 0 s\n== y\n== y: ok after 0 s\n");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_secs(42)), "42 s");
        assert_eq!(seconds(Duration::from_secs(187)), "3 min 07 s");
    }
}
