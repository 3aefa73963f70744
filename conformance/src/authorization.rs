//! The authorization server scenarios: Remit itself is what is tested, so there is no other way to compare
//! with, and every check must pass.
//!
//! The suite prints the address of the page for a person to open, and waits for the answer. The person is
//! `e2e/person.py`, which fills in the forms as a browser would.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::checks::{Checks, Verdict};
use crate::stand::Stand;
use crate::suite::Suite;
use crate::{Failure, fixture, say};

/// How long the suite may take to print the address, and the person to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// The scenarios with their checks.
///
/// Errors: something could not run, or a check did not pass.
pub(crate) async fn run(suite: &Suite, root: &Path) -> Result<BTreeMap<String, Checks>, Failure> {
    say("authorization server scenarios");
    let started = |error: std::io::Error| format!("the fixture cannot be started: {error}");
    let stand = Stand::up(&fixture::start().await.map_err(started)?).await?;
    let person = async |output: ChildStdout| person(root, &stand, output).await;
    let found = suite.authorization(&stand.issuer(), &stand.endpoint(), person).await?;
    let failed = |checks: &Checks| checks.values().any(|verdict| *verdict != Verdict::Success);
    match found.iter().find(|(_, checks)| failed(checks)) {
        None => Ok(found),
        Some((scenario, checks)) => Err(format!("{scenario} does not pass: {checks:?}")),
    }
}

/// Waits for the address of the page and plays the person there. The pipe is read to its end, so that the
/// suite never waits for a reader.
async fn person(root: &Path, stand: &Stand, output: ChildStdout) -> Result<(), Failure> {
    let mut lines = BufReader::new(output).lines();
    let page = format!("{}/oauth/authorize?", stand.issuer());
    let found = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with(&page) {
                return Some(line);
            }
        }
        None
    };
    let found = timeout(PATIENCE, found).await.ok().flatten();
    let address = found.ok_or("the suite printed no address of a page")?;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let mut person = Command::new(root.join("e2e/.venv/bin/python"));
    person.arg(root.join("e2e/person.py")).arg(address).arg("--follow");
    person.arg("--passphrase-file").arg(stand.passphrase());
    person.stdin(Stdio::null()).kill_on_drop(true);
    let played = timeout(PATIENCE, person.output()).await;
    let played = played.map_err(|_| "the person did not come to an end".to_owned())?;
    let played = played.map_err(|error| format!("the person cannot be started: {error}"))?;
    if played.status.success() {
        return Ok(());
    }
    Err(format!("the person failed: {}", String::from_utf8_lossy(&played.stderr)))
}
