//! How long one operation took, each time, beside the bare one that it cannot do without.

use std::io::Write as _;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// One operation.
pub(crate) struct Part(&'static str, Histogram<u64>);

impl Part {
    /// Nothing is measured yet.
    pub(crate) fn new(name: &'static str) -> Self {
        Self(name, Histogram::new(3).unwrap())
    }

    /// Does it once.
    pub(crate) async fn time<T>(&mut self, work: impl Future<Output = T>) -> T {
        let started = now();
        let done = work.await;
        self.1.record(u64::try_from(started.elapsed().as_nanos()).unwrap()).unwrap();
        done
    }
}

/// Prints `bare` and `others`, each with how many of the bare ones it takes as long as.
pub(crate) fn say(bare: &Part, others: &[&Part]) {
    let (micros, out) =
        (|nanos| Duration::from_nanos(nanos).as_secs_f64() * 1e6, &mut std::io::stdout());
    let least = micros(bare.1.value_at_quantile(0.5));
    for Part(name, times) in [&[bare], others].concat() {
        let (half, most) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
        let (half, most, rate) = (micros(half), micros(most), 1e9 / times.mean());
        writeln!(
            out,
            "{name:<44} {rate:>9.0}/s  p50 {half:>9.1} µs  p99 {most:>9.1} µs  {:>6.1} × bare",
            half / least
        )
        .unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement takes real time")]
fn now() -> Instant {
    Instant::now()
}
