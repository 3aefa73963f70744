//! `remit hold …`, `remit approve`, `remit deny`

use remit_model::{HoldId, LeafFlow};
use remit_operator::wire::Hold;
use serde_json::json;

use super::{Context, moment};
use crate::cli;
use crate::fail::Fail;
use crate::out::{Out, table};

/// Runs one of the hold commands.
pub(crate) async fn run(context: &Context, args: cli::Hold, out: &mut Out) -> Result<(), Fail> {
    let mut client = context.client();
    client.log_in_if_given().await?;
    match args {
        cli::Hold::List => {
            let holds: Vec<Hold> = client.get("/v1/holds").await?;
            out.say(&holds, |holds| list(holds))
        }
        cli::Hold::Show(id) => {
            let hold: Hold = client.get(&format!("/v1/holds/{}", id.hold)).await?;
            out.say(&hold, show)
        }
    }
}

/// Approves or denies.
pub(crate) async fn answer(
    context: &Context,
    hold: &HoldId,
    verb: &str,
    out: &mut Out,
) -> Result<(), Fail> {
    let client = context.operator().await?;
    let held: Hold = client.post(&format!("/v1/holds/{hold}/{verb}"), &json!({})).await?;
    out.say(&held, |held| {
        let what = match verb {
            "approve" => "approved: the identical call passes once",
            _ => "denied: the call stays refused",
        };
        format!("{what}\n{}", show(held))
    })
}

fn list(holds: &[Hold]) -> String {
    let rows: Vec<Vec<String>> = holds
        .iter()
        .map(|hold| {
            let reason = hold.refusal.reasons.first().map(|reason| reason.text.clone());
            vec![
                hold.hold.to_string(),
                hold.agent.clone(),
                hold.tool.clone(),
                moment(hold.at),
                reason.unwrap_or_default(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no call waits for a person".to_owned();
    }
    table(&["HOLD", "AGENT", "TOOL", "SINCE", "WHY"], &rows)
}

fn show(hold: &Hold) -> String {
    let arguments = hold.arguments.as_deref().unwrap_or("(shown to an operator only)");
    let reasons: Vec<_> = hold
        .refusal
        .reasons
        .iter()
        .map(|reason| format!("          {} ({})", reason.text, reason.policy))
        .collect();
    let origins: Vec<String> = hold.flow.iter().map(origin).collect();
    format!(
        "hold      {}\ntask      {}, agent {}\ncall      {}\narguments {arguments}\ndigest    {}\napprovers {}\nwhy\n{}{}",
        hold.hold,
        hold.task,
        hold.agent,
        hold.tool,
        hold.digest,
        hold.groups.join(", "),
        reasons.join("\n"),
        origins.concat()
    )
}

/// Where one argument came from, and what stands there: an outsider may have written that, so it is
/// escaped.
fn origin(leaf: &LeafFlow) -> String {
    let head = format!("\nfrom      {}: {}", leaf.path.0, leaf.provenance.name());
    match &leaf.evidence {
        Some(evidence) => {
            let decision =
                evidence.decision.map_or_else(String::new, |index| format!(" (decision {index})"));
            let (source, excerpt) = (&evidence.source, evidence.excerpt.escape_debug());
            format!("{head}, {source}{decision}: \"{excerpt}\"")
        }
        None => head,
    }
}
