//! `remit policy …`: check and test policy files, with or without a running Remit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use remit_catalogue::Catalogue;
use remit_model::Tool;
use remit_policy::{Snapshot, Source, cases};
use serde_json::json;

use super::Context;
use crate::cli;
use crate::config::{Config, sources_in, starter};
use crate::fail::Fail;
use crate::out::Out;

/// Runs one of the policy commands; exits with 1 if something is wrong with the policies.
pub(crate) fn run(context: &Context, args: cli::Policy, out: &mut Out) -> Result<ExitCode, Fail> {
    match args {
        cli::Policy::Check { dir, schema } => check(context, dir, schema, out),
        cli::Policy::Test { cases, policies } => test(context, cases, policies, out),
    }
}

/// The policies named, else the configured ones, else the starter pack.
fn sources(context: &Context, dir: Option<&Path>) -> Result<(Vec<Source>, Vec<String>), Fail> {
    let config = context.config();
    let configured = config.exists().then(|| Config::read(&config)).transpose()?;
    let groups = configured.as_ref().map_or_else(
        || vec!["operators".to_owned()],
        |config| config.settings().group_names(),
    );
    let sources = match (dir, &configured) {
        (Some(dir), _) => sources_in(dir)?,
        (None, Some(configured)) => configured.policy_sources(&config)?,
        (None, None) => starter(),
    };
    Ok((sources, groups))
}

/// The tools of the state directory's catalogue, as last projected.
fn tools(context: &Context) -> Result<Vec<Tool>, Fail> {
    let known = crate::serve::last_catalogue(&context.state)?;
    Ok(known.map_or_else(Vec::new, |known: Catalogue| known.tools().cloned().collect()))
}

fn check(
    context: &Context,
    dir: Option<PathBuf>,
    schema: bool,
    out: &mut Out,
) -> Result<ExitCode, Fail> {
    let (sources, groups) = sources(context, dir.as_deref())?;
    let tools = tools(context)?;
    match Snapshot::compile(&sources, &tools, &groups) {
        Ok(snapshot) if schema => {
            out.line(snapshot.schema_text())?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(snapshot) => {
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
    dir: Option<PathBuf>,
    policies: Option<PathBuf>,
    out: &mut Out,
) -> Result<ExitCode, Fail> {
    let (sources, _) = sources(context, policies.as_deref())?;
    let files = match &dir {
        Some(dir) => case_files(dir)?,
        None => cases::STARTER.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect(),
    };
    let (mut passed, mut failed) = (0_u32, Vec::new());
    for (name, text) in &files {
        let results = cases::run(&sources, text)
            .map_err(|why| Fail::new(format!("{name}: {why}")))?;
        for result in results {
            match result.failure {
                None => passed += 1,
                Some(why) => failed.push(format!("{name}: {}: {why}", result.name)),
            }
        }
    }
    let value = json!({ "passed": passed, "failed": failed });
    out.say(&value, |_| {
        let mut lines = failed.clone();
        lines.push(format!("{passed} passed, {} failed", failed.len()));
        lines.join("\n")
    })?;
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
