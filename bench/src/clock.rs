//! The stopwatch.

use std::time::Instant;

/// This moment.
#[expect(clippy::disallowed_methods, reason = "a measurement takes real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
