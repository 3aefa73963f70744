//! Scene 2: calls within the remit pass, and nothing gets in their way.

use serde_json::json;

use super::{StoryError, Teller};
use crate::agent::Agent;
use crate::stage::Stage;

/// The agent reads what its task needs.
pub(super) async fn play<S: Stage>(
    teller: &mut Teller<'_, S>,
    agent: &Agent,
) -> Result<(), StoryError> {
    teller
        .scene(
            "It does its work",
            "Every call is decided by policy and written to the log before it is sent; within the \
             task the agent notices nothing of it.",
        )
        .await?;
    let listed = agent.call("mail__list_messages", json!({})).await;
    teller.permitted(&listed, 3).await?;
    let invoice = agent.call("mail__read_message", json!({ "id": "m2" })).await;
    teller.permitted(&invoice, 0).await?;
    let suppliers = agent.call("files__read_file", json!({ "path": "suppliers.txt" })).await;
    teller.permitted(&suppliers, 0).await?;
    let page = json!({ "url": "https://nordwind.example/invoices/4702" });
    let page = agent.call("web__fetch_page", page).await;
    teller.permitted(&page, 0).await
}
