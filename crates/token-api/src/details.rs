//! What is asked for and what was granted, as `authorization_details` of type `remit` (RFC 9396).
//! `docs/authorization-details.schema.json` is its schema.

use remit_engine::Settings;
use remit_engine::open::{Narrowing, Proposal};
use remit_model::{AgentName, Budget, Task, TaskId, ToolPattern, ToolRule, Value};
use serde::Deserialize;
use serde_json::json;

use crate::failure::Failure;

/// The type's name.
pub(crate) const TYPE: &str = "remit";

/// What only a person may say of a task, and a client is not: whoever leads the agent would say it, too.
const FOR_PEOPLE: [&str; 3] = ["foresee", "foreseen", "known"];

/// What a client asks for.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A task.
    Task(Box<Proposal>),
    /// A further grant for a task that is open.
    Further(TaskId),
}

/// One element as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    #[serde(rename = "type")]
    kind: String,
    template: Option<String>,
    purpose: Option<String>,
    tools: Option<Vec<ToolRule>>,
    plan: Option<Vec<ToolPattern>>,
    budget: Option<Budget>,
    seconds: Option<u64>,
    task: Option<TaskId>,
}

fn refuse(why: impl std::fmt::Display) -> Failure {
    Failure::new("invalid_authorization_details", why)
}

/// What a client would like a person to allow. What it leaves out is for the person to say; of an
/// element without `template` the proposal's is empty.
///
/// Errors: it is not one element of our type, or one that names a task, which a person opens anew.
pub fn wish(parameter: Option<&str>) -> Result<Proposal, String> {
    let detail = parameter.map(parse).transpose().map_err(|why| why.to_string())?;
    let Some(detail) = detail else { return Ok(Proposal::default()) };
    if detail.task.is_some() {
        return Err("expected no `task`: a further grant comes with the refresh token".to_owned());
    }
    if detail.plan.is_some() {
        let why = "expected no `plan`: a person says which tools there are, and what the agent needs of them it \
                   declares by the tool `remit_declare`";
        return Err(why.to_owned());
    }
    let template = detail.template.clone().unwrap_or_default();
    Ok(proposal(template, Some(detail)))
}

/// Reads the parameter; what is left out is the one template that `agent` may open.
///
/// Errors: it is not one element of our type, or more than one template comes into question.
pub(crate) fn read(
    parameter: Option<&str>,
    agent: &AgentName,
    settings: &Settings,
) -> Result<Wanted, Failure> {
    let detail = parameter.map(parse).transpose()?;
    let Some(detail) = detail else { return Ok(proposed(only_template(agent, settings)?, None)) };
    match (detail.task.clone(), detail.template.clone()) {
        (None, Some(template)) => Ok(proposed(template, Some(detail))),
        (None, None) => Ok(proposed(only_template(agent, settings)?, Some(detail))),
        (Some(task), None) if detail.narrows_nothing() => Ok(Wanted::Further(task)),
        (Some(_), _) => Err(refuse("expected `task` alone: its remit is what it was opened with")),
    }
}

/// How a task is to be narrowed that is handed on.
#[derive(Debug, Default)]
pub(crate) struct Narrowed {
    /// A template of the receiver's own.
    pub(crate) template: Option<String>,
    /// What it is for.
    pub(crate) purpose: Option<String>,
    /// The tools that its agent says it needs.
    pub(crate) plan: Option<Vec<ToolRule>>,
    /// Everything else.
    pub(crate) narrowing: Narrowing,
}

/// Reads the parameter of a token exchange; what is left out narrows nothing.
///
/// Errors: it is not one element of our type, or names a task.
pub(crate) fn narrowing(parameter: Option<&str>) -> Result<Narrowed, Failure> {
    let Some(detail) = parameter.map(parse).transpose()? else { return Ok(Narrowed::default()) };
    let plan = detail.planned();
    let Detail { template, purpose, tools, budget, seconds, task: None, .. } = detail else {
        return Err(refuse("the task is that of the `subject_token`: leave `task` out"));
    };
    let narrowing = Narrowing { tools, budget, seconds };
    Ok(Narrowed { template, purpose, plan, narrowing })
}

impl Detail {
    fn narrows_nothing(&self) -> bool {
        self.purpose.is_none()
            && self.tools.is_none()
            && self.plan.is_none()
            && self.budget.is_none()
            && self.seconds.is_none()
    }

    /// What it says that the agent needs.
    fn planned(&self) -> Option<Vec<ToolRule>> {
        let plan = self.plan.as_ref()?;
        Some(plan.iter().cloned().map(ToolRule::any_arguments).collect())
    }
}

fn parse(text: &str) -> Result<Detail, Failure> {
    // Refuses duplicate names, which two readers could read differently.
    let value = Value::parse(text).map_err(refuse)?;
    let element = match &value {
        Value::List(elements) if elements.len() == 1 => elements.first(),
        _ => return Err(refuse("expected a list of one element: a grant is for one task")),
    };
    let said = |name: &&str| element.is_some_and(|element| element.member(name).is_some());
    if let Some(name) = FOR_PEOPLE.into_iter().find(said) {
        return Err(refuse(format!(
            "expected no `{name}`, which only a person may say: let an operator open the task (`remit \
             task open`), or a person say it on the consent page"
        )));
    }
    let [detail]: [Detail; 1] = serde_json::from_str(text).map_err(refuse)?;
    if detail.kind != TYPE {
        return Err(refuse(format!("expected the type `{TYPE}`, the only one there is")));
    }
    Ok(detail)
}

fn proposed(template: String, detail: Option<Detail>) -> Wanted {
    Wanted::Task(Box::new(proposal(template, detail)))
}

fn proposal(template: String, detail: Option<Detail>) -> Proposal {
    let narrowed = detail.map(|detail| Proposal {
        plan: detail.planned(),
        purpose: detail.purpose,
        tools: detail.tools,
        budget: detail.budget,
        seconds: detail.seconds,
        ..Proposal::default()
    });
    Proposal { template, ..narrowed.unwrap_or_default() }
}

fn only_template(agent: &AgentName, settings: &Settings) -> Result<String, Failure> {
    let names: Vec<&str> = settings.opened_by(agent).map(|it| it.name.as_str()).collect();
    match names.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Failure::new(
            "unauthorized_client",
            format!("no template's `may_open` names `{agent}`: ask the operator"),
        )),
        several => Err(refuse(format!(
            "more than one template comes into question: name one of {} in \
             `authorization_details`",
            several.join(", ")
        ))),
    }
}

/// What was granted.
pub(crate) fn granted(task: &Task) -> serde_json::Value {
    let (charter, plan) = (&task.charter, &task.account().plan);
    let mut granted = json!({
        "type": TYPE,
        "task": charter.id,
        "template": charter.template,
        "purpose": charter.purpose,
        "remit": task.remit(),
    });
    let plan = (!plan.is_all()).then(|| ("plan".to_owned(), json!(plan)));
    let foreseen = (!charter.foreseen.is_empty()).then(|| json!(charter.foreseen));
    if let Some(members) = granted.as_object_mut() {
        members.extend(plan);
        members.extend(foreseen.map(|flows| ("foreseen".to_owned(), flows)));
    }
    json!([granted])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = include_str!("../../../docs/authorization-details.schema.json");

    #[test]
    fn the_examples_of_the_schema_are_read() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let examples = schema["examples"].as_array().unwrap();
        assert!(examples.len() > 2);
        for example in examples {
            let detail = parse(&example.to_string()).unwrap();
            assert_eq!(detail.kind, TYPE);
        }
        let full = parse(&examples[0].to_string()).unwrap();
        assert!(full.plan.is_some_and(|plan| plan.len() == 2));
        assert!(full.template.is_some() && full.tools.is_some_and(|tools| tools.len() == 2));
    }

    /// An agent is no person, whichever way it asks.
    #[test]
    fn no_client_says_what_only_a_person_may_say() {
        for said in
            [r#""foresee":[{"name":"pay-bills"}]"#, r#""foresee":null"#, r#""known":["DE02"]"#]
        {
            let text = format!(r#"[{{"type":"remit","template":"bills",{said}}}]"#);
            for why in
                [wish(Some(&text)).unwrap_err(), narrowing(Some(&text)).unwrap_err().to_string()]
            {
                assert!(why.contains("which only a person may say"), "{why}");
            }
        }
    }

    #[test]
    fn what_stands_in_the_schema_is_what_is_read() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        for (part, odd) in [("asked", "task"), ("further", "template")] {
            let known = schema["$defs"][part]["properties"].as_object().unwrap();
            assert!(!known.contains_key(odd));
            for name in known.keys().chain([&"other".to_owned()]) {
                // A member that is known has a wrong form, one that is not is told to be unknown.
                let why =
                    parse(&format!(r#"[{{"type":"remit","{name}":{{"x":1}}}}]"#)).unwrap_err();
                let unknown = format!("{why:?}").contains("unknown field `other`");
                assert_eq!(unknown, name == "other", "{name}: {why:?}");
            }
        }
    }
}
