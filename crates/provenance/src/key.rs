//! What values are looked up by: a hash of the folded text and of what kind of thing it is.
//!
//! The hash is drawn anew for each process and never shown, so that whoever writes a text has nothing to find
//! a collision by; it is no cryptographic one. By chance a text is taken for another once in billions.

#[expect(clippy::disallowed_types, reason = "see `Keyed`")]
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::LazyLock;

use foldhash::fast::{FoldHasher, RandomState};

use crate::fold::loosely;
use crate::letters::Letters;

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
    Text,
    Title,
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
        let mut spelt = Spelt::new();
        text.bytes().for_each(|byte| spelt.push(byte));
        spelt.key(kind)
    }

    /// The key of `text` and of all that looks like it.
    pub(crate) fn loose(kind: Kind, text: &str) -> Self {
        let mut spelt = Spelt::new();
        loosely(text, &mut |byte| spelt.push(byte));
        spelt.key(kind)
    }

    /// The key of a text that is one block.
    pub(crate) fn of(kind: Kind, block: Block) -> Self {
        Spelt { hasher: HASH.build_hasher(), block }.key(kind)
    }

    /// The key of a text of any length just as it is.
    pub(crate) fn verbatim(kind: Kind, text: &str) -> Self {
        let mut hasher = HASH.build_hasher();
        hasher.write(text.as_bytes());
        hasher.write_u128(both(0, 1 + kind as u64));
        Self(hasher.finish())
    }

    /// The key of these words in this order.
    pub(crate) fn run<const N: usize>(words: [Self; N]) -> Self {
        let mut hasher = HASH.build_hasher();
        let (pairs, last) = words.as_chunks();
        for [Self(one), Self(other)] in pairs {
            hasher.write_u128(both(*one, *other));
        }
        for Self(word) in last {
            hasher.write_u128(both(*word, 0));
        }
        Self(hasher.finish())
    }
}

/// The bytes of a short text, behind a one that says where it begins: most words are no longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block(u64);

impl Block {
    pub(crate) const EMPTY: Self = Self(1);
    /// How many bytes it holds.
    pub(crate) const LONGEST: usize = 7;

    /// The same with one byte more, of which there is no telling if there are more than it holds.
    #[inline]
    pub(crate) fn with(self, byte: u8) -> Self {
        Self(self.0 << 8 | u64::from(byte))
    }

    /// The same with these letters more.
    #[inline]
    pub(crate) fn then(self, letters: Letters) -> Self {
        Self(self.0.unbounded_shl(8 * letters.count) | letters.alike)
    }

    fn is_full(self) -> bool {
        self.0 >> (8 * Self::LONGEST) != 0
    }
}

/// A text on its way into its key, in blocks.
struct Spelt {
    hasher: FoldHasher<'static>,
    block: Block,
}

impl Spelt {
    fn new() -> Self {
        Self { hasher: HASH.build_hasher(), block: Block::EMPTY }
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        if self.block.is_full() {
            self.hasher.write_u128(both(self.block.0, 0));
            self.block = Block::EMPTY;
        }
        self.block = self.block.with(byte);
    }

    fn key(mut self, kind: Kind) -> Key {
        self.hasher.write_u128(both(self.block.0, 1 + kind as u64));
        Key(self.hasher.finish())
    }
}

/// What the hasher takes at once.
fn both(low: u64, high: u64) -> u128 {
    u128::from(low) | u128::from(high) << 64
}
