//! What a client answers to a question that its server asks in the middle of a call.
//!
//! The answer goes to the server beside the call that was decided, so it is on disk before it goes
//! there. It is the client's word, not a person's: nothing is given by it (promise R5).

use remit_model::{Call, TaskId};
use remit_ports::Kind;

use crate::contain::ContainError;
use crate::{Engine, draft};

impl Engine {
    /// Records that the client of `call`, within `task`, answered `asked` with `answer`, both
    /// JSON texts, and waits until that is durable.
    ///
    /// Errors: no such task, or it cannot be recorded; then the answer must go nowhere.
    pub async fn answered(
        &self,
        task: &TaskId,
        call: &Call,
        (asked, answer): (&str, &str),
    ) -> Result<u64, ContainError> {
        let cell = self.cell(task).ok_or_else(|| ContainError::NoTask(task.clone()))?;
        let mut record = draft::note(Kind::Input, self.world().pins, "answered");
        record.clear.tool = Some(draft::clear_name(call));
        record.body.insert("asked".to_owned(), asked.to_owned());
        record.body.insert("answer".to_owned(), answer.to_owned());
        let committed = {
            let mut guard = cell.lock();
            cell.commit(&mut guard, self.ports.ledger.as_ref(), record, self.now())
        };
        let recorded = match committed {
            Ok(accepted) => {
                let index = accepted.index();
                accepted.durable().await.map(|_| index).map_err(ContainError::Ledger)
            }
            Err(why) => Err(why.into()),
        };
        recorded.inspect_err(|why| {
            tracing::warn!(%task, %why, "an answer could not be recorded and is not passed on");
        })
    }
}
