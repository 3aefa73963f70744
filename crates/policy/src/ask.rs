//! One question put to Cedar, with or without an approval.

use std::collections::BTreeSet;
use std::fmt::Display;

use cedar_policy::{AuthorizationError, Authorizer, Context, Decision, Entities, Request};
use remit_model::{ApprovalFact, Class, Question, Refusal};

use crate::context;
use crate::entities::{self, Corner};
use crate::native::{self, Pair, Value};
use crate::shape::Mismatch;
use crate::snapshot::Snapshot;

/// Cedar's answer over all resources; policies by id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Every resource is permitted, by these.
    Permitted(BTreeSet<String>),
    /// At least one is not: forbidden by these, or permitted by nobody if there are none.
    Denied {
        forbids: BTreeSet<String>,
        /// The position in the question of a resource that nobody permits.
        unpermitted: Option<usize>,
    },
    /// This policy could not be evaluated.
    Failed { policy: String, why: String },
}

/// A question in Cedar's terms, ready to be asked more than once.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    snapshot: &'a Snapshot,
    principal: Corner,
    action: Corner,
    resources: Vec<Corner>,
    entities: Entities,
    pairs: Vec<Pair<'static>>,
}

impl<'a> Ask<'a> {
    /// Frames `question`.
    ///
    /// Errors: the tool is not in the schema the policies were validated against, an argument is
    /// not of its type, or the question cannot be expressed; as the refusal to give.
    pub(crate) fn new(snapshot: &'a Snapshot, question: &Question) -> Result<Self, Refusal> {
        let names = &snapshot.names;
        let (principal, agent) = entities::principal(names, question);
        let (action, made) = entities::action(names, question);
        let (resources, mut all) = entities::resources(names, question);
        all.extend([agent, made]);
        let entities = native::entities(all).map_err(|why| unreadable(&why))?;
        let mut pairs = context::pairs(names, question);
        pairs.extend(input(snapshot, question)?.map(|input| ("input", input)));
        Ok(Self { snapshot, principal, action, resources, entities, pairs })
    }

    /// Asks, with `approval` as the approval given.
    pub(crate) fn put(&self, approval: Option<&ApprovalFact>) -> Answer {
        let given = approval.map(|given| context::approval(&self.snapshot.names, given));
        let context = native::context(self.pairs.iter().cloned().chain(given));
        let (mut permits, mut forbids) = (BTreeSet::new(), BTreeSet::new());
        let mut unpermitted = None;
        let mut denied = false;
        for (at, resource) in self.resources.iter().enumerate() {
            match self.one(resource, context.clone()) {
                Ok((Decision::Allow, by)) => permits.extend(by),
                Ok((Decision::Deny, by)) => {
                    denied = true;
                    if by.is_empty() {
                        unpermitted = unpermitted.or(Some(at));
                    }
                    forbids.extend(by);
                }
                Err(failure) => return failure,
            }
        }
        if denied || self.resources.is_empty() {
            Answer::Denied { forbids, unpermitted }
        } else {
            Answer::Permitted(permits)
        }
    }

    fn one(&self, resource: &Corner, context: Context) -> Result<(Decision, Vec<String>), Answer> {
        let slice = self
            .snapshot
            .index
            .slice(&self.principal, &self.action, resource)
            .map_err(|why| failed(&why))?;
        let uids = (self.principal.uid.clone(), self.action.uid.clone(), resource.uid.clone());
        let request =
            Request::new(uids.0, uids.1, uids.2, context, None).map_err(|why| failed(&why))?;
        let response = Authorizer::new().is_authorized(&request, &slice, &self.entities);
        let mut errors: Vec<(String, String)> = response
            .diagnostics()
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| {
                (error.policy_id().to_string(), error.inner().to_string())
            })
            .collect();
        errors.sort_unstable();
        if let Some((policy, why)) = errors.into_iter().next() {
            return Err(Answer::Failed { policy, why });
        }
        let by = response.diagnostics().reason().map(ToString::to_string).collect();
        Ok((response.decision(), by))
    }
}

fn input(snapshot: &Snapshot, question: &Question) -> Result<Option<Value>, Refusal> {
    let Some(tool) = question.asked.tool() else { return Ok(None) };
    let Some(attributes) = snapshot.inputs.get(&tool) else {
        return Err(Refusal::one(
            Class::Structural,
            "unknown-tool",
            format!("the policies in force were loaded before `{tool}` was known"),
            "an operator must make the policies load again (`remit policy check` says what keeps \
             them from it)",
        ));
    };
    if question.call().is_none() {
        return Ok(None);
    }
    attributes.express(&question.input).map(Some).map_err(|Mismatch { path, expected, came }| {
        let argument =
            if path.is_empty() { "the arguments".to_owned() } else { format!("argument `{path}`") };
        Refusal::one(
            Class::Structural,
            "input",
            format!("`{tool}` declares {argument} as {expected}, got {came}"),
            "send the arguments in the types that the tool's definition names",
        )
    })
}

fn unreadable(why: &dyn Display) -> Refusal {
    Refusal::one(
        Class::Structural,
        "unreadable",
        format!("the question cannot be put to the policies: {why}"),
        "report this to the operator with the arguments of the call",
    )
}

fn failed(why: &dyn Display) -> Answer {
    Answer::Failed { policy: "remit".to_owned(), why: why.to_string() }
}
