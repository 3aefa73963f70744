//! Nonces that the server gives out for proofs (RFC 9449 section 8).
//!
//! None is kept: a nonce is the number of a period of time and a MAC over it. It is good in its
//! period and the next. The key is drawn when the process starts, so that no proof outlives the
//! memory of those that were used.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use remit_model::{Entropy, Timestamp};

/// After how long there is a new nonce. A proof can be used for at most twice as long, and each
/// that was used is remembered until then.
pub const NONCE_PERIOD: Duration = Duration::from_mins(1);

/// Bytes of the MAC; who guesses one has won nothing but a proof made in advance.
const TAG: usize = 16;

/// Makes nonces and knows them again.
pub(crate) struct Nonces(hmac::Key);

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces(…)")
    }
}

/// The number of a period in which a nonce was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(u64);

impl Period {
    fn at(now: Timestamp) -> Self {
        Self(now.as_secs() / NONCE_PERIOD.as_secs())
    }

    /// When a nonce of it is good no more.
    pub(crate) fn ends(self) -> Timestamp {
        Timestamp::from_secs(self.0.saturating_add(2).saturating_mul(NONCE_PERIOD.as_secs()))
    }

    /// Whether a newer nonce is given out at `now`.
    pub(crate) fn is_over(self, now: Timestamp) -> bool {
        self != Self::at(now)
    }
}

impl Nonces {
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    /// The nonce of the present.
    pub(crate) fn at(&self, now: Timestamp) -> String {
        self.of(Period::at(now))
    }

    /// The period of `nonce` if it is one of ours and good at `now`.
    pub(crate) fn known(&self, nonce: &str, now: Timestamp) -> Option<Period> {
        let current = Period::at(now);
        let periods = [current, Period(current.0.saturating_sub(1))];
        // A nonce is public; how long the comparison takes says nothing that is worth a guess.
        periods.into_iter().find(|period| self.of(*period) == nonce)
    }

    fn of(&self, period: Period) -> String {
        let tag = hmac::sign(&self.0, &period.0.to_be_bytes());
        let tag = tag.as_ref().get(..TAG).unwrap_or_default();
        BASE64URL_NOPAD.encode(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(u8);

    impl Entropy for Bytes {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_nonce_is_good_in_its_period_and_the_next() {
        let nonces = Nonces::new(&Bytes(1));
        let made = Timestamp::from_secs(6_059);
        let nonce = nonces.at(made);
        assert_eq!(nonce, nonces.at(Timestamp::from_secs(6_000)));
        assert_ne!(nonce, nonces.at(Timestamp::from_secs(6_060)));
        let period = nonces.known(&nonce, made).unwrap();
        assert_eq!(period.ends(), Timestamp::from_secs(6_120));
        assert!(!period.is_over(made) && period.is_over(Timestamp::from_secs(6_060)));
        assert!(nonces.known(&nonce, Timestamp::from_secs(6_119)).is_some());
        for (now, why) in [(6_120, "two periods later"), (5_999, "before it was given out")] {
            assert!(nonces.known(&nonce, Timestamp::from_secs(now)).is_none(), "{why}");
        }
        for bad in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", &format!("{nonce}A")] {
            assert!(nonces.known(bad, made).is_none(), "{bad}");
        }
        let restarted = Nonces::new(&Bytes(2));
        assert!(restarted.known(&nonce, made).is_none(), "of another process");
    }
}
