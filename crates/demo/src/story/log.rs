//! Scene 8: the log is verified, and says the same as the agent's own memory.

use super::{StoryError, Teller};
use crate::page::Ink;
use crate::stage::{Decision, Opened, Stage, Verified};
use crate::summary::LogSummary;

/// The scene after which calls need not be in the log.
const CLOSING: usize = 7;

/// Verifies the log and compares it, call by call, with what the agent lived through.
pub(super) async fn play<S: Stage>(
    teller: &mut Teller<'_, S>,
    opened: &Opened,
) -> Result<(), StoryError> {
    teller
        .scene(
            "Anyone can check",
            "Each decision stands in a signed, append-only log that an outsider can verify \
             without trusting the one who runs it.",
        )
        .await?;
    let verified = teller.stage.verify(&opened.task).await;
    let verified = verified.map_err(|source| teller.failed("verify the log", source))?;
    for call in &verified.calls {
        let ink = match call.decision {
            Decision::Permit => Ink::Green,
            Decision::Hold => Ink::Yellow,
            Decision::Deny => Ink::Red,
        };
        teller.page.entry(call.entry, (ink, call.decision.word()), &call.tool).await?;
    }
    compare(teller, &verified)?;
    let count = |decision| teller.summary.count(decision);
    let verdict = format!(
        "{} entries verified, root {}: {} calls permitted, {} held, {} refused, as the agent \
         saw them.",
        verified.entries,
        verified.root,
        count(Decision::Permit),
        count(Decision::Hold),
        count(Decision::Deny),
    );
    teller.page.blank().await?;
    teller.page.words(&verdict).await?;
    teller.summary.log = LogSummary { entries: verified.entries, root: verified.root };
    Ok(())
}

/// The log's calls must be the agent's calls: the same tools, decided the same way, in the same
/// order. One more may follow them, the call after the task was closed: a gateway may log it, or
/// only count it.
fn compare<S: Stage>(teller: &Teller<'_, S>, verified: &Verified) -> Result<(), StoryError> {
    let lived: Vec<String> = teller
        .summary
        .steps
        .iter()
        .filter(|step| step.scene < CLOSING)
        .filter_map(|step| Some(format!("{} {}", step.decision?.word(), step.tool)))
        .collect();
    let logged: Vec<String> = verified
        .calls
        .iter()
        .map(|call| format!("{} {}", call.decision.word(), call.tool))
        .collect();
    let happened = match lived.iter().zip(&logged).find(|(lived, logged)| lived != logged) {
        None => format!("{} calls in the log, {} lived through", logged.len(), lived.len()),
        Some((lived, logged)) => format!("`{logged}` where the agent saw `{lived}`"),
    };
    let same = logged.starts_with(&lived) && logged.len() <= lived.len() + 1;
    teller.check(same, "the log to say what the agent saw", happened)
}
