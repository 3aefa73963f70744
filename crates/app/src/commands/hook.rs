//! `remit hook`: what a coding agent runs with each prompt of its person.
//!
//! Coding agents hand a prompt to a command of their person's before the model sees it, as JSON with a
//! member `prompt` on standard input (Claude Code `UserPromptSubmit`, Gemini CLI `BeforeAgent`, Cursor
//! `beforeSubmitPrompt`). What the command prints some of them show to the model, so nothing is printed.

use std::io::Read as _;

use remit_model::{AgentName, TaskId};
use remit_operator::wire;
use serde::Deserialize;

use super::Context;
use crate::cli;
use crate::fail::Fail;

/// How much a hook is given, in bytes: the longest prompt, escaped, and what else the client says.
const MAX_INPUT: u64 = 1 << 20;

/// What a client says; members that are not known are its own matter.
#[derive(Deserialize)]
struct Said {
    prompt: String,
}

/// Takes one prompt.
pub(crate) async fn run(context: &Context, args: cli::Hook) -> Result<(), Fail> {
    let mut input = Vec::new();
    std::io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut input)?;
    if input.len() as u64 > MAX_INPUT {
        return Err(Fail::new(format!(
            "expected at most {MAX_INPUT} bytes of a prompt hook, got more"
        )));
    }
    let said = said(&input)?;
    let client = context.operator().await?;
    let task = match args {
        cli::Hook { task: Some(task), .. } => task,
        cli::Hook { agent, .. } => {
            let agent = agent.as_ref().map_or("", AgentName::as_str);
            the_open_one(&client.get::<Vec<wire::Task>>("/v1/tasks").await?, agent)?
        }
    };
    client.prompt(&task, said.prompt).await.map(drop)
}

fn said(input: &[u8]) -> Result<Said, Fail> {
    serde_json::from_slice(input).map_err(|why| {
        Fail::new(format!(
            "expected the JSON of a prompt hook on standard input, with a member `prompt`: {why}; let the \
             coding agent run this, or say it by `remit task prompt`"
        ))
    })
}

/// The open task of `agent`: what its person types is about that one.
fn the_open_one(tasks: &[wire::Task], agent: &str) -> Result<TaskId, Fail> {
    let open = tasks.iter().filter(|task| task.agent == agent && task.state == "open");
    match open.map(|task| &task.task).collect::<Vec<_>>()[..] {
        [task] => Ok(task.clone()),
        [] => Err(Fail::new(format!(
            "agent `{agent}` has no open task, so nobody was told; one opens when its tools connect, and \
             `remit task thaw` opens a frozen one again"
        ))),
        ref several => Err(Fail::new(format!(
            "agent `{agent}` has {} open tasks, so it is not known whom this was said to; name one with --task",
            several.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clients_hook_is_understood_and_nothing_else() {
        for input in [
            r#"{"session_id":"a","transcript_path":"/t","cwd":"/w","hook_event_name":"UserPromptSubmit","prompt":"pay \u20ac 5"}"#,
            r#"{"session_id":"a","cwd":"/w","hook_event_name":"BeforeAgent","timestamp":"t","prompt":"pay € 5"}"#,
            r#"{"hook_event_name":"beforeSubmitPrompt","attachments":[{"type":"file"}],"prompt":"pay € 5"}"#,
        ] {
            assert_eq!(said(input.as_bytes()).unwrap().prompt, "pay € 5");
        }
        for input in
            ["", "pay", "{}", r#"{"prompt":{"text":"pay"}}"#, r#"{"prompt":"a","prompt":"b"}"#]
        {
            assert!(said(input.as_bytes()).is_err(), "{input}");
        }
    }
}
