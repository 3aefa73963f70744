//! The keys of grants: one after the other, and how long each counts.
//!
//! All of it follows from when each was made. The newest signs, and does so at once: whoever has to
//! believe a grant is the Remit that made it, so nobody must know a key before it signs; who verifies
//! elsewhere asks for the keys again on meeting a `kid` they do not know. One that was replaced
//! counts until the last grant it signed has run out, and no longer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use remit_jose::SigningKey;
use remit_model::Timestamp;

use crate::{MAX_LIFETIME, SKEW, TokenError};

/// Between the moment that a key is said to be made and the last signature of the one before lie its
/// record and its files, which a slow disk may keep waiting. A grant signed meanwhile counts, too.
const HANDOVER: Duration = Duration::from_mins(1);

/// How long a key counts once the next one is made: as long as whatever it signed.
const COUNTS_ON: Duration = MAX_LIFETIME.saturating_add(SKEW).saturating_add(HANDOVER);

/// How many keys may count at a time (R13): as many as a reader of key sets should have to look at.
pub const MAX_GRANT_KEYS: usize = 8;

/// A key that signs grants. Prints nothing secret of itself.
pub struct GrantKey {
    number: u64,
    made: Timestamp,
    pub(crate) key: SigningKey,
}

impl fmt::Debug for GrantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantKey")
            .field("number", &self.number)
            .field("kid", &self.kid())
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}

impl GrantKey {
    /// Key `number`, made at `made`, from an ES256 private key in PKCS#8 DER, which is copied; wiping
    /// it is its owner's duty.
    ///
    /// Errors: [`TokenError::Secret`].
    pub fn open(number: u64, made: Timestamp, pkcs8: &[u8]) -> Result<Self, TokenError> {
        Ok(Self::new(number, made, SigningKey::from_pkcs8(pkcs8)?))
    }

    /// Key `number`, made at `made`, which is `key`.
    pub fn new(number: u64, made: Timestamp, key: SigningKey) -> Self {
        Self { number, made, key }
    }

    /// Its number: the next one has a greater one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its name in records.
    pub fn name(&self) -> String {
        format!("token-{}", self.number)
    }

    /// When it was made.
    pub fn made(&self) -> Timestamp {
        self.made
    }

    /// Its id in tokens.
    pub fn kid(&self) -> &str {
        self.key.id()
    }
}

/// The keys of grants in the order of their numbers. A value: rotation makes another.
#[derive(Clone, Debug, Default)]
pub struct GrantKeys(Vec<Arc<GrantKey>>);

impl FromIterator<GrantKey> for GrantKeys {
    fn from_iter<I: IntoIterator<Item = GrantKey>>(keys: I) -> Self {
        let mut keys: Vec<_> = keys.into_iter().map(Arc::new).collect();
        keys.sort_by_key(|key| key.number);
        Self(keys)
    }
}

impl GrantKeys {
    /// These and `newest`, which has a greater number than any of them.
    #[must_use]
    pub fn with(&self, newest: Arc<GrantKey>) -> Self {
        Self(self.0.iter().map(Arc::clone).chain([newest]).collect())
    }

    /// Those of them that count at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        let counts = self.iter().filter(|(_, ends)| ends.is_none_or(|ends| now < ends));
        Self(counts.map(|(key, _)| Arc::clone(key)).collect())
    }

    /// Each, with when it ends: `None` for the newest, which signs.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<GrantKey>, Option<Timestamp>)> {
        let next = self.0.iter().skip(1).map(|next| Some(next.made.after(COUNTS_ON)));
        self.0.iter().zip(next.chain([None]))
    }

    /// The one that signs.
    pub fn newest(&self) -> Option<&GrantKey> {
        self.0.last().map(Arc::as_ref)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are as many as may be.
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_GRANT_KEYS
    }

    /// Whether the next one has to be made at `now`, if one is made after `rotation`.
    pub fn is_due(&self, rotation: Duration, now: Timestamp) -> bool {
        let due = |newest: &GrantKey| now >= newest.made.after(rotation);
        !self.is_full() && self.newest().is_none_or(due)
    }
}

#[cfg(test)]
mod tests {
    use remit_model::Entropy;

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_471_200_000);
    const HOUR: Duration = Duration::from_hours(1);

    struct Always(u8);

    impl Entropy for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    fn key(number: u8, made: Timestamp) -> GrantKey {
        let pkcs8 = remit_jose::draw_es256(&Always(number)).unwrap();
        GrantKey::open(number.into(), made, &pkcs8).unwrap()
    }

    fn numbers(keys: &GrantKeys) -> Vec<u64> {
        keys.iter().map(|(key, _)| key.number()).collect()
    }

    #[test]
    fn a_key_counts_until_what_it_signed_last_has_run_out() {
        let keys: GrantKeys = [key(2, NOW), key(1, NOW)].into_iter().collect();
        assert_eq!(numbers(&keys), [1, 2], "whatever their order was");
        let last = MAX_LIFETIME + SKEW;
        assert_eq!(numbers(&keys.at(NOW.after(last))), [1, 2]);
        assert_eq!(numbers(&keys.at(NOW.after(last + Duration::from_secs(59)))), [1, 2]);
        assert_eq!(numbers(&keys.at(NOW.after(last + HANDOVER))), [2]);
        assert_eq!(numbers(&keys.at(NOW.after(HOUR * 24 * 365))), [2], "the newest has no end");
    }

    #[test]
    fn the_next_key_is_due_in_time_and_never_one_too_many() {
        let mut keys = GrantKeys::default();
        assert!(keys.is_due(HOUR, NOW), "there is none");
        for number in 1..=8 {
            assert!(!keys.is_full());
            keys = keys.with(Arc::new(key(number, NOW)));
            assert!(!keys.is_due(HOUR, NOW));
            assert_eq!(keys.is_due(HOUR, NOW.after(HOUR)), number < 8, "{number}");
        }
        assert!(keys.is_full());
        assert!(keys.at(NOW.after(HOUR * 2)).is_due(HOUR, NOW.after(HOUR * 2)), "room again");
    }
}
