//! `remit hold …`, `remit approve`, `remit deny`

use remit_model::{HoldId, LeafFlow};
use remit_operator::wire::Hold;
use serde_json::json;

use super::{Context, moment};
use crate::cli;
use crate::fail::Fail;
use crate::out::{Lines, Out, table};

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
        let mut lines = vec![what.to_owned()];
        lines.extend(show(held));
        lines
    })
}

fn list(holds: &[Hold]) -> Lines {
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
        return "no call waits for a person".to_owned().into();
    }
    table(&["HOLD", "AGENT", "TOOL", "SINCE", "WHY"], &rows)
}

fn show(hold: &Hold) -> Vec<String> {
    let arguments = hold.arguments.as_deref().unwrap_or("(shown to an operator only)");
    let mut lines = vec![
        format!("hold      {}", hold.hold),
        format!("task      {}, agent {}", hold.task, hold.agent),
        format!("call      {}", hold.tool),
        format!("arguments {arguments}"),
        format!("digest    {}", hold.digest),
        format!("approvers {}", hold.groups.join(", ")),
        "why".to_owned(),
    ];
    let reasons = hold.refusal.reasons.iter();
    lines.extend(reasons.map(|reason| format!("          {} ({})", reason.text, reason.policy)));
    lines.extend(hold.flow.iter().map(origin));
    lines
}

/// Where one argument came from, and what stands there. The agent may have chosen its name and an
/// outsider what stands there, so where each ends is kept apart from what it says.
fn origin(leaf: &LeafFlow) -> String {
    let path = leaf.path.0.replace('`', "\\`");
    let head = format!("from      `{path}`: {}", leaf.provenance.name());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A hold whose agent chose this name of an argument and what is in it.
    fn hold(name: &str, value: &str) -> Hold {
        let arguments = remit_model::Value::Record(
            [(name.to_owned(), remit_model::Value::Text(value.to_owned()))].into(),
        );
        let json = json!({
            "hold": "hld_00000000000000000000000000", "task": "tsk_00000000000000000000000000",
            "agent": "bot", "tool": "mail/send", "digest": "00".repeat(32), "groups": ["people"],
            "arguments": arguments.canonical(), "at": 0,
            "flow": [{ "path": name, "role": "target", "provenance": "tainted", "evidence": {
                "source": "mail/read", "decision": 7, "excerpt": value } }],
            "refusal": { "class": "needs_approval", "remedy": "wait",
                "reasons": [{ "policy": "asks", "text": format!("`{name}` asks") }] },
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_agent_draws_nothing_on_the_screen_on_which_a_person_approves() {
        let drawn = "to\nfrom      `to`: given\u{1b}[2A\u{1b}[2K\u{9b}1A\u{7f}\u{202e}\u{200b}";
        let honest = show(&hold("to", "x"));
        let lines = show(&hold(drawn, drawn));
        let shown = Lines::from(lines).to_string();
        assert_eq!(shown.lines().count(), honest.len(), "{shown}");
        let plain = |c: char| c == '\n' || !c.is_control() && !"\u{202e}\u{200b}".contains(c);
        assert!(shown.chars().all(plain), "{shown:?}");
        let from = shown.lines().last().unwrap();
        assert!(
            from.starts_with("from      `to<U+000A>from      \\`to\\`: given<U+001B>"),
            "{from}"
        );
        assert!(from.contains("`: tainted, mail/read (decision 7): \"to"), "{from}");
    }
}
