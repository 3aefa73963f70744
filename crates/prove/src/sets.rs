//! The policy sets of a proof, as Cedar has them.

use std::collections::BTreeMap;

use cedar_policy::{Policy, PolicyId, PolicySet, RequestEnv, Schema};
use remit_policy::{PolicyInfo, Snapshot, Source};
use serde_json::Value;

use crate::prove::{Inquiry, ProveError};
use crate::standin::{Stands, with_stand_ins};

/// What holds of every question that is put to policies.
const FACTS: &str = include_str!("facts.cedar");

/// The sets, and the schema that they share.
#[derive(Debug)]
pub(crate) struct Sets {
    pub(crate) schema: Schema,
    pub(crate) schema_text: String,
    pub(crate) stands: BTreeMap<String, Stands>,
    pub(crate) policies: Loaded,
    pub(crate) invariants: Loaded,
    pub(crate) against: Option<(String, Loaded)>,
    pub(crate) facts: Vec<Policy>,
}

impl Sets {
    /// Reads and validates them, as Remit does when it takes policies into force.
    ///
    /// Errors: one does not load.
    pub(crate) fn load(inquiry: &Inquiry) -> Result<Self, ProveError> {
        let (tools, stands) = with_stand_ins(&inquiry.tools).map_err(ProveError::Untranslated)?;
        let compile = |sources: &[Source]| Snapshot::compile(sources, &tools, &inquiry.groups);
        let policies = compile(&inquiry.policies)?;
        let (schema, _) = Schema::from_cedarschema_str(policies.schema_text())
            .map_err(|why| ProveError::Untranslated(why.to_string()))?;
        let against = match &inquiry.against {
            Some((name, sources)) => Some((name.clone(), Loaded::of(&compile(sources)?)?)),
            None => None,
        };
        let facts = Source { path: "facts.cedar".to_owned(), text: FACTS.to_owned() };
        let facts = Loaded::of(&compile(&[facts])?)?;
        Ok(Self {
            schema,
            schema_text: policies.schema_text().to_owned(),
            stands,
            policies: Loaded::of(&policies)?,
            invariants: Loaded::of(&compile(&inquiry.invariants)?)?,
            against,
            facts: facts.policies.iter().map(reserved).collect(),
        })
    }

    /// The policies that are asked about, and those of the older set.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = &Policy> {
        let against = self.against.iter().flat_map(|(_, loaded)| &loaded.policies);
        self.policies.policies.iter().chain(against)
    }

    /// The policies of the older set, each with its place.
    pub(crate) fn older(&self) -> Vec<(Policy, String)> {
        let placed = |(name, loaded): &(String, Loaded)| {
            let placed = loaded.placed().into_iter();
            placed.map(|(policy, place)| (policy, format!("of {name}, {place}"))).collect()
        };
        self.against.as_ref().map(placed).unwrap_or_default()
    }

    /// Whether the scope of `policy` leaves room for questions of this kind.
    pub(crate) fn applies(&self, policy: &Policy, env: &RequestEnv) -> bool {
        policy
            .get_valid_request_envs(&self.schema)
            .any(|valid| valid.action() == env.action() && valid.resource() == env.resource())
    }
}

/// One set, with where each policy stands.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) policies: Vec<Policy>,
    infos: BTreeMap<String, PolicyInfo>,
}

impl Loaded {
    fn of(snapshot: &Snapshot) -> Result<Self, ProveError> {
        let mut loaded = Self { policies: Vec::new(), infos: BTreeMap::new() };
        for info in snapshot.policies() {
            let policy = Policy::parse(Some(PolicyId::new(&info.id)), &info.text)
                .map_err(|why| ProveError::Untranslated(why.to_string()))?;
            loaded.policies.push(policy);
            loaded.infos.insert(info.id.clone(), info.clone());
        }
        Ok(loaded)
    }

    /// Its policies, each with its place.
    pub(crate) fn placed(&self) -> Vec<(Policy, String)> {
        let placed = |policy: &Policy| (policy.clone(), self.place(policy.id().as_ref()));
        self.policies.iter().map(placed).collect()
    }

    /// What is known of one of its policies.
    pub(crate) fn info(&self, policy: &Policy) -> Option<&PolicyInfo> {
        self.infos.get::<str>(policy.id().as_ref())
    }

    /// A policy with its place, for people.
    pub(crate) fn place(&self, id: &str) -> String {
        let place = self.infos.get(id).map(|info| format!(" ({}:{})", info.file, info.line));
        format!("`{id}`{}", place.unwrap_or_default())
    }
}

/// The policy that permits where `policy` applies, whatever that one does there.
///
/// Errors: Cedar cannot print or read it; none in practice.
pub(crate) fn permitting(policy: &Policy) -> Result<Policy, ProveError> {
    let failed = |why: &dyn std::fmt::Display| ProveError::Untranslated(why.to_string());
    let mut json = policy.to_json().map_err(|why| failed(&why))?;
    if let Some(members) = json.as_object_mut() {
        members.insert("effect".to_owned(), Value::from("permit"));
    }
    Policy::from_json(Some(policy.id().clone()), json).map_err(|why| failed(&why))
}

/// The policy that permits everything.
pub(crate) fn all() -> Result<Policy, ProveError> {
    Policy::parse(Some(PolicyId::new("remit:all")), "permit (principal, action, resource);")
        .map_err(|why| ProveError::Untranslated(why.to_string()))
}

/// As a set.
pub(crate) fn set(policies: impl IntoIterator<Item = Policy>) -> Result<PolicySet, ProveError> {
    PolicySet::from_policies(policies).map_err(|why| ProveError::Untranslated(why.to_string()))
}

/// Under an id that no policy of others can have.
fn reserved(policy: &Policy) -> Policy {
    let id = format!("remit:{}", policy.id());
    policy.new_id(PolicyId::new(id))
}
