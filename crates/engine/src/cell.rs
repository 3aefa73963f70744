//! One task in memory: the fold of its records, behind its own lock.
//!
//! Records are appended while the lock is held and [`remit_ports::Ledger::append`] does not wait,
//! so the order in the log is the order in which the state changed, and sequence numbers have no
//! gaps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use remit_model::task::{Event, InvalidTransition};
use remit_model::{AgentName, ServerName, Task, TaskId, Timestamp};
use remit_ports::{Accepted, Discovery, Draft, Ledger, LedgerError, Subject};
use tokio_util::sync::CancellationToken;

use crate::knowledge::Memory;
use crate::list::{List, Offer};

/// How many refusals of one task are recorded in each [`REFUSAL_WINDOW`] (R13).
pub const REFUSALS_PER_WINDOW: u32 = 100;
/// See [`REFUSALS_PER_WINDOW`].
pub const REFUSAL_WINDOW: Duration = Duration::from_secs(10);

/// Why a record of a task was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The task's state does not allow it.
    #[error(transparent)]
    State(#[from] InvalidTransition),
    /// The ledger did not take it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl CommitError {
    /// Whether it may be taken a moment later.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Ledger(LedgerError::Busy))
    }

    /// For callers that made sure of the state before.
    pub(crate) fn into_ledger_error(self) -> LedgerError {
        match self {
            Self::Ledger(why) => why,
            Self::State(why) => LedgerError::Misplaced(why.to_string()),
        }
    }
}

/// A stop of this task took effect and is not on record yet.
#[derive(Debug, thiserror::Error)]
#[error(
    "a stop of task `{0}` is not on record yet; it is tried again when the ledger has taken it"
)]
pub(crate) struct Owing(TaskId);

/// One task.
#[derive(Debug)]
pub struct TaskCell {
    id: TaskId,
    /// Whose task it is and whence it was handed on; never changes, so that nobody needs the lock for it.
    agent: AgentName,
    parent: Option<TaskId>,
    task: Mutex<Task>,
    /// What people said in it and what it has seen. Asked under the task's lock.
    memory: Memory,
    /// Moves with everything that can change an answer already given; compared right before bytes
    /// are sent. Starts at the task's recorded epoch; policy changes move it too.
    epoch: Arc<AtomicU64>,
    /// Fires at a stop; replaced when the task is thawed, under the task's lock, and when it fires before
    /// that is held. While the task stands still it has fired, unless nothing has begun since the start.
    stop: Mutex<CancellationToken>,
    in_flight: AtomicUsize,
    refusals: Mutex<(Timestamp, u32)>,
    /// Records of stops that took effect while the ledger could not write, oldest first. They come
    /// before any other record of the task. Written under the task's lock.
    owed: Mutex<Vec<Draft>>,
    /// What of servers' lists its agent was shown last, by server and method.
    seen: Mutex<BTreeMap<(ServerName, &'static str), Arc<Discovery>>>,
    /// The task's sequence number as the projection has it; 0 if it has none. Written by `recover`.
    saved: AtomicU64,
}

impl TaskCell {
    /// A task as it stands.
    pub fn new(task: Task) -> Self {
        Self {
            id: task.id().clone(),
            agent: task.charter.agent.clone(),
            parent: task.parent().cloned(),
            epoch: Arc::new(AtomicU64::new(task.account().epoch)),
            task: Mutex::new(task),
            memory: Memory::default(),
            stop: Mutex::new(CancellationToken::new()),
            in_flight: AtomicUsize::new(0),
            refusals: Mutex::new((Timestamp(0), 0)),
            owed: Mutex::default(),
            seen: Mutex::default(),
            saved: AtomicU64::new(0),
        }
    }

    /// Which task.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// The agent it was opened for.
    pub fn agent(&self) -> &AgentName {
        &self.agent
    }

    /// The task it was handed on from.
    pub fn parent(&self) -> Option<&TaskId> {
        self.parent.as_ref()
    }

    /// Its state. Never hold this across a wait.
    pub fn lock(&self) -> MutexGuard<'_, Task> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known in it.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The epoch as a shared number, and what it is now.
    pub(crate) fn epoch(&self) -> (Arc<AtomicU64>, u64) {
        (Arc::clone(&self.epoch), self.epoch.load(Ordering::Acquire))
    }

    /// Makes every call that is recorded and not yet sent stop.
    pub(crate) fn move_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Appends a record of this task and applies its event; `guard` is this task's own.
    ///
    /// Errors: nothing was recorded and nothing changed.
    pub(crate) fn commit(
        &self,
        guard: &mut MutexGuard<'_, Task>,
        ledger: &dyn Ledger,
        mut draft: Draft,
        at: Timestamp,
    ) -> Result<Accepted, CommitError> {
        let event = draft.clear.event.get_or_insert(Event::Noted);
        let next = Task::clone(guard).apply(event, at).map_err(|refused| refused.1)?;
        self.catch_up(ledger)?;
        draft.subject = Some(self.subject(guard, &next));
        let accepted = ledger.append(draft)?;
        self.replace(guard, next);
        Ok(accepted)
    }

    fn subject(&self, before: &Task, after: &Task) -> Subject {
        let (sequence, epoch) = (before.account().sequence, after.account().epoch);
        Subject { task: self.id.clone(), sequence, epoch }
    }

    /// Applies a stop whose record the ledger did not take; the record is owed.
    pub(crate) fn owe(&self, guard: &mut MutexGuard<'_, Task>, mut draft: Draft, next: Task) {
        draft.subject = Some(self.subject(guard, &next));
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).push(draft);
        self.replace(guard, next);
    }

    /// Records what is owed, under the task's lock.
    ///
    /// Errors: the ledger does still not take it.
    pub(crate) fn catch_up(&self, ledger: &dyn Ledger) -> Result<(), LedgerError> {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(draft) = owed.first() {
            ledger.append(draft.clone())?;
            owed.remove(0);
        }
        Ok(())
    }

    /// The task, if it has moved on since the projection was written.
    ///
    /// Errors: it is ahead of the log, which is no state to save; and left out, it would stand in the
    /// projection before records that the projection's position covers.
    pub(crate) fn unsaved(&self) -> Result<Option<Task>, Owing> {
        let task = self.lock();
        if !self.owed.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Err(Owing(self.id.clone()));
        }
        let moved = task.account().sequence != self.saved.load(Ordering::Acquire);
        Ok(moved.then(|| task.clone()))
    }

    /// The projection has `task`, which [`Self::unsaved`] gave.
    pub(crate) fn saved(&self, task: &Task) {
        self.saved.store(task.account().sequence, Ordering::Release);
    }

    /// Replaces the state, moving the shared epoch along.
    fn replace(&self, guard: &mut MutexGuard<'_, Task>, next: Task) {
        if next.account().epoch != guard.account().epoch {
            self.move_epoch();
        }
        **guard = next;
    }

    /// Fires at the next stop.
    pub(crate) fn stop_token(&self) -> CancellationToken {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether its agent was shown just this list of the server's before.
    pub(crate) fn has_seen(
        &self,
        list: List,
        (server, offer): (&ServerName, &Arc<Discovery>),
    ) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = seen.get(&(server.clone(), list.method));
        last.is_some_and(|last| Arc::ptr_eq(last, offer) || (list.of)(last) == (list.of)(offer))
    }

    /// Its agent may be shown these lists: they are on record.
    pub(crate) fn was_shown(&self, list: List, offers: &[Offer]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (server, offer) in offers {
            seen.insert((server.clone(), list.method), Arc::clone(offer));
        }
    }

    /// Stops everything that is under way, before the task's lock is held: whoever decides under it may
    /// take long. What begins after that is for [`Self::stop`], so it gets a token that has not fired.
    pub(crate) fn interrupt(&self) {
        self.move_epoch();
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if !stop.is_cancelled() {
            std::mem::take(&mut *stop).cancel();
        }
    }

    /// Stops everything that is under way, under the task's lock.
    pub(crate) fn stop(&self) {
        self.move_epoch();
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).cancel();
    }

    /// Lets calls start again after a stop.
    pub(crate) fn restart(&self) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = CancellationToken::new();
    }

    /// One more call is under way; the value says how many were.
    pub(crate) fn enter(&self) -> usize {
        self.in_flight.fetch_add(1, Ordering::AcqRel)
    }

    /// One call less; the value says how many are left.
    pub(crate) fn leave(&self) -> usize {
        self.in_flight.fetch_sub(1, Ordering::AcqRel).saturating_sub(1)
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Whether one more refusal may be recorded now.
    pub(crate) fn may_record_refusal(&self, now: Timestamp) -> bool {
        let mut window = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.0) >= REFUSAL_WINDOW {
            *window = (now, 0);
        }
        window.1 += 1;
        window.1 <= REFUSALS_PER_WINDOW
    }
}
