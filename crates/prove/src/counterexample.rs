//! A question that breaks a claim, in words.
//!
//! The solver fills in every attribute there is; all but what some policy looks at is noise and left out.

use std::fmt;

use cedar_policy::{Entities, EntityUid, EvalResult, Request};
use serde::Serialize;

use crate::look::Looks;

/// A question that is permitted and must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counterexample {
    /// What is asked, in words.
    pub asked: String,
    /// The Cedar action.
    pub action: String,
    /// What is touched: its kind, and its name if that matters.
    pub resource: String,
    /// What policies look at of it.
    pub looked_at: Vec<Looked>,
    /// The policies that permit it, each with its place.
    pub permitted_by: Vec<String>,
}

/// An attribute of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Its path, e.g. `context.flow.target.integrity`.
    pub path: String,
    /// Its value in Cedar's syntax; `None`: it is absent.
    pub value: Option<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  permitted: {} on {}", self.asked, self.resource)?;
        for Looked { path, value } in &self.looked_at {
            match value {
                Some(value) => writeln!(f, "    {path} == {value}")?,
                None => writeln!(f, "    {path} is absent")?,
            }
        }
        write!(f, "  by {}", self.permitted_by.join(", "))
    }
}

/// A thing that is touched, in words: one whose name does not matter has none.
pub(crate) fn thing(uid: &EntityUid) -> String {
    let (kind, id): (_, &str) = (uid.type_name().basename(), uid.id().as_ref());
    if id.is_empty() { format!("a {kind}") } else { format!("{kind} `{id}`") }
}

/// What `looks` sees of a question.
pub(crate) fn looked_at(looks: &Looks, request: &Request, entities: &Entities) -> Vec<Looked> {
    let mut found: Vec<Looked> = Vec::new();
    for path in &looks.paths {
        let Some((value, length)) = value(path, request, entities) else { continue };
        let path = path.get(..length).unwrap_or_default().join(".");
        if found.iter().all(|known| known.path != path) {
            found.push(Looked { path, value: value.map(|value| value.to_string()) });
        }
    }
    found
}

/// The value at `path` and how many of its names lead there; where it is absent, as many as lead to what
/// is missing. `None`: the question has no such variable.
fn value(
    path: &[String],
    request: &Request,
    entities: &Entities,
) -> Option<(Option<EvalResult>, usize)> {
    let (variable, names) = path.split_first()?;
    let first = names.first()?;
    let mut value = match variable.as_str() {
        "context" => request.context()?.get(first),
        "principal" => attribute(entities, request.principal()?, first),
        "resource" => attribute(entities, request.resource()?, first),
        _ => return None,
    };
    let mut length = 2;
    for name in names.iter().skip(1) {
        value = match value {
            None => break,
            Some(EvalResult::Record(record)) => record.get(name).cloned(),
            Some(EvalResult::EntityUid(uid)) => attribute(entities, &uid, name),
            Some(_) => return None,
        };
        length += 1;
    }
    Some((value, length))
}

fn attribute(entities: &Entities, uid: &EntityUid, name: &str) -> Option<EvalResult> {
    entities.get(uid)?.attr(name)?.ok()
}
