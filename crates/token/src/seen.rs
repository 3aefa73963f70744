//! What was shown before, so that nothing signed for one use is used twice.
//!
//! Entries are kept until what they stand for would be refused anyway, never shorter: when there is
//! no room left, the new one is refused and no old one forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_model::{Digest, Timestamp};

/// How many proofs are remembered (R13): some 30 MB, and 8,700 calls a second for as long as a
/// proof can be used.
pub const MAX_PROOFS: usize = 1 << 20;
/// How many assertions of clients are remembered (R13): each asks for a grant, which is rare.
pub const MAX_ASSERTIONS: usize = 1 << 16;

/// One owner's part of each stretch of time, so that nobody uses up the room of all.
const PARTS: usize = 4;
/// The stretch of time that is forgotten at once.
const STRETCH: Duration = Duration::from_mins(1);

/// Digests of what was shown, by when they can be forgotten and by whom.
pub(crate) struct Seen {
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    count: usize,
    stretches: BTreeMap<u64, BTreeMap<Digest, BTreeSet<Short>>>,
}

/// Half a digest: 2^64 tries find a collision, and with it only a refusal of one's own proof.
type Short = [u8; 16];

/// Why it was not taken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// It was shown before.
    Replayed,
    /// There is no room to remember it.
    Full,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({} of {})", self.len(), self.most)
    }
}

impl Seen {
    /// Remembers at most `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, inner: Mutex::default() }
    }

    /// Takes down that `owner` showed `id`, which counts as its own until `until`. The same thing
    /// must always come with the same `until`.
    ///
    /// Errors: it is down already, or there is no room.
    pub(crate) fn note(
        &self,
        (owner, id): (&Digest, &str),
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Again> {
        let mut inner = self.lock();
        inner.forget(now);
        let stretch = stretch(until);
        let room = inner.count < self.most;
        let own = inner.stretches.entry(stretch).or_default().entry(*owner).or_default();
        let short = short(id);
        if own.contains(&short) {
            return Err(Again::Replayed);
        }
        if !room || own.len() >= self.most / PARTS {
            return Err(Again::Full);
        }
        own.insert(short);
        inner.count += 1;
        Ok(())
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget(&mut self, now: Timestamp) {
        while let Some(first) = self.stretches.first_entry() {
            // The whole stretch must lie in the past.
            if *first.key() >= now.as_secs() / STRETCH.as_secs() {
                return;
            }
            let gone: usize = first.remove().values().map(BTreeSet::len).sum();
            self.count = self.count.saturating_sub(gone);
        }
    }
}

fn stretch(until: Timestamp) -> u64 {
    until.as_secs() / STRETCH.as_secs()
}

fn short(id: &str) -> Short {
    let digest = Digest::of(id.as_bytes()).0;
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn nothing_is_taken_twice_before_it_would_be_refused_anyway() {
        let seen = Seen::new(8);
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        assert_eq!(seen.note((&one, "a"), at(119), at(0)), Ok(()));
        assert_eq!(seen.note((&one, "a"), at(119), at(119)), Err(Again::Replayed));
        assert_eq!(seen.note((&two, "a"), at(119), at(0)), Ok(()), "somebody else's");
        assert_eq!(seen.len(), 2);
        assert_eq!(seen.note((&one, "b"), at(200), at(120)), Ok(()));
        assert_eq!(seen.len(), 1, "what ended is forgotten");
    }

    #[test]
    fn when_it_is_full_the_new_one_is_refused_and_no_old_one_forgotten() {
        let seen = Seen::new(8);
        let owners: Vec<Digest> = (0..5_u8).map(|n| Digest::of(&[n])).collect();
        for id in ["a", "b"] {
            assert_eq!(seen.note((&owners[0], id), at(60), at(0)), Ok(()));
        }
        assert_eq!(seen.note((&owners[0], "c"), at(60), at(0)), Err(Again::Full), "its part");
        for owner in &owners[1..4] {
            for id in ["a", "b"] {
                assert_eq!(seen.note((owner, id), at(60), at(0)), Ok(()));
            }
        }
        assert_eq!(seen.note((&owners[4], "a"), at(60), at(0)), Err(Again::Full));
        assert_eq!(seen.note((&owners[0], "a"), at(60), at(59)), Err(Again::Replayed));
        assert_eq!(seen.note((&owners[4], "a"), at(180), at(120)), Ok(()), "room again");
    }
}
