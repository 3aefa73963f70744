//! What this process knows of leases that it was asked for, such as that nothing came of one: in memory
//! alone, so that after a crash nobody knows.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use remit_model::{LeaseId, Timestamp};
use remit_ports::Revoked;

/// How many are kept of one credential (R13). The first to run out give way, and count until then.
const MAX_KNOWN: usize = 4096;

/// What came of leases, until their ends.
pub(crate) struct Known<T>(Mutex<BTreeMap<LeaseId, (T, Timestamp)>>);

/// Leases of which nothing came: nobody has what they were for.
pub(crate) type Nothing = Known<()>;

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Known<T> {
    /// Keeps what came of a lease until its end.
    pub(crate) fn put(&self, lease: &LeaseId, (what, until): (T, Timestamp), now: Timestamp) {
        let mut leases = self.lock();
        leases.retain(|_, (_, until)| now < *until);
        while leases.len() >= MAX_KNOWN {
            let first =
                leases.iter().min_by_key(|(_, (_, until))| *until).map(|(of, _)| of.clone());
            let Some(first) = first else { break };
            leases.remove(&first);
        }
        leases.insert(lease.clone(), (what, until));
    }

    /// What came of a lease, which stays: taking it back a second time is no mistake.
    pub(crate) fn of(&self, lease: &LeaseId) -> Option<T> {
        self.lock().get(lease).map(|(what, _)| what.clone())
    }

    /// Nothing can be done with it any more.
    pub(crate) fn forget(&self, lease: &LeaseId) {
        self.lock().remove(lease);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LeaseId, (T, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Nothing {
    /// What to say of a lease where the server takes nothing back.
    pub(crate) fn revoked(&self, lease: &LeaseId) -> Revoked {
        self.of(lease).map_or(Revoked::AtExpiry, |()| Revoked::Now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn lease(n: usize) -> LeaseId {
        format!("lse_{n:026}").parse().unwrap()
    }

    #[test]
    fn leases_stay_until_they_run_out_and_not_more_than_can_be_kept() {
        let known = Known::default();
        known.put(&lease(0), ('a', at(5)), at(0));
        known.put(&lease(1), ('b', at(9)), at(0));
        assert_eq!([known.of(&lease(0)), known.of(&lease(0))], [Some('a'); 2]);
        for n in 2..=MAX_KNOWN {
            known.put(&lease(n), ('c', at(9)), at(0));
        }
        assert_eq!(known.of(&lease(0)), None, "it was the first to run out");
        assert_eq!(known.of(&lease(MAX_KNOWN)), Some('c'));
        known.put(&lease(0), ('d', at(20)), at(9));
        assert_eq!([known.of(&lease(1)), known.of(&lease(0))], [None, Some('d')]);
        known.forget(&lease(0));
        assert_eq!(known.of(&lease(0)), None);
    }
}
