//! `remit task …`

use remit_model::{Integrity, Named, Sources, TaskId};
use remit_operator::wire::{self, Granted, Stopped};
use serde_json::json;

use super::{Context, moment};
use crate::cli;
use crate::fail::Fail;
use crate::out::{Lines, Out, table};

/// Runs one of the task commands.
pub(crate) async fn run(context: &Context, args: cli::Task, out: &mut Out) -> Result<(), Fail> {
    match args {
        cli::Task::Open(open) => self::open(context, open, out).await,
        cli::Task::List => list(context, out).await,
        cli::Task::Show { task } => {
            let shown: wire::Task = context.client().get(&format!("/v1/tasks/{task}")).await?;
            out.say(&shown, show)
        }
        cli::Task::Grant { task, jkt } => {
            let mut client = context.client();
            client.log_in_if_given().await?;
            let granted: Granted = client
                .post(&format!("/v1/tasks/{task}/grant?pipe=true"), &wire::Wanted { jkt })
                .await?;
            out.say(&granted, words)
        }
        cli::Task::Freeze { task } => stop(context, &task, "freeze", out).await,
        cli::Task::Close { task } => stop(context, &task, "close", out).await,
        cli::Task::Thaw { task } => {
            let client = context.operator().await?;
            let stopped: Stopped =
                client.post(&format!("/v1/tasks/{task}/thaw"), &json!({})).await?;
            out.say(&stopped, |stopped| format!("{} is {}", stopped.task, stopped.state))
        }
        cli::Task::Prompt { task, text } => {
            let recorded = context.operator().await?.prompt(&task, text).await?;
            out.say(&recorded, |recorded| format!("recorded as entry {}", recorded.index))
        }
    }
}

async fn open(context: &Context, args: cli::TaskOpen, out: &mut Out) -> Result<(), Fail> {
    let mut client = context.client();
    client.log_in_if_given().await?;
    let mut proposal = json!({ "template": args.opening.template });
    let mut put = |name: &str, value: serde_json::Value| {
        if let Some(members) = proposal.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
    };
    if let Some(purpose) = args.opening.purpose {
        put("purpose", json!(purpose));
    }
    if !args.known.is_empty() {
        put("known", json!(args.known));
    }
    if !args.foresee.is_empty() {
        put("foresee", json!(args.foresee));
    }
    if let Some(agent) = args.opening.agent {
        put("agent", json!(agent));
    }
    if !args.tools.is_empty() {
        put("tools", args.tools.iter().map(|tool| json!({ "tool": tool })).collect());
    }
    if args.calls.is_some() || args.effects.is_some() {
        put("budget", json!({ "calls": args.calls, "effects": args.effects }));
    }
    if let Some(jkt) = args.jkt {
        put("jkt", json!(jkt));
    }
    if let Some(lasts) = args.lasts {
        put("seconds", json!(lasts.as_secs()));
    }
    let granted: Granted = client.post("/v1/tasks?pipe=true", &proposal).await?;
    out.say(&granted, words)
}

fn words(granted: &Granted) -> Vec<String> {
    let minutes = granted.seconds / 60;
    let mut lines = vec![
        format!("task      {}", granted.task),
        format!("endpoint  {}", granted.endpoint),
        format!("grant     {}", granted.grant),
        String::new(),
        format!("The grant is good for {minutes} minutes. Give it to the MCP client as"),
        format!("  Authorization: {} <grant>", granted.token_type),
    ];
    if granted.token_type == "DPoP" {
        lines.push("with a new proof by its key in the header `DPoP` each time".to_owned());
    }
    lines
}

async fn list(context: &Context, out: &mut Out) -> Result<(), Fail> {
    let tasks: Vec<wire::Task> = context.client().get("/v1/tasks").await?;
    out.say(&tasks, |tasks| listed(tasks))
}

fn listed(tasks: &[wire::Task]) -> Lines {
    if tasks.is_empty() {
        return "no tasks yet; `remit task open` opens one".to_owned().into();
    }
    let row = |task: &wire::Task| {
        vec![
            task.task.to_string(),
            task.state.clone(),
            task.agent.clone(),
            task.template.clone(),
            format!("{}/{}", task.spent.calls, task.remit.budget.calls),
            moment(task.ends),
            task.purpose.chars().take(40).collect(),
        ]
    };
    let rows: Vec<Vec<String>> = tasks.iter().map(row).collect();
    table(&["TASK", "STATE", "AGENT", "TEMPLATE", "CALLS", "ENDS", "PURPOSE"], &rows)
}

fn show(task: &wire::Task) -> Vec<String> {
    let integrity = match &task.label.integrity {
        Integrity::Trusted => "nothing from outside has entered".to_owned(),
        Integrity::Untrusted(Sources::Many) => "content from many outside sources".to_owned(),
        Integrity::Untrusted(Sources::Named(names)) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("content from outside, through {}", names.join(", "))
        }
    };
    let budget = task.remit.budget;
    let mut lines = vec![
        format!("task      {}  ({})", task.task, task.state),
        format!("purpose   {}", task.purpose),
        format!("agent     {}, template {}", task.agent, task.template),
        format!("tools     {}", task.tools.join(", ")),
        format!(
            "used      {} of {} calls, {} of {} effects, {} of {} bytes",
            task.spent.calls,
            budget.calls,
            task.spent.effects,
            budget.effects,
            task.spent.bytes,
            budget.bytes
        ),
        format!(
            "label     {:?}; {integrity}{}",
            task.label.confidentiality,
            if task.sealed { "; sealed" } else { "" }
        ),
        format!("opened    {}, ends {}", moment(task.opened), moment(task.ends)),
        format!("in flight {}", task.in_flight),
    ];
    for (label, named) in [("known as ", &task.named), ("on behalf", &task.on_behalf)] {
        if let Some(Named { issuer, subject }) = named {
            lines.push(format!("{label} {subject}, says {issuer}"));
        }
    }
    if let Some(consent) = &task.consent {
        lines.push(format!("allowed   by {} for the client {}", consent.by, consent.client));
    }
    for wire::Flow { flow, used } in &task.foreseen {
        let title = flow.offered.as_ref();
        let title = title.map(|it| format!("{} ({}): ", it.title, it.name)).unwrap_or_default();
        lines.push(format!("foreseen  {title}{flow}; used in {used}"));
    }
    if !task.holds.is_empty() {
        let holds: Vec<_> = task.holds.iter().map(ToString::to_string).collect();
        lines.push(format!("waiting   {}", holds.join(", ")));
    }
    lines
}

async fn stop(context: &Context, task: &TaskId, verb: &str, out: &mut Out) -> Result<(), Fail> {
    let stopped: Stopped =
        context.client().post(&format!("/v1/tasks/{task}/{verb}"), &json!({})).await?;
    out.say(&stopped, |stopped| {
        let note = if stopped.recorded {
            ""
        } else {
            "; it took effect, but the ledger could not write it down (see `remit status`)"
        };
        format!("{} is {}{note}", stopped.task, stopped.state)
    })
}

#[cfg(test)]
mod tests {
    use remit_model::{Label, Spent, Timestamp};
    use remit_testkit::samples;

    use super::*;

    fn task(purpose: &str) -> wire::Task {
        wire::Task {
            task: samples::task_id(1),
            state: "open".to_owned(),
            reason: None,
            agent: "bot".to_owned(),
            named: None,
            on_behalf: None,
            template: "work".to_owned(),
            purpose: purpose.to_owned(),
            tools: Vec::new(),
            remit: samples::charter(1).remit,
            spent: Spent::default(),
            label: Label::default(),
            sealed: false,
            consent: None,
            foreseen: Vec::new(),
            opened: Timestamp(0),
            ends: Timestamp(0),
            in_flight: 0,
            holds: Vec::new(),
        }
    }

    #[test]
    fn a_purpose_adds_no_line_of_its_own() {
        let drawn = "tidy\nlabel     Public\u{1b}[1A\u{202e}";
        let (honest, lines) = (show(&task("tidy")), show(&task(drawn)));
        let shown = Lines::from(lines).to_string();
        assert_eq!(shown.lines().count(), honest.len(), "{shown}");
        assert!(shown.contains("purpose   tidy<U+000A>label     Public<U+001B>[1A<U+202E>"));
        let listed = listed(&[task(drawn), task("tidy")]).to_string();
        assert_eq!(listed.lines().count(), 3, "{listed}");
        assert!(!listed.contains(['\u{1b}', '\u{202e}']), "{listed}");
    }
}
