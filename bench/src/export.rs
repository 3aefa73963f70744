//! What a ledger holds, by its own export: one record a line.

use std::path::Path;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::fail::Fail;

/// What is read of a record.
#[derive(Deserialize)]
struct Line<'a> {
    kind: &'a str,
}

/// How many calls were permitted and how many outcomes are on record in `state`.
///
/// Errors: the export fails or ends early.
pub(crate) async fn count(remit: &Path, state: &str) -> Result<(u64, u64), Fail> {
    let mut child = Command::new(remit)
        .args(["audit", "export", "--format", "jsonl", "--state", state])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| Fail::new("the export has no output"))?;
    // Millions of records: one buffer, nothing kept of a line.
    let mut lines = BufReader::with_capacity(1 << 20, stdout);
    let (mut line, mut permits, mut outcomes) = (Vec::new(), 0, 0);
    while lines.read_until(b'\n', &mut line).await? > 0 {
        match serde_json::from_slice(&line)? {
            Line { kind: "decision" } => permits += 1,
            Line { kind: "outcome" } => outcomes += 1,
            Line { .. } => {}
        }
        line.clear();
    }
    let status = child.wait().await?;
    if !status.success() {
        return Err(Fail::new(format!("`remit audit export` ended with {status}")));
    }
    Ok((permits, outcomes))
}
