//! Which policies can apply to a request, found by their scope alone.
//!
//! Cedar evaluates every policy of a set, so its cost grows with the set. A policy whose scope
//! (`principal`, `action`, `resource`) does not fit a request evaluates to false before its
//! conditions are looked at; leaving it out changes neither the decision nor the errors. Policies
//! are kept in buckets by their three scope constraints; a request can fit only a handful of the
//! constraints that are in use, and the buckets where these meet are its slice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint,
};

use crate::entities::Corner;
use crate::native::{self, PolicySet};
use crate::sight::Sight;

/// How many slices are kept ready (R13).
const MAX_SLICES: usize = 1024;

/// One scope constraint.
enum Scope {
    Any,
    Is(EntityTypeName),
    Eq(EntityUid),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
}

/// The constraints in use on one corner of the request, numbered; by form, so that a request's
/// entities are looked up as they are.
#[derive(Debug, Default)]
struct Scopes {
    used: u32,
    any: Option<u32>,
    is: BTreeMap<EntityTypeName, u32>,
    eq: Numbers,
    within: Numbers,
    is_within: BTreeMap<EntityTypeName, Numbers>,
}

/// Numbers of entities; by id and then by type, since comparing types costs several times as much and
/// hardly tells any apart.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<Box<str>, Vec<(EntityTypeName, u32)>>);

impl Numbers {
    fn get(&self, uid: &EntityUid) -> Option<u32> {
        let id: &str = uid.id().as_ref();
        let of_type = |(kind, _): &&(EntityTypeName, u32)| kind == uid.type_name();
        self.0.get(id)?.iter().find(of_type).map(|(_, number)| *number)
    }

    /// The number of `uid`, which is `new` if it has none yet.
    fn number(&mut self, uid: &EntityUid, new: u32) -> u32 {
        self.get(uid).unwrap_or_else(|| {
            let id: &str = uid.id().as_ref();
            self.0.entry(id.into()).or_default().push((uid.type_name().clone(), new));
            new
        })
    }
}

impl Scopes {
    fn number(&mut self, scope: Scope) -> u32 {
        let new = self.used;
        let number = match scope {
            Scope::Any => *self.any.get_or_insert(new),
            Scope::Is(kind) => *self.is.entry(kind).or_insert(new),
            Scope::Eq(uid) => self.eq.number(&uid, new),
            Scope::In(uid) => self.within.number(&uid, new),
            Scope::IsIn(kind, uid) => self.is_within.entry(kind).or_default().number(&uid, new),
        };
        self.used = self.used.max(number.saturating_add(1));
        number
    }

    /// The constraints in use that `corner` satisfies.
    fn fitting(&self, corner: &Corner) -> Vec<u32> {
        let kind = corner.uid.type_name();
        let around = || std::iter::once(&corner.uid).chain(&corner.ancestors);
        let exact = [self.any, self.is.get(kind).copied(), self.eq.get(&corner.uid)];
        let inside = around().filter_map(|uid| self.within.get(uid));
        let of_kind = self.is_within.get(kind);
        let typed =
            of_kind.into_iter().flat_map(|of_kind| around().filter_map(|uid| of_kind.get(uid)));
        exact.into_iter().flatten().chain(inside).chain(typed).collect()
    }
}

type Bucket = (u32, u32, u32);

/// What a policy says where its scope fits.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    policy: native::Policy,
    sight: Arc<Sight>,
}

impl Conditions {
    /// Those of the policy `id` of this Cedar `text`.
    ///
    /// Errors: it does not parse, in words.
    pub(crate) fn of(id: &str, text: &str) -> Result<Self, String> {
        let policy = native::conditions(id, text)?;
        Ok(Self { sight: Arc::new(Sight::of(&policy)), policy })
    }
}

/// The policies whose scopes fit a request, and what they look at.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) policies: PolicySet,
    pub(crate) sight: Arc<Sight>,
    /// What it is told by from all others that were built, as long as its index lives.
    pub(crate) number: u64,
}

/// The policies of a set by scope, with the slices built so far.
#[derive(Debug, Default)]
pub(crate) struct Index {
    principals: Scopes,
    actions: Scopes,
    resources: Scopes,
    buckets: BTreeMap<Bucket, Vec<usize>>,
    policies: Vec<Conditions>,
    /// Owner: this index. A cache only: what is in it never changes an answer.
    slices: RwLock<BTreeMap<Vec<Bucket>, Arc<Slice>>>,
    /// How many slices were built.
    built: AtomicU64,
}

impl Index {
    /// The index of `policies`.
    pub(crate) fn new(policies: Vec<(Policy, Conditions)>) -> Self {
        let mut index = Self::default();
        for (at, (policy, _)) in policies.iter().enumerate() {
            let principal = index.principals.number(match policy.principal_constraint() {
                PrincipalConstraint::Any => Scope::Any,
                PrincipalConstraint::Is(kind) => Scope::Is(kind),
                PrincipalConstraint::Eq(uid) => Scope::Eq(uid),
                PrincipalConstraint::In(uid) => Scope::In(uid),
                PrincipalConstraint::IsIn(kind, uid) => Scope::IsIn(kind, uid),
            });
            let resource = index.resources.number(match policy.resource_constraint() {
                ResourceConstraint::Any => Scope::Any,
                ResourceConstraint::Is(kind) => Scope::Is(kind),
                ResourceConstraint::Eq(uid) => Scope::Eq(uid),
                ResourceConstraint::In(uid) => Scope::In(uid),
                ResourceConstraint::IsIn(kind, uid) => Scope::IsIn(kind, uid),
            });
            let actions = match policy.action_constraint() {
                ActionConstraint::Any => vec![Scope::Any],
                ActionConstraint::Eq(uid) => vec![Scope::Eq(uid)],
                ActionConstraint::In(uids) => uids.into_iter().map(Scope::In).collect(),
            };
            for action in actions {
                let action = index.actions.number(action);
                index.buckets.entry((principal, action, resource)).or_default().push(at);
            }
        }
        Self { policies: policies.into_iter().map(|(_, conditions)| conditions).collect(), ..index }
    }

    /// The policies that can apply.
    ///
    /// Errors: none in practice; ids are unique since loading.
    pub(crate) fn slice(
        &self,
        principal: &Corner,
        action: &Corner,
        resource: &Corner,
    ) -> Result<Arc<Slice>, String> {
        let buckets = self.fitting(principal, action, resource);
        let ready = self.slices.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(slice) = ready.get(&buckets) {
            return Ok(Arc::clone(slice));
        }
        drop(ready);
        let slice = Arc::new(self.build(&buckets)?);
        let mut ready = self.slices.write().unwrap_or_else(PoisonError::into_inner);
        if ready.len() >= MAX_SLICES {
            ready.clear();
        }
        ready.insert(buckets, Arc::clone(&slice));
        Ok(slice)
    }

    fn fitting(&self, principal: &Corner, action: &Corner, resource: &Corner) -> Vec<Bucket> {
        let principals = self.principals.fitting(principal);
        let actions = self.actions.fitting(action);
        let resources = self.resources.fitting(resource);
        let mut found = Vec::new();
        for p in &principals {
            for a in &actions {
                let keys = resources.iter().map(|r| (*p, *a, *r));
                found.extend(keys.filter(|key| self.buckets.contains_key(key)));
            }
        }
        found.sort_unstable();
        found
    }

    fn build(&self, buckets: &[Bucket]) -> Result<Slice, String> {
        let chosen: BTreeSet<usize> =
            buckets.iter().filter_map(|key| self.buckets.get(key)).flatten().copied().collect();
        let chosen = || chosen.iter().filter_map(|at| self.policies.get(*at));
        let sight = Sight::of_any(chosen().map(|one| &one.sight));
        let policies = PolicySet::try_from_iter(chosen().map(|one| one.policy.clone()));
        let policies = policies.map_err(|why| why.to_string())?;
        Ok(Slice { policies, sight, number: self.built.fetch_add(1, Ordering::Relaxed) })
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::{
        AuthorizationError, Authorizer, Context, Decision, Entities, Entity, Request,
    };
    use cedar_policy_core::authorizer::AuthorizationError as Failed;
    use proptest::prelude::*;

    use super::*;

    const AGENTS: [&str; 3] = ["A::\"0\"", "A::\"1\"", "B::\"0\""];
    const ABOVE_AGENTS: [&str; 2] = ["Zone::\"0\"", "Team::\"0\""];
    const ACTIONS: [&str; 3] = ["Action::\"s/0\"", "Action::\"s/1\"", "Action::\"t/0\""];
    const GROUPS: [&str; 3] =
        ["Action::\"tools\"", "Action::\"effect:read\"", "Action::\"server:s\""];
    const THINGS: [&str; 3] = ["File::\"0\"", "File::\"1\"", "Server::\"s\""];
    const ABOVE_THINGS: [&str; 2] = ["Server::\"s\"", "Server::\"t\""];
    const CONDITIONS: [&str; 5] = [
        "",
        "when { context.flag }",
        "unless { context.flag }",
        "when { context.missing }",
        "when { action in Action::\"tools\" || principal in Zone::\"0\" }",
    ];

    fn scope(
        variable: &'static str,
        exact: &'static [&'static str],
        above: &'static [&'static str],
        kinds: &'static [&'static str],
    ) -> BoxedStrategy<String> {
        let any = prop::sample::select([exact, above].concat());
        let kind = prop::sample::select(kinds);
        prop_oneof![
            Just(variable.to_owned()),
            any.clone().prop_map(move |uid| format!("{variable} == {uid}")),
            any.clone().prop_map(move |uid| format!("{variable} in {uid}")),
            kind.clone().prop_map(move |kind| format!("{variable} is {kind}")),
            (kind, any).prop_map(move |(kind, uid)| format!("{variable} is {kind} in {uid}")),
        ]
        .boxed()
    }

    fn action() -> BoxedStrategy<String> {
        let any = || prop::sample::select([ACTIONS, GROUPS].concat());
        prop_oneof![
            Just("action".to_owned()),
            any().prop_map(|uid| format!("action == {uid}")),
            any().prop_map(|uid| format!("action in {uid}")),
            prop::collection::vec(any(), 0..4)
                .prop_map(|uids| format!("action in [{}]", uids.join(", "))),
        ]
        .boxed()
    }

    fn policy() -> impl Strategy<Value = String> {
        let effect = prop::sample::select(vec!["permit", "permit", "forbid"]);
        let principal = scope("principal", &AGENTS, &ABOVE_AGENTS, &["A", "B"]);
        let resource = scope("resource", &THINGS, &ABOVE_THINGS, &["File", "Server"]);
        let condition = prop::sample::select(CONDITIONS.to_vec());
        (effect, principal, action(), resource, condition)
            .prop_map(|(e, p, a, r, c)| format!("{e} ({p}, {a}, {r}) {c};"))
    }

    fn corner(
        uids: [&'static str; 3],
        above: &'static [&'static str],
    ) -> impl Strategy<Value = Corner> {
        let size = above.len();
        (prop::sample::select(uids.to_vec()), prop::sample::subsequence(above, 0..=size)).prop_map(
            |(uid, above)| Corner {
                uid: uid.parse().unwrap(),
                ancestors: above.iter().map(|uid| uid.parse().unwrap()).collect(),
            },
        )
    }

    /// A decision, the policies that it is of, and those that failed.
    type Told = (Decision, BTreeSet<String>, BTreeSet<String>);

    /// What Cedar says by its public interface of all policies.
    fn whole(policies: &[(Policy, Conditions)], corners: &[&Corner; 3], flag: bool) -> Told {
        let set = cedar_policy::PolicySet::from_policies(policies.iter().map(|one| one.0.clone()));
        let mut entities: BTreeMap<EntityUid, Entity> = BTreeMap::new();
        for corner in corners {
            let above = corner.ancestors.iter().filter(|uid| **uid != corner.uid).cloned();
            let entity = Entity::new_no_attrs(corner.uid.clone(), above.collect());
            entities.insert(corner.uid.clone(), entity);
        }
        let entities = Entities::from_entities(entities.into_values(), None).unwrap();
        let flag = cedar_policy::RestrictedExpression::new_bool(flag);
        let context = Context::from_pairs([("flag".to_owned(), flag)]).unwrap();
        let [principal, action, resource] = corners.map(|corner| corner.uid.clone());
        let request = Request::new(principal, action, resource, context, None).unwrap();
        let said = Authorizer::new().is_authorized(&request, &set.unwrap(), &entities);
        let failed = said
            .diagnostics()
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(it)| it.policy_id().to_string());
        let reasons = said.diagnostics().reason().map(ToString::to_string).collect();
        (said.decision(), reasons, failed.collect())
    }

    /// What the slice says of the same.
    fn part(slice: &Slice, corners: &[&Corner; 3], flag: bool) -> Told {
        let mut entities: BTreeMap<&EntityUid, native::Entity> = BTreeMap::new();
        for corner in corners {
            let above = corner.ancestors.iter().filter(|uid| **uid != corner.uid).cloned();
            let above: Vec<_> = above.collect();
            entities.insert(&corner.uid, native::entity(&corner.uid, [], &above));
        }
        let entities = native::entities(entities.into_values().collect()).unwrap();
        let context = native::context([("flag", native::Value::from(flag))]);
        let uids = (&corners[0].uid, &corners[1].uid, &corners[2].uid);
        let said = native::ask(&slice.policies, uids, context, &entities);
        let failed = said.diagnostics.errors.iter().map(|error| {
            let Failed::PolicyEvaluationError { id, .. } = error;
            id.to_string()
        });
        let failed = failed.collect();
        let reasons = said.diagnostics.reason.iter().map(ToString::to_string).collect();
        (said.decision, reasons, failed)
    }

    fn numbered(texts: impl IntoIterator<Item = String>) -> Vec<(Policy, Conditions)> {
        let numbered = texts.into_iter().enumerate().map(|(n, text)| {
            let id = format!("p{n}");
            let policy = Policy::parse(Some(cedar_policy::PolicyId::new(&id)), &text).unwrap();
            (policy, Conditions::of(&id, &text).unwrap())
        });
        numbered.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn a_slice_answers_as_the_whole_set(
            texts in prop::collection::vec(policy(), 0..24),
            principal in corner(AGENTS, &ABOVE_AGENTS),
            action in corner(ACTIONS, &GROUPS),
            resource in corner(THINGS, &ABOVE_THINGS),
            flag in any::<bool>(),
        ) {
            let policies = numbered(texts);
            let corners = [&principal, &action, &resource];
            let expected = whole(&policies, &corners, flag);
            let slice = Index::new(policies).slice(&principal, &action, &resource).unwrap();
            prop_assert_eq!(part(&slice, &corners, flag), expected);
        }
    }

    #[test]
    fn the_cache_of_slices_is_bounded() {
        let text = |n| format!("permit (principal, action, resource == File::\"{n}\");");
        let index = Index::new(numbered((0..2000).map(text)));
        let alone = |uid: String| Corner { uid: uid.parse().unwrap(), ancestors: Vec::new() };
        let (agent, action) = (alone("A::\"0\"".into()), alone("Action::\"s/0\"".into()));
        for n in 0..2000 {
            let slice = index.slice(&agent, &action, &alone(format!("File::\"{n}\""))).unwrap();
            assert_eq!(slice.policies.policies().count(), 1);
        }
        assert!(index.slices.read().unwrap().len() <= MAX_SLICES);
    }
}
