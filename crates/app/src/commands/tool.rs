//! `remit tool …`

use std::fmt::Write as _;

use remit_model::{Admission, Tool};
use remit_operator::wire::{Admit, Executable, ToolDetail};
use serde_json::json;

use super::{Context, moment};
use crate::cli;
use crate::fail::Fail;
use crate::out::{Out, table};

/// Runs one of the tool commands.
pub(crate) async fn run(context: &Context, args: cli::Tool, out: &mut Out) -> Result<(), Fail> {
    match args {
        cli::Tool::List => {
            let tools: Vec<Tool> = context.client().get("/v1/tools").await?;
            out.say(&tools, |tools| list(tools))
        }
        cli::Tool::Show { tool } => {
            let detail: ToolDetail = context.client().get(&path(&tool)?).await?;
            out.say(&detail, show)
        }
        cli::Tool::Admit { tool, digest } => {
            let client = context.operator().await?;
            let path = path(&tool)?;
            let digest = match digest {
                Some(digest) => digest,
                None => client.get::<ToolDetail>(&path).await?.tool.digest.to_string(),
            };
            let detail: ToolDetail =
                client.post(&format!("{path}/admit"), &Admit { digest }).await?;
            out.say(&detail, |detail| format!("{} is {}", tool, detail.tool.admission.name()))
        }
        cli::Tool::AdmitExecutable { server, digest } => {
            let client = context.operator().await?;
            let path = format!("/v1/servers/{server}/admit");
            let admitted: Executable = client.post(&path, &Admit { digest }).await?;
            out.say(&admitted, |admitted| {
                let what = if admitted.changed { "is admitted" } else { "had not changed" };
                format!("the executable of {server} {what}")
            })
        }
        cli::Tool::Withdraw { tool } => {
            let client = context.operator().await?;
            let detail: ToolDetail =
                client.post(&format!("{}/withdraw", path(&tool)?), &json!({})).await?;
            out.say(&detail, |detail| format!("{} is {}", tool, detail.tool.admission.name()))
        }
    }
}

/// `server/tool` as a path; tool names are of characters that need no escape.
fn path(tool: &str) -> Result<String, Fail> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match tool.split_once('/') {
        Some((server, name)) if [server, name].iter().all(|s| s.chars().all(plain)) => {
            Ok(format!("/v1/tools/{server}/{name}"))
        }
        _ => Err(Fail::new(format!("expected a tool as `server/tool`, got `{tool}`"))),
    }
}

fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn list(tools: &[Tool]) -> String {
    let rows: Vec<Vec<String>> = tools
        .iter()
        .map(|tool| {
            vec![
                tool.id.to_string(),
                tool.admission.name().to_owned(),
                word(&tool.profile.effect.value),
                word(&tool.profile.reach.value),
                word(&tool.profile.sensitivity.value),
                word(&tool.profile.returns.value),
                tool.flags.len().to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no tools are known yet; add a [[server]] to the configuration".to_owned();
    }
    table(&["TOOL", "STATE", "EFFECT", "REACH", "RETURNS", "INTEGRITY", "FLAGS"], &rows)
}

fn show(detail: &ToolDetail) -> String {
    let tool = &detail.tool;
    let profile = &tool.profile;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "tool      {}", tool.id);
    let state = match &tool.admission {
        Admission::Quarantined { since, why, .. } => {
            format!("quarantined since {}: {why}", moment(*since))
        }
        Admission::Admitted { since, by } => format!("admitted by {by}, {}", moment(*since)),
        Admission::Withdrawn { since, by } => format!("withdrawn by {by}, {}", moment(*since)),
    };
    let _ = writeln!(text, "state     {state}");
    let _ = writeln!(text, "owner     {}", tool.owner);
    let _ = writeln!(text, "digest    {}", tool.digest);
    let part = |name: &str, value: String, origin: &remit_model::tool::Origin| {
        format!("  {name:<12} {value:<14} {origin}\n")
    };
    text.push_str("profile\n");
    text.push_str(&part("effect", word(&profile.effect.value), &profile.effect.origin));
    text.push_str(&part("reach", word(&profile.reach.value), &profile.reach.origin));
    text.push_str(&part(
        "sensitivity",
        word(&profile.sensitivity.value),
        &profile.sensitivity.origin,
    ));
    text.push_str(&part("returns", word(&profile.returns.value), &profile.returns.origin));
    text.push_str(&part(
        "idempotent",
        profile.idempotent.value.to_string(),
        &profile.idempotent.origin,
    ));
    text.push_str("arguments\n");
    for (path, argument) in &profile.arguments {
        let kind = argument.value.kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
        let role = format!("{}{kind}", word(&argument.value.role));
        let _ = writeln!(text, "  {:<24} {role:<20} {}", path.0, argument.origin);
    }
    for flag in &tool.flags {
        let _ = writeln!(text, "FLAG      {flag}");
    }
    if let Some(diff) = &detail.diff {
        let _ = write!(text, "changed since it was admitted:\n{diff}");
    }
    text
}
