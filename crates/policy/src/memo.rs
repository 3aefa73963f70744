//! Answers that Cedar gave, kept for questions that look the same to the policies.
//!
//! What Cedar answers is a function of the policies that can apply and of what they see of a question.
//! Both stand in the [`Key`], so whatever has the same key has the same answer; which reasons are
//! told, and of what they speak, is made of the question itself each time. Keys are compared in full:
//! no hash decides.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::ask::Answer;
use crate::key::{Key, MAX_KEY};

/// How many answers are kept (R13); with [`MAX_KEY`] these are 8 MiB at most. When they are as many,
/// all are forgotten: whoever asks ever new questions makes it useless and no more.
const MAX_ANSWERS: usize = 2048;

/// What an id of an answer takes beside its text, in bytes.
const ID: usize = 32;

/// Owner: the snapshot. A cache only: what is in it never changes an answer.
#[derive(Debug, Default)]
pub(crate) struct Memo(RwLock<BTreeMap<Box<[u8]>, Arc<Answer>>>);

impl Memo {
    /// The answer to what is known by `key`, if it is kept.
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Answer>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(key.bytes()?).cloned()
    }

    /// Keeps the answer to what is known by `key`, unless it is too large or a failure, which nobody
    /// asks for again and again.
    pub(crate) fn keep(&self, key: &Key, answer: &Arc<Answer>) {
        let (Some(key), Some(ids)) = (key.bytes(), ids(answer)) else { return };
        if key.len().saturating_add(ids) > MAX_KEY {
            return;
        }
        let key = Box::from(key);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let forgotten = (kept.len() >= MAX_ANSWERS).then(|| std::mem::take(&mut *kept));
        kept.insert(key, Arc::clone(answer));
        drop(kept);
        // Nobody waits while they are given back.
        drop(forgotten);
    }
}

#[cfg(test)]
impl Memo {
    /// How many answers are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.read().unwrap().len()
    }
}

/// How many bytes the ids of an answer take; `None` for a failure.
fn ids(answer: &Answer) -> Option<usize> {
    let (Answer::Permitted(ids) | Answer::Denied { forbids: ids, .. }) = answer else {
        return None;
    };
    Some(ids.iter().map(|id| id.len().saturating_add(ID)).sum())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn key(text: &str) -> Key {
        let mut key = Key::default();
        key.text(text);
        key
    }

    fn permitted(ids: impl IntoIterator<Item = String>) -> Arc<Answer> {
        Arc::new(Answer::Permitted(ids.into_iter().collect()))
    }

    #[test]
    fn answers_are_kept_for_their_own_keys() {
        let memo = Memo::default();
        let denied = Arc::new(Answer::Denied { forbids: BTreeSet::new(), unpermitted: Some(1) });
        memo.keep(&key("a"), &permitted(["p".to_owned()]));
        memo.keep(&key("b"), &denied);
        assert_eq!(memo.get(&key("a")), Some(permitted(["p".to_owned()])));
        assert_eq!(memo.get(&key("b")), Some(denied));
        assert_eq!(memo.get(&key("c")), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let memo = Memo::default();
        for n in 0..3 * MAX_ANSWERS {
            memo.keep(&key(&n.to_string()), &permitted([]));
            assert!(memo.get(&key(&n.to_string())).is_some());
        }
        assert!(memo.len() <= MAX_ANSWERS);
    }

    #[test]
    fn failures_and_what_is_large_are_not_kept() {
        let memo = Memo::default();
        let failed = Answer::Failed { policy: "p".into(), why: "w".into() };
        memo.keep(&key("failed"), &Arc::new(failed));
        memo.keep(&key("many"), &permitted((0..1000).map(|n| n.to_string())));
        memo.keep(&key(&"long".repeat(MAX_KEY)), &permitted([]));
        memo.keep(&Key::unfit(), &permitted([]));
        assert_eq!(memo.len(), 0);
    }
}
