//! What a person says to an agent, on a channel that the model cannot write.

use remit_model::TaskId;
use remit_ports::Kind;
use remit_secrets::Finding;

use crate::approve::Actor;
use crate::contain::ContainError;
use crate::{Engine, draft};

/// How long a prompt may be, in bytes (R13).
pub const MAX_PROMPT: usize = 32 * 1024;

/// Why a prompt was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// It is longer than [`MAX_PROMPT`].
    #[error("expected at most {MAX_PROMPT} bytes, got {0}")]
    TooLong(usize),
    /// The task is unknown, has ended, or the ledger did not take it.
    #[error(transparent)]
    Contain(#[from] ContainError),
}

impl Engine {
    /// Records what a person said to the agent within `task`, and waits until that is durable.
    ///
    /// Errors: too long, no such task, or it cannot be recorded.
    pub async fn prompt(
        &self,
        actor: &Actor,
        task: &TaskId,
        text: &str,
    ) -> Result<u64, PromptError> {
        if text.len() > MAX_PROMPT {
            return Err(PromptError::TooLong(text.len()));
        }
        let cell = self.cell(task).ok_or_else(|| ContainError::NoTask(task.clone()))?;
        let mut record = draft::note(Kind::Prompt, self.world().pins, "prompt");
        record.clear.actor = Some(actor.name.clone());
        let cut = self.lookout.load().cut(text);
        let kept = cut.as_ref().map_or(text, |cut| &cut.text);
        record.body.insert("prompt".to_owned(), serde_json::Value::from(kept).to_string());
        draft::named(&mut record, cut.as_ref().map_or(&[], |cut| &cut.found));
        let committed = {
            let mut guard = cell.lock();
            if cut.iter().flat_map(|cut| &cut.found).any(Finding::is_canary) {
                self.alarm((&cell, &mut guard), None).map_err(ContainError::from)?;
            }
            let committed = cell.commit(&mut guard, self.ports.ledger.as_ref(), record, self.now());
            if committed.is_ok() {
                cell.memory().of(&guard, |known| known.hear("prompt", text));
            }
            committed
        };
        let accepted = committed.map_err(ContainError::from)?;
        let index = accepted.index();
        accepted.durable().await.map_err(ContainError::Ledger)?;
        Ok(index)
    }
}
