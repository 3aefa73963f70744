//! `remit-bench sustained`: minutes of load on one Remit, then its ledger is held against what the
//! clients were answered and what the server saw.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::child::Running;
use crate::cli;
use crate::fail::Fail;
use crate::figures::Figures;
use crate::load::{self, Plan};
use crate::machine::Machine;
use crate::say;
use crate::stand::{Ledger, Stand};
use crate::wire::Connection;

/// The parts that figures are given for.
const PART: Duration = Duration::from_mins(1);

/// What was measured, and the counts that must be equal.
#[derive(Debug, Serialize)]
struct Sustained {
    machine: Machine,
    setup: String,
    connections: usize,
    bytes: usize,
    parts: Vec<Figures>,
    total: Figures,
    at_rest: f64,
    counts: Counts,
}

/// What everybody counted.
#[derive(Clone, Copy, Debug, Serialize)]
struct Counts {
    answered: u64,
    reached: u64,
    ledger: Ledger,
}

/// Measures, prints, and compares.
///
/// Errors: something does not start, a call was not answered as it should be, or the counts
/// differ.
pub(crate) async fn run(args: &cli::Sustained) -> Result<(), Fail> {
    let machine = Machine::read()?;
    let upstream = Running::own(&["upstream"]).await?;
    let stand = Stand::up(&args.remit, args.setup, &upstream.said).await?;
    let target = stand.target()?;
    let at_rest = stand.process().resident()?;
    let lasts = args.seconds.unwrap_or(PART);
    let plan = Plan {
        connections: args.connections,
        bytes: args.bytes,
        rate: None,
        warm_up: Duration::ZERO,
        lasts,
        parts: args.parts,
    };
    let run = load::run(&target, plan).await?;
    say::progress("the load is over; stopping Remit and reading its ledger");
    let ledger = stand.ledger().await?;
    let sustained = Sustained {
        machine,
        setup: args.setup.to_string(),
        connections: plan.connections,
        bytes: plan.bytes,
        parts: run.samples.iter().map(Figures::of).collect(),
        total: Figures::of(&run.total()?),
        at_rest: crate::figures::mib(at_rest),
        counts: Counts { answered: run.all_calls, reached: reached(&upstream.said).await?, ledger },
    };
    if let Some(file) = &args.report.json {
        std::fs::write(file, serde_json::to_vec_pretty(&sustained)?)?;
    }
    args.report.page.publish(&sustained.markdown(lasts.as_secs_f64())?)?;
    sustained.counts.compare()
}

/// How many calls the server counted.
async fn reached(address: &str) -> Result<u64, Fail> {
    #[derive(Deserialize)]
    struct Count {
        calls: u64,
    }
    let mut connection = Connection::open(address).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let answer = connection.exchange(request.as_bytes()).await?;
    Ok(serde_json::from_slice::<Count>(answer.body)?.calls)
}

impl Counts {
    fn named(&self) -> [(&'static str, u64); 4] {
        [
            ("answered to clients", self.answered),
            ("counted by the server", self.reached),
            ("permits in the ledger", self.ledger.permits),
            ("outcomes in the ledger", self.ledger.outcomes),
        ]
    }

    /// Errors: a count differs from the others, or a permit has no outcome.
    fn compare(&self) -> Result<(), Fail> {
        let counts = self.named();
        if counts.iter().all(|(_, count)| *count == self.answered) && self.ledger.open == 0 {
            return Ok(());
        }
        Err(Fail::new(format!(
            "expected equal counts and no permit without an outcome, got {counts:?} and {} open",
            self.ledger.open
        )))
    }
}

impl Sustained {
    fn markdown(&self, seconds: f64) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let Self { machine, setup, connections, bytes, .. } = self;
        writeln!(text, "{machine}. {setup}, {connections} connections, results of {bytes} bytes.")?;
        writeln!(
            text,
            "\n| Part of {seconds} s | calls/s | p50 µs | p99 µs | p999 µs | CPU µs/call | MiB |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|---|")?;
        let named = self.parts.iter().zip(1..).map(|(part, number)| (number.to_string(), part));
        for (name, f) in named.chain([("all".to_owned(), &self.total)]) {
            writeln!(
                text,
                "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} |",
                f.rate,
                f.p50,
                f.p99,
                f.p999,
                f.cpu.unwrap_or_default(),
                f.memory.unwrap_or_default()
            )?;
        }
        write!(text, "\nAt rest {:.1} MiB. Calls:", self.at_rest)?;
        for (name, count) in self.counts.named() {
            write!(text, " {count} {name},")?;
        }
        writeln!(text, " {} permits without an outcome.", self.counts.ledger.open)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_more_or_less_is_found() {
        let ledger = Ledger { entries: 30, permits: 10, outcomes: 10, open: 0 };
        let good = Counts { answered: 10, reached: 10, ledger };
        good.compare().unwrap();
        for bad in [
            Counts { answered: 9, ..good },
            Counts { reached: 11, ..good },
            Counts { ledger: Ledger { permits: 9, ..ledger }, ..good },
            Counts { ledger: Ledger { outcomes: 9, ..ledger }, ..good },
            Counts { ledger: Ledger { open: 1, ..ledger }, ..good },
        ] {
            assert!(bad.compare().unwrap_err().to_string().contains("expected equal counts"));
        }
    }
}
