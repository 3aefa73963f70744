//! Signals: something happened in a task that can change an answer already given. Each is on record before
//! the task knows of it, and an operator's program can watch for them.

use std::sync::MutexGuard;

use remit_model::task::Event;
use remit_model::{Call, Task};
use remit_ports::{Accepted, Kind};

use crate::cell::{CommitError, TaskCell};
use crate::{Change, Engine, draft};

impl Engine {
    /// Puts on record that `what` happened, which changes the task by `event`; `call` is what it was seen
    /// with, if with one, and its decision. Gives that record.
    ///
    /// Errors: that is not on record, and the task does not know.
    pub(crate) fn signal(
        &self,
        (cell, task): (&TaskCell, &mut MutexGuard<'_, Task>),
        (what, event): (&str, Event),
        call: Option<(&Call, Option<u64>)>,
    ) -> Result<Accepted, CommitError> {
        let mut record = draft::note(Kind::Signal, self.world().pins, what);
        record.clear.agent = Some(cell.agent().to_string());
        record.clear.tool = call.map(|(call, _)| draft::clear_name(call));
        record.clear.event = Some(event);
        record.parents = call.and_then(|(_, decision)| decision).into_iter().collect();
        let accepted = cell.commit(task, self.ports.ledger.as_ref(), record, self.now())?;
        self.announce(Change::Task(cell.id().clone()));
        Ok(accepted)
    }
}
