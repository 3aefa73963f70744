//! What stays as it is while much is asked of it: an agent, a tool, a remit's tools.
//!
//! Every question holds these, and every question is written down. So they are shared instead of
//! copied, and their JSON text is made once, when it is first needed.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

/// A value that nobody changes, shared by all who hold it. As JSON, the only format it may be written
/// in, it is byte for byte what the value is.
pub struct Fixed<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: T,
    /// Its JSON text; nothing within, if it has none.
    json: OnceLock<Option<Box<RawValue>>>,
}

impl<T> Fixed<T> {
    /// Holds `value` from now on.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Inner { value, json: OnceLock::new() }))
    }
}

impl<T> From<T> for Fixed<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Fixed<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Clone for Fixed<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Fixed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: PartialEq> PartialEq for Fixed<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.value == other.0.value
    }
}

impl<T: Eq> Eq for Fixed<T> {}

impl<T: fmt::Debug> fmt::Debug for Fixed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

impl<T: Serialize> Serialize for Fixed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.json.get_or_init(|| to_raw_value(&self.0.value).ok()) {
            Some(json) => json.serialize(serializer),
            // The error is told where it arises.
            None => self.0.value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fixed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Holding<T> {
        before: u8,
        held: T,
        after: Option<T>,
    }

    type Texts = BTreeMap<String, Vec<Option<String>>>;

    fn texts() -> impl Strategy<Value = Texts> {
        let texts = proptest::collection::vec(proptest::option::of(any::<String>()), 0..4);
        proptest::collection::btree_map(any::<String>(), texts, 0..4)
    }

    proptest! {
        #[test]
        fn it_is_written_and_read_as_the_value_is(value in texts()) {
            let plain = Holding { before: 1, held: value.clone(), after: Some(value.clone()) };
            let fixed = Fixed::from(value);
            let fixed = Holding { before: 1, held: fixed.clone(), after: Some(fixed) };
            let text = serde_json::to_string(&plain).unwrap();
            for _ in 0..2 {
                prop_assert_eq!(&serde_json::to_string(&fixed).unwrap(), &text);
                prop_assert_eq!(
                    serde_json::to_value(&fixed).unwrap(),
                    serde_json::to_value(&plain).unwrap()
                );
            }
            let read: Holding<Fixed<Texts>> = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read, fixed);
        }
    }

    #[test]
    fn what_cannot_be_written_says_so() {
        let keys = Fixed::new(BTreeMap::from([(vec![1], 2)]));
        assert_eq!(
            serde_json::to_string(&keys).unwrap_err().to_string(),
            serde_json::to_string(&*keys).unwrap_err().to_string()
        );
    }
}
