//! What a policy sees of where the arguments came from: for each role the worst of its leaves.
//!
//! A rule about a recipient need not know how many there are, nor what the tool calls them. Where no
//! argument has a role its provenance is `none`: what such a call touches was chosen by choosing the
//! tool, and a rule that minds can say so.

use std::sync::LazyLock;

use remit_model::{Confidentiality, LeafFlow, Provenance, Question, Role, SecretSeen};

use crate::context::rank;
use crate::native::{Value, record, set, text};
use crate::sight::{ALL, Seen};

/// The roles that policies can speak of, by their names in `context.flow`.
pub(crate) const ROLES: [(&str, Role); 6] = [
    ("target", Role::Target),
    ("content", Role::Content),
    ("selector", Role::Selector),
    ("amount", Role::Amount),
    ("secret", Role::Secret),
    ("link", Role::Link),
];

/// What `context.flow` holds.
pub(crate) fn fill(flow: &mut Seen<'_>, question: &Question) {
    for (name, role) in ROLES {
        let leaves = || question.flow.iter().filter(move |leaf| leaf.role == role);
        if leaves().next().is_none() {
            flow.add(name, || NOTHING.clone());
        } else {
            let (leaves, sealed) = (leaves().collect::<Vec<_>>(), question.task.sealed);
            flow.add_record(name, |seen| worst_of(seen, (&leaves, &question.secrets), sealed));
        }
    }
}

/// What is seen of a role that no argument has, which most are.
static NOTHING: LazyLock<Value> = LazyLock::new(|| {
    let mut nothing = Seen::new(&ALL);
    worst_of(&mut nothing, (&[], &[]), false);
    record(nothing.into_pairs())
});

fn worst_of(seen: &mut Seen<'_>, (leaves, secrets): (&[&LeafFlow], &[SecretSeen]), sealed: bool) {
    let worst = leaves.iter().map(|leaf| leaf.provenance).max();
    let untrusted = worst.is_some_and(|worst| worst.is_untrusted(sealed));
    let secrets = secrets.iter().filter(|it| leaves.iter().any(|leaf| leaf.path == it.path));
    let confidentiality = leaves.iter().map(|leaf| leaf.label.confidentiality).max();
    seen.add("provenance", || text(worst.map_or("none", Provenance::name)));
    seen.add("pointed", || Value::from(leaves.iter().all(|leaf| pointed(leaf))));
    seen.add("integrity", || text(if untrusted { "untrusted" } else { "trusted" }));
    seen.add("confidentiality", || rank(confidentiality.unwrap_or(Confidentiality::Public)));
    seen.add("secrets", || set(secrets.map(|it| text(&it.rule))));
}

/// Whether a person's words led to where a value stands, or nobody can tell where it does; nobody need
/// point at what is not tainted.
fn pointed(leaf: &LeafFlow) -> bool {
    let led = leaf.evidence.as_ref().is_none_or(|evidence| evidence.pointed);
    leaf.provenance != Provenance::Tainted || led
}
