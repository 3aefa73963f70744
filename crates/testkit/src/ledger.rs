//! A ledger in memory that keeps order, durability and reservations as a real one must.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use remit_model::{Clock, Digest, TaskId};
use remit_ports::record::VERSION;
use remit_ports::{
    Accepted, Body, BodyKeys, BoxFuture, Draft, Entry, Kind, Ledger, LedgerError, LedgerStatus,
    Parent, Receipt, Replayed, Room,
};
use tokio::sync::{Notify, oneshot};

use crate::fault::{Fault, lock};

/// Bytes an entry may have (C2SP tlog-tiles).
const MAX_ENTRY: usize = 65_535;

const ORIGIN: &str = "memory.test/log";

/// A ledger whose disk is a list. Records become durable at once unless [`MemoryLedger::hold`]
/// was called.
pub struct MemoryLedger {
    clock: Arc<dyn Clock>,
    keys: Arc<dyn BodyKeys>,
    state: Mutex<State>,
    /// Told when the queue is no longer full.
    room: Notify,
}

#[derive(Default)]
struct State {
    disk: Vec<Stored>,
    queue: Vec<Pending>,
    /// Outcomes that permits have reserved room for.
    reserved: u64,
    shortage: Option<Shortage>,
    held: bool,
    fault: Option<Fault>,
    failed: Option<LedgerError>,
    after_sync: Option<Hook>,
}

/// What happens once.
type Hook = Box<dyn FnOnce() + Send>;

/// What there is none of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shortage {
    Disk,
    Queue,
    /// Not even what was reserved.
    Reserve,
}

struct Stored {
    entry: Entry,
    body: Body,
    receipt: Receipt,
}

struct Pending {
    stored: Stored,
    done: oneshot::Sender<Result<Receipt, LedgerError>>,
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        write!(f, "MemoryLedger({} durable, {} waiting)", state.disk.len(), state.queue.len())
    }
}

impl MemoryLedger {
    /// An empty log. Bodies can be read back while `keys` has their task's key.
    pub fn new(clock: Arc<dyn Clock>, keys: Arc<dyn BodyKeys>) -> Self {
        Self { clock, keys, state: Mutex::default(), room: Notify::new() }
    }

    /// Whether the disk is full: permits and ordinary records are refused, reserved outcomes and
    /// restrictions are taken.
    pub fn set_full(&self, full: bool) {
        lock(&self.state).shortage = full.then_some(Shortage::Disk);
    }

    /// Whether the disk is full and all that was reserved is used up: everything is refused.
    pub fn set_exhausted(&self, exhausted: bool) {
        lock(&self.state).shortage = exhausted.then_some(Shortage::Reserve);
    }

    /// Whether the queue is full: everything is refused as [`LedgerError::Busy`] but restrictions
    /// and outcomes.
    pub fn set_busy(&self, busy: bool) {
        lock(&self.state).shortage = busy.then_some(Shortage::Queue);
        self.room.notify_waiters();
    }

    /// From now on records are taken but do not become durable.
    pub fn hold(&self) {
        lock(&self.state).held = true;
    }

    /// At the end of the next sync `hook` runs, before whoever waits for that goes on.
    pub fn after_sync(&self, hook: impl FnOnce() + Send + 'static) {
        lock(&self.state).after_sync = Some(Box::new(hook));
    }

    /// Makes everything durable that waits, in order, and what comes from now on.
    pub fn release(&self) {
        let mut state = lock(&self.state);
        state.held = false;
        state.flush();
    }

    /// The next write fails, and with it the ledger, until [`MemoryLedger::restart`].
    pub fn fail_next(&self, fault: Fault) {
        lock(&self.state).fault = Some(fault);
    }

    /// What a restart does: what is on disk stays, what waited is lost, faults are over. Room is
    /// reserved for the outcome of each decision that has none.
    pub fn restart(&self) {
        let mut state = lock(&self.state);
        let disk = std::mem::take(&mut state.disk);
        let count = |kind| disk.iter().filter(|stored| stored.entry.kind == kind).count() as u64;
        let reserved = count(Kind::Decision).saturating_sub(count(Kind::Outcome));
        *state = State { disk, reserved, ..State::default() };
    }

    /// How many records wait to become durable.
    pub fn waiting(&self) -> usize {
        lock(&self.state).queue.len()
    }

    /// Everything on disk, bodies as far as their key exists.
    pub fn entries(&self) -> Vec<Replayed> {
        let state = lock(&self.state);
        (0..).zip(&state.disk).map(|(index, stored)| self.replayed(index, stored)).collect()
    }

    /// What on disk breaks the rules of the record schema: gaps in a task's sequence, epochs that
    /// fall, causes that come later, outcomes without a decision of their task or a second one.
    /// Empty for every engine that works.
    pub fn violations(&self) -> Vec<String> {
        let entries: Vec<Entry> = self.entries().into_iter().map(|each| each.entry).collect();
        violations(&entries)
    }

    fn replayed(&self, index: u64, stored: &Stored) -> Replayed {
        let readable = self.keys.key(stored.entry.task.as_ref()).is_ok();
        let body = (readable && stored.entry.body.is_some()).then(|| stored.body.clone());
        Replayed { index, entry: stored.entry.clone(), body }
    }

    fn write_down(&self, index: u64, draft: Draft) -> Result<Stored, LedgerError> {
        let task = draft.subject.as_ref().map(|subject| subject.task.clone());
        if !draft.body.is_empty() {
            self.keys.key(task.as_ref()).map_err(|why| LedgerError::Key(Arc::new(why)))?;
        }
        let failed = |why: serde_json::Error| LedgerError::Failed(why.to_string());
        let body = serde_json::to_vec(&draft.body).map_err(failed)?;
        let parent = |index| Parent { index, origin: ORIGIN.into() };
        let question = draft.clear.question;
        let entry = Entry {
            body: (!draft.body.is_empty()).then(|| Digest::of(&body)),
            catalogue: draft.pins.catalogue,
            clear: draft.clear,
            commitments: commitments(index, &draft.body),
            engine: draft.pins.engine.into(),
            epoch: draft.subject.as_ref().map_or(0, |subject| subject.epoch),
            kind: draft.kind,
            mono: self.clock.monotonic(),
            node: "memory".into(),
            parents: draft.parents.into_iter().map(parent).collect(),
            policy: draft.pins.policy,
            schema: draft.pins.schema,
            seq: draft.subject.as_ref().map_or(0, |subject| subject.sequence),
            task,
            v: VERSION,
            wall: self.clock.now(),
        };
        let mut bytes = serde_json::to_vec(&entry).map_err(failed)?;
        if bytes.len() > MAX_ENTRY {
            return Err(LedgerError::TooLarge(format!("an entry of {} bytes", bytes.len())));
        }
        bytes.insert(0, 0);
        let receipt = Receipt::assertion(index, Digest::of(&bytes), question);
        Ok(Stored { entry, body: draft.body, receipt })
    }
}

impl State {
    fn refuses(&self, room: Room) -> Option<LedgerError> {
        if let Some(failed) = &self.failed {
            return Some(failed.clone());
        }
        let taken = match (self.shortage?, room) {
            (Shortage::Reserve, _) | (_, Room::Permit | Room::Ordinary) => false,
            (_, Room::Restriction) | (Shortage::Queue, Room::Outcome) => true,
            (Shortage::Disk, Room::Outcome) => self.reserved > 0,
        };
        let refusal = match self.shortage? {
            Shortage::Disk | Shortage::Reserve => LedgerError::NoSpace,
            Shortage::Queue => LedgerError::Busy,
        };
        (!taken).then_some(refusal)
    }

    fn reserve(&mut self, room: Room) {
        self.reserved = match room {
            Room::Permit => self.reserved + 1,
            Room::Outcome => self.reserved.saturating_sub(1),
            Room::Ordinary | Room::Restriction => self.reserved,
        };
    }

    /// Writes what waits, one record after the other; a fault ends it for good.
    fn flush(&mut self) {
        for Pending { stored, done } in std::mem::take(&mut self.queue) {
            let receipt = stored.receipt;
            let fault = self.fault.take();
            if self.failed.is_none() && fault != Some(Fault::Before) {
                self.disk.push(stored);
            }
            if fault.is_some() {
                self.failed = Some(LedgerError::Failed("the test wanted it".to_owned()));
            }
            // The one who waited may have given up; the record stands all the same.
            drop(done.send(self.failed.clone().map_or(Ok(receipt), Err)));
        }
    }
}

/// SHA-256(salt ‖ 0x00 ‖ name ‖ 0x00 ‖ JSON text) with salts that follow from the index.
fn commitments(index: u64, body: &Body) -> BTreeMap<String, Digest> {
    let commit = |(name, json): (&String, &String)| {
        let salt = Digest::of_parts(&[b"salt", &index.to_be_bytes(), name.as_bytes()]).0;
        let salt = salt.first_chunk::<16>().copied().unwrap_or_default();
        let bytes = [&salt[..], b"\0", name.as_bytes(), b"\0", json.as_bytes()].concat();
        (name.clone(), Digest::of(&bytes))
    };
    body.iter().map(commit).collect()
}

fn violations(entries: &[Entry]) -> Vec<String> {
    let mut found = Vec::new();
    let mut tasks: BTreeMap<&TaskId, (u64, u64)> = BTreeMap::new();
    let mut settled: BTreeMap<u64, u64> = BTreeMap::new();
    for (index, entry) in (0..).zip(entries) {
        if let Some(task) = &entry.task {
            let (next, epoch) = tasks.entry(task).or_default();
            if entry.seq != *next {
                found.push(format!("entry {index}: {task} is at {next}, not {}", entry.seq));
            }
            if entry.epoch < *epoch {
                found.push(format!("entry {index}: the epoch of {task} fell from {epoch}"));
            }
            (*next, *epoch) = (*next + 1, entry.epoch);
        }
        if let Some(parent) = entry.parents.iter().find(|parent| parent.index >= index) {
            found.push(format!("entry {index}: its cause {} is not before it", parent.index));
        }
        if entry.kind == Kind::Outcome {
            let decision = entry.parents.first().map(|parent| parent.index);
            found.extend(misplaced_outcome(index, entry, decision, entries));
            let earlier = decision.and_then(|decision| settled.insert(decision, index));
            found.extend(earlier.map(|first| format!("entry {index}: settled by {first} already")));
        }
    }
    found
}

fn misplaced_outcome(
    index: u64,
    outcome: &Entry,
    decision: Option<u64>,
    entries: &[Entry],
) -> Option<String> {
    let decision = decision.and_then(|at| entries.get(usize::try_from(at).ok()?));
    let fits = decision.is_some_and(|d| d.kind == Kind::Decision && d.task == outcome.task);
    (!fits).then(|| format!("entry {index}: an outcome whose first cause is no decision"))
}

impl Ledger for MemoryLedger {
    fn append(&self, draft: Draft) -> Result<Accepted, LedgerError> {
        let mut state = lock(&self.state);
        if let Some(refusal) = state.refuses(draft.room) {
            return Err(refusal);
        }
        let index = (state.disk.len() + state.queue.len()) as u64;
        let room = draft.room;
        let stored = self.write_down(index, draft)?;
        state.reserve(room);
        let (done, waiting) = oneshot::channel();
        state.queue.push(Pending { stored, done });
        if !state.held {
            state.flush();
        }
        Ok(Accepted::assertion(index, waiting, None))
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            if lock(&self.state).shortage == Some(Shortage::Queue) {
                room.await;
            }
        })
    }

    /// A log that is told to hold its records says so instead of waiting.
    fn sync(&self) -> Result<(), LedgerError> {
        let (synced, hook) = {
            let mut state = lock(&self.state);
            let synced = match &state.failed {
                Some(failed) => Err(failed.clone()),
                None if state.queue.is_empty() => Ok(()),
                None => Err(LedgerError::Busy),
            };
            (synced, state.after_sync.take())
        };
        if let Some(hook) = hook {
            hook();
        }
        synced
    }

    fn replay(&self, from: u64, visit: &mut dyn FnMut(Replayed)) -> Result<(), LedgerError> {
        let entries = self.entries();
        entries.into_iter().filter(|each| each.index >= from).for_each(visit);
        Ok(())
    }

    fn read(&self, index: u64) -> Result<Option<Replayed>, LedgerError> {
        let state = lock(&self.state);
        let stored = usize::try_from(index).ok().and_then(|index| state.disk.get(index));
        Ok(stored.map(|stored| self.replayed(index, stored)))
    }

    /// This log has no key, so it proves nothing.
    fn prove(&self, _: u64) -> Result<Option<String>, LedgerError> {
        Err(LedgerError::Failed("a ledger in memory signs nothing and proves nothing".to_owned()))
    }

    fn status(&self) -> LedgerStatus {
        let state = lock(&self.state);
        let size = state.disk.len() as u64;
        let refusing = state.refuses(Room::Permit);
        LedgerStatus { size, published: size, refusing, origin: ORIGIN.into() }
    }
}

#[cfg(test)]
mod tests;
