//! The machine: clock, randomness, user, paths. The only place that asks for them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use remit_model::{Clock, Entropy, Timestamp};

/// The machine's clocks. The wall clock may be set forward, but for us it never goes back: authority
/// that has run out stays so, and what has not runs out when it would have.
#[derive(Debug)]
pub(crate) struct SystemClock {
    start: Instant,
    /// When we started, by the wall clock's latest word that moved us forward; milliseconds.
    base: AtomicU64,
}

impl SystemClock {
    /// Starts counting.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), base: AtomicU64::new(0) }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        steady(&self.base, millis(since.unwrap_or_default()), millis(self.start.elapsed()))
    }

    fn monotonic(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The time where the wall clock says `wall` and the other one has counted `elapsed`.
fn steady(base: &AtomicU64, wall: u64, elapsed: u64) -> Timestamp {
    let says = wall.saturating_sub(elapsed);
    let base = base.fetch_max(says, Ordering::Relaxed).max(says);
    Timestamp(base.saturating_add(elapsed))
}

/// The operating system's random numbers.
#[derive(Debug)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Without randomness nothing here is safe: no identifier, salt, nonce or key.
            std::process::abort();
        }
    }
}

/// The user id this process runs as.
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// An environment variable, if set and not empty.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The whole environment, for the tool servers' short list of plain variables.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variables() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The default state directory: `$XDG_STATE_HOME/<name>`, else `~/.local/state/<name>`.
pub(crate) fn default_state(name: &str) -> Option<PathBuf> {
    let base = variable("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")));
    base.map(|base| base.join(name))
}

/// This machine's name, for the records and the log's origin.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let name: String = name.chars().filter(|c| plain(*c)).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_follows_the_wall_clock_forward_and_never_back() {
        let base = AtomicU64::new(0);
        for (wall, elapsed, expected) in [
            (1_000, 0, 1_000),
            (1_010, 10, 1_010),
            // Set back by almost all of it: the time goes on as if nothing had happened.
            (5, 20, 1_020),
            (25, 40, 1_040),
            // Set right again, and then forward.
            (1_050, 50, 1_050),
            (9_000, 60, 9_000),
            (1_070, 70, 9_010),
        ] {
            assert_eq!(steady(&base, wall, elapsed), Timestamp(expected), "{wall} {elapsed}");
        }
    }
}
