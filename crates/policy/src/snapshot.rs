//! A policy set as it decides: immutable, validated, indexed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{PolicySet, Schema, ValidationError, ValidationMode, Validator};
use remit_model::{Digest, Tool, ToolId};

use crate::declared::Declared;
use crate::index::Index;
use crate::load::{Issue, LoadError, Source};
use crate::memo::Memo;
use crate::names::{NAMESPACE, Names, OPERATORS};
use crate::parse::{Parsed, PolicyInfo, parse, whole};
use crate::schema;

/// The stack on which policies are read and checked, in bytes. Cedar does both by recursion, and a
/// policy as large as may be takes more than a worker's 2 MiB; what is not touched costs nothing.
const STACK: usize = 64 << 20;

/// How many known actions an error lists.
const LISTED: usize = 12;

/// An immutable, validated policy set together with what it was validated against.
pub struct Snapshot {
    pub(crate) names: Names,
    pub(crate) index: Index,
    pub(crate) memo: Memo,
    pub(crate) inputs: BTreeMap<ToolId, Declared>,
    /// The groups a held call may wait for, in the order they are asked about.
    pub(crate) groups: Vec<String>,
    policies: BTreeMap<String, PolicyInfo>,
    warnings: Vec<Issue>,
    schema: String,
    policy_digest: Digest,
    schema_digest: Digest,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("policies", &self.policies.len())
            .field("policy_digest", &self.policy_digest)
            .field("schema_digest", &self.schema_digest)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Compiles Cedar files against the tools of a catalogue, with strict validation.
    ///
    /// `groups` are the declared approver groups in the order in which a hold looks for one; the
    /// group `operators` always exists, and the owners of tools may be named by policies, too.
    ///
    /// Errors: every policy that does not parse, has an id that another one has, or names an
    /// entity, action, attribute or group that does not exist, each with its place and a hint.
    pub fn compile(
        sources: &[Source],
        tools: &[Tool],
        groups: &[String],
    ) -> Result<Self, LoadError> {
        stacker::grow(STACK, || Self::compiled(sources, tools, groups))
    }

    fn compiled(sources: &[Source], tools: &[Tool], groups: &[String]) -> Result<Self, LoadError> {
        let parsed = parse(sources).map_err(|issues| LoadError { issues })?;
        let failed = |why: String| LoadError { issues: vec![whole(why)] };
        let names = Names::new().map_err(failed)?;
        let groups = in_order(groups);
        let mut known: BTreeSet<String> = groups.iter().cloned().collect();
        known.extend(tools.iter().map(|tool| tool.owner.clone()));
        let compiled = schema::compile(tools, &known).map_err(failed)?;
        let warnings = validate(sources, &parsed, &compiled.schema)?;
        Ok(Self {
            names,
            policy_digest: digest(&parsed, &groups),
            schema_digest: Digest::of(compiled.text.as_bytes()),
            index: Index::new(
                parsed.iter().map(|one| (one.policy.clone(), one.conditions.clone())).collect(),
            ),
            memo: Memo::default(),
            inputs: compiled.inputs,
            groups,
            policies: parsed.into_iter().map(|one| (one.info.id.clone(), one.info)).collect(),
            warnings,
            schema: compiled.text,
        })
    }

    /// The digest of everything in the set that an answer depends on: the id and text of each
    /// policy, and the approver groups. Moving a file changes nothing.
    pub fn policy_digest(&self) -> Digest {
        self.policy_digest
    }

    /// The digest of the schema's text.
    pub fn schema_digest(&self) -> Digest {
        self.schema_digest
    }

    /// The schema in Cedar's own syntax.
    pub fn schema_text(&self) -> &str {
        &self.schema
    }

    /// The policies, sorted by id.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.policies.values()
    }

    /// The policy with this id.
    pub fn policy(&self, id: &str) -> Option<&PolicyInfo> {
        self.policies.get(id)
    }

    /// What is odd but does not keep the set from taking effect, e.g. a policy that can never
    /// apply.
    pub fn warnings(&self) -> &[Issue] {
        &self.warnings
    }
}

/// The declared groups without repetitions, and `operators`.
fn in_order(groups: &[String]) -> Vec<String> {
    let mut ordered: Vec<String> = Vec::with_capacity(groups.len() + 1);
    for group in groups.iter().map(String::as_str).chain([OPERATORS]) {
        if !ordered.iter().any(|known| known == group) {
            ordered.push(group.to_owned());
        }
    }
    ordered
}

fn digest(parsed: &[Parsed], groups: &[String]) -> Digest {
    let mut parts: Vec<&[u8]> = vec![b"remit/policies/v1"];
    for one in parsed {
        parts.extend([one.info.id.as_bytes(), one.info.text.as_bytes()]);
    }
    parts.push(b"groups");
    parts.extend(groups.iter().map(String::as_bytes));
    Digest::of_parts(&parts)
}

fn validate(
    sources: &[Source],
    parsed: &[Parsed],
    schema: &Schema,
) -> Result<Vec<Issue>, LoadError> {
    let set = PolicySet::from_policies(parsed.iter().map(|parsed| parsed.policy.clone()))
        .map_err(|why| LoadError { issues: vec![whole(why.to_string())] })?;
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let by_id: BTreeMap<&str, &Parsed> =
        parsed.iter().map(|one| (one.info.id.as_str(), one)).collect();
    let place = |id: &str, error: &DetailedError| {
        by_id.get(id).map_or_else(|| whole(error.message.clone()), |one| one.issue(sources, error))
    };
    let mut issues = Vec::new();
    for error in result.validation_errors() {
        let mut issue = place(error.policy_id().as_ref(), &DetailedError::from(error));
        if issue.hint.is_none() && matches!(error, ValidationError::UnrecognizedActionId(_)) {
            issue.hint = Some(known_actions(schema));
        }
        issues.push(issue);
    }
    let in_file_order = |issues: &mut Vec<Issue>| {
        issues.sort_by(|a, b| {
            (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message))
        });
        issues.dedup();
    };
    in_file_order(&mut issues);
    if !issues.is_empty() {
        return Err(LoadError { issues });
    }
    let mut warnings: Vec<Issue> = result
        .validation_warnings()
        .map(|warning| place(warning.policy_id().as_ref(), &DetailedError::from(warning)))
        .collect();
    in_file_order(&mut warnings);
    Ok(warnings)
}

fn known_actions(schema: &Schema) -> String {
    let tools: BTreeSet<String> = schema
        .actions()
        .map(|uid| AsRef::<str>::as_ref(uid.id()).to_owned())
        .filter(|id| id.contains('/') && !id.starts_with('@'))
        .collect();
    let listed: Vec<_> =
        tools.iter().take(LISTED).map(|id| format!("{NAMESPACE}::Action::{id:?}")).collect();
    match (listed.len(), tools.len()) {
        (0, _) => "no tool is known yet; connect a server first, or name a group such as \
                   Remit::Action::\"tools\""
            .to_owned(),
        (shown, all) if shown < all => {
            format!("known tools are {} and {} more", listed.join(", "), all - shown)
        }
        _ => format!("known tools are {}", listed.join(", ")),
    }
}
