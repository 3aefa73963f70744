//! Moments as Cedar values, kept for the next question.
//!
//! Only Cedar's function `datetime` makes one, from a text that it parses. Most moments of a question
//! were in the one before: when the task was opened, when it ends, and, while tools are listed, the
//! present.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use remit_model::Timestamp;

use crate::native::{self, Value};

/// How many moments are kept (R13).
const MAX_MOMENTS: usize = 1024;

/// The last moment that Cedar's `datetime` can name, 9999-12-31T23:59:59.999Z.
const END_OF_TIME: Timestamp = Timestamp(253_402_300_799_999);

/// Owner: the snapshot. A cache only: what is in it never changes an answer.
#[derive(Debug, Default)]
pub(crate) struct Moments(RwLock<BTreeMap<Timestamp, Value>>);

impl Moments {
    /// `at` as a `datetime`; later than Cedar can name is the last moment it can.
    pub(crate) fn at(&self, at: Timestamp) -> Value {
        let at = at.min(END_OF_TIME);
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(moment) = kept.get(&at) {
            return moment.clone();
        }
        drop(kept);
        let text = at.to_string();
        // INVARIANT: a timestamp's text is an RFC 3339 moment that Cedar can name. Were it not, what
        // stands in its place is no moment, and a policy that compares it fails and so denies.
        let moment = native::datetime(&text).unwrap_or_else(|| Value::from(text));
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_MOMENTS {
            kept.clear();
        }
        kept.insert(at, moment.clone());
        moment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_same_from_the_cache() {
        let moments = Moments::default();
        for millis in [0, 1_795_471_200_123, END_OF_TIME.0, u64::MAX] {
            let first = format!("{:?}", moments.at(Timestamp(millis)));
            assert_eq!(format!("{:?}", moments.at(Timestamp(millis))), first);
            assert!(first.contains(&Timestamp(millis).min(END_OF_TIME).to_string()), "{first}");
        }
        for millis in 0..5000 {
            moments.at(Timestamp(millis));
        }
        assert!(moments.0.read().unwrap().len() <= MAX_MOMENTS);
    }
}
