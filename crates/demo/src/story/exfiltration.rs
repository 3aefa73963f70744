//! Scene 3: a mail gives an order, the agent obeys, and the order goes nowhere.

use serde_json::json;

use super::{StoryError, Teller};
use crate::agent::{Agent, RefusalClass, StepOutcome};
use crate::orders::{Order, found_in};
use crate::stage::Stage;

/// The agent reads the poisoned mail and tries to send the report to an outsider. Returns the
/// mail, which holds another order.
pub(super) async fn play<S: Stage>(
    teller: &mut Teller<'_, S>,
    agent: &Agent,
) -> Result<StepOutcome, StoryError> {
    teller
        .scene(
            "A mail takes over the agent",
            "Remit does not try to spot the trick in the text: sending the report to a stranger \
             is simply not part of this task, whoever asks for it.",
        )
        .await?;
    let mail = agent.call("mail__read_message", json!({ "id": "m3" })).await;
    teller.permitted(&mail, 9).await?;
    let order = found_in(&mail.text).into_iter().find(|o| matches!(o, Order::Send { .. }));
    let order = order.ok_or_else(|| teller.not_as_told("an order in the mail", &mail.text))?;
    teller.page.words(&format!("The agent obeys: {order}.")).await?;
    match agent.obey(&order).await.as_slice() {
        [read, sent] => {
            teller.permitted(read, 0).await?;
            teller.refused(sent, RefusalClass::Structural).await?;
        }
        other => {
            let happened = format!("{} calls", other.len());
            return Err(teller.not_as_told("the report to be read, then sent", happened));
        }
    }
    Ok(mail)
}
