//! What values are looked up by: a hash of the folded text and of what kind of thing it is.
//!
//! The hash is drawn anew for each process and never shown, so that whoever writes a text has nothing to find
//! a collision by; it is no cryptographic one. By chance a text is taken for another once in billions.

#[expect(clippy::disallowed_types, reason = "see `Keyed`")]
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use crate::fold::loosely;

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

/// What is known of things.
#[expect(
    clippy::disallowed_types,
    reason = "asked a thousand times a call and never walked, so no order can leak"
)]
pub(crate) type Keyed<T> = HashMap<Key, T, BuildHasherDefault<Itself>>;

/// Things.
#[expect(clippy::disallowed_types, reason = "see `Keyed`")]
pub(crate) type Keys = HashSet<Key, BuildHasherDefault<Itself>>;

/// Hashes a key to itself, since it is a hash.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Itself(u64);

impl Hasher for Itself {
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::default);

impl Key {
    /// The key of `text` just as it is.
    pub(crate) fn exact(kind: Kind, text: &str) -> Self {
        Self::of(kind, text.as_bytes())
    }

    /// The key of `text` and of all that looks like it.
    pub(crate) fn loose(kind: Kind, text: &str) -> Self {
        loosely(text, |folded| Self::of(kind, folded))
    }

    /// The key of these words in this order.
    pub(crate) fn run<'a>(words: impl Iterator<Item = &'a Self>) -> Self {
        let mut hasher = HASH.build_hasher();
        words.for_each(|word| hasher.write_u64(word.0));
        Self(hasher.finish())
    }

    fn of(kind: Kind, folded: &[u8]) -> Self {
        let mut hasher = HASH.build_hasher();
        hasher.write_u8(kind as u8);
        hasher.write(folded);
        Self(hasher.finish())
    }
}
