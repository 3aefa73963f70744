//! What a policy sees of where the arguments came from: for each role the worst of its leaves.
//!
//! A rule about a recipient need not know how many there are, nor what the tool calls them. Where no
//! argument has a role its provenance is `none`: what such a call touches was chosen by choosing the
//! tool, and a rule that minds can say so.

use remit_model::{Confidentiality, LeafFlow, Provenance, Question, Role};

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

fn one(question: &Question, role: Role) -> Value {
    let leaves = || question.flow.iter().filter(move |leaf| leaf.role == role);
    let worst = leaves().map(|leaf| leaf.provenance).max();
    let untrusted = worst.is_some_and(|worst| worst.is_untrusted(question.task.sealed));
    let paths = || leaves().map(|leaf| &leaf.path);
    let secrets = question.secrets.iter().filter(|it| paths().any(|path| *path == it.path));
    let confidentiality = leaves().map(|leaf| leaf.label.confidentiality).max();
    record([
        ("provenance", text(worst.map_or("none", Provenance::name))),
        ("pointed", Value::from(leaves().all(pointed))),
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
