//! Scene 5: a tool changes under the agent's hands, twice.

use std::time::Duration;

use serde_json::json;

use super::{StoryError, Teller};
use crate::agent::Agent;
use crate::drift::Edition;
use crate::setting::Setting;
use crate::stage::{Shown, Stage, Standing};

const TOOL: &str = "web/fetch_page";

/// How often Remit is asked whether it has noticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The vendor ships a poisoned definition, then a clean one; only the clean one is admitted.
pub(super) async fn play<S: Stage>(
    teller: &mut Teller<'_, S>,
    agent: &Agent,
    setting: &Setting,
) -> Result<(), StoryError> {
    teller
        .scene(
            "A tool changes while it runs",
            "Tools are pinned as they were admitted; one that changes is quarantined, its new \
             words never reach the model, and its owner is shown what changed.",
        )
        .await?;
    setting.drift.set(Edition::Hostile)?;
    let hostile = noticed(teller, setting.patience, "").await?;
    teller.page.diff(&hostile.diff).await?;
    for finding in &hostile.findings {
        teller.page.detail("found", finding).await?;
    }
    let flagged = !hostile.findings.is_empty();
    teller.check(flagged, "the hidden order to be flagged", "no findings")?;
    let orders = agent.orders_in_tools().await.map_err(|source| teller.agent_failed(source))?;
    let reached: Vec<String> = orders.iter().map(ToString::to_string).collect();
    let unread = reached.is_empty();
    teller.check(unread, "the new words not to reach the agent", reached.join("; "))?;
    let page = json!({ "url": "https://nordwind.example/" });
    let called = agent.call("web__fetch_page", page).await;
    let (hold, _) = teller.held(&called).await?;
    teller.deny(&hold, "that is an attack; the vendor is told").await?;

    setting.drift.set(Edition::Repaired)?;
    teller.page.words("The vendor ships a repaired version, which is a change again.").await?;
    let repaired = noticed(teller, setting.patience, &hostile.diff).await?;
    teller.page.diff(&repaired.diff).await?;
    let admitted = teller.stage.admit(TOOL).await;
    admitted.map_err(|source| teller.failed("admit the tool", source))?;
    teller.page.act(&format!("remit tool admit {TOOL}")).await?;
    let fetched = agent.repeat(&called).await;
    teller.permitted(&fetched, 0).await
}

/// Waits until Remit shows the tool in quarantine with a difference other than `seen`.
async fn noticed<S: Stage>(
    teller: &mut Teller<'_, S>,
    patience: Duration,
    seen: &str,
) -> Result<Shown, StoryError> {
    let waiting = async {
        loop {
            let shown = teller.stage.tool(TOOL).await?;
            let news = !shown.diff.trim().is_empty() && shown.diff != seen;
            if shown.standing == Standing::Quarantined && news {
                return Ok(shown);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let told = format!("{TOOL} to be quarantined within {patience:?} of its change");
    let waited = tokio::time::timeout(patience, waiting).await;
    let shown = waited.map_err(|_| teller.not_as_told(told, "no sign of it"))?;
    shown.map_err(|source| teller.failed("show the tool", source))
}
