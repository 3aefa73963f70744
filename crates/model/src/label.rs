//! Labels: how sensitive a value is, and whether an outsider could have written it.
//!
//! A label is a join-semilattice: [`Label::join`] is idempotent, commutative and associative and
//! never falls (promise R6). Confidentiality rises towards *restricted*; integrity rises towards
//! *untrusted*, because mixing anything untrusted in makes the whole untrusted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How sensitive a value is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Confidentiality {
    /// Anyone may read it.
    #[default]
    Public,
    /// Anyone in the organisation may read it.
    Internal,
    /// Only those who need it may read it.
    Confidential,
    /// Named readers only.
    Restricted,
}

impl Confidentiality {
    /// All levels, from the one that everybody may read.
    pub const ALL: [Self; 4] = [Self::Public, Self::Internal, Self::Confidential, Self::Restricted];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }
}

/// The mark of what a canary was seen in.
const CANARY: &str = "canary";

/// How many sources a label names before it says *many* (R13).
pub const MAX_SOURCES: usize = 16;

/// Who could have written an untrusted value: server names, at most [`MAX_SOURCES`], or *many*.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sources {
    /// These.
    Named(BTreeSet<String>),
    /// More than [`MAX_SOURCES`] of them.
    Many,
}

impl Sources {
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Named(mut left), Self::Named(right)) => {
                left.extend(right);
                if left.len() > MAX_SOURCES { Self::Many } else { Self::Named(left) }
            }
            _ => Self::Many,
        }
    }
}

/// Whether an outsider could have written a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Integrity {
    /// Written by the person, the operator or a trusted tool.
    #[default]
    Trusted,
    /// Could have been written by an outsider through these sources.
    Untrusted(Sources),
}

impl Integrity {
    /// Untrusted through one source.
    pub fn untrusted(source: &str) -> Self {
        Self::Untrusted(Sources::Named(BTreeSet::from([source.to_owned()])))
    }

    fn flows_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Trusted, _) | (Self::Untrusted(_), Self::Untrusted(Sources::Many)) => true,
            (Self::Untrusted(Sources::Named(these)), Self::Untrusted(Sources::Named(those))) => {
                these.is_subset(those)
            }
            _ => false,
        }
    }

    /// Whether an outsider could have written it.
    pub fn is_untrusted(&self) -> bool {
        matches!(self, Self::Untrusted(_))
    }
}

/// What is known of a value. `Label::default()` is the bottom: public and trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// How sensitive it is.
    pub confidentiality: Confidentiality,
    /// Who could have written it.
    pub integrity: Integrity,
    /// Free marks such as `pii`; they only accumulate.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
}

/// What a label is lowered to at most, where a person says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// It is no more sensitive than this. What anybody may read keeps no marks, either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Confidentiality>,
    /// No outsider wrote it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted: bool,
}

impl Label {
    /// As it is once a person has said that it is no more than `ceiling`.
    #[must_use]
    pub fn under(mut self, ceiling: Ceiling) -> Self {
        if let Some(most) = ceiling.sensitivity {
            self.confidentiality = self.confidentiality.min(most);
            if most == Confidentiality::Public {
                self.tags.clear();
            }
        }
        if ceiling.trusted {
            self.integrity = Integrity::Trusted;
        }
        self
    }

    /// The least label at least as high as both.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.confidentiality = self.confidentiality.max(other.confidentiality);
        self.integrity = match (self.integrity, other.integrity) {
            (Integrity::Trusted, any) | (any, Integrity::Trusted) => any,
            (Integrity::Untrusted(left), Integrity::Untrusted(right)) => {
                Integrity::Untrusted(left.join(right))
            }
        };
        self.tags.extend(other.tags);
        self
    }

    /// Rises to the join with `by`; whether that changed anything.
    pub fn raise(&mut self, by: &Self) -> bool {
        let rises = !by.flows_to(self);
        if rises {
            *self = std::mem::take(self).join(by.clone());
        }
        rises
    }

    /// What somebody's secret carries.
    pub fn of_secret() -> Self {
        let confidentiality = Confidentiality::Confidential;
        Self { confidentiality, tags: BTreeSet::from(["secret".to_owned()]), ..Self::default() }
    }

    /// What a secret carries that lies somewhere for nothing but to be found.
    pub fn of_canary() -> Self {
        let mut label = Self::of_secret();
        label.tags.insert(CANARY.to_owned());
        label
    }

    /// Whether a canary was seen in it.
    pub fn has_canary(&self) -> bool {
        self.tags.contains(CANARY)
    }

    /// Whether nothing is said: public and trusted.
    pub fn is_bottom(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `self` is at most `other`, that is `self ⊔ other = other`.
    pub fn flows_to(&self, other: &Self) -> bool {
        self.confidentiality <= other.confidentiality
            && self.integrity.flows_to(&other.integrity)
            && self.tags.is_subset(&other.tags)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label() -> impl Strategy<Value = Label> {
        let confidentiality = prop_oneof![
            Just(Confidentiality::Public),
            Just(Confidentiality::Internal),
            Just(Confidentiality::Confidential),
            Just(Confidentiality::Restricted),
        ];
        let names = proptest::collection::btree_set("[a-z]{1,2}", 0..24);
        let integrity = prop_oneof![
            Just(Integrity::Trusted),
            Just(Integrity::Untrusted(Sources::Many)),
            names.prop_map(|names| Integrity::Untrusted(
                Sources::Named(BTreeSet::new()).join(Sources::Named(names))
            )),
        ];
        let tags = proptest::collection::btree_set("[a-z]{1,2}", 0..4);
        (confidentiality, integrity, tags).prop_map(|(confidentiality, integrity, tags)| Label {
            confidentiality,
            integrity,
            tags,
        })
    }

    proptest! {
        #[test]
        fn join_is_idempotent(a in label()) {
            prop_assert_eq!(a.clone().join(a.clone()), a);
        }

        #[test]
        fn join_is_commutative(a in label(), b in label()) {
            prop_assert_eq!(a.clone().join(b.clone()), b.join(a));
        }

        #[test]
        fn join_is_associative(a in label(), b in label(), c in label()) {
            prop_assert_eq!(
                a.clone().join(b.clone()).join(c.clone()),
                a.join(b.join(c))
            );
        }

        #[test]
        fn join_never_falls(a in label(), b in label()) {
            prop_assert!(a.flows_to(&a.clone().join(b)));
        }

        #[test]
        fn what_flows_adds_nothing_to_the_join(a in label(), b in label()) {
            for (a, b) in [(&a, &b), (&a, &a.clone().join(b.clone()))] {
                let (both, mut raised) = (a.clone().join(b.clone()), b.clone());
                prop_assert_eq!(a.flows_to(b), both == *b);
                prop_assert_eq!(raised.raise(a), both != *b);
                prop_assert_eq!(raised, both);
            }
        }

        #[test]
        fn bottom_is_neutral(a in label()) {
            prop_assert_eq!(a.clone().join(Label::default()), a);
        }
    }
}
