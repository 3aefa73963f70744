//! `remit-bench table`: everything side by side, in alternating rounds, medians.
//!
//! Rounds alternate because a machine is not the same from one minute to the next: whatever slows
//! it down for a while slows down one round of every row, not all rounds of one.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli;
use crate::fail::Fail;
use crate::figures::{Figures, mib};
use crate::lineup::{DIRECT, Lineup, PROXY, Place};
use crate::load::{self, Plan};
use crate::machine::Machine;
use crate::say;

/// One row under one load.
#[derive(Debug, Serialize)]
struct Cell {
    name: String,
    connections: usize,
    bytes: usize,
    rate: Option<u32>,
    rounds: Vec<Figures>,
    median: Figures,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Table {
    machine: Machine,
    seconds: f64,
    cells: Vec<Cell>,
    /// Row, KiB.
    at_rest: Vec<(String, Option<u64>)>,
}

/// Measures and prints.
///
/// Errors: something does not start, or a call was not answered as it should be.
pub(crate) async fn run(args: &cli::Table) -> Result<(), Fail> {
    let machine = Machine::read()?;
    let mut lineup = Lineup::up(&args.lines).await?;
    let at_rest = lineup.places.iter().map(|place| (place.name.clone(), place.at_rest)).collect();
    let mut cells = Vec::new();
    for plan in args.shape.plans() {
        cells.extend(measured(&mut lineup, plan, args.rounds).await?);
    }
    lineup.end().await?;
    let seconds = args.shape.seconds.as_secs_f64();
    let table = Table { machine, seconds, cells, at_rest };
    if let Some(file) = &args.report.json {
        std::fs::write(file, serde_json::to_vec_pretty(&table)?)?;
    }
    args.report.page.publish(&table.markdown(args.rounds)?)
}

/// All rows under one load.
async fn measured(lineup: &mut Lineup, plan: Plan, rounds: usize) -> Result<Vec<Cell>, Fail> {
    let mut all = vec![Vec::new(); lineup.places.len()];
    for round in 1..=rounds {
        for (place, done) in lineup.places.iter_mut().zip(&mut all) {
            let figures = once(place, plan).await?;
            say::progress(&format!(
                "round {round} of {rounds}: {} connections, {} B, {}: {:.0} calls/s",
                plan.connections, plan.bytes, place.name, figures.rate
            ));
            done.push(figures);
        }
    }
    let cells = lineup.places.iter().zip(all).map(|(place, rounds)| Cell {
        name: place.name.clone(),
        connections: plan.connections,
        bytes: plan.bytes,
        rate: plan.rate,
        median: Figures::median(&rounds).unwrap_or_default(),
        rounds,
    });
    Ok(cells.collect())
}

async fn once(place: &mut Place, plan: Plan) -> Result<Figures, Fail> {
    place.unpark()?;
    place.renew().await?;
    let run = load::run(&place.target, plan).await;
    place.park()?;
    let run = run.map_err(|why| Fail::new(format!("{}: {why}", place.name)))?;
    Ok(Figures::of(&run.total()?))
}

impl Table {
    fn markdown(&self, rounds: usize) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let Self { machine, seconds, .. } = self;
        writeln!(text, "{machine}. Medians of {rounds} alternating rounds of {seconds} s each.")?;
        let mut last = None;
        for cell in &self.cells {
            let load = (cell.bytes, cell.rate);
            if last.replace(load) != Some(load) {
                heading(&mut text, cell)?;
            }
            self.row(&mut text, cell)?;
        }
        writeln!(text, "\n| Path | MiB at rest | MiB after the last load |\n|---|---|---|")?;
        for (name, at_rest) in &self.at_rest {
            let last = self.cells.iter().rfind(|cell| cell.name == *name);
            let after = last.and_then(|cell| cell.median.memory);
            writeln!(text, "| {name} | {} | {} |", figure(at_rest.map(mib)), figure(after))?;
        }
        Ok(text)
    }

    fn row(&self, text: &mut String, cell: &Cell) -> std::fmt::Result {
        let f = cell.median;
        let beside = |name: &str| {
            let mut same = self.cells.iter().filter(|other| {
                (other.connections, other.bytes, other.rate)
                    == (cell.connections, cell.bytes, cell.rate)
            });
            same.find(|other| other.name == name).map(|other| other.median)
        };
        let rate = |name| ratio(Some(f.rate), beside(name).map(|other| other.rate));
        let cpu = ratio(f.cpu, beside(PROXY).and_then(|other| other.cpu));
        let median = ratio(Some(f.p50), beside(PROXY).map(|other| other.p50));
        let (direct, proxy) = (rate(DIRECT), rate(PROXY));
        let Cell { connections, name, .. } = cell;
        writeln!(
            text,
            "| {connections} | {name} | {:.0} | {direct} | {proxy} | {:.0} | {median} | {:.0} | \
             {:.0} | {} | {cpu} |",
            f.rate,
            f.p50,
            f.p99,
            f.p999,
            figure(f.cpu),
        )
    }
}

fn heading(text: &mut String, cell: &Cell) -> std::fmt::Result {
    let load = match cell.rate {
        None => "closed loop".to_owned(),
        Some(rate) => format!("open loop at {rate} calls/s"),
    };
    writeln!(
        text,
        "\n**Results of {} bytes, {load}**\n\n| Connections | Path | calls/s | × direct | × proxy | \
         p50 µs | × proxy | p99 µs | p999 µs | CPU µs/call | × proxy |\n\
         |---|---|---|---|---|---|---|---|---|---|---|",
        cell.bytes
    )
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
}

fn ratio(value: Option<f64>, to: Option<f64>) -> String {
    let ratio = value.zip(to).filter(|(_, to)| *to > 0.0).map(|(value, to)| value / to);
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}
