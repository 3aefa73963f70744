//! Three accounts of the same run, held against each other: what the tool server saw, what clients
//! and operators were told, what the log says. Only the third is Remit's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::caller::Told;

/// What is on record of the calls with one id.
#[derive(Clone, Debug, Default)]
struct Entries {
    permits: usize,
    refusals: usize,
    /// How often each outcome was written.
    outcomes: BTreeMap<String, usize>,
    /// The holds under which it was parked.
    holds: BTreeSet<String>,
}

impl Entries {
    fn ended(&self, outcome: &str) -> usize {
        self.outcomes.get(outcome).copied().unwrap_or(0)
    }

    /// Permits under which something may have been sent.
    fn sendable(&self) -> usize {
        self.permits - self.ended("stopped") - self.ended("not_sent")
    }
}

/// What the log says, read in pieces as it grows.
#[derive(Default)]
pub(crate) struct Log {
    /// The index of the next entry to be read.
    pub(crate) next: u64,
    by_id: BTreeMap<String, Entries>,
    /// Permits without an outcome, by index, with their ids.
    open: BTreeMap<u64, String>,
    /// What happened to tasks and holds, as (which, word).
    acts: BTreeSet<(String, String)>,
    /// What contradicts itself.
    wrong: Vec<String>,
}

impl Log {
    /// Reads on: one exported entry, with its body.
    pub(crate) fn read(&mut self, entry: &Value) {
        let index = entry["index"].as_u64().expect("an exported entry has its index");
        if index != self.next {
            self.wrong.push(format!("entry {index} where {} should be", self.next));
        }
        self.next = index + 1;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let id = text(&entry["body"]["question"]["input"]["id"]);
        let (what, hold) = (text(&entry["clear"]["what"]), text(&entry["clear"]["hold"]));
        match entry["kind"].as_str() {
            Some("decision") => {
                self.by_id.entry(id.clone()).or_default().permits += 1;
                self.open.insert(index, id);
            }
            Some("outcome") => self.settle(entry),
            Some("refusal") => {
                let entries = self.by_id.entry(id).or_default();
                entries.refusals += 1;
                entries.holds.extend(Some(hold).filter(|hold| !hold.is_empty()));
            }
            Some("approval") => drop(self.acts.insert((hold, what))),
            _ => drop(self.acts.insert((text(&entry["task"]), what))),
        }
    }

    fn settle(&mut self, entry: &Value) {
        let decision = entry["parents"][0]["index"].as_u64().unwrap_or(u64::MAX);
        let word = entry["clear"]["outcome"]["outcome"].as_str().unwrap_or_default().to_owned();
        match self.open.remove(&decision) {
            None => self.wrong.push(format!("an outcome without an open decision: {entry}")),
            Some(id) => {
                let entries = self.by_id.entry(id).or_default();
                *entries.outcomes.entry(word).or_default() += 1;
            }
        }
    }

    /// The approvals on record for the calls with this id.
    fn approvals(&self, entries: &Entries) -> usize {
        let approved = |hold: &&String| self.acts.contains(&((*hold).clone(), "approved".into()));
        entries.holds.iter().filter(approved).count()
    }
}

/// What clients and operators were told.
#[derive(Default)]
pub(crate) struct Promises {
    /// Of each call, by its id, in order.
    pub(crate) calls: BTreeMap<String, Vec<Told>>,
    /// Calls made after a stop of their task was told as done.
    pub(crate) after_stop: BTreeSet<String>,
    /// Acts told as done, as (task or hold, word of its record).
    pub(crate) acts: BTreeSet<(String, String)>,
    /// The states in which a task may be found after a restart.
    pub(crate) states: BTreeMap<String, Vec<&'static str>>,
    /// What was told and should not have been.
    pub(crate) strange: Vec<String>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Told to somebody and not on record.
    pub(crate) lost: Vec<String>,
    /// Seen by the server without a permit of its own on record.
    pub(crate) unrecorded: Vec<String>,
    /// Everything else that should not be.
    pub(crate) wrong: Vec<String>,
}

impl Findings {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.unrecorded.is_empty() && self.wrong.is_empty()
    }
}

/// Figures of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Permits on record.
    pub(crate) permits: usize,
    /// Calls seen by the server.
    pub(crate) seen: usize,
    /// Calls whose client got the tool's answer, a refusal, a broken connection.
    pub(crate) answered: usize,
    /// See [`Figures::answered`].
    pub(crate) refused: usize,
    /// See [`Figures::answered`].
    pub(crate) broken: usize,
    /// Outcomes settled as unknown.
    pub(crate) unknown: usize,
    /// Of these, those whose client had the tool's answer.
    pub(crate) unknown_answered: usize,
    /// Acts of operators told as done.
    pub(crate) acts: usize,
}

/// Compares the three accounts. Nothing may be under way.
pub(crate) fn compare(seen: &BTreeMap<String, usize>, told: &Promises, log: &Log) -> Findings {
    let mut found = Findings::default();
    let none = Entries::default();
    for (id, times) in seen {
        let entries = log.by_id.get(id).unwrap_or(&none);
        if *times > entries.sendable() {
            found.unrecorded.push(format!("{id}: seen {times} times, on record {entries:?}"));
        }
    }
    for (id, entries) in &log.by_id {
        let seen = seen.get(id).copied().unwrap_or(0);
        if entries.ended("answered") > seen {
            found.wrong.push(format!("{id}: seen {seen} times, answered {entries:?}"));
        }
        if entries.permits > log.approvals(entries) && id.starts_with("erase") {
            found.wrong.push(format!("{id}: more permits than approvals: {entries:?}"));
        }
        if entries.permits > 0 && told.after_stop.contains(id) {
            found.wrong.push(format!("{id} was permitted after its task was stopped"));
        }
    }
    for (id, told) in &told.calls {
        let entries = log.by_id.get(id).unwrap_or(&none);
        let seen = seen.get(id).copied().unwrap_or(0);
        compare_call(id, told, (entries, seen), &mut found);
    }
    for (which, what) in told.acts.difference(&log.acts) {
        found.lost.push(format!("`{what}` of {which} was told as done and is not on record"));
    }
    for (index, id) in &log.open {
        found.wrong.push(format!("decision {index} on {id} has no outcome after a start"));
    }
    found.wrong.extend(told.strange.iter().chain(&log.wrong).cloned());
    found
}

/// What one caller was told must be on record, and what it was answered must have happened.
fn compare_call(id: &str, told: &[Told], (entries, seen): (&Entries, usize), found: &mut Findings) {
    let answers = told.iter().filter(|told| **told == Told::Answer).count();
    let after_permit = told.iter().filter(|told| told.follows_a_permit()).count();
    let refusals = told.iter().filter(|told| told.is_recorded_refusal()).count();
    if answers > seen {
        found.wrong.push(format!("{id}: answered {answers} times, seen {seen} times"));
    }
    if answers + after_permit > entries.permits {
        found.lost.push(format!("{id}: told {told:?}, on record {entries:?}"));
    }
    if refusals > entries.refusals {
        found.lost.push(format!("{id}: told {told:?}, on record {entries:?}"));
    }
    for told in told {
        if let Told::Strange(what) = told {
            found.wrong.push(format!("{id}: {what}"));
        }
    }
}

/// The figures of a run so far.
pub(crate) fn figures(seen: &BTreeMap<String, usize>, told: &Promises, log: &Log) -> Figures {
    let mut figures = Figures { acts: told.acts.len(), ..Figures::default() };
    figures.seen = seen.values().sum();
    for (id, entries) in &log.by_id {
        figures.permits += entries.permits;
        figures.unknown += entries.ended("unknown");
        let told = told.calls.get(id).into_iter().flatten();
        let answers = told.filter(|told| **told == Told::Answer).count();
        figures.unknown_answered += entries.ended("unknown").min(answers);
    }
    for told in told.calls.values().flatten() {
        match told {
            Told::Answer => figures.answered += 1,
            Told::Broken => figures.broken += 1,
            Told::Refused { .. } | Told::Expired | Told::Strange(_) => figures.refused += 1,
        }
    }
    figures
}
