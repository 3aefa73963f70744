//! Stops: freeze, thaw, close, and the ends that come by themselves.
//!
//! A stop acts first and is recorded then (promise R2): the epoch moves and open calls are
//! cancelled before the ledger is asked, and if it cannot write the task stays stopped. That is done twice:
//! before the task's lock is held, since a decision under it may take long, and under it for what began
//! meanwhile. So the outcome of a call that was cancelled may stand in the log before the stop.

use std::sync::Arc;

use remit_model::task::{CloseReason, Event};
use remit_model::{Task, TaskId};
use remit_ports::{Accepted, Kind, LedgerError, Room};

use crate::call::is_over;
use crate::cell::{CommitError, TaskCell};
use crate::{Change, Engine, draft};

/// Why a task was not stopped or resumed.
#[derive(Debug, thiserror::Error)]
pub enum ContainError {
    /// There is no such task.
    #[error("no task `{0}` is known; `remit task list` shows those there are")]
    NoTask(TaskId),
    /// Its state does not allow it.
    #[error(transparent)]
    State(#[from] remit_model::task::InvalidTransition),
    /// It was handed on from one that stands still.
    #[error("the task that it was handed on from is not open: thaw that one first")]
    Parent,
    /// It was not resumed, because that could not be recorded.
    #[error("nothing was resumed: {0}")]
    Ledger(LedgerError),
}

impl From<CommitError> for ContainError {
    fn from(why: CommitError) -> Self {
        match why {
            CommitError::State(why) => Self::State(why),
            CommitError::Ledger(why) => Self::Ledger(why),
        }
    }
}

/// A change that has taken effect. Its record may still be on its way to disk, and what is told as
/// done must be there first: a restart knows only what is on record.
#[derive(Debug)]
pub struct InForce(pub(crate) Result<Accepted, LedgerError>);

impl InForce {
    /// Both, where the other came later.
    pub(crate) fn and(self, later: Option<Self>) -> Self {
        match (self.0, later) {
            (Ok(_), Some(later)) => later,
            (before, _) => Self(before),
        }
    }

    /// Waits until it is on record too.
    ///
    /// Errors: it is not; if the process ends before the ledger takes it, it is lost.
    pub async fn recorded(self) -> Result<(), LedgerError> {
        self.0?.durable().await.map(drop)
    }
}

impl Engine {
    /// Stops a task at once; it can be thawed. What is lent within it is taken back, unless a policy says
    /// that it stays.
    ///
    /// Errors: there is no such task, or it is not open.
    pub fn freeze(&self, task: &TaskId, actor: &str) -> Result<InForce, ContainError> {
        let cell = self.known(task)?;
        self.restrict(&cell, &Event::Frozen, "frozen", actor)
    }

    /// Ends a task: it takes no more calls, open ones are cancelled, and it is closed when the
    /// last has settled.
    ///
    /// Errors: there is no such task, or it has ended already.
    pub fn close(
        &self,
        task: &TaskId,
        reason: CloseReason,
        actor: &str,
    ) -> Result<InForce, ContainError> {
        let cell = self.known(task)?;
        let closing = self.restrict(&cell, &Event::Closing { reason }, "closing", actor)?;
        if cell.in_flight() == 0 {
            self.finish_if_closing(&cell);
        }
        Ok(closing)
    }

    /// Lets a frozen task go on.
    ///
    /// Errors: there is no such task, it is not frozen, or that cannot be recorded.
    pub fn thaw(&self, task: &TaskId, actor: &str) -> Result<InForce, ContainError> {
        let cell = self.known(task)?;
        let parent = cell.parent().and_then(|parent| self.cell(parent));
        if parent.is_some_and(|parent| !parent.lock().is_open()) {
            return Err(ContainError::Parent);
        }
        let mut guard = cell.lock();
        let mut record = draft::note(Kind::Task, self.world().pins, "thawed");
        record.clear.event = Some(Event::Thawed);
        record.clear.actor = Some(actor.to_owned());
        let accepted = cell.commit(&mut guard, self.ports.ledger.as_ref(), record, self.now())?;
        cell.restart();
        self.announce(Change::Task(task.clone()));
        Ok(InForce(Ok(accepted)))
    }

    /// Closes every task whose deadline or idle limit has passed, records the stops that could not be
    /// recorded when they were made, and says whose proof has lapsed.
    pub fn expire(&self) {
        self.follow_standing();
        self.follow_parents();
        self.reconsider_lent();
        let now = self.now();
        for cell in self.cells() {
            let caught_up = {
                let _task = cell.lock();
                cell.catch_up(self.ports.ledger.as_ref())
            };
            if caught_up.is_ok() {
                self.take_back(&cell);
            }
            let reason = {
                let task = cell.lock();
                let ended = task.is_closed() || task.close_reason().is_some();
                (!ended && is_over(&task, now)).then(|| why_over(&task, now))
            };
            if let Some(reason) = reason
                && let Err(why) = self.close(cell.id(), reason, "remit")
            {
                tracing::debug!(task = %cell.id(), %why, "a task ended while it was being closed");
            }
        }
        self.look_at_proofs();
    }

    /// Stops what was handed on from a task that is stopped: a crash, or somebody who went away, may have
    /// come between the two.
    pub(crate) fn follow_parents(&self) {
        for cell in self.cells() {
            let Some(parent) = cell.parent().and_then(|parent| self.cell(parent)) else { continue };
            if cell.lock().is_closed() {
                continue;
            }
            let (frozen, ended) = {
                let parent = parent.lock();
                (!parent.is_open(), parent.is_closed() || parent.close_reason().is_some())
            };
            // One that has stopped already is no failure.
            if ended {
                drop(self.close(cell.id(), CloseReason::Revoked, "remit"));
            } else if frozen {
                drop(self.freeze(cell.id(), "remit"));
            }
        }
    }

    fn known(&self, task: &TaskId) -> Result<Arc<TaskCell>, ContainError> {
        self.cell(task).ok_or_else(|| ContainError::NoTask(task.clone()))
    }

    fn restrict(
        &self,
        cell: &TaskCell,
        event: &Event,
        what: &str,
        actor: &str,
    ) -> Result<InForce, ContainError> {
        // If this is refused, the task stands still already and nothing was under way.
        cell.interrupt();
        let mut guard = cell.lock();
        let next = Task::clone(&guard).apply(event, self.now()).map_err(|refused| refused.1)?;
        cell.stop();
        let mut record = draft::note(Kind::Restriction, self.world().pins, what);
        record.clear.event = Some(event.clone());
        record.clear.actor = Some(actor.to_owned());
        record.room = Room::Restriction;
        let ledger = self.ports.ledger.as_ref();
        let accepted = match cell.commit(&mut guard, ledger, record.clone(), self.now()) {
            Ok(accepted) => Ok(accepted),
            Err(why) => {
                self.counters.unrecorded_stops.add();
                tracing::error!(task = %cell.id(), %why, "a stop took effect but is not on record");
                cell.owe(&mut guard, record, next);
                Err(why.into_ledger_error())
            }
        };
        let children = guard.account().children();
        drop(guard);
        match event {
            Event::Frozen => self.take_back_unless_kept(cell),
            _ => self.take_back_from(cell.id()),
        }
        self.announce(Change::Task(cell.id().clone()));
        let mut in_force = InForce(accepted);
        for child in children {
            // One that stands still or has ended already needs no stop.
            let stopped = match event {
                Event::Closing { reason } => self.close(&child, *reason, actor),
                _ => self.freeze(&child, actor),
            };
            in_force = in_force.and(stopped.ok());
        }
        Ok(in_force)
    }

    /// Ends a task that is closing when the last call has settled and whatever was handed on from it
    /// has ended.
    pub(crate) fn finish_if_closing(&self, cell: &TaskCell) {
        let mut guard = cell.lock();
        let waits = cell.in_flight() > 0 || !guard.account().handed_on.is_empty();
        if guard.is_closed() || guard.close_reason().is_none() || waits {
            return;
        }
        let mut record = draft::note(Kind::Task, self.world().pins, "closed");
        record.clear.event = Some(Event::Closed);
        record.room = Room::Restriction;
        if let Err(why) = cell.commit(&mut guard, self.ports.ledger.as_ref(), record, self.now()) {
            tracing::warn!(task = %cell.id(), %why, "the end of a task is not on record");
        }
        let ended = guard.is_closed();
        drop(guard);
        if ended {
            cell.memory().forget();
        }
        self.held().retain(|_, held| held.task != *cell.id());
        self.ports.upstream.release(cell.id());
        if ended && let Some(parent) = cell.parent().and_then(|parent| self.cell(parent)) {
            self.take_back(&parent);
        }
    }
}

fn why_over(task: &Task, now: remit_model::Timestamp) -> CloseReason {
    if task.charter.remit.deadline < now { CloseReason::Deadline } else { CloseReason::Idle }
}
