//! What is said of a question, before it is Cedar's.
//!
//! A question is described once, as facts, and they have two uses: their text is what a question is
//! known by where answers are kept ([`Fact::write`], [`crate::memo`]), their values are what Cedar is
//! asked with ([`Fact::value`]). Nothing else is made of a question but which entities it is about, and those
//! are in the text where a policy tells them apart ([`crate::sight`]). So two that have the same text are the
//! same to the policies.

use std::borrow::Cow;

use cedar_policy::EntityTypeName;
use remit_model::Timestamp;

use crate::key::Key;
use crate::moments::Moments;
use crate::names::uid;
use crate::native::{self, Pair, Value};

/// Facts by name.
pub(crate) type Facts<'a> = Vec<(Cow<'a, str>, Fact<'a>)>;

/// What policies can see of something.
#[derive(Clone, Debug)]
pub(crate) enum Fact<'a> {
    Flag(bool),
    Long(i64),
    Text(Cow<'a, str>),
    /// A decimal number, as [`crate::number::decimal`] writes it.
    Decimal(String),
    Moment(Timestamp),
    /// The entity of this type and id.
    Entity(&'a EntityTypeName, &'a str),
    Set(Vec<Fact<'a>>),
    Record(Facts<'a>),
    Constant(&'a Constant),
}

/// A fact that is the same in many questions, made once for both uses.
#[derive(Debug)]
pub(crate) struct Constant {
    key: Key,
    value: Value,
}

impl Constant {
    pub(crate) fn of(fact: &Fact<'_>, moments: &Moments) -> Self {
        let mut key = Key::default();
        fact.write(&mut key);
        Self { key, value: fact.value(moments) }
    }
}

/// A text.
pub(crate) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Fact<'a> {
    Fact::Text(text.into())
}

/// A text, of something that has one.
pub(crate) fn shown<'a>(it: &impl ToString) -> Fact<'a> {
    text(it.to_string())
}

/// A number of things, up to the largest that Cedar knows.
pub(crate) fn count<'a>(number: u64) -> Fact<'a> {
    Fact::Long(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A set of texts.
pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Fact<'a> {
    Fact::Set(texts.into_iter().map(text).collect())
}

impl Fact<'_> {
    /// Adds it to the text that its question is known by: its kind, then what it holds.
    pub(crate) fn write(&self, key: &mut Key) {
        match self {
            Self::Flag(flag) => {
                key.kind(b'f');
                key.kind(u8::from(*flag));
            }
            Self::Long(number) => {
                key.kind(b'l');
                key.number(number.cast_unsigned());
            }
            Self::Text(text) => {
                key.kind(b't');
                key.text(text);
            }
            Self::Decimal(text) => {
                key.kind(b'd');
                key.text(text);
            }
            Self::Moment(at) => {
                key.kind(b'm');
                key.number(at.0);
            }
            Self::Entity(of, id) => {
                key.kind(b'e');
                key.text(of.basename());
                key.text(id);
            }
            Self::Set(facts) => {
                key.kind(b's');
                key.length(facts.len());
                for fact in facts {
                    fact.write(key);
                }
            }
            Self::Record(facts) => {
                key.kind(b'r');
                write(facts, key);
            }
            Self::Constant(constant) => key.extend(&constant.key),
        }
    }

    /// What Cedar knows it as.
    pub(crate) fn value(&self, moments: &Moments) -> Value {
        match self {
            Self::Flag(flag) => Value::from(*flag),
            Self::Long(number) => Value::from(*number),
            Self::Text(text) => native::text(text),
            // INVARIANT: the text is a number that Cedar can hold. Were it not, what stands in its
            // place is no number, and a policy that compares it fails and so denies.
            Self::Decimal(text) => native::decimal(text).unwrap_or_else(|| native::text(text)),
            Self::Moment(at) => moments.at(*at),
            Self::Entity(of, id) => native::reference(&uid(of, id)),
            Self::Set(facts) => native::set(facts.iter().map(|fact| fact.value(moments))),
            Self::Record(facts) => native::record(pairs(facts, moments)),
            Self::Constant(constant) => constant.value.clone(),
        }
    }
}

/// Adds `facts` to the text that their question is known by.
pub(crate) fn write(facts: &Facts<'_>, key: &mut Key) {
    key.length(facts.len());
    for (name, fact) in facts {
        key.text(name);
        fact.write(key);
    }
}

/// What Cedar knows `facts` as.
pub(crate) fn pairs<'f>(
    facts: &'f Facts<'_>,
    moments: &'f Moments,
) -> impl Iterator<Item = Pair<'f>> {
    facts.iter().map(|(name, fact)| (name.as_ref(), fact.value(moments)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    static KINDS: std::sync::LazyLock<[EntityTypeName; 2]> =
        std::sync::LazyLock::new(|| ["R::A", "R::B"].map(|name| name.parse().unwrap()));

    fn known(facts: &Facts<'_>) -> Vec<u8> {
        let mut key = Key::default();
        write(facts, &mut key);
        key.bytes().unwrap().to_vec()
    }

    /// Few and short texts, so that those of neighbours often say the same together.
    fn word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "t", "f", "tt", "\0", "\u{1}", "a", "aa", "t\u{1}a"])
    }

    fn fact() -> impl Strategy<Value = Fact<'static>> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Fact::Flag),
            (-2_i64..300).prop_map(Fact::Long),
            word().prop_map(text),
            word().prop_map(|it| Fact::Decimal(it.to_owned())),
            (0_u64..300).prop_map(|it| Fact::Moment(Timestamp(it))),
            (0_usize..2, word()).prop_map(|(of, id)| Fact::Entity(&KINDS[of], id)),
        ];
        leaf.prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Fact::Set),
                facts(inner).prop_map(Fact::Record),
            ]
        })
    }

    fn facts(fact: impl Strategy<Value = Fact<'static>>) -> impl Strategy<Value = Facts<'static>> {
        prop::collection::vec((word().prop_map(Cow::Borrowed), fact), 0..3)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn only_the_same_facts_have_the_same_text(a in facts(fact()), b in facts(fact())) {
            let same = format!("{a:?}") == format!("{b:?}");
            prop_assert_eq!(known(&a) == known(&b), same);
        }

        #[test]
        fn what_is_made_once_is_known_as_what_it_was_made_of(fact in fact()) {
            let moments = Moments::default();
            let constant = Constant::of(&fact, &moments);
            let of = |fact: Fact<'_>| {
                let value = fact.value(&moments);
                (known(&vec![(Cow::Borrowed("x"), fact)]), value)
            };
            prop_assert_eq!(of(Fact::Constant(&constant)), of(fact.clone()));
        }
    }

    #[test]
    fn neighbours_do_not_run_into_each_other() {
        let of = |parts: &[(&'static str, &'static str)]| {
            known(&parts.iter().map(|(name, said)| (Cow::Borrowed(*name), text(*said))).collect())
        };
        assert_ne!(of(&[("a", "bc")]), of(&[("ab", "c")]));
        assert_ne!(of(&[("a", ""), ("", "b")]), of(&[("a", "b"), ("", "")]));
        let set = |parts: &[&'static str]| known(&vec![("s".into(), texts(parts.iter().copied()))]);
        assert_ne!(set(&["ab"]), set(&["a", "b"]));
        assert_ne!(set(&["", "ab"]), set(&["ab", ""]));
    }
}
