//! The proof: every claim against every kind of question.

use std::collections::BTreeMap;

use cedar_policy::{Authorizer, Decision, Policy, PolicySet, RequestEnv};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet, Env};
use remit_model::Tool;
use remit_policy::{LoadError, PolicyEffect, Source};

use crate::counterexample::{Counterexample, looked_at, thing};
use crate::environment::{Environment, environments};
use crate::look::Looks;
use crate::report::{Claim, Report, Verdict};
use crate::sets::{Sets, all, permitting, set};
use crate::solver::{Solver, words};

/// The stack on which policies are translated, in bytes: as large as the one they are read on.
const STACK: usize = 64 << 20;

/// What is to be proven, and of what.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The policies.
    pub policies: Vec<Source>,
    /// What they must never permit: each `forbid` is one claim.
    pub invariants: Vec<Source>,
    /// An older set, by a name for people: what it does not permit they must not, either.
    pub against: Option<(String, Vec<Source>)>,
    /// The tools that are known.
    pub tools: Vec<Tool>,
    /// The approver groups, as for [`remit_policy::Snapshot::compile`].
    pub groups: Vec<String>,
}

/// Why nothing can be proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// There is no solver.
    #[error(
        "cannot start the solver `{program}`: {why}; install cvc5 (on Debian `apt-get install \
         cvc5`), or name its program in `CVC5`"
    )]
    NoSolver {
        /// What was to be started.
        program: String,
        /// Why it could not.
        why: String,
    },
    /// One of the sets does not load.
    #[error(transparent)]
    Policies(#[from] LoadError),
    /// An invariant that claims nothing.
    #[error(
        "expected invariants that forbid, got `{0}`, which permits; write what must never pass"
    )]
    Permits(String),
    /// A set that the solver cannot be asked about.
    #[error("the policies cannot be put to the solver: {0}")]
    Untranslated(String),
}

/// Asks `solver` about every claim of `inquiry`; `progress` is told how many of how many steps are done.
///
/// Errors: a set does not load, an invariant permits, or a policy cannot be translated. What the solver
/// cannot decide is no error, but a verdict.
pub async fn prove(
    inquiry: &Inquiry,
    solver: &mut Solver,
    progress: &mut (dyn FnMut(usize, usize) + Send),
) -> Result<Report, ProveError> {
    let sets = Sets::load(inquiry)?;
    let looks = Looks::of(sets.in_force().chain(&sets.invariants.policies));
    let environments = looks
        .and_then(|looks| environments((&sets.schema, &sets.schema_text), &sets.stands, &looks));
    let environments = environments.map_err(ProveError::Untranslated)?;
    let mut proof = Proof { sets, solver, kinds: Vec::new() };
    for environment in environments {
        proof.kinds.push(proof.kind(environment)?);
    }
    proof.report(progress).await
}

/// A kind of question, with what the policies permit of it.
struct Kind {
    environment: Environment,
    permitted: PolicySet,
    compiled: CompiledPolicySet,
}

struct Proof<'a> {
    sets: Sets,
    solver: &'a mut Solver,
    kinds: Vec<Kind>,
}

impl Proof<'_> {
    fn kind(&self, environment: Environment) -> Result<Kind, ProveError> {
        let permitted = self.among_facts(&environment, &self.sets.policies.policies)?;
        let compiled = self.compile(&permitted, &environment.env)?;
        Ok(Kind { environment, permitted, compiled })
    }

    /// `policies`, about questions that can be asked.
    fn among_facts(
        &self,
        environment: &Environment,
        policies: &[Policy],
    ) -> Result<PolicySet, ProveError> {
        let facts = self.sets.facts.iter().chain(&environment.fixed);
        set(policies.iter().chain(facts).cloned())
    }

    fn compile(&self, set: &PolicySet, env: &RequestEnv) -> Result<CompiledPolicySet, ProveError> {
        let schema = &self.sets.schema;
        translated(|| CompiledPolicySet::compile(set, env, schema).map_err(|why| words(&why)))
    }

    async fn report(
        &mut self,
        progress: &mut (dyn FnMut(usize, usize) + Send),
    ) -> Result<Report, ProveError> {
        let claims = self.claims()?;
        let (own, older) = (self.sets.policies.placed(), self.sets.older());
        let steps = claims.len() + 2 * own.len() + older.len();
        let mut done = 0;
        let mut step = || {
            done += 1;
            progress(done, steps);
        };
        let mut report =
            Report { claims: Vec::new(), warnings: Vec::new(), kinds: self.kinds.len() };
        for (mut claim, bound, scope) in claims {
            claim.verdict = self.within(&bound, scope.as_ref()).await?;
            report.claims.push(claim);
            step();
        }
        for (policy, place) in &own {
            if !self.applies(policy).await? {
                report.warnings.push(format!("{place} never applies"));
            }
            step();
        }
        for (policy, place) in own.iter().chain(&older) {
            if self.fails(policy).await? {
                let text = "cannot be evaluated for some questions, which are denied then";
                report.warnings.push(format!("{place} {text}"));
            }
            step();
        }
        report.warnings.extend(self.never_permitted().await);
        Ok(report)
    }

    /// Each claim, what it says may be permitted, and the policy outside whose scope it says nothing.
    fn claims(&self) -> Result<Vec<(Claim, PolicySet, Option<Policy>)>, ProveError> {
        let mut claims = Vec::new();
        let claim = |id: String, reason| Claim { id, reason, verdict: Verdict::Proven };
        for invariant in &self.sets.invariants.policies {
            let info = self.sets.invariants.info(invariant);
            if info.is_none_or(|info| info.effect == PolicyEffect::Permit) {
                return Err(ProveError::Permits(invariant.id().to_string()));
            }
            let claim =
                claim(invariant.id().to_string(), info.and_then(|info| info.reason.clone()));
            claims.push((claim, set([all()?, invariant.clone()])?, Some(invariant.clone())));
        }
        if let Some((name, older)) = &self.sets.against {
            let claim = claim(format!("nothing that {name} does not permit"), None);
            claims.push((claim, set(older.policies.iter().cloned())?, None));
        }
        Ok(claims)
    }

    /// Whether all that is permitted is permitted by `bound`, too.
    async fn within(
        &mut self,
        bound: &PolicySet,
        scope: Option<&Policy>,
    ) -> Result<Verdict, ProveError> {
        let mut undecided = None;
        for at in 0..self.kinds.len() {
            let Some(kind) = self.kinds.get(at) else { break };
            if scope.is_some_and(|policy| !self.sets.applies(policy, &kind.environment.env)) {
                continue;
            }
            let bound = self.compile(bound, &kind.environment.env)?;
            let found =
                self.solver.0.check_implies_with_counterexample_opt(&kind.compiled, &bound).await;
            match found {
                Ok(None) => {}
                Ok(Some(found)) => match self.confirmed(kind, scope, &found) {
                    Ok(question) => return Ok(Verdict::Broken { question: Box::new(question) }),
                    Err(why) => undecided = Some(why),
                },
                Err(why) => {
                    undecided = Some(format!("{}: {}", kind.environment.words, words(&why)));
                }
            }
        }
        Ok(undecided.map_or(Verdict::Proven, |why| Verdict::Undecided { why }))
    }

    /// What the solver found, decided by Cedar itself.
    ///
    /// Errors: Cedar does not permit it, or a policy fails on it, which is a denial; in words.
    fn confirmed(
        &self,
        kind: &Kind,
        claim: Option<&Policy>,
        found: &Env,
    ) -> Result<Counterexample, String> {
        let (request, entities, env) = (&found.request, &found.entities, &kind.environment.env);
        let answer = Authorizer::new().is_authorized(request, &kind.permitted, entities);
        let words = &kind.environment.words;
        if let Some(failed) = answer.diagnostics().errors().next() {
            return Err(format!("{words}: only where a policy cannot be evaluated: {failed}"));
        }
        if answer.decision() != Decision::Allow {
            return Err(format!("{words}: the solver found a question that Cedar denies"));
        }
        let by = answer.diagnostics().reason();
        let in_force = self.sets.in_force().filter(|policy| self.sets.applies(policy, env));
        let looks = Looks::of(in_force.chain(claim))?;
        Ok(Counterexample {
            asked: words.clone(),
            action: env.action().to_string(),
            resource: request.resource().map(thing).unwrap_or_default(),
            looked_at: looked_at(&looks, request, entities),
            permitted_by: by.map(|id| self.sets.policies.place(id.as_ref())).collect(),
        })
    }

    /// Whether any question is one that `policy` applies to.
    async fn applies(&mut self, policy: &Policy) -> Result<bool, ProveError> {
        let alone = permitting(policy)?;
        for kind in &self.kinds {
            let env = &kind.environment.env;
            if !self.sets.applies(policy, env) {
                continue;
            }
            let alone = self.among_facts(&kind.environment, std::slice::from_ref(&alone))?;
            let alone = self.compile(&alone, env)?;
            // Where nobody knows, nothing is said.
            if !self.solver.0.check_always_denies_opt(&alone).await.unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether there is a question for which `policy` cannot be evaluated.
    async fn fails(&mut self, policy: &Policy) -> Result<bool, ProveError> {
        for kind in &self.kinds {
            let env = &kind.environment.env;
            if !self.sets.applies(policy, env) {
                continue;
            }
            let schema = &self.sets.schema;
            let compiled = translated(|| {
                CompiledPolicy::compile(policy, env, schema).map_err(|why| words(&why))
            })?;
            if !self.solver.0.check_never_errors_opt(&compiled).await.unwrap_or(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Actions of which no call is ever permitted, with whatever approval.
    async fn never_permitted(&mut self) -> Vec<String> {
        let mut denied: BTreeMap<String, bool> = BTreeMap::new();
        for kind in &self.kinds {
            let always = self.solver.0.check_always_denies_opt(&kind.compiled).await;
            let all = denied.entry(kind.environment.words.clone()).or_insert(true);
            *all &= always.unwrap_or(false);
        }
        let denied = denied.into_iter().filter(|(_, all)| *all);
        denied.map(|(words, _)| format!("{words} is never permitted, whoever approves")).collect()
    }
}

/// What `translate` makes of policies, on a stack that is deep enough for any that can be loaded.
fn translated<T>(translate: impl FnOnce() -> Result<T, String>) -> Result<T, ProveError> {
    stacker::grow(STACK, translate).map_err(ProveError::Untranslated)
}
