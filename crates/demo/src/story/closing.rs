//! Scene 7: the task ends, and all authority with it.

use serde_json::json;

use super::{StoryError, Teller, Told};
use crate::agent::{Agent, RefusalClass, Verdict};
use crate::stage::{Opened, Stage};

/// The operator closes the task; the agent still has its grant and tries it.
pub(super) async fn play<S: Stage>(
    teller: &mut Teller<'_, S>,
    agent: &Agent,
    opened: &Opened,
) -> Result<(), StoryError> {
    teller
        .scene(
            "The task is closed",
            "The agent still holds its grant, and it is worth nothing any more: every call asks \
             whether the task is open.",
        )
        .await?;
    let closed = teller.stage.close(&opened.task).await;
    closed.map_err(|source| teller.failed("close the task", source))?;
    teller.page.act(&format!("remit task close {}", opened.task)).await?;
    let outcome = agent.call("mail__list_messages", json!({})).await;
    // Turned away at the door, or told so in a result: both are the end.
    let told = match outcome.verdict() {
        Verdict::Refused(_) => Told::Refused(RefusalClass::Structural),
        _ => Told::TurnedAway,
    };
    teller.expect(&outcome, told).await?;
    Ok(teller.page.quote(&outcome.text, 2).await?)
}
