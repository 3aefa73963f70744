//! `remit policy prove`: what policies never permit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use remit_model::Tool;
use remit_prove::{Inquiry, Solver};

use super::{Context, sources};
use crate::cli::PolicyProve;
use crate::config::sources_in;
use crate::environment;
use crate::fail::Fail;
use crate::out::{Lines, Out};

/// After how many claims and policies progress is told.
const TOLD: usize = 10;

/// Proves; exits with 1 if a claim is broken or nobody knows.
pub(super) async fn run(
    context: &Context,
    args: PolicyProve,
    tools: Vec<Tool>,
    out: &mut Out,
) -> Result<ExitCode, Fail> {
    let (policies, groups) = sources(context, args.policies.as_deref())?;
    let invariants = args.invariants.as_deref().map(sources_in).transpose()?;
    let older = |dir: &Path| Ok::<_, Fail>((dir.display().to_string(), sources_in(dir)?));
    let inquiry = Inquiry {
        policies,
        invariants: invariants.unwrap_or_else(remit_prove::invariants),
        against: args.against.as_deref().map(older).transpose()?,
        tools,
        groups,
    };
    let mut solver = Solver::start(&cvc5())?;
    let mut progress = |done: usize, of: usize| {
        if done.is_multiple_of(TOLD) {
            out.remark(&format!("{done} of {of} claims and policies looked at"));
        }
    };
    let report = remit_prove::prove(&inquiry, &mut solver, &mut progress).await?;
    out.say(&report, |report| Lines::of_ours(&report.to_string()))?;
    Ok(if report.is_proven() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The solver's program.
fn cvc5() -> PathBuf {
    PathBuf::from(environment::variable("CVC5").unwrap_or_else(|| "cvc5".to_owned()))
}
