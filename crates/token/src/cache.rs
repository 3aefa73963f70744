//! Tokens already verified, so that a grant's signature is checked once and not at every call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use remit_model::{Digest, Timestamp};

use crate::Grant;
use crate::claims::ran_out;

/// How many verified tokens a verifier remembers (R13): at 500 bytes each, 5 MB.
pub const CACHE_BOUND: usize = 10_000;

/// Verified grants by the SHA-256 of their token; the tokens themselves are not kept.
pub struct Cache {
    bound: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    grants: BTreeMap<Digest, Grant>,
    /// The same entries by when they run out; the first is the first to go.
    order: BTreeSet<(Timestamp, Digest)>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({} of {})", self.len(), self.bound)
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(CACHE_BOUND)
    }
}

impl Cache {
    /// An empty cache for at most `bound` tokens.
    pub fn new(bound: usize) -> Self {
        Self { bound, inner: Mutex::default() }
    }

    /// The grant of `token` if it was verified before and is still good at `now`.
    pub fn get(&self, token: &Digest, now: Timestamp) -> Option<Grant> {
        self.lock().grants.get(token).filter(|grant| !ran_out(grant.expires, now)).cloned()
    }

    /// Remembers that `token` was verified. A full cache forgets what ran out, or else what runs
    /// out first.
    pub fn insert(&self, token: Digest, grant: Grant, now: Timestamp) {
        if self.bound == 0 {
            return;
        }
        let mut inner = self.lock();
        inner.forget_expired(now);
        while inner.grants.len() >= self.bound && inner.forget_first() {}
        inner.order.insert((grant.expires, token));
        inner.grants.insert(token, grant);
    }

    /// How many it remembers.
    pub fn len(&self) -> usize {
        self.lock().grants.len()
    }

    /// Whether it remembers none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn forget_expired(&mut self, now: Timestamp) {
        while self.order.first().is_some_and(|(expires, _)| ran_out(*expires, now)) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) -> bool {
        let Some((_, token)) = self.order.pop_first() else { return false };
        self.grants.remove(&token).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(expires: u64) -> Grant {
        Grant {
            task: "tsk_00000000000000000000000000".parse().unwrap(),
            agent: "bot".parse().unwrap(),
            subject: String::new(),
            actors: Vec::new(),
            server: None,
            binding: crate::Binding::Nothing,
            expires: Timestamp(expires),
            id: expires.to_string(),
        }
    }

    fn token(n: u64) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[test]
    fn forgets_what_ran_out_first_and_stays_within_its_bound() {
        let cache = Cache::new(3);
        for n in [50_000, 20_000, 30_000, 40_000] {
            cache.insert(token(n), grant(n), Timestamp(0));
        }
        assert_eq!((cache.len(), cache.lock().order.len()), (3, 3));
        assert_eq!(cache.get(&token(20_000), Timestamp(0)), None);
        assert_eq!(cache.get(&token(30_000), Timestamp(0)), Some(grant(30_000)));
        cache.insert(token(60_000), grant(60_000), Timestamp(45_000));
        assert_eq!(cache.len(), 2, "30 s and 40 s had run out");
        assert_eq!(cache.get(&token(50_000), Timestamp(54_999)), Some(grant(50_000)));
        assert_eq!(cache.get(&token(50_000), Timestamp(55_000)), None);
    }

    #[test]
    fn the_same_token_twice_is_one_entry() {
        let cache = Cache::new(1);
        cache.insert(token(1), grant(10_000), Timestamp(0));
        cache.insert(token(1), grant(10_000), Timestamp(0));
        assert_eq!((cache.len(), cache.lock().order.len()), (1, 1));
        let none = Cache::new(0);
        none.insert(token(1), grant(10_000), Timestamp(0));
        assert!(none.is_empty());
    }
}
