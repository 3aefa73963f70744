//! `remit agent …`

use remit_model::{Agent, AgentName, Lifecycle};
use remit_operator::wire::{self, Stood, Why};

use super::{Context, moment};
use crate::cli;
use crate::client::Client;
use crate::fail::Fail;
use crate::out::{Lines, Out, table};

/// Runs one of the agent commands.
pub(crate) async fn run(context: &Context, args: cli::Agent, out: &mut Out) -> Result<(), Fail> {
    match args {
        cli::Agent::List => {
            let agents: Vec<wire::Agent> = context.client().get("/v1/agents").await?;
            out.say(&agents, |agents| list(agents))
        }
        cli::Agent::Show { agent } => {
            let agent: wire::Agent = context.client().get(&format!("/v1/agents/{agent}")).await?;
            out.say(&agent, show)
        }
        cli::Agent::Suspend(stand) => {
            let mut client = context.client();
            client.log_in_if_given().await?;
            act(&client, stand, "suspend", out).await
        }
        cli::Agent::Resume(stand) => act(&context.operator().await?, stand, "resume", out).await,
        cli::Agent::Retire(stand) => act(&context.operator().await?, stand, "retire", out).await,
    }
}

async fn act(
    client: &Client,
    cli::Stand { agent, reason }: cli::Stand,
    verb: &str,
    out: &mut Out,
) -> Result<(), Fail> {
    let path = format!("/v1/agents/{agent}/{verb}");
    let answer: Stood = client.post(&path, &Why { reason }).await?;
    out.say(&answer, stood)
}

fn stood(stood: &Stood) -> String {
    let ended = match stood.ended.len() {
        0 if stood.lifecycle == Lifecycle::Active => String::new(),
        0 => "; it had no task".to_owned(),
        1 => "; its task has ended".to_owned(),
        n => format!("; its {n} tasks have ended"),
    };
    let note = if stood.recorded {
        ""
    } else {
        "; it took effect, but the ledger could not write it down (see `remit status`)"
    };
    format!("{} is {}{ended}{note}", stood.agent, stood.lifecycle)
}

fn list(agents: &[wire::Agent]) -> Lines {
    if agents.is_empty() {
        return "no agents; add an [[agent]] to the configuration".to_owned().into();
    }
    let configured = |agent: &wire::Agent, what: fn(&Agent) -> String| {
        agent.configured.as_ref().map_or_else(|| "-".to_owned(), what)
    };
    let rows: Vec<Vec<String>> = agents
        .iter()
        .map(|agent| {
            vec![
                agent.name.to_string(),
                agent.lifecycle.to_string(),
                configured(agent, |agent| agent.owner.clone()),
                agent.tasks.to_string(),
                agent.templates.join(","),
                configured(agent, |agent| agent.purpose.chars().take(40).collect()),
            ]
        })
        .collect();
    table(&["AGENT", "STATE", "OWNER", "TASKS", "TEMPLATES", "PURPOSE"], &rows)
}

fn show(agent: &wire::Agent) -> Vec<String> {
    let since = agent.since.map(|at| format!(" since {}", moment(at))).unwrap_or_default();
    let mut lines = vec![
        format!("agent     {}  ({}{since})", agent.name, agent.lifecycle),
        format!("identity  {}", agent.spiffe_id),
    ];
    match &agent.configured {
        Some(configured) => lines.extend(told(configured)),
        None => lines.push("owner     none: it is not in the configuration".to_owned()),
    }
    let or_none = |texts: Vec<String>| {
        if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
    };
    lines.push(format!("templates {}", or_none(agent.templates.clone())));
    if !agent.keys.is_empty() {
        let keys: Vec<String> = agent.keys.iter().map(ToString::to_string).collect();
        lines.push(format!("keys      {}", keys.join(", ")));
    }
    lines.push(format!("tasks     {} not ended", agent.tasks));
    lines
}

fn told(agent: &Agent) -> Vec<String> {
    let made_of = &agent.composition;
    let digest = |digest: &remit_model::Digest| format!("sha256 {}", digest.short());
    let parts = [
        made_of.model.as_ref().map(|model| format!("model {model}")),
        made_of.prompt.as_ref().map(|prompt| format!("prompt {}", digest(prompt))),
        made_of.toolset.as_ref().map(|tools| format!("toolset {}", digest(tools))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let uids = agent.uids.iter().map(|uid| format!("unix:uid:{uid}"));
    let selectors: Vec<String> =
        uids.chain(agent.selectors.iter().map(ToString::to_string)).collect();
    let hands_to: Vec<&str> = agent.hands_to.iter().map(AgentName::as_str).collect();
    [
        ("owner", agent.owner.clone()),
        ("purpose", agent.purpose.clone()),
        ("autonomy", agent.autonomy.to_string()),
        ("zone", agent.zone.clone().unwrap_or_default()),
        ("made of", parts.join(", ")),
        (
            "processes",
            if selectors.is_empty() {
                "of Remit's own user".to_owned()
            } else {
                selectors.join(", ")
            },
        ),
        ("hands to", hands_to.join(", ")),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(what, text)| format!("{what:<9} {text}"))
    .collect()
}
