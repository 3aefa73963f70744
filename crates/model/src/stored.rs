//! What tool servers hold, and the labels of whoever wrote it (promise R6).
//!
//! Memory, notes, files, queues and tables outlive a task, and so must the labels of what is in them:
//! otherwise one agent could write down what another then reads as if nobody outside had touched it.
//! [`Stored`] is a fold over what was permitted to be written, so it survives whatever the ledger does.
//! Its order and repetitions do not matter, since labels only rise.
//!
//! Things are known by digests of their names: names are arguments, and none stands in the clear.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::agent::ServerName;
use crate::digest::Digest;
use crate::label::Label;

/// How many names of one server have labels of their own (R13), 1 MiB or so; what is written beyond
/// raises the label of all that the server holds, which is the safe side.
pub const MAX_STORED: usize = 4096;

/// That something was written into a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Into which.
    pub server: ServerName,
    /// Under which names it can be found again; under none: it could be anywhere.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<Digest>,
    /// What it carries.
    pub label: Label,
}

/// The labels of what servers hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stored(BTreeMap<ServerName, Shelf>);

/// What one server holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shelf {
    /// What could be anywhere in it.
    anywhere: Label,
    /// What is found under a name carries beside that.
    names: BTreeMap<Digest, Label>,
    /// All of it joined.
    all: Label,
}

impl Stored {
    /// After one more writing. Labels only rise.
    pub fn write(&mut self, written: &Written) {
        if written.label.is_bottom() {
            return;
        }
        let shelf = self.0.entry(written.server.clone()).or_default();
        raise(&mut shelf.all, &written.label);
        let new = written.names.iter().filter(|name| !shelf.names.contains_key(*name)).count();
        if written.names.is_empty() || shelf.names.len().saturating_add(new) > MAX_STORED {
            raise(&mut shelf.anywhere, &written.label);
            return;
        }
        for name in &written.names {
            raise(shelf.names.entry(*name).or_default(), &written.label);
        }
    }

    /// What is found in a server under these names can carry.
    pub fn of(&self, server: &ServerName, names: &BTreeSet<Digest>) -> Label {
        let Some(shelf) = self.0.get(server) else { return Label::default() };
        let labels = names.iter().filter_map(|name| shelf.names.get(name));
        labels.fold(shelf.anywhere.clone(), |all, label| all.join(label.clone()))
    }

    /// What anything in a server can carry.
    pub fn all_of(&self, server: &ServerName) -> Label {
        self.0.get(server).map(|shelf| shelf.all.clone()).unwrap_or_default()
    }
}

fn raise(label: &mut Label, by: &Label) {
    *label = std::mem::take(label).join(by.clone());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::label::{Confidentiality, Integrity};

    fn written() -> impl Strategy<Value = Written> {
        let label =
            ("[a-c]", 0..4_usize, any::<bool>()).prop_map(|(source, rank, outside)| Label {
                confidentiality: Confidentiality::ALL[rank],
                integrity: if outside { Integrity::untrusted(&source) } else { Integrity::Trusted },
                ..Label::default()
            });
        let names = proptest::collection::btree_set("[a-d]", 0..3);
        ("[xy]", names, label).prop_map(|(server, names, label)| Written {
            server: server.parse().unwrap(),
            names: names.iter().map(|name| Digest::of(name.as_bytes())).collect(),
            label,
        })
    }

    fn folded(writings: &[Written]) -> Stored {
        let mut stored = Stored::default();
        for written in writings {
            stored.write(written);
        }
        stored
    }

    proptest! {
        #[test]
        fn labels_never_fall_and_reach_whoever_reads_what_was_written(
            before in proptest::collection::vec(written(), 0..8),
            next in written(),
            asked in written(),
        ) {
            let (was, mut is) = (folded(&before), folded(&before));
            is.write(&next);
            let of = |stored: &Stored| stored.of(&asked.server, &asked.names);
            prop_assert!(of(&was).flows_to(&of(&is)));
            prop_assert!(was.all_of(&asked.server).flows_to(&is.all_of(&asked.server)));
            prop_assert!(of(&is).flows_to(&is.all_of(&asked.server)));
            prop_assert!(next.label.flows_to(&is.all_of(&next.server)));
            if next.names.is_empty() || !next.names.is_disjoint(&asked.names) {
                prop_assert!(next.label.flows_to(&is.of(&next.server, &asked.names)));
            }
        }

        #[test]
        fn the_order_of_writings_and_their_repetition_change_nothing(
            writings in proptest::collection::vec(written(), 0..8),
        ) {
            let mut other: Vec<_> = writings.iter().rev().cloned().collect();
            other.extend(writings.clone());
            prop_assert_eq!(folded(&writings), folded(&other));
        }
    }

    #[test]
    fn beyond_the_bound_everything_in_the_server_carries_the_label() {
        let mut stored = Stored::default();
        let server: ServerName = "notes".parse().unwrap();
        let label = Label { integrity: Integrity::untrusted("mail"), ..Label::default() };
        let name = |n: usize| BTreeSet::from([Digest::of(&n.to_be_bytes())]);
        for n in 0..=MAX_STORED {
            assert!(stored.of(&server, &name(usize::MAX)).is_bottom(), "{n}");
            let (server, label) = (server.clone(), label.clone());
            stored.write(&Written { server, names: name(n), label });
        }
        assert_eq!(stored.of(&server, &name(usize::MAX)), label);
        assert_eq!(stored.0[&server].names.len(), MAX_STORED);
    }
}
