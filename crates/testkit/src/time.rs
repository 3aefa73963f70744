//! A clock that moves when told, and randomness that repeats.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use remit_model::{Clock, Entropy, Timestamp};

/// A clock that stands still until [`ManualClock::advance`] moves it.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicU64,
    monotonic: AtomicU64,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { wall: AtomicU64::new(now.0), monotonic: AtomicU64::new(0) }
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let count = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
        self.wall.fetch_add(count(by.as_millis()), Ordering::SeqCst);
        self.monotonic.fetch_add(count(by.as_nanos()), Ordering::SeqCst);
    }

    /// Sets the wall clock, backwards too, as an administrator would; the other goes on.
    pub fn jump(&self, to: Timestamp) {
        self.wall.store(to.0, Ordering::SeqCst);
    }
}

impl Default for ManualClock {
    /// 2026-11-23T22:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_secs(1_795_471_200))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    /// A nanosecond later at each look, so that no two records carry the same moment.
    fn monotonic(&self) -> u64 {
        self.monotonic.fetch_add(1, Ordering::SeqCst)
    }
}

/// Randomness from a seed (`SplitMix64`): the same in every run, and no two draws alike.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// Starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Heads or tails.
    pub fn toss(&self) -> bool {
        self.next() & 1 == 0
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Default for SeededEntropy {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            for (byte, drawn) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *byte = drawn;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_repeats_from_its_seed_and_never_within() {
        let draw = |entropy: &SeededEntropy| {
            let mut bytes = [0; 13];
            entropy.fill(&mut bytes);
            bytes
        };
        let (one, two) = (SeededEntropy::new(1), SeededEntropy::new(1));
        let first = draw(&one);
        assert_eq!(first, draw(&two));
        assert_ne!(first, draw(&one));
        assert_ne!(first, draw(&SeededEntropy::new(2)));
        // The first output of SplitMix64 from seed 0, as its author published it.
        assert_eq!(SeededEntropy::new(0).next(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn the_wall_clock_jumps_and_the_other_does_not() {
        let clock = ManualClock::at(Timestamp(1000));
        clock.advance(Duration::from_millis(5));
        assert_eq!(clock.now(), Timestamp(1005));
        let before = clock.monotonic();
        clock.jump(Timestamp(1));
        assert_eq!(clock.now(), Timestamp(1));
        assert!(clock.monotonic() > before && before >= 5_000_000);
    }
}
