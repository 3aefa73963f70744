//! The load: N kept connections, closed or open loop.
//!
//! *Closed loop*: each connection sends its next call when it has the answer to the last. It finds
//! the throughput; its latencies are those of callers who wait politely.
//!
//! *Open loop*: calls are due at a fixed rate whatever the answers do, and a latency counts from
//! the moment a call was due, not from when a connection was free for it. So a pause of what is
//! measured shows in every call that it delayed (no coordinated omission), and calls that were
//! never sent count with the time they have waited.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::mpsc;

use crate::clock;
use crate::fail::Fail;
use crate::pace;
use crate::process::Process;
use crate::target::Target;
use crate::wire::Connection;

/// How much of a surprising answer is shown.
const EXCERPT: usize = 400;
/// Latencies are kept from a microsecond to a minute, to three digits.
const RANGE: (u64, u64) = (1_000, 60_000_000_000);

/// What to send and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many connections.
    pub(crate) connections: usize,
    /// How many bytes of result to ask for.
    pub(crate) bytes: usize,
    /// Calls a second; `None` for a closed loop.
    pub(crate) rate: Option<u32>,
    /// How long before measuring begins.
    pub(crate) warm_up: Duration,
    /// How long each part is measured.
    pub(crate) lasts: Duration,
    /// How many parts, without a pause between them.
    pub(crate) parts: usize,
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Run {
    /// Its parts.
    pub(crate) samples: Vec<Sample>,
    /// Every call that was answered, warm-up and rest included.
    pub(crate) all_calls: u64,
}

/// What was measured in one part.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Calls answered as they should be.
    pub(crate) calls: u64,
    /// For how long.
    pub(crate) took: Duration,
    /// Open loop: calls that were due and never sent; all in the last part.
    pub(crate) unsent: u64,
    /// Of these calls, in nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    /// CPU time of the process under measurement.
    pub(crate) cpu: Option<Duration>,
    /// Its memory at the end, in KiB.
    pub(crate) resident: Option<u64>,
}

/// What the connections write into.
struct Tally {
    measuring: bool,
    stopping: bool,
    calls: u64,
    all_calls: u64,
    latencies: Histogram<u64>,
}

type Shared = Arc<Mutex<Tally>>;

fn lock(tally: &Shared) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    fn new() -> Result<Self, Fail> {
        let latencies = latencies()?;
        Ok(Self { measuring: false, stopping: false, calls: 0, all_calls: 0, latencies })
    }

    /// Takes out what was counted since the last time.
    fn part(&mut self) -> Result<(u64, Histogram<u64>), Fail> {
        let latencies = std::mem::replace(&mut self.latencies, latencies()?);
        Ok((std::mem::take(&mut self.calls), latencies))
    }
}

fn latencies() -> Result<Histogram<u64>, Fail> {
    Ok(Histogram::new_with_bounds(RANGE.0, RANGE.1, 3)?)
}

fn record(latencies: &mut Histogram<u64>, latency: Duration) {
    let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    latencies.saturating_record(nanoseconds.max(RANGE.0));
}

/// Runs `plan` against `target`.
///
/// Errors: a connection broke, or an answer is not the result that was asked for: a refusal
/// measured as an answer would make everything look fast.
pub(crate) async fn run(target: &Target, plan: Plan) -> Result<Run, Fail> {
    let tally = Arc::new(Mutex::new(Tally::new()?));
    // Holds what is due and not sent yet: at most the rate times the time of the run. A bound would
    // hold back the beat, and with it hide what the measured one delays.
    let (due, calls) = mpsc::unbounded_channel();
    let calls = plan.rate.map(|_| Arc::new(tokio::sync::Mutex::new(calls)));
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..plan.connections {
        let caller = Caller {
            connection: Connection::open(&target.address).await?,
            requests: target.requests(number, plan.bytes),
            bytes: plan.bytes,
            tally: Arc::clone(&tally),
        };
        match &calls {
            Some(calls) => workers.spawn(caller.open_loop(Arc::clone(calls))),
            None => workers.spawn(caller.closed_loop()),
        };
    }
    if let Some(rate) = plan.rate {
        // Ends when the queue is closed.
        std::thread::spawn(move || pace::keep(rate, &due));
    }
    let mut samples = tokio::select! {
        samples = measure(&tally, target.process, plan) => samples?,
        Some(ended) = workers.join_next() => return Err(early(ended)),
    };
    if let (Some(calls), Some(last)) = (calls, samples.last_mut()) {
        last.unsent = unsent(&mut last.latencies, &calls).await;
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    let all_calls = lock(&tally).all_calls;
    Ok(Run { samples, all_calls })
}

/// A connection ended although the time was not up.
fn early(ended: Result<Result<(), Fail>, tokio::task::JoinError>) -> Fail {
    match ended {
        Ok(Err(why)) => why,
        Ok(Ok(())) => Fail::new("a connection ended before the time was up"),
        Err(why) => why.into(),
    }
}

async fn measure(
    tally: &Shared,
    process: Option<Process>,
    plan: Plan,
) -> Result<Vec<Sample>, Fail> {
    tokio::time::sleep(plan.warm_up).await;
    let cpu = || process.map(Process::cpu).transpose();
    let mut samples = Vec::new();
    let (mut started, mut before) = (clock::now(), cpu()?);
    lock(tally).measuring = true;
    for _ in 0..plan.parts {
        tokio::time::sleep(plan.lasts).await;
        let (calls, latencies) = lock(tally).part()?;
        let (ended, after) = (clock::now(), cpu()?);
        samples.push(Sample {
            calls,
            took: ended.duration_since(started),
            unsent: 0,
            latencies,
            cpu: after.zip(before).map(|(after, before)| after.saturating_sub(before)),
            resident: process.map(Process::resident).transpose()?,
        });
        (started, before) = (ended, after);
    }
    let mut tally = lock(tally);
    (tally.measuring, tally.stopping) = (false, true);
    Ok(samples)
}

type Due = Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Instant>>>;

/// Takes what was due and never sent into the count; closes the queue.
async fn unsent(latencies: &mut Histogram<u64>, calls: &Due) -> u64 {
    let now = clock::now();
    let mut unsent = 0;
    let mut calls = calls.lock().await;
    calls.close();
    while let Ok(due) = calls.try_recv() {
        unsent += 1;
        record(latencies, now.duration_since(due));
    }
    unsent
}

/// One connection and what it sends.
struct Caller {
    connection: Connection,
    requests: Vec<Vec<u8>>,
    bytes: usize,
    tally: Shared,
}

impl Run {
    /// All parts as one; the memory is that of the last.
    ///
    /// Errors: there is no part.
    pub(crate) fn total(&self) -> Result<Sample, Fail> {
        let last = self.samples.last().ok_or_else(|| Fail::new("expected a run of some length"))?;
        let mut total = Sample {
            calls: 0,
            took: Duration::ZERO,
            unsent: last.unsent,
            latencies: latencies()?,
            cpu: self.samples.iter().map(|part| part.cpu).sum(),
            resident: last.resident,
        };
        for part in &self.samples {
            total.calls += part.calls;
            total.took += part.took;
            total.latencies.add(&part.latencies)?;
        }
        Ok(total)
    }
}

impl Caller {
    async fn closed_loop(mut self) -> Result<(), Fail> {
        let requests = std::mem::take(&mut self.requests);
        for request in requests.iter().cycle() {
            let started = clock::now();
            self.call(request, started).await?;
            if lock(&self.tally).stopping {
                break;
            }
        }
        Ok(())
    }

    async fn open_loop(mut self, calls: Due) -> Result<(), Fail> {
        let requests = std::mem::take(&mut self.requests);
        for request in requests.iter().cycle() {
            let Some(due) = calls.lock().await.recv().await else { break };
            self.call(request, due).await?;
        }
        Ok(())
    }

    /// Makes one call whose time runs since `started`.
    async fn call(&mut self, request: &[u8], started: Instant) -> Result<(), Fail> {
        let answer = self.connection.exchange(request).await?;
        if answer.status != 200 || answer.body.len() < self.bytes {
            let shown = answer.body.get(..EXCERPT).unwrap_or(answer.body);
            return Err(Fail::new(format!(
                "expected status 200 and a result of {} bytes, got {}: {}",
                self.bytes,
                answer.status,
                String::from_utf8_lossy(shown)
            )));
        }
        let latency = clock::now().duration_since(started);
        let mut tally = lock(&self.tally);
        tally.all_calls += 1;
        if tally.measuring {
            tally.calls += 1;
            record(&mut tally.latencies, latency);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// How long the server below pauses, once.
    const PAUSE: Duration = Duration::from_millis(500);

    /// Answers each request with `body`, and pauses before the tenth answer.
    async fn serve(mut stream: TcpStream, body: &'static str) {
        let served = AtomicU64::new(0);
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
            if served.fetch_add(1, Ordering::Relaxed) == 9 {
                tokio::time::sleep(PAUSE).await;
            }
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
    }

    async fn loaded(rate: Option<u32>, bytes: usize) -> Result<Sample, Fail> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        tokio::spawn(async move { serve(listener.accept().await.unwrap().0, "0123456789").await });
        let plan = Plan {
            connections: 1,
            bytes,
            rate,
            warm_up: Duration::ZERO,
            lasts: Duration::from_secs(1),
            parts: 1,
        };
        run(&Target::new(&url, "t").unwrap(), plan).await?.total()
    }

    /// How many calls took at least half of the pause.
    fn slow(sample: &Sample) -> u64 {
        let half = u64::try_from(PAUSE.as_nanos() / 2).unwrap();
        sample.latencies.count_between(half, u64::MAX)
    }

    #[tokio::test]
    async fn a_pause_shows_in_every_call_that_was_due_meanwhile() {
        let open = loaded(Some(200), 10).await.unwrap();
        // 100 calls are due during the pause, half of them in its first half.
        assert!(slow(&open) >= 45, "{}", slow(&open));
        let closed = loaded(None, 10).await.unwrap();
        assert!(closed.calls > 10 && slow(&closed) < 10, "{} of {}", slow(&closed), closed.calls);
    }

    #[tokio::test]
    async fn what_was_due_and_never_sent_counts() {
        let open = loaded(Some(2_000_000), 10).await.unwrap();
        assert!(open.unsent > 0);
        assert_eq!(open.latencies.len(), open.calls + open.unsent);
    }

    #[tokio::test]
    async fn a_short_answer_is_no_answer() {
        let why = loaded(None, 11).await.unwrap_err().to_string();
        assert!(why.contains("a result of 11 bytes") && why.contains("0123456789"), "{why}");
    }
}
