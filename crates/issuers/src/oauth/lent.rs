//! The tokens that are out, as long as they can be taken back: in memory alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use remit_model::{LeaseId, Secret, Timestamp};

/// How many are kept of one credential (R13). The first to run out give way, and are not taken back.
const MAX_OUTSTANDING: usize = 4096;

/// What came of leases, until their ends.
#[derive(Default)]
pub(super) struct Outstanding(Mutex<BTreeMap<LeaseId, Line>>);

type Line = (Out, Timestamp);

/// What is out for a lease.
#[derive(Clone, Debug)]
pub(super) enum Out {
    /// This token.
    Token(Secret),
    /// Nothing: nobody got one.
    Nothing,
}

impl Outstanding {
    /// Keeps what is out until its end.
    pub(super) fn put(&self, lease: &LeaseId, line: Line, now: Timestamp) {
        let mut tokens = self.lock();
        tokens.retain(|_, (_, until)| now < *until);
        while tokens.len() >= MAX_OUTSTANDING {
            let first =
                tokens.iter().min_by_key(|(_, (_, until))| *until).map(|(of, _)| of.clone());
            let Some(first) = first else { break };
            tokens.remove(&first);
        }
        tokens.insert(lease.clone(), line);
    }

    /// What is out for a lease, which stays: taking it back a second time is no mistake.
    pub(super) fn of(&self, lease: &LeaseId) -> Option<Out> {
        self.lock().get(lease).map(|(out, _)| out.clone())
    }

    /// Nothing can be done with it any more.
    pub(super) fn forget(&self, lease: &LeaseId) {
        self.lock().remove(lease);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LeaseId, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn tokens_stay_until_they_run_out_and_not_more_than_can_be_kept() {
        let out = Outstanding::default();
        let token = || Out::Token(Secret::new("t".to_owned()));
        out.put(&lease(0), (token(), at(5)), at(0));
        out.put(&lease(1), (token(), at(9)), at(0));
        assert!(out.of(&lease(0)).is_some() && out.of(&lease(0)).is_some());
        for n in 2..=MAX_OUTSTANDING {
            out.put(&lease(n), (token(), at(9)), at(0));
        }
        assert!(out.of(&lease(0)).is_none(), "it was the first to run out");
        assert!(out.of(&lease(MAX_OUTSTANDING)).is_some());
        out.put(&lease(0), (token(), at(20)), at(9));
        assert!(out.of(&lease(1)).is_none() && out.of(&lease(0)).is_some());
        out.forget(&lease(0));
        assert!(out.of(&lease(0)).is_none());
    }
}
