//! What must hold from entry to entry, whatever the tree says: each record is well-formed, tasks
//! count without gaps, every outcome settles one decision, once, and whoever signs the log follows on
//! whoever did before.

use std::collections::{BTreeMap, BTreeSet};

use remit_model::{TaskId, Value};
use remit_ports::record::VERSION;
use remit_ports::{Entry, Kind};

use crate::frame;
use crate::journal::Item;
use crate::line::Line;

/// The checks, entry by entry.
#[derive(Debug)]
pub(crate) struct Chain {
    origin: String,
    /// The next sequence number of each task.
    tasks: BTreeMap<TaskId, u64>,
    /// Decisions without an outcome.
    open: BTreeSet<u64>,
    line: Line,
}

impl Chain {
    /// The chain of the log `origin`, before its first entry.
    pub(crate) fn new(origin: &str) -> Self {
        let (tasks, open, line) = (BTreeMap::new(), BTreeSet::new(), Line::default());
        Self { origin: origin.to_owned(), tasks, open, line }
    }

    /// Tasks seen.
    pub(crate) fn tasks(&self) -> u64 {
        self.tasks.len() as u64
    }

    /// Decisions without an outcome.
    pub(crate) fn open(&self) -> u64 {
        self.open.len() as u64
    }

    /// Who signs, as far as the entries say so.
    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    /// Checks the next record with its body; says what does not hold.
    pub(crate) fn check(&mut self, item: &Item) -> Result<(), String> {
        let entry = self.check_entry(item.index, item.payload.entry())?;
        if entry.body != frame::body_digest(item.payload.body()) {
            return Err("the body is not the one whose digest it names".to_owned());
        }
        if entry.commitments.is_empty() != item.payload.body().is_empty() {
            return Err("it commits to fields without a body, or has a body without any".to_owned());
        }
        Ok(())
    }

    /// Checks the next entry alone, where its body is not at hand; says what does not hold.
    pub(crate) fn check_entry(&mut self, index: u64, bytes: &[u8]) -> Result<Entry, String> {
        let entry = parse(bytes)?;
        self.sequence(&entry)?;
        for parent in &entry.parents {
            if *parent.origin == *self.origin && parent.index >= index {
                return Err(format!(
                    "it names entry {} as its cause, which is later",
                    parent.index
                ));
            }
        }
        self.settle(index, &entry)?;
        if let Some(signers) = &entry.clear.signers {
            self.line.take(index, signers)?;
        }
        Ok(entry)
    }

    fn sequence(&mut self, entry: &Entry) -> Result<(), String> {
        let Some(task) = &entry.task else {
            return match (entry.seq, entry.epoch) {
                (0, 0) => Ok(()),
                _ => Err("it has a sequence number or an epoch but no task".to_owned()),
            };
        };
        let expected = self.tasks.get(task).copied().unwrap_or(0);
        if entry.seq != expected {
            let got = entry.seq;
            return Err(format!("it is number {got} of task {task}, expected {expected}"));
        }
        self.tasks.insert(task.clone(), expected.saturating_add(1));
        Ok(())
    }

    fn settle(&mut self, index: u64, entry: &Entry) -> Result<(), String> {
        if entry.kind == Kind::Decision {
            self.open.insert(index);
        }
        if entry.kind != Kind::Outcome {
            return Ok(());
        }
        let decision = entry.parents.first().filter(|parent| *parent.origin == *self.origin);
        let decision = decision.ok_or("it is an outcome and names no decision")?;
        if self.open.remove(&decision.index) {
            Ok(())
        } else {
            let decision = decision.index;
            Err(format!("it settles entry {decision}, which is no decision or already settled"))
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Entry, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the entry is not UTF-8".to_owned())?;
    let value = Value::parse(text).map_err(|why| format!("the entry is not JSON: {why}"))?;
    if value.canonical() != text {
        return Err("the entry is not in canonical form".to_owned());
    }
    let entry: Entry =
        serde_json::from_str(text).map_err(|why| format!("the entry is not a record: {why}"))?;
    if entry.v != VERSION {
        return Err(format!("the record has version {}, expected {VERSION}", entry.v));
    }
    Ok(entry)
}
