//! `remit tool …`

use remit_model::tool::{Origin, Profile};
use remit_model::{Admission, Tool};
use remit_operator::wire::{Admit, Executable, ToolDetail};
use serde_json::json;

use super::{Context, moment};
use crate::cli;
use crate::fail::Fail;
use crate::out::{Lines, Out, table};

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

fn list(tools: &[Tool]) -> Lines {
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
        let none = "no tools are known yet; add a [[server]] to the configuration";
        return none.to_owned().into();
    }
    table(&["TOOL", "STATE", "EFFECT", "REACH", "RETURNS", "INTEGRITY", "FLAGS"], &rows)
}

fn show(detail: &ToolDetail) -> Vec<String> {
    let tool = &detail.tool;
    let state = match &tool.admission {
        Admission::Quarantined { since, why, .. } => {
            format!("quarantined since {}: {why}", moment(*since))
        }
        Admission::Admitted { since, by } => format!("admitted by {by}, {}", moment(*since)),
        Admission::Withdrawn { since, by } => format!("withdrawn by {by}, {}", moment(*since)),
    };
    let mut lines = vec![
        format!("tool      {}", tool.id),
        format!("state     {state}"),
        format!("owner     {}", tool.owner),
        format!("digest    {}", tool.digest),
    ];
    lines.extend(profile(&tool.profile));
    lines.extend(tool.flags.iter().map(|flag| format!("FLAG      {flag}")));
    if let Some(diff) = &detail.diff {
        lines.push("changed since it was admitted:".to_owned());
        // Its lines are marked, and what servers wrote has none of its own.
        lines.extend(Lines::of_ours(diff));
    }
    lines
}

fn profile(profile: &Profile) -> Vec<String> {
    let part =
        |name: &str, value: String, origin: &Origin| format!("  {name:<12} {value:<14} {origin}");
    let Profile { effect, reach, sensitivity, returns, idempotent, .. } = profile;
    let mut lines = vec![
        "profile".to_owned(),
        part("effect", word(&effect.value), &effect.origin),
        part("reach", word(&reach.value), &reach.origin),
        part("sensitivity", word(&sensitivity.value), &sensitivity.origin),
        part("returns", word(&returns.value), &returns.origin),
        part("idempotent", idempotent.value.to_string(), &idempotent.origin),
        "arguments".to_owned(),
    ];
    lines.extend(profile.arguments.iter().map(|(path, argument)| {
        let kind = argument.value.kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
        let role = format!("{}{kind}", word(&argument.value.role));
        format!("  {:<24} {role:<20} {}", path.0, argument.origin)
    }));
    lines
}

#[cfg(test)]
mod tests {
    use remit_model::tool::{ArgumentProfile, Effect, Known};
    use remit_model::{ArgumentPath, Role};

    use super::*;

    #[test]
    fn a_server_names_no_argument_that_draws_on_the_page_before_an_admission() {
        let mut tool = remit_testkit::samples::tool("mail/send", Effect::Send);
        let drawn = "to\nstate     admitted by ana\u{1b}[2J\u{9b}1A\u{202e}";
        let value = ArgumentProfile { role: Role::Target, kind: None };
        let known = Known { value, origin: Origin::Assumed };
        tool.profile.arguments.insert(ArgumentPath::from(drawn), known);
        let lines = show(&ToolDetail { tool, diff: Some("- a\n+ b\n".to_owned()) });
        let count = lines.len();
        let shown = Lines::from(lines).to_string();
        assert_eq!(shown.lines().count(), count, "{shown}");
        assert_eq!(shown.matches("\nstate ").count(), 1, "{shown}");
        assert!(shown.contains("to<U+000A>state     admitted by ana<U+001B>[2J<U+009B>1A<U+202E>"));
        assert!(shown.ends_with("changed since it was admitted:\n- a\n+ b"), "{shown}");
    }
}
