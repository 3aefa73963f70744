//! What values are looked up by: a hash of the folded text and of what kind of thing it is.
//!
//! Only what can make an answer *riskier* is kept by hash, so that a collision, which whoever writes
//! the text could arrange, makes a value tainted that is not, and never the other way round.

use std::hash::{DefaultHasher, Hasher};

/// A kind of thing that is looked up; the same text as two kinds is two keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Name,
    Host,
    Whole,
    Number,
    Day,
    Time,
    Word,
}

/// A thing that stood in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u64);

impl Key {
    /// The key of `text`, which is folded already.
    pub(crate) fn new(kind: Kind, text: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(kind as u8);
        hasher.write(text.as_bytes());
        Self(hasher.finish())
    }

    /// The key of these words in this order.
    pub(crate) fn run<'a>(words: impl Iterator<Item = &'a Self>) -> Self {
        let mut hasher = DefaultHasher::new();
        words.for_each(|word| hasher.write_u64(word.0));
        Self(hasher.finish())
    }
}
