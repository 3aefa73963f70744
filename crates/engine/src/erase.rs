//! Erasing what a task's records say, without breaking what they prove (promise R10).

use std::sync::Arc;

use remit_model::{Task, TaskId, ToolScope};
use remit_ports::{KeyError, Kind, LedgerError};

use crate::approve::Actor;
use crate::{Engine, draft};

/// Why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is no such task in memory or in the log.
    #[error("no task `{0}` is known")]
    NoTask(TaskId),
    /// It has not ended, so its records are still needed.
    #[error("the task is {0}; close it before its records are erased")]
    NotClosed(&'static str),
    /// It could not be recorded.
    #[error("nothing was erased: {0}")]
    Ledger(#[from] LedgerError),
    /// The keyring failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What the record of an erasure says.
const ERASED: &str = "erased";

/// Whether a record is that of an erasure.
pub(crate) fn is_erasure(kind: Kind, what: &str) -> bool {
    kind == Kind::Key && what == ERASED
}

/// Takes out of `task` what the opener said in words: it stands in memory and in the projection,
/// too, where no key protects it.
pub(crate) fn forget(task: &mut Task) {
    let charter = Arc::make_mut(&mut task.charter);
    charter.purpose.clear();
    charter.known.clear();
    charter.foreseen.clear();
    charter.remit.tools = ToolScope::any_of([]);
    charter.plan = ToolScope::any_of([]);
}

impl Engine {
    /// Destroys the key of a closed task, on record. Its entries stay and stay provable; what
    /// their bodies said is gone, and their decisions can no longer be derived again.
    ///
    /// Errors: nothing was erased.
    pub async fn erase(&self, actor: &Actor, task: &TaskId) -> Result<(), EraseError> {
        let cell = self.cell(task).ok_or_else(|| EraseError::NoTask(task.clone()))?;
        let state = cell.lock().state.name();
        if !cell.lock().is_closed() {
            return Err(EraseError::NotClosed(state));
        }
        let mut record = draft::note(Kind::Key, self.world().pins, ERASED);
        record.clear.actor = Some(actor.name.clone());
        let committed = {
            let mut guard = cell.lock();
            let committed = cell.commit(&mut guard, self.ports.ledger.as_ref(), record, self.now());
            // Together with its record, so that no projection takes one without the other.
            if committed.is_ok() {
                forget(&mut guard);
            }
            committed
        };
        match committed {
            Ok(accepted) => accepted.durable().await?,
            Err(crate::cell::CommitError::Ledger(why)) => return Err(why.into()),
            Err(crate::cell::CommitError::State(_)) => return Err(EraseError::NotClosed(state)),
        };
        let (keys, task) = (Arc::clone(&self.ports.keys), task.clone());
        let erased = tokio::task::spawn_blocking(move || keys.erase(&task)).await;
        erased.unwrap_or_else(|why| Err(KeyError::Failed(why.to_string())))?;
        Ok(())
    }
}
