#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up has nothing to say")]
//! What a durable record costs: alone, and where 64 callers share each sync.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use remit_ledger::files::Disk;
use remit_ledger::{Config, Doors, FileLedger};
use remit_model::Digest;
use remit_ports::{
    Accepted, Body, BodyKeys as _, Clear, Draft, Kind, Ledger as _, LedgerError, Pins, Room,
    Subject,
};
use remit_testkit::{ManualClock, MemoryKeys, SeededEntropy, samples};
use remit_tlog::SigningKey;

/// A question with its arguments, as a record of a call keeps it; a refusal, which no outcome follows.
const BODY_BYTES: usize = 1_500;

fn record(sequence: u64) -> Draft {
    let digest = Digest::of(b"pins");
    let question = format!("{{\"call\":{sequence},\"text\":\"{}\"}}", "x".repeat(BODY_BYTES));
    let clear = Clear {
        what: "deny".to_owned(),
        tool: Some("bench/read_note".to_owned()),
        question: Some(Digest::of(question.as_bytes())),
        ..Clear::default()
    };
    Draft {
        kind: Kind::Refusal,
        subject: Some(Subject { task: samples::task_id(1), sequence, epoch: 0 }),
        parents: Vec::new(),
        pins: Pins { policy: digest, schema: digest, catalogue: digest, engine: "bench 1" },
        clear,
        body: Body::from([("question".to_owned(), question)]),
        // Nothing settles these; a permit would keep room for its outcome.
        room: Room::Ordinary,
    }
}

/// Waits for room as a call does while the journal grows.
async fn accepted(ledger: &FileLedger, sequence: u64) -> Accepted {
    loop {
        match ledger.append(record(sequence)) {
            Err(LedgerError::Busy) => ledger.room().await,
            other => return other.unwrap(),
        }
    }
}

/// How long `waiters` callers take to append `each` records, each waiting for its own.
#[expect(clippy::disallowed_methods, reason = "a measurement takes real time")]
fn appended(ledger: &Arc<FileLedger>, waiters: u64, each: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let started = Instant::now();
    runtime.block_on(async {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..waiters {
            let ledger = Arc::clone(ledger);
            callers.spawn(async move {
                for sequence in 0..each {
                    accepted(&ledger, sequence).await.durable().await.unwrap();
                }
            });
        }
        while let Some(done) = callers.join_next().await {
            done.unwrap();
        }
    });
    started.elapsed()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    // Not in a temporary folder: that may be in memory, where a sync costs nothing.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let keys = Arc::new(MemoryKeys::new());
    keys.create(&samples::task_id(1)).unwrap();
    let doors = Doors {
        clock: Arc::new(ManualClock::default()),
        entropy: Arc::new(SeededEntropy::new(1)),
        keys,
        files: Arc::new(Disk),
    };
    let signer = SigningKey::from_seed("bench.example/log/n1", &[42; 32]).unwrap();
    let config = Config::new(dir.path().to_owned(), "n1");
    let ledger = Arc::new(FileLedger::open(config, signer, doors).unwrap());
    let mut group = criterion.benchmark_group("append");
    for waiters in [1, 64] {
        group.throughput(Throughput::Elements(waiters));
        group.bench_function(format!("{waiters} waiting"), |b| {
            b.iter_custom(|each| appended(&ledger, waiters, each));
        });
    }
    group.finish();
    criterion.final_summary();
}
