//! One question put to Cedar, with or without an approval.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use cedar_policy_core::authorizer::{AuthorizationError, Decision, Response};
use remit_model::{ApprovalFact, Class, Question, Refusal};

use crate::context;
use crate::entities::{Corner, Corners};
use crate::index::Slice;
use crate::native::{self, Context, Entities, Pair, Value};
use crate::shape::Mismatch;
use crate::sight::{ALL, Seen, Sight};
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
    corners: Corners,
    /// The policies that can apply to each resource.
    slices: Vec<Arc<Slice>>,
    entities: Entities,
    pairs: Vec<Pair<'static>>,
}

impl<'a> Ask<'a> {
    /// Frames `question`, as far as the policies that can apply look at it.
    ///
    /// Errors: the tool is not in the schema the policies were validated against, an argument is
    /// not of its type, or the question cannot be expressed; as the refusal to give.
    pub(crate) fn new(snapshot: &'a Snapshot, question: &Question) -> Result<Self, Refusal> {
        let names = &snapshot.names;
        let corners = Corners::of(names, question);
        let slices = corners.resources.iter().map(|touched| {
            snapshot.index.slice(&corners.principal, &corners.action, &touched.corner)
        });
        let slices = slices.collect::<Result<Vec<_>, _>>().map_err(|why| unreadable(&why))?;
        let sight = Sight::of_any(slices.iter().map(|slice| &slice.sight));
        let entities = native::entities(corners.entities(names, question, &sight))
            .map_err(|why| unreadable(&why))?;
        let mut seen = Seen::new(&sight);
        context::fill(&mut seen, names, question);
        let input = input(snapshot, question)?;
        seen.add_some("input", input, |input| input);
        Ok(Self { snapshot, pairs: seen.into_pairs(), corners, slices, entities })
    }

    /// Asks, with `approval` as the approval given.
    pub(crate) fn put(&self, approval: Option<&ApprovalFact>) -> Answer {
        let mut given = Seen::new(&ALL);
        if let Some(approval) = approval {
            context::approval(&mut given, &self.snapshot.names, approval);
        }
        let context = native::context(self.pairs.iter().cloned().chain(given.into_pairs()));
        let (mut permits, mut forbids) = (BTreeSet::new(), BTreeSet::new());
        let mut unpermitted = None;
        let mut denied = false;
        for (at, (touched, slice)) in self.corners.resources.iter().zip(&self.slices).enumerate() {
            match self.one(&touched.corner, slice, context.clone()) {
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
        if denied || self.slices.is_empty() {
            Answer::Denied { forbids, unpermitted }
        } else {
            Answer::Permitted(permits)
        }
    }

    fn one(
        &self,
        resource: &Corner,
        slice: &Slice,
        context: Context,
    ) -> Result<(Decision, Vec<String>), Answer> {
        let Corners { principal, action, .. } = &self.corners;
        let uids = (&principal.uid, &action.uid, &resource.uid);
        let Response { decision, diagnostics } =
            native::ask(&slice.policies, uids, context, &self.entities);
        let failed = diagnostics.errors.into_iter().map(|error| {
            let AuthorizationError::PolicyEvaluationError { id, error } = error;
            (id.to_string(), error.to_string())
        });
        if let Some((policy, why)) = failed.min() {
            return Err(Answer::Failed { policy, why });
        }
        Ok((decision, diagnostics.reason.iter().map(ToString::to_string).collect()))
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
