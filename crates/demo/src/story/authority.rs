//! Scene 1: who acts, for what, and under whose authority.

use super::{StoryError, Teller};
use crate::agent::Agent;
use crate::setting::{PURPOSE, TEMPLATE};
use crate::stage::{Opened, Stage};

/// Opens the task and connects the agent with its grant.
pub(super) async fn play<S: Stage>(
    teller: &mut Teller<'_, S>,
) -> Result<(Opened, Agent), StoryError> {
    teller
        .scene(
            "An agent starts work",
            "It gets no keys, only a task: a purpose, the tools for it, a budget and an end, and \
             a grant that is worth nothing outside of it.",
        )
        .await?;
    let opened = teller.stage.open(TEMPLATE, PURPOSE).await;
    let opened = opened.map_err(|source| teller.failed("open the task", source))?;
    teller.summary.task.clone_from(&opened.task);
    PURPOSE.clone_into(&mut teller.summary.purpose);
    teller.summary.unprotected.clone_from(&opened.unprotected);
    let template = format!("{} (template {TEMPLATE}, opened by {})", opened.task, opened.opened_by);
    teller.page.fact("task", &template).await?;
    teller.page.fact("purpose", PURPOSE).await?;
    for (name, text) in &opened.remit {
        teller.page.fact(name, text).await?;
    }
    if let Some(why) = &opened.unprotected {
        teller.page.fact("notice", &format!("unprotected: {why}")).await?;
    }
    let agent = Agent::connect(&opened.endpoint, &opened.grant).await;
    let agent = agent.map_err(|source| teller.agent_failed(source))?;
    Ok((opened, agent))
}
