//! Which policies can apply to a request, found by their scope alone.
//!
//! Cedar evaluates every policy of a set, so its cost grows with the set. A policy whose scope
//! (`principal`, `action`, `resource`) does not fit a request evaluates to false before its
//! conditions are looked at; leaving it out changes neither the decision nor the errors. Policies
//! are kept in buckets by their three scope constraints; a request can fit only a handful of the
//! constraints that are in use, and the buckets where these meet are its slice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PolicySet, PolicySetError,
    PrincipalConstraint, ResourceConstraint,
};

use crate::entities::Corner;

/// How many slices are kept ready (R13).
const MAX_SLICES: usize = 1024;

/// One scope constraint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Any,
    Is(EntityTypeName),
    Eq(EntityUid),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
}

/// The constraints in use on one corner of the request, numbered.
#[derive(Debug, Default)]
struct Scopes(BTreeMap<Scope, u32>);

impl Scopes {
    fn number(&mut self, scope: Scope) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(scope).or_insert(next)
    }

    /// The constraints in use that `corner` satisfies.
    fn fitting(&self, corner: &Corner) -> Vec<u32> {
        let kind = corner.uid.type_name();
        let around = || std::iter::once(&corner.uid).chain(&corner.ancestors);
        let exact = [Scope::Any, Scope::Is(kind.clone()), Scope::Eq(corner.uid.clone())];
        let inside = around().map(|uid| Scope::In(uid.clone()));
        let typed = around().map(|uid| Scope::IsIn(kind.clone(), uid.clone()));
        exact
            .into_iter()
            .chain(inside)
            .chain(typed)
            .filter_map(|scope| self.0.get(&scope).copied())
            .collect()
    }
}

type Bucket = (u32, u32, u32);

/// The policies of a set by scope, with the slices built so far.
#[derive(Debug, Default)]
pub(crate) struct Index {
    principals: Scopes,
    actions: Scopes,
    resources: Scopes,
    buckets: BTreeMap<Bucket, Vec<usize>>,
    policies: Vec<Policy>,
    /// Owner: this index. A cache only: what is in it never changes an answer.
    slices: RwLock<BTreeMap<Vec<Bucket>, Arc<PolicySet>>>,
}

impl Index {
    /// The index of `policies`.
    pub(crate) fn new(policies: Vec<Policy>) -> Self {
        let mut index = Self::default();
        for (at, policy) in policies.iter().enumerate() {
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
        Self { policies, ..index }
    }

    /// The policies that can apply.
    ///
    /// Errors: none in practice; ids are unique since loading.
    pub(crate) fn slice(
        &self,
        principal: &Corner,
        action: &Corner,
        resource: &Corner,
    ) -> Result<Arc<PolicySet>, PolicySetError> {
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

    fn build(&self, buckets: &[Bucket]) -> Result<PolicySet, PolicySetError> {
        let chosen: BTreeSet<usize> =
            buckets.iter().filter_map(|key| self.buckets.get(key)).flatten().copied().collect();
        PolicySet::from_policies(chosen.iter().filter_map(|at| self.policies.get(*at)).cloned())
    }
}
