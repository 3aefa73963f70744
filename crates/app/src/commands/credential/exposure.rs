//! Exposure: credential-seconds that were out, against what standing keys would have been.
//!
//! A credential is exposed from the record that names it until the record of its end, or until it is
//! worth nothing any more. The same use with standing keys would have had one key for each agent at
//! each server for the whole period, whether it was used or not.
//!
//! How long it took to take one back is the time from the record of the stop of its task, by which it is owed,
//! to the record of its end.

use std::collections::BTreeMap;
use std::time::Duration;

use remit_model::task::Event;
use remit_model::{CredentialName, LeaseId, ServerName, TaskId, Timestamp};
use remit_ports::{Entry, Kind, LeaseEvent};
use serde::Serialize;

use super::super::moment;
use crate::out::{Lines, table};

/// Into how many equal parts the period is cut to show its course.
const PARTS: usize = 24;

/// The fold over the records of leases.
pub(super) struct Exposure {
    from: Timestamp,
    now: Timestamp,
    out: BTreeMap<LeaseId, Out>,
    lines: BTreeMap<Key, Sum>,
    /// When each task was stopped last.
    stopped: BTreeMap<TaskId, Timestamp>,
    /// Milliseconds in each part of the period.
    course: [u64; PARTS],
}

type Key = (Option<String>, ServerName, CredentialName, String);

struct Out {
    key: Key,
    since: Timestamp,
    until: Timestamp,
    /// The last stop of its task that it was to survive.
    kept: Option<Timestamp>,
}

#[derive(Default)]
struct Sum {
    leases: u64,
    out: u64,
    millis: u64,
    /// How long it took to take each back, in milliseconds.
    took: Vec<u64>,
}

/// What is shown.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    from: Timestamp,
    to: Timestamp,
    /// Credential-seconds of all.
    credential_seconds: u64,
    /// The same use with standing keys.
    standing_seconds: u64,
    /// Credential-seconds in each of the equal parts of the period, the oldest first.
    course: Vec<u64>,
    uses: Vec<Use>,
}

impl Report {
    /// How long each part of the period is.
    fn part(&self) -> Duration {
        Duration::from_secs(self.to.since(self.from).as_secs() / PARTS as u64)
    }
}

#[derive(Debug, Serialize)]
struct Use {
    /// The agent; none for Remit itself.
    agent: Option<String>,
    server: ServerName,
    credential: CredentialName,
    kind: String,
    /// How many were lent.
    leases: u64,
    /// How many are out now.
    out: u64,
    credential_seconds: u64,
    /// From the stop of a task to the confirmed end of what it had, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_back: Option<TakenBack>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct TakenBack {
    count: u64,
    p50_ms: u64,
    p99_ms: u64,
    most_ms: u64,
}

impl TakenBack {
    fn of(mut took: Vec<u64>) -> Option<Self> {
        took.sort_unstable();
        let at =
            |percent: usize| took.get((took.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self {
            count: took.len() as u64,
            p50_ms: at(50)?,
            p99_ms: at(99)?,
            most_ms: *took.last()?,
        })
    }
}

impl Exposure {
    /// Of the time `last` up to `now`.
    pub(super) fn over(now: Timestamp, last: Duration) -> Self {
        let millis = u64::try_from(last.as_millis()).unwrap_or(u64::MAX);
        let from = Timestamp(now.0.saturating_sub(millis));
        let (out, lines, stopped) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { from, now, out, lines, stopped, course: [0; PARTS] }
    }

    /// Takes up one record.
    pub(super) fn visit(&mut self, entry: &Entry) {
        let stops = matches!(entry.clear.event, Some(Event::Frozen | Event::Closing { .. }));
        if let Some(task) = entry.task.as_ref().filter(|_| stops) {
            self.stopped.insert(task.clone(), entry.wall);
        }
        let Some(lease) = entry.clear.lease.as_ref().filter(|_| entry.kind == Kind::Lease) else {
            return;
        };
        let Some(event) = LeaseEvent::of_word(&entry.clear.what) else { return };
        match event {
            LeaseEvent::Lending => {
                let key = (
                    entry.clear.agent.clone(),
                    lease.server.clone(),
                    lease.credential.clone(),
                    lease.kind.clone(),
                );
                let out = Out { key, since: entry.wall, until: lease.until, kept: None };
                self.out.insert(lease.id.clone(), out);
            }
            LeaseEvent::Returned | LeaseEvent::RanOut => {
                if let Some(out) = self.out.remove(&lease.id) {
                    if event == LeaseEvent::Returned {
                        self.took_back(&out, entry);
                    }
                    self.count(&out, entry.wall.min(out.until.max(out.since)), false);
                }
            }
            LeaseEvent::Kept => {
                if let Some(out) = self.out.get_mut(&lease.id) {
                    out.kept = Some(entry.wall);
                }
            }
            LeaseEvent::Lent | LeaseEvent::Renewed | LeaseEvent::RunsOut => {
                if let Some(out) = self.out.get_mut(&lease.id) {
                    out.until = lease.until;
                }
            }
        }
    }

    fn took_back(&mut self, out: &Out, entry: &Entry) {
        let stopped = entry.task.as_ref().and_then(|task| self.stopped.get(task));
        // One that ended before the stop, or was to survive it, was taken back for another reason.
        let meant = |at: Timestamp| at >= out.since && out.kept.is_none_or(|kept| at > kept);
        let stopped = stopped.filter(|at| meant(**at) && entry.wall >= self.from);
        if let Some(stopped) = stopped {
            let took = entry.wall.0.saturating_sub(stopped.0);
            self.lines.entry(out.key.clone()).or_default().took.push(took);
        }
    }

    fn count(&mut self, out: &Out, end: Timestamp, is_out: bool) {
        let (from, to) = (out.since.max(self.from), end.min(self.now));
        if to < from {
            return;
        }
        let sum = self.lines.entry(out.key.clone()).or_default();
        sum.leases += 1;
        sum.out += u64::from(is_out);
        sum.millis += to.0 - from.0;
        self.run_through(from.0, to.0);
    }

    /// Spreads what was out between two moments over the parts of the period.
    fn run_through(&mut self, from: u64, to: u64) {
        let (begin, length) = (self.from.0, (self.now.0 - self.from.0).max(1));
        let border = |part: u64| begin + length * part / PARTS as u64;
        let within = |part: u64| to.min(border(part + 1)).saturating_sub(from.max(border(part)));
        for (millis, part) in self.course.iter_mut().zip(0..) {
            *millis += within(part);
        }
    }

    /// What it comes to.
    pub(super) fn report(mut self) -> Report {
        for out in std::mem::take(&mut self.out).into_values() {
            self.count(&out, out.until, true);
        }
        let period = self.now.since(self.from).as_secs();
        let standing_seconds = period.saturating_mul(self.lines.len() as u64);
        let uses: Vec<Use> = self.lines.into_iter().map(use_of).collect();
        let credential_seconds = uses.iter().map(|line| line.credential_seconds).sum();
        let course = self.course.iter().map(|millis| millis / 1000).collect();
        let (from, to) = (self.from, self.now);
        Report { from, to, credential_seconds, standing_seconds, course, uses }
    }
}

fn use_of(((agent, server, credential, kind), sum): (Key, Sum)) -> Use {
    let Sum { leases, out, millis, took } = sum;
    let (credential_seconds, taken_back) = (millis / 1000, TakenBack::of(took));
    Use { agent, server, credential, kind, leases, out, credential_seconds, taken_back }
}

/// The course as a row of bars, the highest for the most seconds.
fn bars(course: &[u64]) -> String {
    const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = course.iter().copied().max().unwrap_or_default().max(1);
    let bar = |seconds: &u64| {
        let height = usize::try_from((seconds * 8).div_ceil(most)).unwrap_or_default();
        BARS.get(height).copied().unwrap_or_default()
    };
    course.iter().map(bar).collect()
}

/// The report for a person.
pub(super) fn in_words(report: &Report) -> Lines {
    if report.uses.is_empty() {
        return format!("nothing was lent since {}", moment(report.from)).into();
    }
    let row = |line: &Use| {
        vec![
            line.agent.clone().unwrap_or_else(|| "remit itself".to_owned()),
            line.server.to_string(),
            line.credential.to_string(),
            line.kind.clone(),
            line.leases.to_string(),
            line.out.to_string(),
            line.credential_seconds.to_string(),
            line.taken_back
                .map_or_else(|| "-".to_owned(), |it| format!("{} / {} ms", it.p50_ms, it.p99_ms)),
        ]
    };
    let rows: Vec<Vec<String>> = report.uses.iter().map(row).collect();
    let heads = [
        "AGENT",
        "SERVER",
        "CREDENTIAL",
        "KIND",
        "LEASES",
        "OUT NOW",
        "SECONDS",
        "BACK IN (p50 / p99)",
    ];
    let percent = report.credential_seconds.saturating_mul(1000) / report.standing_seconds.max(1);
    Lines::of_ours(&format!(
        "{}\n\n│{}│ {PARTS} parts of {} each, at most {} credential-seconds in one\n\
         {} credential-seconds since {}; standing keys for the same: {} ({}.{} %)",
        table(&heads, &rows),
        bars(&report.course),
        humantime::format_duration(report.part()),
        report.course.iter().max().copied().unwrap_or_default(),
        report.credential_seconds,
        moment(report.from),
        report.standing_seconds,
        percent / 10,
        percent % 10,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_words(report: &Report) -> String {
        super::in_words(report).to_string()
    }

    fn entry(at: u64, what: &str, (lease, until): (u8, u64)) -> Entry {
        let json = serde_json::json!({
            "catalogue": "00".repeat(32), "engine": "e", "epoch": 0, "kind": "lease", "mono": 0,
            "node": "n", "policy": "00".repeat(32), "schema": "00".repeat(32), "seq": 0, "v": 1,
            "wall": at,
            "clear": { "agent": "bot", "what": what, "lease": {
                "credential": "db", "id": format!("lse_{lease:026}"), "kind": "postgres",
                "server": "orders", "until": until,
            }},
        });
        serde_json::from_value(json).unwrap()
    }

    /// The same of a task, which is what a stop says of it.
    fn of_task(entry: Entry, event: Option<Event>) -> Entry {
        let mut entry = entry;
        entry.task = Some("tsk_00000000000000000000000000".parse().unwrap());
        if let Some(event) = event {
            (entry.clear.event, entry.clear.lease) = (Some(event), None);
        }
        entry
    }

    #[test]
    fn how_long_it_took_is_counted_from_the_stop() {
        let stop = |at| {
            let reason = remit_model::task::CloseReason::Done;
            of_task(entry(at, "closing", (1, 0)), Some(Event::Closing { reason }))
        };
        let lease = |at, what, n| of_task(entry(at, what, (n, 99_000)), None);
        let report = report(&[
            lease(60_000, "lending", 1),
            lease(60_000, "lending", 2),
            lease(61_000, "returned", 2),
            lease(62_000, "lending", 3),
            stop(70_000),
            lease(70_012, "returned", 1),
            lease(70_500, "returned", 3),
        ]);
        let back = report.uses[0].taken_back.unwrap();
        assert_eq!((back.count, back.p50_ms, back.p99_ms, back.most_ms), (2, 12, 500, 500));
        assert!(in_words(&report).contains("12 / 500 ms"), "{}", in_words(&report));
    }

    #[test]
    fn what_was_kept_through_a_stop_counts_from_the_next() {
        let frozen = |at| of_task(entry(at, "frozen", (1, 0)), Some(Event::Frozen));
        let lease = |at, what, n| of_task(entry(at, what, (n, 99_000)), None);
        let report = report(&[
            lease(60_000, "lending", 1),
            lease(60_000, "lending", 2),
            frozen(70_000),
            lease(70_000, "kept", 1),
            lease(70_000, "kept", 2),
            lease(75_000, "returned", 2),
            frozen(80_000),
            lease(80_020, "returned", 1),
        ]);
        let back = report.uses[0].taken_back.unwrap();
        assert_eq!((back.count, back.most_ms), (1, 20), "the other ended by its own time");
    }

    fn report(entries: &[Entry]) -> Report {
        let mut exposure = Exposure::over(Timestamp(100_000), Duration::from_secs(50));
        for entry in entries {
            exposure.visit(entry);
        }
        exposure.report()
    }

    #[test]
    fn a_credential_counts_from_its_record_to_its_end_within_the_period() {
        let report = report(&[
            entry(10_000, "lending", (1, 20_000)),
            entry(12_000, "returned", (1, 20_000)),
            entry(40_000, "lending", (2, 90_000)),
            entry(60_000, "returned", (2, 90_000)),
            entry(70_000, "lending", (3, 72_000)),
            entry(70_500, "lent", (3, 75_000)),
            entry(79_000, "returned", (3, 75_000)),
            entry(98_000, "lending", (4, 900_000)),
        ]);
        let line = &report.uses[0];
        // Of the second 10 s lie in the period; the third was worth nothing after 75; the last is out.
        assert_eq!((line.leases, line.out, line.credential_seconds), (3, 1, 10 + 5 + 2));
        assert_eq!((report.credential_seconds, report.standing_seconds), (17, 50));
        let course: Vec<String> = report.course.iter().map(u64::to_string).collect();
        assert_eq!(course.concat(), "222210000022000000000002");
        assert_eq!(bars(&[0, 1, 4, 8]), " ▁▄█");
        assert!(in_words(&report).contains("17 credential-seconds"), "{}", in_words(&report));
    }

    #[test]
    fn what_cannot_be_taken_back_counts_until_it_runs_out() {
        let report = report(&[
            entry(60_000, "lending", (1, 80_000)),
            entry(61_000, "runs out", (1, 80_000)),
            entry(95_000, "ran out", (1, 80_000)),
        ]);
        assert_eq!(report.credential_seconds, 20);
        assert_eq!(report.uses[0].out, 0);
    }

    #[test]
    fn where_nothing_was_lent_it_says_so() {
        assert!(in_words(&report(&[])).starts_with("nothing was lent since"));
    }
}
