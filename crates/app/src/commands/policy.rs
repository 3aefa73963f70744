//! `remit policy …`: check, test and prove policy files, with or without a running Remit.

mod prove;

use std::path::Path;
use std::process::ExitCode;

use remit_catalogue::Catalogue;
use remit_model::Tool;
use remit_policy::{Snapshot, Source, cases};
use serde_json::json;

use super::Context;
use crate::cli;
use crate::config::{Config, contained, sources_in};
use crate::fail::Fail;
use crate::out::Out;

/// The cases that come with the pack `contained`.
const CONTAINED_CASES: &str = include_str!("../../../../policies/cases/contained.toml");

/// Runs one of the policy commands; exits with 1 if something is wrong with the policies.
pub(crate) async fn run(
    context: &Context,
    args: cli::Policy,
    out: &mut Out,
) -> Result<ExitCode, Fail> {
    match args {
        cli::Policy::Check { dir, schema } => {
            let tools = tools(context).await?;
            check(context, &tools, (dir.as_deref(), schema), out)
        }
        cli::Policy::Test { cases, policies } => {
            test(context, cases.as_deref(), policies.as_deref(), out)
        }
        cli::Policy::Prove(args) => {
            let tools = tools(context).await?;
            prove::run(context, args, tools, out).await
        }
    }
}

/// The policies named, else the configured ones, else the pack `contained`.
fn sources(context: &Context, dir: Option<&Path>) -> Result<(Vec<Source>, Vec<String>), Fail> {
    let config = context.config();
    let configured = config.exists().then(|| Config::read(&config)).transpose()?;
    let groups = configured
        .as_ref()
        .map_or_else(|| vec!["operators".to_owned()], |config| config.settings().group_names());
    let sources = match (dir, &configured) {
        (Some(dir), _) => sources_in(dir)?,
        (None, Some(configured)) => configured.policy_sources(&config)?,
        (None, None) => contained(),
    };
    Ok((sources, groups))
}

/// The tools that the running Remit knows, else those of the last projection.
async fn tools(context: &Context) -> Result<Vec<Tool>, Fail> {
    if let Ok(tools) = context.client().get("/v1/tools").await {
        return Ok(tools);
    }
    let known = crate::serve::last_catalogue(&context.state)?;
    Ok(known.map_or_else(Vec::new, |known: Catalogue| known.tools().cloned().collect()))
}

fn check(
    context: &Context,
    tools: &[Tool],
    (dir, schema): (Option<&Path>, bool),
    out: &mut Out,
) -> Result<ExitCode, Fail> {
    let (sources, groups) = sources(context, dir)?;
    match Snapshot::compile(&sources, tools, &groups) {
        Ok(snapshot) if schema => {
            out.line(snapshot.schema_text())?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(snapshot) => {
            for warning in snapshot.warnings() {
                out.remark(&format!("note: {warning}"));
            }
            let count = snapshot.policies().count();
            let value = json!({ "policies": count, "files": sources.len(), "tools": tools.len() });
            out.say(&value, |_| {
                format!(
                    "{count} policies in {} files are valid against the schema of {} known tools",
                    sources.len(),
                    tools.len()
                )
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => Err(Fail::new(why.to_string())),
    }
}

fn test(
    context: &Context,
    dir: Option<&Path>,
    policies: Option<&Path>,
    out: &mut Out,
) -> Result<ExitCode, Fail> {
    let (sources, groups) = sources(context, policies)?;
    let files = match dir {
        Some(dir) => case_files(dir)?,
        None => vec![("the cases of the pack `contained`".to_owned(), CONTAINED_CASES.to_owned())],
    };
    let mut results = Vec::new();
    for (name, text) in &files {
        let run = cases::run(&sources, &groups, text);
        results.extend(run.map_err(|why| Fail::new(format!("{name}: {why}")))?);
    }
    let failed = results.iter().filter(|result| !result.passed).count();
    out.say(&results, |results| {
        let wrong = results.iter().filter(|result| !result.passed).flat_map(|result| {
            let (expected, got) = (&result.expected, &result.got);
            [result.name.clone(), format!("  expected {expected}"), format!("  got      {got}")]
        });
        let sum = format!("{} passed, {failed} failed", results.len() - failed);
        wrong.chain([sum]).collect::<Vec<_>>()
    })?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn case_files(dir: &Path) -> Result<Vec<(String, String)>, Fail> {
    let unreadable = |why| Fail::new(format!("cannot read the cases in {}: {why}", dir.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push((path.display().to_string(), std::fs::read_to_string(&path)?));
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Fail::new(format!("there is no case file (`.toml`) in {}", dir.display())));
    }
    Ok(files)
}
