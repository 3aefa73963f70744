//! The beat of an open loop: when each call is due.

use std::time::{Duration, Instant};

use rustix::thread::{Timespec, nanosleep};
use tokio::sync::mpsc::UnboundedSender;

use crate::clock;

/// Says when each call is due, at `rate` calls a second, until nobody listens. On a thread of its
/// own: the runtime's timer ticks in milliseconds, which would be added to what is measured.
pub(crate) fn keep(rate: u32, due: &UnboundedSender<Instant>) {
    let started = clock::now();
    for number in 0.. {
        let next = started + after(number, rate);
        sleep_until(next);
        if due.send(next).is_err() {
            break;
        }
    }
}

/// Returns at once where the moment is past: even the shortest sleep takes a while, and a beat that
/// fell behind must catch up.
fn sleep_until(moment: Instant) {
    loop {
        let wait = moment.saturating_duration_since(clock::now());
        let Ok(tv_sec) = i64::try_from(wait.as_secs()) else { return };
        if wait.is_zero() {
            return;
        }
        let wait = Timespec { tv_sec, tv_nsec: i64::from(wait.subsec_nanos()) };
        // However it ends, the loop looks at the clock again.
        let _ = nanosleep(&wait);
    }
}

/// How long after the start call `number` is due.
fn after(number: u64, rate: u32) -> Duration {
    let rate = u64::from(rate.max(1));
    let rest = (number % rate).saturating_mul(1_000_000_000) / rate;
    Duration::from_secs(number / rate) + Duration::from_nanos(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_due_evenly_and_the_rate_holds_over_time() {
        assert_eq!(after(0, 4), Duration::ZERO);
        assert_eq!(after(1, 4), Duration::from_millis(250));
        assert_eq!(after(4_000_000, 4), Duration::from_secs(1_000_000));
    }

    #[test]
    fn no_call_is_announced_before_it_is_due() {
        let (due, mut calls) = tokio::sync::mpsc::unbounded_channel();
        let pace = std::thread::spawn(move || keep(500, &due));
        let mut last = None;
        for _ in 0..20 {
            let due = calls.blocking_recv().unwrap();
            assert!(clock::now() >= due);
            assert!(last.is_none_or(|last| due > last));
            last = Some(due);
        }
        drop(calls);
        pace.join().unwrap();
    }
}
