//! What a measurement comes down to.

use std::fmt;

use serde::Serialize;

use crate::load::Sample;

/// The figures of one round, or the medians of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Calls a second.
    pub(crate) rate: f64,
    /// Half of the calls took at most so many microseconds.
    pub(crate) p50: f64,
    /// 99 of 100.
    pub(crate) p99: f64,
    /// 999 of 1,000.
    pub(crate) p999: f64,
    /// CPU time of the process under measurement per call, in microseconds.
    pub(crate) cpu: Option<f64>,
    /// Its memory at the end, in MiB.
    pub(crate) memory: Option<f64>,
    /// Open loop: calls that were due and never sent.
    pub(crate) unsent: u64,
}

impl Figures {
    /// The figures of a round.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn of(sample: &Sample) -> Self {
        let calls = sample.calls.max(1) as f64;
        let at = |quantile| sample.latencies.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            rate: sample.calls as f64 / sample.took.as_secs_f64(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            cpu: sample.cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / calls),
            memory: sample.resident.map(mib),
            unsent: sample.unsent,
        }
    }

    /// The median of each figure over `rounds`; `None` if there are none.
    pub(crate) fn median(rounds: &[Self]) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| middle(rounds.iter().map(figure));
        let maybe = |figure: fn(&Self) -> Option<f64>| middle(rounds.iter().filter_map(figure));
        Some(Self {
            rate: of(|f| f.rate)?,
            p50: of(|f| f.p50)?,
            p99: of(|f| f.p99)?,
            p999: of(|f| f.p999)?,
            cpu: maybe(|f| f.cpu),
            memory: maybe(|f| f.memory),
            unsent: rounds.iter().map(|f| f.unsent).max()?,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, p50, p99, p999, .. } = self;
        write!(f, "{rate:.0} calls/s, p50 {p50:.0} µs, p99 {p99:.0} µs, p999 {p999:.0} µs")?;
        if let Some(cpu) = self.cpu {
            write!(f, ", CPU {cpu:.1} µs/call")?;
        }
        if let Some(memory) = self.memory {
            write!(f, ", {memory:.1} MiB")?;
        }
        if self.unsent == 0 { Ok(()) } else { write!(f, ", {} calls never sent", self.unsent) }
    }
}

/// KiB as MiB.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn middle(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_strange_round_changes_nothing() {
        let round = |rate, cpu| Figures {
            rate,
            p50: 1.0,
            p99: 2.0,
            p999: 3.0,
            cpu,
            memory: None,
            unsent: 0,
        };
        let rounds = [round(10.0, Some(5.0)), round(900.0, Some(1.0)), round(11.0, Some(6.0))];
        let median = Figures::median(&rounds).unwrap();
        assert_eq!((median.rate, median.cpu, median.memory), (11.0, Some(5.0), None));
        assert!(Figures::median(&[]).is_none());
    }
}
