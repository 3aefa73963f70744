//! A ledger in a temporary folder, with a keyring in memory, and records to put into it.
#![expect(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use remit_ledger::files::{Disk, Files};
use remit_ledger::{Config, Doors, FileLedger, OpenError};
use remit_model::{Clock, Digest, Entropy, TaskId, Timestamp};
use remit_ports::{
    Accepted, Body, BodyKey, BodyKeys, Clear, Draft, KeyError, Kind, Ledger, LedgerError, Pins,
    Receipt, Room, Subject,
};
use remit_tlog::SigningKey;

/// A clock that moves by a millisecond with each look.
#[derive(Default)]
pub(crate) struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp(1_795_471_200_000 + self.monotonic() / 1_000_000)
    }
    fn monotonic(&self) -> u64 {
        self.0.fetch_add(1_000_000, Ordering::Relaxed)
    }
}

impl Ticks {
    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }
}

/// Bytes that never repeat, from a counter.
pub(crate) struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        let seed = self.0.fetch_add(1, Ordering::Relaxed);
        let digest = Digest::of(&seed.to_be_bytes()).0;
        bytes.iter_mut().zip(digest.iter().cycle()).for_each(|(byte, random)| *byte = *random);
    }
}

/// A keyring in memory; every task has a key until it is erased.
#[derive(Default)]
pub(crate) struct Ring(Mutex<BTreeMap<TaskId, bool>>);

impl BodyKeys for Ring {
    fn create(&self, task: &TaskId) -> Result<(), KeyError> {
        self.0.lock().unwrap().entry(task.clone()).or_insert(true);
        Ok(())
    }
    fn key(&self, task: Option<&TaskId>) -> Result<BodyKey, KeyError> {
        let name = task.map_or("node", TaskId::as_str);
        match task.and_then(|task| self.0.lock().unwrap().get(task).copied()) {
            Some(false) => Err(KeyError::Gone(name.to_owned())),
            _ => Ok(BodyKey::new(Digest::of(name.as_bytes()).0.into())),
        }
    }
    fn erase(&self, task: &TaskId) -> Result<(), KeyError> {
        self.0.lock().unwrap().insert(task.clone(), false);
        Ok(())
    }
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed("remit.example/log/n1", &[42; 32]).unwrap()
}

/// The doors, with what tests turn.
pub(crate) struct World {
    pub(crate) clock: Arc<Ticks>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) doors: Doors,
}

pub(crate) fn world_on(files: Arc<dyn Files>) -> World {
    let (clock, ring) = (Arc::new(Ticks::default()), Arc::new(Ring::default()));
    let doors = Doors {
        clock: Arc::<Ticks>::clone(&clock),
        entropy: Arc::new(Counted(AtomicU64::new(u64::from(std::process::id()) << 32))),
        keys: Arc::<Ring>::clone(&ring),
        files,
    };
    World { clock, ring, doors }
}

pub(crate) fn world() -> World {
    world_on(Arc::new(Disk))
}

/// Small numbers, so that tests reach every edge soon.
pub(crate) fn config(state: &Path) -> Config {
    let mut config = Config::new(state.to_owned(), "n1");
    config.chunk = 4096;
    config.segment = 64 << 10;
    config.max_body = 4096;
    config.outcome_reserve = 4096;
    config.restriction_reserve = 16 << 10;
    config.publish_every = Duration::from_millis(2);
    config
}

pub(crate) fn open(state: &Path) -> FileLedger {
    try_open(state).unwrap()
}

pub(crate) fn try_open(state: &Path) -> Result<FileLedger, OpenError> {
    FileLedger::open(config(state), signing_key(), world().doors)
}

pub(crate) fn task(number: u64) -> TaskId {
    format!("tsk_{number:026}").parse().unwrap()
}

pub(crate) fn draft(kind: Kind, what: &str) -> Draft {
    let digest = Digest::of(b"pins");
    Draft {
        kind,
        subject: None,
        parents: Vec::new(),
        pins: Pins { policy: digest, schema: digest, catalogue: digest, engine: "test 1" },
        clear: Clear { what: what.to_owned(), ..Clear::default() },
        body: Body::new(),
        room: Room::Ordinary,
    }
}

pub(crate) fn of_task(mut draft: Draft, number: u64, sequence: u64) -> Draft {
    draft.subject = Some(Subject { task: task(number), sequence, epoch: 0 });
    draft
}

pub(crate) fn decision(number: u64, sequence: u64) -> Draft {
    let mut draft = of_task(draft(Kind::Decision, "permit"), number, sequence);
    let question = format!("{{\"call\":{sequence},\"path\":\"/tmp/ä \\\"x\\\"\"}}");
    draft.clear.question = Some(Digest::of(question.as_bytes()));
    draft.body.insert("question".to_owned(), question);
    draft.room = Room::Permit;
    draft
}

pub(crate) fn outcome(number: u64, sequence: u64, decision: u64) -> Draft {
    let mut draft = of_task(draft(Kind::Outcome, "outcome"), number, sequence);
    draft.parents = vec![decision];
    draft.body.insert("result".to_owned(), "{\"ok\":true}".to_owned());
    draft.room = Room::Outcome;
    draft
}

pub(crate) fn restriction(number: u64, sequence: u64) -> Draft {
    let mut draft = of_task(draft(Kind::Restriction, "frozen"), number, sequence);
    draft.room = Room::Restriction;
    draft
}

/// Waits for a future on this thread.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}

pub(crate) fn durable(accepted: Result<Accepted, LedgerError>) -> Receipt {
    wait(accepted.unwrap().durable()).unwrap()
}

/// Appends a record, once there is room for it, and waits until it is on disk.
pub(crate) fn put(ledger: &dyn Ledger, record: &Draft) -> Receipt {
    loop {
        match ledger.append(record.clone()) {
            Err(LedgerError::Busy) => wait(ledger.room()),
            accepted => return durable(accepted),
        }
    }
}

/// Opens a task, then alternates decisions and outcomes: `calls` calls of task `number`.
pub(crate) fn calls(ledger: &dyn Ledger, number: u64, calls: u64) {
    put(ledger, &of_task(draft(Kind::Task, "opened"), number, 0));
    for call in 0..calls {
        let permit = put(ledger, &decision(number, 1 + 2 * call));
        put(ledger, &outcome(number, 2 + 2 * call, permit.index()));
    }
}

pub(crate) fn verify(state: &Path) -> Result<remit_ledger::Verified, remit_ledger::VerifyError> {
    remit_ledger::verify(
        state,
        signing_key().verifier(),
        &remit_ledger::Others::default(),
        &mut |_, _| (),
    )
}
