//! Cedar's values, entities and contexts, made as such.
//!
//! Its public constructors take expressions, which its evaluator reduces to values at every question,
//! and close the hierarchy of entities anew each time. Both cost several times what the decision
//! itself costs. Here values are values from the start, and entities name all that they are in, so
//! there is nothing to reduce and nothing to close; only what an extension function alone can make
//! goes through the evaluator ([`called`]).
//!
//! Policies are asked for their conditions alone ([`conditions`]): that their scopes fit is how they were
//! found.

use std::sync::{Arc, LazyLock};

use cedar_policy::EntityUid;
use cedar_policy_core::ast::{
    self, EntityUIDEntry, Expr, Name, PartialValue, PolicyID, Request, RestrictedExpr, ValueKind,
};
use cedar_policy_core::authorizer::{Authorizer, Response};
use cedar_policy_core::entities::{NoEntitiesSchema, TCComputation};
use cedar_policy_core::evaluator::RestrictedEvaluator;
use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::parser::parse_policy;

/// A value of Cedar's language, an entity, a context, a policy, and several.
pub(crate) use cedar_policy_core::ast::{Context, Entity, Policy, PolicySet, Value};
/// All entities of a request.
pub(crate) use cedar_policy_core::entities::Entities;

/// A name and its value.
pub(crate) type Pair<'a> = (&'a str, Value);

/// A text.
pub(crate) fn text(text: &str) -> Value {
    Value::from(text)
}

/// An entity, as a value.
pub(crate) fn reference(uid: &EntityUid) -> Value {
    Value::from(ast::EntityUID::clone(uid.as_ref()))
}

/// A set.
pub(crate) fn set(values: impl IntoIterator<Item = Value>) -> Value {
    Value::set(values, None)
}

/// A record; of two pairs with one name the later counts.
pub(crate) fn record<'a>(pairs: impl IntoIterator<Item = Pair<'a>>) -> Value {
    Value::record(pairs, None)
}

/// A moment, from RFC 3339 text as Cedar's `datetime` reads it; `None` if it does not.
pub(crate) fn datetime(text: &str) -> Option<Value> {
    static DATETIME: LazyLock<Option<Name>> = LazyLock::new(|| "datetime".parse().ok());
    called(DATETIME.as_ref()?, text)
}

/// A decimal number, from text as Cedar's `decimal` reads it; `None` if it does not.
pub(crate) fn decimal(text: &str) -> Option<Value> {
    static DECIMAL: LazyLock<Option<Name>> = LazyLock::new(|| "decimal".parse().ok());
    called(DECIMAL.as_ref()?, text)
}

/// What an extension function gives; `None` if it fails. Its name is given as such, because finding
/// it by text means to parse that text as an identifier, at several times the price of the call.
fn called(function: &Name, argument: &str) -> Option<Value> {
    let arguments = [RestrictedExpr::val(argument)];
    let call = RestrictedExpr::call_extension_fn(function.clone(), arguments);
    let evaluator = RestrictedEvaluator::new(Extensions::all_available());
    evaluator.interpret(call.as_borrowed()).ok()
}

/// The context of a request.
pub(crate) fn context<'a>(pairs: impl IntoIterator<Item = Pair<'a>>) -> Context {
    // INVARIANT: a record's value is a record.
    let pairs = match ValueKind::record(pairs) {
        ValueKind::Record(pairs) => pairs,
        _ => Arc::default(),
    };
    Context::Value(pairs)
}

/// An entity with what is known of it and everything it is in, nearest or not.
pub(crate) fn entity<'a>(
    uid: &EntityUid,
    attributes: impl IntoIterator<Item = Pair<'a>>,
    ancestors: &[EntityUid],
) -> Entity {
    let attributes = attributes.into_iter();
    Entity::new_with_attr_partial_value(
        ast::EntityUID::clone(uid.as_ref()),
        attributes.map(|(name, value)| (name.into(), PartialValue::Value(value))),
        std::iter::empty().collect(),
        ancestors.iter().map(|uid| ast::EntityUID::clone(uid.as_ref())).collect(),
        [],
    )
}

/// All entities of a request.
///
/// Errors: two entities of one name that differ, in words.
pub(crate) fn entities(all: Vec<Entity>) -> Result<Entities, String> {
    let computed = TCComputation::AssumeAlreadyComputed;
    let extensions = Extensions::all_available();
    Entities::from_entities(all, None::<&NoEntitiesSchema>, computed, extensions)
        .map_err(|why| why.to_string())
}

/// The policy `id` of this Cedar `text`, without its scope.
///
/// Errors: it does not parse, in words.
pub(crate) fn conditions(id: &str, text: &str) -> Result<Policy, String> {
    let id = PolicyID::from_string(id);
    let policy = parse_policy(Some(id.clone()), text).map_err(|why| why.to_string())?;
    let when = policy.non_scope_constraints().cloned().unwrap_or_else(|| Expr::val(true));
    Ok(Policy::from_when_clause(policy.effect(), when, id, None))
}

/// What `policies` say.
pub(crate) fn ask(
    policies: &PolicySet,
    (principal, action, resource): (&EntityUid, &EntityUid, &EntityUid),
    context: Context,
    entities: &Entities,
) -> Response {
    let [principal, action, resource] = [principal, action, resource]
        .map(|uid| EntityUIDEntry::known(ast::EntityUID::clone(uid.as_ref()), None));
    let request = Request::new_unchecked(principal, action, resource, Some(context));
    Authorizer::new().is_authorized(request, policies, entities)
}
