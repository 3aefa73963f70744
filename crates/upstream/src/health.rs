//! How one server is doing: what `doctor` shows, and how long to wait before starting it again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_model::Clock;

/// How many lines of standard error are kept.
const STDERR_LINES: usize = 50;
/// How many characters of each, and of what a server says when it refuses: some sentences.
const WIDTH: usize = 500;
/// The first wait after a failed start; doubled with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A process that ends earlier than this counts as a failed start.
const SETTLED: Duration = Duration::from_secs(2);

/// How one server is doing.
pub(crate) struct Health {
    clock: Arc<dyn Clock>,
    secrets: Vec<String>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    stderr: VecDeque<String>,
    last_error: Option<String>,
    deaths: u64,
    failures: u32,
    not_before: u64,
}

impl Health {
    /// A server nothing is known of; `secrets` are cut from everything that is kept.
    pub(crate) fn new(clock: Arc<dyn Clock>, secrets: Vec<String>) -> Self {
        Self { clock, secrets, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock's monotonic reading.
    pub(crate) fn now(&self) -> u64 {
        self.clock.monotonic()
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn wall(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// Something went wrong.
    pub(crate) fn error(&self, why: &str) {
        let why = self.presentable(why);
        self.lock().last_error = Some(why);
    }

    /// A line of standard error.
    pub(crate) fn stderr(&self, line: &str) {
        let line = self.presentable(line);
        let mut inner = self.lock();
        if inner.stderr.len() == STDERR_LINES {
            inner.stderr.pop_front();
        }
        inner.stderr.push_back(line);
    }

    /// Without secrets (promise R12), without control characters, bounded: what a server said may stand
    /// in errors, logs and answers.
    pub(crate) fn presentable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret, "[secret]");
        }
        let shown = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
        text.chars().take(WIDTH).map(shown).collect()
    }

    /// A process ended on its own, `since` it started.
    pub(crate) fn died(&self, since: u64, why: &str) {
        self.error(why);
        self.lock().deaths += 1;
        if Duration::from_nanos(self.now().saturating_sub(since)) < SETTLED {
            self.failed();
        }
    }

    /// A start failed: wait longer before the next.
    pub(crate) fn failed(&self) {
        let now = self.now();
        let mut inner = self.lock();
        inner.failures = inner.failures.saturating_add(1);
        let doublings = (inner.failures - 1).min(16);
        let wait = (FIRST_WAIT * (1_u32 << doublings)).min(LONGEST_WAIT);
        inner.not_before = now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
    }

    /// A request was answered: the server works.
    pub(crate) fn works(&self) {
        let mut inner = self.lock();
        inner.failures = 0;
        inner.not_before = 0;
    }

    /// How long to wait before the next start.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_nanos(self.lock().not_before.saturating_sub(self.now()))
    }

    /// How often it ended on its own, the last error, the last lines of standard error.
    pub(crate) fn report(&self) -> (u64, Option<String>, Vec<String>) {
        let inner = self.lock();
        (inner.deaths, inner.last_error.clone(), inner.stderr.iter().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use remit_model::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Manual(AtomicU64);

    impl Clock for Manual {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
        fn monotonic(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn waits_double_and_end_with_success() {
        let clock = Arc::new(Manual::default());
        let health = Health::new(Arc::<Manual>::clone(&clock), Vec::new());
        assert_eq!(health.wait(), Duration::ZERO);
        health.failed();
        assert_eq!(health.wait(), Duration::from_millis(100));
        health.failed();
        assert_eq!(health.wait(), Duration::from_millis(200));
        for _ in 0..40 {
            health.failed();
        }
        assert_eq!(health.wait(), LONGEST_WAIT);
        clock.0.store(40_000_000_000, Ordering::Relaxed);
        assert_eq!(health.wait(), Duration::ZERO);
        health.failed();
        health.works();
        assert_eq!(health.wait(), Duration::ZERO);
        health.died(0, "late");
        assert_eq!((health.wait(), health.report().0), (Duration::ZERO, 1));
    }

    #[test]
    fn what_is_kept_is_bounded_and_clean() {
        let health = Health::new(Arc::new(Manual::default()), vec!["s3cret-token".to_owned()]);
        for n in 0..200 {
            health.stderr(&format!("{n} s3cret-token \u{1b}[31m{}", "x".repeat(1000)));
        }
        let (_, _, lines) = health.report();
        assert_eq!(lines.len(), STDERR_LINES);
        assert!(lines[0].starts_with("150 [secret] \u{fffd}[31m"));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
    }
}
