//! `remit audit reconcile`: the log against a tool server's own, for what Remit never saw.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

use remit_ledger::reconcile::{Excess, Permits, Reconciled, Seen, call_digest};
use remit_model::{Digest, ServerName, Value};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Context;
use crate::cli::Reconcile;
use crate::fail::Fail;
use crate::out::Out;
use crate::serve;

/// A line of the server's log.
#[derive(Deserialize)]
struct Line {
    #[serde(alias = "name")]
    tool: String,
    arguments: Option<Box<RawValue>>,
    call: Option<String>,
    #[serde(default = "one")]
    count: u64,
}

fn one() -> u64 {
    1
}

/// Compares; exits with 1 if one side holds what the other does not.
pub(crate) fn run(context: &Context, args: &Reconcile, out: &mut Out) -> Result<ExitCode, Fail> {
    let seen = seen(args)?;
    let mut permits = Permits::of(&args.server);
    serve::entries(&context.state, args.from, &mut |index, entry| permits.take(index, &entry))?;
    let known = permits.count();
    let found = permits.against(&seen);
    let value = json!({
        "server": args.server,
        "permits": known,
        "seen": counted(&seen),
        "matched": found.matched,
        "unrecorded": found.unrecorded.iter().map(|one| excess(one, "lines")).collect::<Vec<_>>(),
        "unseen": found.unseen.iter().map(|one| excess(one, "entries")).collect::<Vec<_>>(),
        "undecided": found.undecided,
    });
    out.say(&value, |_| words(&args.server, &found))?;
    Ok(if found.agrees() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn seen(args: &Reconcile) -> Result<Vec<Seen>, Fail> {
    let path = args.upstream.display();
    let file = File::open(&args.upstream).map_err(|why| Fail::new(format!("{path}: {why}")))?;
    let mut seen = Vec::new();
    for (number, line) in (1_u64..).zip(BufReader::new(file).lines()) {
        let bad = |why: &dyn std::fmt::Display| Fail::new(format!("{path}, line {number}: {why}"));
        let text = line.map_err(|why| bad(&why))?;
        if text.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&text).map_err(|why| bad(&why))?;
        let call = digest(&args.server, &line).map_err(|why| bad(&why))?;
        seen.push(Seen { line: number, tool: line.tool, call, count: line.count });
    }
    Ok(seen)
}

fn digest(server: &ServerName, line: &Line) -> Result<Option<Digest>, String> {
    if let Some(text) = &line.call {
        let digest = Digest::parse(text);
        return digest.map(Some).ok_or_else(|| {
            format!("expected `call` to be a digest of 64 hex digits, got `{text}`")
        });
    }
    let Some(arguments) = &line.arguments else { return Ok(None) };
    let arguments = Value::parse(arguments.get()).map_err(|why| format!("`arguments`: {why}"))?;
    Ok(Some(call_digest(server, &line.tool, &arguments)))
}

/// How many calls the lines stand for. Whoever writes them may claim any number.
fn counted(seen: &[Seen]) -> u64 {
    seen.iter().fold(0, |sum, one| sum.saturating_add(one.count))
}

fn excess(one: &Excess, among: &str) -> serde_json::Value {
    json!({ "tool": one.tool, "call": one.call, "count": one.count, among: one.among })
}

fn words(server: &ServerName, found: &Reconciled) -> Vec<String> {
    /// Places that are named; there may be a million.
    const NAMED: usize = 20;
    let places = |one: &Excess| {
        let named: Vec<String> = one.among.iter().take(NAMED).map(u64::to_string).collect();
        let more = if one.among.len() > NAMED { " …" } else { "" };
        let call = one.call.map_or_else(String::new, |call| format!(" (call {})", call.short()));
        (format!("{} of {server}/{}{call}", one.count, one.tool), named.join(", ") + more)
    };
    let mut lines = vec![format!("{} calls are on both sides", found.matched)];
    for one in &found.unrecorded {
        let (calls, at) = places(one);
        lines.push(format!("UNRECORDED  {calls}: the server saw them, no permit does; line {at}"));
    }
    for one in &found.unseen {
        let (calls, at) = places(one);
        lines.push(format!("UNSEEN      {calls}: answered by the log, not seen; among entry {at}"));
    }
    if found.undecided > 0 {
        lines.push(format!(
            "{} permits may have arrived or not, and the server did not see them",
            found.undecided
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_claim_any_number_of_calls() {
        let line = |count| Seen { line: 1, tool: "send".to_owned(), call: None, count };
        assert_eq!(counted(&[line(2), line(3)]), 5);
        let claims = [line(u64::MAX), line(1)];
        assert_eq!(counted(&claims), u64::MAX);
        let found = Permits::of(&"mail".parse().unwrap()).against(&claims);
        assert_eq!(found.unrecorded[0].count, u64::MAX);
    }
}
