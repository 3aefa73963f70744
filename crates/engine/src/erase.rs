//! Erasing what a task's records say, without breaking what they prove (promise R10).

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_model::{Task, TaskId, ToolScope};
use remit_ports::{Accepted, BodyKeys, KeyError, Kind, LedgerError};

use crate::approve::Actor;
use crate::cell::CommitError;
use crate::{Engine, Walking, draft};

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
    /// The keyring failed after that was recorded.
    #[error(
        "the erasure is on record, but the key is still there: {0}; erase the task again, or restart the \
         server, which tries it at each start"
    )]
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
    /// their bodies said is gone, and their decisions can no longer be derived again. Whoever goes away
    /// meanwhile gives up the answer alone.
    ///
    /// Errors: nothing was erased; the text says whether that is on record and will be.
    pub fn erase(
        self: &Arc<Self>,
        actor: &Actor,
        task: &TaskId,
    ) -> Walking<Result<(), EraseError>> {
        let (engine, actor, task) = (Arc::clone(self), actor.name.clone(), task.clone());
        Walking::new(async move { engine.erasure(actor, &task).await })
    }

    async fn erasure(&self, actor: String, task: &TaskId) -> Result<(), EraseError> {
        self.record_erasure(actor, task)?.durable().await?;
        let (keys, gone) = (Arc::clone(&self.ports.keys), task.clone());
        let erased = tokio::task::spawn_blocking(move || keys.erase(&gone)).await;
        let erased = erased.unwrap_or_else(|why| Err(KeyError::Failed(why.to_string())));
        // Perhaps nobody is there any more who hears of it.
        erased.inspect_err(|why| key_is_left(task, why))?;
        self.being_erased().remove(task);
        Ok(())
    }

    fn record_erasure(&self, actor: String, task: &TaskId) -> Result<Accepted, EraseError> {
        let cell = self.cell(task).ok_or_else(|| EraseError::NoTask(task.clone()))?;
        let mut record = draft::note(Kind::Key, self.world().pins, ERASED);
        record.clear.actor = Some(actor);
        let mut guard = cell.lock();
        if !guard.is_closed() {
            return Err(EraseError::NotClosed(guard.state.name()));
        }
        // All of it together with the record, so that no projection takes one without the other.
        let mut erasing = self.being_erased();
        let accepted = cell
            .commit(&mut guard, self.ports.ledger.as_ref(), record, self.now())
            .map_err(CommitError::into_ledger_error)?;
        erasing.insert(task.clone());
        forget(&mut guard);
        Ok(accepted)
    }
}

/// Carries out the erasures that are on record and were not: the keyring failed, or a crash came between.
/// Those that it cannot are left for the next start.
pub(crate) fn finish(keys: &dyn BodyKeys, erasing: BTreeSet<TaskId>) -> BTreeSet<TaskId> {
    let is_left = |task: &TaskId| {
        let erased = match keys.key(Some(task)) {
            Err(KeyError::Gone(_)) => Ok(()),
            // One that cannot be read is there all the same.
            Ok(_) | Err(KeyError::Failed(_)) => keys.erase(task),
        };
        erased.inspect_err(|why| key_is_left(task, why)).is_err()
    };
    erasing.into_iter().filter(is_left).collect()
}

fn key_is_left(task: &TaskId, why: &KeyError) {
    tracing::error!(
        %task,
        %why,
        "an erasure is on record and not carried out: the key of its records is still there; see to \
         what the keyring needs, then restart the server or erase the task again"
    );
}
