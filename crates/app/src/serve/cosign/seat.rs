//! One witness, and how it is with it.

use std::sync::Arc;
use std::time::Duration;

use remit_ledger::Cosigned;
use remit_model::Timestamp;
use remit_operator::wire;
use remit_tlog::WitnessKey;

use super::post::Post;
use crate::config;

/// A checkpoint is cosigned again after this long, so that the age of the last cosignature says
/// how long nobody watched, and not how long nothing happened.
const REFRESH: Duration = Duration::from_mins(5);
/// How far a witness's clock may be ahead of ours before that is told; those that the network keeps
/// differ by seconds.
const AHEAD: Duration = Duration::from_mins(5);
/// Between two visits to a witness that did not cosign, at least and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// A witness, and how far it has come.
pub(super) struct Seat {
    witness: config::Witness,
    post: Arc<Post>,
    /// The last that it cosigned.
    cosigned: u64,
    /// When, by its own clock, which may be wrong: for people to read.
    at: Option<Timestamp>,
    /// When that came, on our monotonic clock; `None` if nothing has since the start.
    came: Option<u64>,
    is_ahead: bool,
    /// On the monotonic clock: no visit before this.
    next: u64,
    wait: Duration,
    visited: bool,
    trouble: Option<Trouble>,
}

/// Why a visit brought no cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) why: String,
    pub(super) contradicts: bool,
}

/// What is needed to visit a witness.
pub(super) struct Visit {
    pub(super) key: WitnessKey,
    pub(super) post: Arc<Post>,
    /// What it is believed to have cosigned last.
    pub(super) cosigned: u64,
}

impl Seat {
    /// That of a witness of which this was kept.
    ///
    /// Errors: there is no way to it.
    pub(super) fn new(witness: &config::Witness, kept: Option<&Cosigned>) -> Result<Self, String> {
        Ok(Self {
            post: Arc::new(Post::new(&witness.url)?),
            witness: witness.clone(),
            cosigned: kept.map_or(0, |kept| kept.size),
            at: kept.map(|kept| Timestamp::from_secs(kept.time)),
            came: None,
            is_ahead: false,
            next: 0,
            wait: Duration::ZERO,
            visited: false,
            trouble: None,
        })
    }

    /// Whether it is reached at `url`.
    pub(super) fn is_at(&self, url: &str) -> bool {
        self.witness.url == url
    }

    /// The visit that is due, when the log has `size` entries. It is not visited twice at once.
    pub(super) fn due(&mut self, size: u64, monotonic: u64) -> Option<Visit> {
        // By our own clock: by its own, a witness that is slow would always be asked, and one that is
        // fast never again.
        let age = self.came.map(|came| Duration::from_nanos(monotonic.saturating_sub(came)));
        let stale = age.is_none_or(|age| age >= REFRESH);
        let wanted = size != self.cosigned || stale || self.trouble.is_some();
        if size == 0 || !wanted || self.visited || monotonic < self.next {
            return None;
        }
        self.visited = true;
        let (key, post) = (self.witness.key.0.clone(), Arc::clone(&self.post));
        Some(Visit { key, post, cosigned: self.cosigned })
    }

    /// Whether it is this one that is visited, and not one of before that was reached by another way.
    pub(super) fn is_of(&self, visit: &Visit) -> bool {
        Arc::ptr_eq(&self.post, &visit.post)
    }

    /// The visit brought a cosignature of `size` entries, made as of `at`.
    pub(super) fn took(
        &mut self,
        (size, at): (u64, Timestamp),
        (now, monotonic): (Timestamp, u64),
    ) {
        let name = self.witness.key.0.name();
        if self.trouble.take().is_some() {
            tracing::info!(witness = name, size, "cosigns again");
        }
        let is_ahead = at.since(now) > AHEAD;
        if is_ahead && !self.is_ahead {
            tracing::warn!(witness = name, %at, "cosigns as of a later time than it is here; which clock is wrong?");
        }
        (self.cosigned, self.at, self.came) = (size, Some(at), Some(monotonic));
        (self.is_ahead, self.wait) = (is_ahead, Duration::ZERO);
        self.left(monotonic);
    }

    /// The visit brought none.
    pub(super) fn failed(&mut self, trouble: Trouble, monotonic: u64) {
        if self.trouble.as_ref() != Some(&trouble) {
            trouble.tell(self.witness.key.0.name());
        }
        self.trouble = Some(trouble);
        self.wait = (self.wait * 2).clamp(RETRY.0, RETRY.1);
        self.left(monotonic);
    }

    fn left(&mut self, monotonic: u64) {
        let wait = u64::try_from(self.wait.as_nanos()).unwrap_or(u64::MAX);
        (self.next, self.visited) = (monotonic.saturating_add(wait), false);
    }

    pub(super) fn status(&self) -> wire::Witness {
        wire::Witness {
            name: self.witness.key.0.name().to_owned(),
            url: self.witness.url.clone(),
            cosigned: self.cosigned,
            at: self.at,
            contradicts: self.trouble.as_ref().is_some_and(|trouble| trouble.contradicts),
            last_error: self.trouble.as_ref().map(|trouble| trouble.why.clone()),
        }
    }
}

impl Trouble {
    pub(super) fn failed(why: impl std::fmt::Display) -> Self {
        Self { why: why.to_string(), contradicts: false }
    }

    fn tell(&self, witness: &str) {
        let why = &self.why;
        if self.contradicts {
            tracing::error!(witness, why, "the witness CONTRADICTS this log");
        } else {
            tracing::warn!(witness, why, "no cosignature; trying again");
        }
    }
}

#[cfg(test)]
mod tests {
    use remit_tlog::CosigningKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn seat() -> Seat {
        let key = CosigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap();
        let key = key.witness().to_string();
        let text = format!("url = \"http://127.0.0.1:1\"\nkey = {key:?}");
        Seat::new(&toml::from_str(&text).unwrap(), None).unwrap()
    }

    fn nanos(seconds: u64) -> u64 {
        seconds * 1_000_000_000
    }

    #[test]
    fn a_witness_is_asked_again_after_a_while_whatever_its_clock_says() {
        for its_clock in [1, NOW.as_secs() - 400, NOW.as_secs(), i64::MAX as u64] {
            let mut seat = seat();
            assert!(seat.due(7, nanos(1)).is_some(), "never asked so far");
            seat.took((7, Timestamp::from_secs(its_clock)), (NOW, nanos(2)));
            assert!(seat.due(7, nanos(3)).is_none(), "{its_clock}");
            assert!(seat.due(7, nanos(2) + nanos(299)).is_none(), "{its_clock}");
            assert!(seat.due(7, nanos(2) + nanos(300)).is_some(), "{its_clock}");
        }
    }

    #[test]
    fn one_that_did_not_cosign_is_visited_later_and_never_twice_at_once() {
        let mut seat = seat();
        assert!(seat.due(0, nanos(1)).is_none(), "there is nothing to cosign");
        assert!(seat.due(7, nanos(1)).is_some());
        assert!(seat.due(7, nanos(2)).is_none(), "it is being visited");
        seat.failed(Trouble::failed("down"), nanos(2));
        assert!(seat.due(7, nanos(2)).is_none());
        assert!(seat.due(7, nanos(3)).is_some());
        seat.failed(Trouble::failed("down"), nanos(3));
        assert!(seat.due(7, nanos(4)).is_none(), "it waits longer each time");
    }

    #[test]
    fn a_visit_by_a_way_of_before_says_nothing_of_the_one_now() {
        let (mut before, mut now) = (seat(), seat());
        let (old, new) = (before.due(7, 1).unwrap(), now.due(7, 1).unwrap());
        assert!(now.is_of(&new) && !now.is_of(&old));
    }
}
