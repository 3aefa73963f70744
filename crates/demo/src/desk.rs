//! What the four demo servers have in common: named tools, typed arguments, and complaints that
//! the caller can read.

mod files;
mod mail;
mod payments;
mod web;

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

pub(crate) use files::Files;
pub(crate) use mail::Mail;
pub(crate) use payments::Payments;
pub(crate) use web::Web;

/// What a tool gave back: text for the model, and the same as data where there is any.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    /// What the model reads.
    pub(crate) text: String,
    /// The `structuredContent` of the result.
    pub(crate) data: Option<Value>,
}

impl Reply {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), data: None }
    }

    fn with_data(text: impl Into<String>, data: Value) -> Self {
        Self { text: text.into(), data: Some(data) }
    }
}

/// Why a tool could not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Complaint {
    /// No such tool on this server: a protocol error, not a result.
    #[error("no tool `{0}` here; list the tools and pick one of them")]
    UnknownTool(String),
    /// The tool ran and could not do it: a result the model reads.
    #[error("{0}")]
    Failed(String),
}

impl Complaint {
    fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

/// One demo server: its words, its tools, and what they do.
pub(crate) trait Desk: Send + Sync + 'static {
    /// The server's instructions to the model.
    fn instructions(&self) -> &'static str;
    /// The definitions of all tools.
    fn tools(&self) -> Vec<Tool>;
    /// Runs one tool.
    fn call(&self, tool: &str, arguments: Arguments<'_>) -> Result<Reply, Complaint>;
}

/// The arguments of one call, checked as they are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'a>(pub(crate) &'a JsonObject);

impl<'a> Arguments<'a> {
    fn take(self, name: &str) -> Result<&'a Value, Complaint> {
        self.0.get(name).ok_or_else(|| Complaint::failed(format!("argument `{name}` is missing")))
    }

    fn text(self, name: &str) -> Result<&'a str, Complaint> {
        self.take(name)?
            .as_str()
            .ok_or_else(|| Complaint::failed(format!("argument `{name}` must be a string")))
    }

    fn number(self, name: &str) -> Result<&'a serde_json::Number, Complaint> {
        self.take(name)?
            .as_number()
            .ok_or_else(|| Complaint::failed(format!("argument `{name}` must be a number")))
    }

    fn object(self, name: &str) -> Result<&'a Map<String, Value>, Complaint> {
        self.take(name)?
            .as_object()
            .ok_or_else(|| Complaint::failed(format!("argument `{name}` must be an object")))
    }
}

/// A tool whose input is an object with exactly these members: name, JSON type, description.
fn tool(
    name: &'static str,
    description: &'static str,
    members: &[(&str, &str, &str)],
    annotations: Option<ToolAnnotations>,
) -> Tool {
    let properties: Map<String, Value> = members
        .iter()
        .map(|(member, kind, text)| {
            ((*member).to_owned(), json!({ "type": kind, "description": text }))
        })
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), members.iter().map(|(member, ..)| *member).collect());
    schema.insert("additionalProperties".to_owned(), json!(false));
    let mut tool = Tool::new(name, description, Arc::new(schema));
    tool.annotations = annotations;
    tool
}

/// The annotations of a tool that only reads; `open` if it reaches beyond the server's own data.
fn reads(title: &str, open: bool) -> ToolAnnotations {
    ToolAnnotations::with_title(title).read_only(true).open_world(open)
}
