//! One question put to the policies, with or without an approval.
//!
//! Cedar is asked where no question is kept that looked the same to them ([`crate::memo`]).

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use cedar_policy_core::authorizer::{AuthorizationError, Decision, Response};
use remit_model::{ApprovalFact, Class, Question, Refusal, ToolId};

use crate::context::{self, NOW};
use crate::declared::{Declared, Misspelt};
use crate::entities::{Corner, Corners, Known, entities};
use crate::fact::{self, Fact, Facts};
use crate::index::Slice;
use crate::key::Key;
use crate::native::{self, Context, Entities, Value};
use crate::shape::Mismatch;
use crate::sight::{Seen, Sight};
use crate::snapshot::Snapshot;

/// The attribute that holds the arguments.
const INPUT: &str = "input";

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

/// What a question is about, and which policies can apply to it.
#[derive(Debug)]
pub(crate) struct Applicable {
    corners: Corners,
    /// The policies that can apply to each resource.
    slices: Vec<Arc<Slice>>,
    /// What they look at.
    sight: Arc<Sight>,
}

impl Applicable {
    /// That of `question`.
    ///
    /// Errors: no set of policies can be made, as the refusal to give.
    pub(crate) fn to(snapshot: &Snapshot, question: &Question) -> Result<Self, Refusal> {
        let corners = Corners::of(&snapshot.names, question);
        let slices = corners.resources.iter().map(|touched| {
            snapshot.index.slice(&corners.principal, &corners.action, &touched.corner)
        });
        let slices = slices.collect::<Result<Vec<_>, _>>().map_err(|why| unreadable(&why))?;
        let sight = Sight::of_any(slices.iter().map(|slice| &slice.sight));
        Ok(Self { corners, slices, sight })
    }

    /// What a question is known by of whose `corners` and context that is seen: all that an answer
    /// depends on but the approval. What policies see of the present comes never again, so it is not
    /// written at all.
    fn key(&self, corners: &[Known<'_>], context: &Facts<'_>) -> Key {
        if self.sight.sees(NOW) {
            return Key::unfit();
        }
        let mut key = Key::usual();
        key.length(self.slices.len());
        for slice in &self.slices {
            key.number(slice.number);
        }
        key.length(corners.len());
        for corner in corners {
            corner.write(&self.sight, &mut key);
        }
        fact::write(context, &mut key);
        key
    }
}

/// A question as policies see it, ready to be asked more than once.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    snapshot: &'a Snapshot,
    applicable: &'a Applicable,
    corners: Vec<Known<'a>>,
    context: Facts<'a>,
    /// What all of that is known by.
    key: Key,
    /// It in Cedar's terms, once Cedar is asked.
    terms: OnceCell<Result<Terms, String>>,
}

/// A question in Cedar's terms, but for the approval.
#[derive(Debug)]
struct Terms {
    entities: Entities,
    /// The values of what the context holds, in its order.
    context: Vec<Value>,
}

impl<'a> Ask<'a> {
    /// Describes `question`, as far as the policies that can apply look at it.
    ///
    /// Errors: the tool is not in the schema the policies were validated against, or an argument is
    /// not of its type or could be read as another; as the refusal to give.
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        question: &'a Question,
        applicable: &'a Applicable,
    ) -> Result<Self, Refusal> {
        let (names, sight) = (&snapshot.names, &*applicable.sight);
        let corners = applicable.corners.known(names, question, sight);
        let mut seen = Seen::new(sight);
        context::fill(&mut seen, names, question);
        let input = input(snapshot, question, sight.within(INPUT))?;
        seen.add_some(INPUT, input, |input| input);
        let context = seen.into_facts();
        let key = applicable.key(&corners, &context);
        Ok(Self { snapshot, applicable, corners, context, key, terms: OnceCell::new() })
    }

    /// Asks, with `approval` as the approval given.
    ///
    /// Errors: the question cannot be expressed in Cedar's terms, as the refusal to give.
    pub(crate) fn put(&self, approval: Option<&ApprovalFact>) -> Result<Arc<Answer>, Refusal> {
        let mut given = Seen::new(&self.applicable.sight);
        if let Some(approval) = approval {
            context::approval(&mut given, &self.snapshot.names, approval);
        }
        let given = given.into_facts();
        let mut key = self.key.clone();
        fact::write(&given, &mut key);
        if let Some(answer) = self.snapshot.memo.get(&key) {
            return Ok(answer);
        }
        let terms = self.terms.get_or_init(|| self.terms());
        let terms = terms.as_ref().map_err(|why| unreadable(why))?;
        let given = fact::pairs(&given, &self.snapshot.names.moments);
        let names = self.context.iter().map(|(name, _)| name.as_ref());
        let context = names.zip(terms.context.iter().cloned());
        let answer = Arc::new(self.answer(terms, &native::context(context.chain(given))));
        self.snapshot.memo.keep(&key, &answer);
        Ok(answer)
    }

    fn terms(&self) -> Result<Terms, String> {
        let moments = &self.snapshot.names.moments;
        let entities = native::entities(entities(&self.corners, moments))?;
        let context = self.context.iter().map(|(_, fact)| fact.value(moments)).collect();
        Ok(Terms { entities, context })
    }

    fn answer(&self, terms: &Terms, context: &Context) -> Answer {
        let (mut permits, mut forbids) = (BTreeSet::new(), BTreeSet::new());
        let mut unpermitted = None;
        let mut denied = false;
        let Applicable { corners, slices, .. } = self.applicable;
        for (at, (touched, slice)) in corners.resources.iter().zip(slices).enumerate() {
            match self.one(terms, &touched.corner, slice, context.clone()) {
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
        if denied || slices.is_empty() {
            Answer::Denied { forbids, unpermitted }
        } else {
            Answer::Permitted(permits)
        }
    }

    fn one(
        &self,
        terms: &Terms,
        resource: &Corner,
        slice: &Slice,
        context: Context,
    ) -> Result<(Decision, Vec<String>), Answer> {
        let Corners { principal, action, .. } = &self.applicable.corners;
        let uids = (&principal.uid, &action.uid, &resource.uid);
        let Response { decision, diagnostics } =
            native::ask(&slice.policies, uids, context, &terms.entities);
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

fn input<'a>(
    snapshot: &'a Snapshot,
    question: &'a Question,
    sight: &Sight,
) -> Result<Option<Fact<'a>>, Refusal> {
    let Some(tool) = question.asked.tool() else { return Ok(None) };
    let Some(Declared { attributes, names }) = snapshot.inputs.get(&tool) else {
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
    names.compare(&question.input).map_err(|why| misspelt(&tool, &why))?;
    attributes.express(&question.input, sight).map(Some).map_err(|why| mismatch(&tool, why))
}

fn mismatch(tool: &ToolId, Mismatch { path, expected, came }: Mismatch) -> Refusal {
    let argument =
        if path.is_empty() { "the arguments".to_owned() } else { format!("argument `{path}`") };
    Refusal::one(
        Class::Structural,
        "input",
        format!("`{tool}` declares {argument} as {expected}, got {came}"),
        "send the arguments in the types that the tool's definition names",
    )
}

fn misspelt(tool: &ToolId, Misspelt { path, declared }: &Misspelt) -> Refusal {
    Refusal::one(
        Class::Structural,
        "input",
        format!(
            "argument `{path}` differs from `{declared}`, which `{tool}` declares, only in the case of \
             letters, so servers could read it as that"
        ),
        format!("leave `{path}` out; `{declared}` is spelt as the tool's definition spells it"),
    )
}

fn unreadable(why: &dyn Display) -> Refusal {
    Refusal::one(
        Class::Structural,
        "unreadable",
        format!("the question cannot be put to the policies: {why}"),
        "report this to the operator with the arguments of the call",
    )
}
