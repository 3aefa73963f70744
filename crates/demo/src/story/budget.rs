//! Scene 6: the budget of effects ends.

use serde_json::json;

use super::{StoryError, Teller};
use crate::agent::{Agent, RefusalClass};
use crate::stage::Stage;

const SUMMARY: &str = "Invoice 4702 of Nordwind GmbH is paid. Another one looks forged: its \
                       sender's domain is misspelt and the account is not on file.\n";

/// The payment was the first effect, the summary is the second, and there is no third.
pub(super) async fn play<S: Stage>(
    teller: &mut Teller<'_, S>,
    agent: &Agent,
) -> Result<(), StoryError> {
    teller
        .scene(
            "Its budget ends",
            "This task may change two things in the world; the payment was one, the summary is \
             the other, and what was refused or held cost nothing.",
        )
        .await?;
    let summary = json!({ "path": "summary.txt", "content": SUMMARY });
    let written = agent.call("files__write_file", summary).await;
    teller.permitted(&written, 1).await?;
    let another = json!({ "path": "summary-2.txt", "content": SUMMARY });
    let refused = agent.call("files__write_file", another).await;
    teller.refused(&refused, RefusalClass::Budget).await
}
