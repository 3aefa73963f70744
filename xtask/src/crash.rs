//! `cargo xtask crash`: the end-to-end tests that kill, stop and starve the server, at length.
//!
//! The tests themselves are in `crates/app/tests/e2e/kills`, for secrets in `secrets/kills.rs`, and for what is lent in
//! `lend/postgres.rs`; run by `cargo xtask test` they are short.

use std::path::Path;

use crate::Failure;
use crate::step::{command, timed};

/// How long the server stands still, in seconds.
const HALT: (&str, &str) = ("REMIT_HALT", "30");
/// What each option sets for the tests.
const OPTIONS: [(&str, &str); 2] = [("--kills", "REMIT_KILLS"), ("--seed", "REMIT_SEED")];

/// Runs the kills and the stalls.
///
/// Errors: an option is unknown or no number, or a test failed.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result<(), Failure> {
    let mut variables = variables(options)?;
    variables.push(HALT);
    // The first stands for `secrets::kills::`, too.
    let tests = ["kills::", "killed_at_any_moment", "--nocapture"];
    let line = [&["cargo", "test", "-p", "remit-app", "--test", "e2e", "--"][..], &tests].concat();
    timed("crash", || command(root, &line, &variables))
}

fn variables<'a>(options: &[&'a str]) -> Result<Vec<(&'static str, &'a str)>, Failure> {
    let set = |pair: &[&'a str]| match pair {
        [name, number] if number.parse::<u64>().is_ok() => {
            let known = OPTIONS.iter().find(|(option, _)| option == name);
            known.map(|(_, variable)| (*variable, *number))
        }
        _ => None,
    };
    options.chunks(2).map(|pair| set(pair).ok_or_else(|| unknown(pair))).collect()
}

fn unknown(pair: &[&str]) -> Failure {
    format!("expected `--kills N` or `--seed N`, got `{}`", pair.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_variables() {
        assert_eq!(variables(&[]), Ok(Vec::new()));
        let both = variables(&["--seed", "7", "--kills", "1000"]);
        assert_eq!(both, Ok(vec![("REMIT_SEED", "7"), ("REMIT_KILLS", "1000")]));
        for bad in [&["--kills"][..], &["--kills", "many"], &["--deaths", "3"]] {
            assert!(variables(bad).unwrap_err().contains("expected"), "{bad:?}");
        }
    }
}
