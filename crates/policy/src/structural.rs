//! What no policy can loosen: the tool, the task's end, the remit, the budget.
//!
//! These are checked before Cedar is asked, in an order that names the most lasting obstacle first,
//! so that the remedy is worth following.

use remit_model::question::Asked;
use remit_model::scope::Misfit;
use remit_model::{ArgumentPath, Class, Effect, Question, Refusal, Role, Spent, Value};

/// How many things one call may touch; [`remit_model::Question::resources`] beyond are refused.
pub const MAX_RESOURCES: usize = 64;

/// How much of an argument an error quotes.
const QUOTED: usize = 64;

/// What the call asked for uses up when it is permitted; nothing for other questions.
///
/// One call; one effect unless the tool only reads; the bytes of its parameters. The bytes of the
/// result are added when it comes back.
pub fn cost(question: &Question) -> Spent {
    let Some(call) = question.call() else { return Spent::default() };
    let effect = question.tool.as_ref().map_or(Effect::Read, |tool| tool.profile.effect.value);
    Spent {
        calls: 1,
        effects: u64::from(effect != Effect::Read),
        bytes: u64::try_from(call.params.len()).unwrap_or(u64::MAX),
    }
}

/// Checks what no policy can loosen.
///
/// Errors: the first obstacle, as the refusal to give.
pub(crate) fn check(question: &Question) -> Result<(), Refusal> {
    tool(question)?;
    deadline(question)?;
    scope(question)?;
    ceiling(question)?;
    budget(question)?;
    touched(question)
}

fn tool(question: &Question) -> Result<(), Refusal> {
    let Some(asked) = question.asked.tool() else { return Ok(()) };
    let Some(facts) = &question.tool else {
        return Err(structural(
            "unknown-tool",
            format!("expected a tool from the list, got `{asked}`, which no server offers"),
            "list the tools again and choose one of those",
        ));
    };
    if facts.admission == "withdrawn" {
        return Err(structural(
            "withdrawn",
            format!("`{asked}` was withdrawn by an operator"),
            format!("use another tool, or ask `{}` why it was withdrawn", facts.owner),
        ));
    }
    Ok(())
}

fn deadline(question: &Question) -> Result<(), Refusal> {
    let task = &question.task;
    let end = task.remit.ends_at(task.last_used);
    if end >= question.now {
        return Ok(());
    }
    let why = if end == task.remit.deadline { "its deadline" } else { "its idle limit" };
    Err(Refusal::one(
        Class::Budget,
        "deadline",
        format!("the task ended at {end} by {why}; it is {} now", question.now),
        "open a new task for what is left to do",
    ))
}

fn scope(question: &Question) -> Result<(), Refusal> {
    let scope = &question.task.remit.tools;
    let (name, fit) = match &question.asked {
        Asked::Call(call) => {
            let name = call.scope_name();
            let fit = scope.covers(&name, &question.input);
            (name, fit)
        }
        Asked::ListTool(tool) => {
            let name = tool.to_string();
            let fit = scope.could_cover(&name).then_some(()).ok_or(Misfit::Tool);
            (name, fit)
        }
        Asked::OpenTask | Asked::ContinueTask | Asked::Lend(_) | Asked::KeepLent(_) => {
            return Ok(());
        }
    };
    match fit {
        Ok(()) => Ok(()),
        Err(Misfit::Tool) => {
            let covered: Vec<_> = scope.headline().iter().map(|p| format!("`{p}`")).collect();
            let covered =
                if covered.is_empty() { "nothing".to_owned() } else { covered.join(", ") };
            Err(structural(
                "scope",
                format!("the remit of this task covers {covered}; the call is of `{name}`"),
                "use a tool that the task covers, or ask for a task whose remit covers this one",
            ))
        }
        Err(Misfit::Argument { path, expected }) => Err(structural(
            "scope",
            format!(
                "the remit of this task expects argument `{path}` of `{name}` to be {expected}; \
                 {}",
                came(question, &path)
            ),
            format!(
                "call again with `{path}` within that bound, or ask for a task whose remit allows \
                 this value"
            ),
        )),
    }
}

/// What stands at `path`, quoted short; a secret is never quoted (R12).
fn came(question: &Question, path: &ArgumentPath) -> String {
    let secret = question
        .tool
        .as_ref()
        .and_then(|tool| tool.profile.arguments.get(path))
        .is_some_and(|argument| argument.value.role == Role::Secret);
    if secret {
        return "the value given is not shown, because it is a secret".to_owned();
    }
    let mut values = Vec::new();
    question.input.leaves(&mut |at, value| {
        if at == path.0 && values.len() < 4 {
            values.push(quote(value));
        }
    });
    if values.is_empty() { "it is absent".to_owned() } else { format!("got {}", values.join(", ")) }
}

fn quote(value: &Value) -> String {
    let text = value.canonical();
    if text.chars().count() > QUOTED {
        format!("`{}…`", text.chars().take(QUOTED).collect::<String>())
    } else {
        format!("`{text}`")
    }
}

fn ceiling(question: &Question) -> Result<(), Refusal> {
    let asks_for_data = matches!(question.asked, Asked::Call(_) | Asked::ListTool(_));
    let Some(tool) = question.tool.as_ref().filter(|_| asks_for_data) else { return Ok(()) };
    let (returns, most) = (tool.profile.sensitivity.value, question.task.remit.ceiling);
    if returns <= most {
        return Ok(());
    }
    Err(structural(
        "ceiling",
        format!(
            "this task may read data up to `{}`; this tool returns `{}` data",
            most.name(),
            returns.name()
        ),
        "do without this data, or ask for a task with a higher ceiling",
    ))
}

fn budget(question: &Question) -> Result<(), Refusal> {
    let cost = cost(question);
    if cost == Spent::default() {
        return Ok(());
    }
    let task = &question.task;
    let Some((line, limit)) = task.spent.plus(cost).exceeds(task.remit.budget) else {
        return Ok(());
    };
    let of = |spent: Spent| match line {
        "calls" => spent.calls,
        "effects" => spent.effects,
        _ => spent.bytes,
    };
    Err(Refusal::one(
        Class::Budget,
        "budget",
        format!(
            "this task may use {limit} {line}; it has used {} and this call needs {}",
            of(task.spent),
            of(cost)
        ),
        if line == "effects" {
            "finish without further effects (reading is still possible), or ask for a new task"
        } else {
            "finish with what is at hand, or ask for a new task"
        },
    ))
}

fn touched(question: &Question) -> Result<(), Refusal> {
    let count = question.resources.len();
    if question.call().is_none() || (1..=MAX_RESOURCES).contains(&count) {
        return Ok(());
    }
    Err(structural(
        "resources",
        format!("expected a call that touches 1 to {MAX_RESOURCES} things, got {count}"),
        "split the call into smaller ones",
    ))
}

fn structural(check: &str, text: String, remedy: impl Into<String>) -> Refusal {
    Refusal::one(Class::Structural, check, text, remedy)
}
