//! The solver: cvc5, a process of its own.

use std::path::Path;

use cedar_policy_symcc::CedarSymCompiler;
use cedar_policy_symcc::solver::LocalSolver;
use tokio::process::Command;

use crate::prove::ProveError;

/// How long the solver may think about one question, in milliseconds (R13). Those of the packs take
/// some tens.
const THINKS: u32 = 60_000;

/// A running solver.
#[derive(Debug)]
pub struct Solver(pub(crate) CedarSymCompiler<LocalSolver>);

impl Solver {
    /// Starts the program `cvc5`, which ends when this is dropped. Needs a runtime.
    ///
    /// Errors: it cannot be started; in words that say what to install.
    pub fn start(cvc5: &Path) -> Result<Self, ProveError> {
        let failed =
            |why: String| ProveError::NoSolver { program: cvc5.display().to_string(), why };
        let mut command = Command::new(cvc5);
        command.arg("--lang=smt").arg(format!("--tlimit-per={THINKS}")).kill_on_drop(true);
        let solver = LocalSolver::from_command(&mut command).map_err(|why| failed(words(&why)))?;
        CedarSymCompiler::new(solver).map(Self).map_err(|why| failed(words(&why)))
    }
}

/// An error with what caused it.
pub(crate) fn words(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut source = why.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
