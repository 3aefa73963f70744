//! What a policy sees of where the arguments came from: for each role the worst of its leaves.
//!
//! A rule about a recipient need not know how many there are, nor what the tool calls them. Where no
//! argument has a role its provenance is `none`: what such a call touches was chosen by choosing the
//! tool, and a rule that minds can say so.

use std::sync::LazyLock;

use remit_model::{Confidentiality, LeafFlow, Provenance, Question, Role, SecretSeen};

use crate::context::rank;
use crate::native::{Value, record, set, text};

/// The roles that policies can speak of, by their names in `context.flow`.
pub(crate) const ROLES: [(&str, Role); 6] = [
    ("target", Role::Target),
    ("content", Role::Content),
    ("selector", Role::Selector),
    ("amount", Role::Amount),
    ("secret", Role::Secret),
    ("link", Role::Link),
];

/// `context.flow`.
pub(crate) fn of(question: &Question) -> Value {
    record(ROLES.map(|(name, role)| (name, one(question, role))))
}

/// What is seen of a role that no argument has, which most are.
static NOTHING: LazyLock<Value> = LazyLock::new(|| worst_of(&[], &[], false));

fn one(question: &Question, role: Role) -> Value {
    let leaves: Vec<_> = question.flow.iter().filter(|leaf| leaf.role == role).collect();
    if leaves.is_empty() {
        return NOTHING.clone();
    }
    worst_of(&leaves, &question.secrets, question.task.sealed)
}

fn worst_of(leaves: &[&LeafFlow], secrets: &[SecretSeen], sealed: bool) -> Value {
    let worst = leaves.iter().map(|leaf| leaf.provenance).max();
    let untrusted = worst.is_some_and(|worst| worst.is_untrusted(sealed));
    let secrets = secrets.iter().filter(|it| leaves.iter().any(|leaf| leaf.path == it.path));
    let confidentiality = leaves.iter().map(|leaf| leaf.label.confidentiality).max();
    record([
        ("provenance", text(worst.map_or("none", Provenance::name))),
        ("pointed", Value::from(leaves.iter().all(|leaf| pointed(leaf)))),
        ("integrity", text(if untrusted { "untrusted" } else { "trusted" })),
        ("confidentiality", rank(confidentiality.unwrap_or(Confidentiality::Public))),
        ("secrets", set(secrets.map(|it| text(&it.rule)))),
    ])
}

/// Whether a person's words led to where a value stands, or nobody can tell where it does; nobody need
/// point at what is not tainted.
fn pointed(leaf: &LeafFlow) -> bool {
    let led = leaf.evidence.as_ref().is_none_or(|evidence| evidence.pointed);
    leaf.provenance != Provenance::Tainted || led
}
