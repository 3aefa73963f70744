//! What a policy sees of where the arguments came from: for each role the worst of its leaves.
//!
//! A rule about a recipient need not know how many there are, nor what the tool calls them. Where no
//! argument has a role its provenance is `none`: what such a call touches was chosen by choosing the
//! tool, and a rule that minds can say so.

use remit_model::{Confidentiality, LeafFlow, Provenance, Question, Role, SecretSeen};

use crate::context::rank;
use crate::fact::{Fact, text, texts};
use crate::names::Names;
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
pub(crate) fn fill<'a>(flow: &mut Seen<'a>, names: &'a Names, question: &'a Question) {
    for (name, role) in ROLES {
        let leaves = || question.flow.iter().filter(move |leaf| leaf.role == role);
        if leaves().next().is_none() {
            flow.add(name, || Fact::Constant(&names.no_role));
        } else {
            let (leaves, sealed) = (leaves().collect::<Vec<_>>(), question.task.sealed);
            flow.add_record(name, |seen| worst_of(seen, (&leaves, &question.secrets), sealed));
        }
    }
}

/// What is seen of a role that no argument has.
pub(crate) fn nothing() -> Fact<'static> {
    let mut nothing = Seen::new(&ALL);
    worst_of(&mut nothing, (&[], &[]), false);
    Fact::Record(nothing.into_facts())
}

fn worst_of<'a>(
    seen: &mut Seen<'a>,
    (leaves, secrets): (&[&LeafFlow], &'a [SecretSeen]),
    sealed: bool,
) {
    let worst = leaves.iter().map(|leaf| leaf.provenance).max();
    let untrusted = worst.is_some_and(|worst| worst.is_untrusted(sealed));
    let secrets = secrets.iter().filter(|it| leaves.iter().any(|leaf| leaf.path == it.path));
    let confidentiality = leaves.iter().map(|leaf| leaf.label.confidentiality).max();
    seen.add("provenance", || text(worst.map_or("none", Provenance::name)));
    seen.add("pointed", || Fact::Flag(leaves.iter().all(|leaf| pointed(leaf))));
    seen.add("integrity", || text(if untrusted { "untrusted" } else { "trusted" }));
    seen.add("confidentiality", || rank(confidentiality.unwrap_or(Confidentiality::Public)));
    seen.add("secrets", || texts(secrets.map(|it| it.rule.as_str())));
}

/// Whether a person's words led to where a value stands, or nobody can tell where it does; nobody need
/// point at what is not tainted.
fn pointed(leaf: &LeafFlow) -> bool {
    let led = leaf.evidence.as_ref().is_none_or(|evidence| evidence.pointed);
    leaf.provenance != Provenance::Tainted || led
}
