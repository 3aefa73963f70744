//! `remit audit …`: the log, with and without a running Remit.
//!
//! Verifying and reading what stands in the clear need the files only; proofs are made by the
//! running Remit, and bodies are shown by it to an operator.

use std::process::ExitCode;
use std::time::Duration;

use remit_operator::wire::Record;
use remit_ports::Entry;
use serde_json::json;

use super::{Context, moment, reconcile, verify};
use crate::cli::Audit;
use crate::fail::Fail;
use crate::out::{Lines, Out};
use crate::serve;

/// Runs one of the audit commands.
pub(crate) async fn run(context: &Context, args: Audit, out: &mut Out) -> Result<ExitCode, Fail> {
    match args {
        Audit::Key => out.line(&serve::verifier_key(&context.state)?)?,
        Audit::Verify(args) => verify::run(context, &args, out).await?,
        Audit::Reconcile(args) => return reconcile::run(context, &args, out),
        Audit::Prove { index } => {
            let path = format!("/v1/ledger/proofs/{index}");
            out.line(&context.client().get_text(&path).await?)?;
        }
        Audit::Show { index, bodies } => show(context, index, bodies, out).await?,
        Audit::Tail { lines, once } => tail(context, lines, once, out).await?,
        Audit::Export { from, bodies, .. } => export(context, from, bodies, out).await?,
        Audit::Erase { task } => {
            let client = context.operator().await?;
            let path = format!("/v1/ledger/erase/{task}");
            let erased: serde_json::Value = client.post(&path, &json!({})).await?;
            out.say(&erased, |_| {
                format!("the records of {task} can no longer be read; proofs stay valid")
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(index: u64, entry: &Entry) -> String {
    let clear = &entry.clear;
    let kind = format!("{:?}", entry.kind).to_lowercase();
    let outcome = clear.outcome.as_ref().and_then(|outcome| {
        serde_json::to_value(outcome).ok()?.get("outcome")?.as_str().map(str::to_owned)
    });
    let parts = [
        clear.tool.clone().unwrap_or_default(),
        outcome.unwrap_or_default(),
        clear.policies.join(","),
        entry.task.as_ref().map(ToString::to_string).unwrap_or_default(),
    ];
    let rest: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{index:>7}  {}  {kind:<11} {:<10} {}", moment(entry.wall), clear.what, rest.join("  "))
}

async fn show(context: &Context, index: u64, bodies: bool, out: &mut Out) -> Result<(), Fail> {
    if bodies || context.passphrase_file.is_some() {
        let client = context.operator().await?;
        let record: Record = client.get(&format!("/v1/ledger/entries/{index}")).await?;
        return pretty(&record, out);
    }
    let mut found = None;
    serve::entries(&context.state, index, &mut |at, entry| {
        if at == index {
            found = Some(Record { index: at, entry, body: None });
        }
    })?;
    match found {
        Some(record) => pretty(&record, out),
        None => Err(Fail::new(format!("there is no entry {index}; the log ends before it"))),
    }
}

fn pretty(record: &Record, out: &mut Out) -> Result<(), Fail> {
    // JSON has no line ends within its texts.
    out.say(&record.flat(), |flat| Lines::of_ours(&format!("{flat:#}")))
}

async fn tail(context: &Context, lines: u64, once: bool, out: &mut Out) -> Result<(), Fail> {
    let mut next = serve::size(&context.state)?.saturating_sub(lines);
    loop {
        let mut seen = Vec::new();
        serve::entries(&context.state, next, &mut |index, entry| seen.push((index, entry)))?;
        for (index, entry) in seen {
            next = index + 1;
            let record = Record { index, entry, body: None };
            out.say(&record.flat(), |_| line(index, &record.entry))?;
        }
        if once {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn export(context: &Context, from: u64, bodies: bool, out: &mut Out) -> Result<(), Fail> {
    if bodies {
        use std::io::Write;
        let client = context.operator().await?;
        let mut stdout = std::io::stdout().lock();
        return client
            .get_stream(&format!("/v1/ledger/export?from={from}"), |piece| {
                stdout.write_all(piece).map_err(Fail::from)
            })
            .await;
    }
    let mut failed = None;
    serve::entries(&context.state, from, &mut |index, entry| {
        let record = Record { index, entry, body: None };
        failed = failed.take().or(out.line(&record.flat().to_string()).err());
    })?;
    failed.map_or(Ok(()), Err)
}
