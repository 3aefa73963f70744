#![cfg(test)]
//! How many records a second, with 64 callers that each wait for theirs. A figure, not a bound:
//! `cargo test --release -p remit-ledger --test throughput -- --ignored --nocapture`.

mod support;

use std::time::{Duration, SystemTime};

use remit_ledger::{Config, FileLedger};
use remit_ports::Ledger as _;
use support::*;

const WAITERS: u64 = 64;

#[test]
#[ignore = "a measurement"]
fn appends_per_second_with_64_waiters() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = Config::new(dir.path().to_owned(), "n1");
    let ledger = FileLedger::open(config, signing_key(), world().doors).unwrap();
    for waiters in [1, WAITERS] {
        let calls = if waiters == 1 { 1000 } else { 500 };
        #[expect(clippy::disallowed_methods, reason = "a measurement takes real time")]
        let started = SystemTime::now();
        std::thread::scope(|scope| {
            for number in 0..waiters {
                let ledger = &ledger;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    let number = waiters * 1000 + number;
                    for call in 0..calls {
                        let accepted = ledger.append(decision(number, 2 * call)).unwrap();
                        let receipt = runtime.block_on(accepted.durable()).unwrap();
                        let settled = ledger.append(outcome(number, 2 * call + 1, receipt.index()));
                        runtime.block_on(settled.unwrap().durable()).unwrap();
                    }
                });
            }
        });
        let took = started.elapsed().unwrap_or(Duration::from_secs(1));
        let records = waiters * calls * 2;
        let rate = f64::from(u32::try_from(records).unwrap()) / took.as_secs_f64();
        println!("{waiters} waiters: {records} records in {took:.2?}, {rate:.0} per second");
    }
    ledger.close();
    verify(dir.path()).unwrap();
}
