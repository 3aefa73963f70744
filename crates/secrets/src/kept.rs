//! What lies in sealed storage, so that it is found wherever it turns up, without being kept here.
//!
//! Of each secret its length is known, 32 bits of its first eight bytes (enough to pass over nearly
//! every place in a text, too few to say what stands there), and its digest under the key.

use std::collections::BTreeSet;

use remit_model::SecretName;

use crate::fingerprint::Key;
use crate::{CANARY, SEALED};

/// The shortest secret that is looked for: a shorter one would be found by accident.
const MIN_SECRET: usize = HEAD;
/// How many bytes are looked at before a digest is made.
const HEAD: usize = 8;
/// Bits of the filter: with the 1,024 secrets that sealed storage holds at most, one place in 64 that is
/// no secret's beginning is looked up.
const FILTER: u32 = 16;

/// Beginnings and digests of secrets.
#[derive(Clone)]
pub(crate) struct Kept {
    /// What heads are mixed with, from the key.
    salt: (u64, u64),
    filter: Box<[u64]>,
    marks: Vec<Mark>,
    /// Which of them nobody has a use for.
    canaries: BTreeSet<SecretName>,
}

#[derive(Clone)]
struct Mark {
    name: SecretName,
    head: u32,
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
        let Some(head) = self.head(secret).filter(|_| secret.len() >= MIN_SECRET) else { return };
        let digest = key.digest(secret);
        self.marks.push(Mark { name: name.clone(), head, length: secret.len(), digest });
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

    /// Those that could begin where `text` does, by their places in the list.
    pub(crate) fn beginning<'a>(&'a self, text: &[u8]) -> impl Iterator<Item = usize> + use<'a> {
        let head = self.head(text).filter(|head| {
            let (word, bit) = place(*head);
            self.filter.get(word).is_some_and(|word| word & bit != 0)
        });
        let marks = head.map(|head| {
            let fits = move |(_, mark): &(usize, &Mark)| mark.head == head;
            self.marks.iter().enumerate().filter(fits).map(|(at, _)| at)
        });
        marks.into_iter().flatten()
    }

    /// How long the secret at `mark` is.
    pub(crate) fn length(&self, mark: usize) -> usize {
        self.marks.get(mark).map_or(0, |mark| mark.length)
    }

    /// The name of the rule by which the secret at `mark` is found.
    pub(crate) fn rule(&self, mark: usize) -> &'static str {
        let canary = |mark: &Mark| self.canaries.contains(&mark.name);
        if self.marks.get(mark).is_some_and(canary) { CANARY } else { SEALED }
    }

    /// Whether `text` is the secret at `mark`.
    pub(crate) fn is(&self, mark: usize, key: &Key, text: &[u8]) -> bool {
        self.marks.get(mark).is_some_and(|mark| mark.digest == key.digest(text))
    }

    fn head(&self, text: &[u8]) -> Option<u32> {
        let bytes: [u8; HEAD] = text.first_chunk().copied()?;
        let mixed = (u64::from_le_bytes(bytes) ^ self.salt.0).wrapping_mul(self.salt.1);
        u32::try_from(mixed >> 32).ok()
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
