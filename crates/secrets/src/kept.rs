//! What lies in sealed storage, so that it is found wherever it turns up, without being kept here.
//!
//! Of each secret its length is known, 32 bits of its first eight bytes and 16 of its last eight (enough to
//! pass over nearly every place in a text, too few to say what stands there), and its digest under the key.

use std::collections::BTreeSet;

use remit_model::SecretName;

use crate::fingerprint::Key;
use crate::{CANARY, SEALED};

/// How many bytes are looked at before a digest is made, at the beginning and at the end. A shorter secret is
/// not looked for: it would be found by accident.
pub(crate) const HEAD: usize = 8;
/// Bits of the filter: with the 1,024 secrets that sealed storage holds at most, one place in 64 that is
/// no secret's beginning is looked up.
const FILTER: u32 = 16;

/// Beginnings and digests of secrets.
#[derive(Clone)]
pub(crate) struct Kept {
    /// What heads are mixed with, from the key.
    salt: (u64, u64),
    filter: Box<[u64]>,
    /// In the order of their heads, so that those that begin alike stand together.
    marks: Vec<Mark>,
    /// Which of them nobody has a use for.
    canaries: BTreeSet<SecretName>,
}

/// A secret that is known again.
#[derive(Clone)]
pub(crate) struct Mark {
    name: SecretName,
    head: u32,
    tail: u16,
    length: usize,
    digest: [u8; 32],
}

impl Kept {
    pub(crate) fn new(key: &Key) -> Self {
        let digest = key.digest(b"heads of secrets");
        let half = |from: &[u8]| from.iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        let (one, other) = digest.split_at(16);
        let salt = (half(one), half(other) | 1);
        let filter = vec![0; 1 << (FILTER - 6)].into();
        Self { salt, filter, marks: Vec::new(), canaries: BTreeSet::new() }
    }

    pub(crate) fn add(&mut self, key: &Key, name: &SecretName, secret: &[u8]) {
        self.remove(name);
        // Whole lines, without what a file ends with.
        let secret = secret.trim_ascii();
        let (Some(head), Some(tail)) = (self.head(secret), self.tail(secret)) else { return };
        let digest = key.digest(secret);
        self.marks.push(Mark { name: name.clone(), head, tail, length: secret.len(), digest });
        self.marks.sort_by_key(|mark| mark.head);
        self.refill();
    }

    pub(crate) fn remove(&mut self, name: &SecretName) {
        self.marks.retain(|mark| mark.name != *name);
        self.refill();
    }

    pub(crate) fn tell(&mut self, canaries: BTreeSet<SecretName>) {
        self.canaries = canaries;
    }

    fn refill(&mut self) {
        self.filter.fill(0);
        for mark in &self.marks {
            let (word, bit) = place(mark.head);
            if let Some(word) = self.filter.get_mut(word) {
                *word |= bit;
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The head of those that could begin where `text` does.
    pub(crate) fn beginning(&self, text: &[u8]) -> Option<u32> {
        let head = self.head(text)?;
        let (word, bit) = place(head);
        let may_be = self.filter.get(word).is_some_and(|word| word & bit != 0);
        (may_be && !self.alike(head).is_empty()).then_some(head)
    }

    /// How long the longest is.
    pub(crate) fn longest(&self) -> usize {
        self.marks.iter().map(|mark| mark.length).max().unwrap_or(0)
    }

    /// Those with this `head` that `text` begins with, and how many bytes were read for that.
    pub(crate) fn standing(&self, head: u32, key: &Key, text: &[u8]) -> (Vec<&Mark>, usize) {
        let (mut standing, mut read) = (Vec::new(), 0);
        for mark in self.alike(head) {
            read += HEAD;
            let whole = text.get(..mark.length);
            let ends_alike = |text: &&[u8]| self.tail(text) == Some(mark.tail);
            let Some(text) = whole.filter(ends_alike) else { continue };
            read += mark.length;
            if mark.digest == key.digest(text) {
                standing.push(mark);
            }
        }
        (standing, read)
    }

    /// The name of the rule by which `mark` is found.
    pub(crate) fn rule(&self, mark: &Mark) -> &'static str {
        if self.canaries.contains(&mark.name) { CANARY } else { SEALED }
    }

    fn alike(&self, head: u32) -> &[Mark] {
        let from = self.marks.partition_point(|mark| mark.head < head);
        let to = self.marks.partition_point(|mark| mark.head <= head);
        self.marks.get(from..to).unwrap_or_default()
    }

    fn head(&self, text: &[u8]) -> Option<u32> {
        u32::try_from(self.mixed(*text.first_chunk()?) >> 32).ok()
    }

    fn tail(&self, text: &[u8]) -> Option<u16> {
        u16::try_from(self.mixed(*text.last_chunk()?) >> 48).ok()
    }

    fn mixed(&self, bytes: [u8; HEAD]) -> u64 {
        (u64::from_le_bytes(bytes) ^ self.salt.0).wrapping_mul(self.salt.1)
    }
}

impl Mark {
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

/// Which bit of which word of the filter a head has.
fn place(head: u32) -> (usize, u64) {
    let bit = head >> (32 - FILTER);
    (usize::try_from(bit >> 6).unwrap_or(0), 1 << (bit & 63))
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({})", self.marks.len())
    }
}
