//! A tool definition as a server gives it, checked once and then read without doubt.
//!
//! MCP 2026-07-28, server/tools: `{name, title?, description?, inputSchema, outputSchema?,
//! annotations?, _meta?}`. What violates the limits never becomes a [`Definition`].

use remit_mcp::{ParamHeaders, Raw};
use remit_model::{Digest, Value};

/// The most bytes a definition may have (R13).
pub const MAX_DEFINITION: usize = 64 * 1024;

/// The most characters a tool's name may have (MCP 2026-07-28, server/tools, tool names).
pub const MAX_NAME: usize = 128;

/// Why a text is not a tool definition that can be governed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// Too large.
    #[error("expected a definition of at most {MAX_DEFINITION} bytes, got {0}")]
    TooLarge(usize),
    /// Not a JSON object that every parser reads alike.
    #[error("expected one JSON object: {0}")]
    NotAnObject(String),
    /// Not a name.
    #[error("expected a name of 1 to {MAX_NAME} letters, digits, `_`, `-` or `.`, got {0}")]
    Name(String),
    /// The input schema's root does not describe an object.
    #[error("expected an `inputSchema` that says `\"type\": \"object\"`, got {0}")]
    InputSchema(String),
    /// An `x-mcp-header` that a client must not honour.
    #[error("{0}; the protocol forbids using such a tool, so its server must be mended")]
    Header(String),
    /// Nobody can tell which of them a call would reach.
    #[error("expected each name once, but the server lists this one {0} times")]
    Duplicate(usize),
}

/// One tool definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    text: String,
    value: Value,
    name: String,
    digest: Digest,
}

impl Definition {
    /// Reads one definition: a JSON object, byte for byte as the server gave it.
    ///
    /// Errors: it is larger than [`MAX_DEFINITION`], not an object, has a duplicate member, a name
    /// that is none, an input schema that does not describe an object, or an `x-mcp-header` against
    /// the rules.
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        if text.len() > MAX_DEFINITION {
            return Err(DefinitionError::TooLarge(text.len()));
        }
        let value =
            Value::parse(text).map_err(|error| DefinitionError::NotAnObject(error.to_string()))?;
        if !matches!(value, Value::Record(_)) {
            return Err(DefinitionError::NotAnObject("another kind of value".to_owned()));
        }
        let name = name_of(&value)?;
        check_schema(&value)?;
        let digest = Digest::of(value.canonical().as_bytes());
        Ok(Self { text: text.to_owned(), value, name, digest })
    }

    /// The definition, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The definition as a value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The tool's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the canonical form: another order of members or other blanks are the same tool.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What the server says the tool does; empty if it says nothing.
    pub fn description(&self) -> &str {
        self.value.member("description").and_then(Value::as_text).unwrap_or_default()
    }

    /// The schema of the arguments.
    pub fn input_schema(&self) -> &Value {
        self.value.member("inputSchema").unwrap_or(&Value::Null)
    }

    /// The schema of what it returns; `null` if the server says nothing of it.
    pub fn output_schema(&self) -> &Value {
        self.value.member("outputSchema").unwrap_or(&Value::Null)
    }

    /// An annotation that is `true` or `false`; `None` if it is absent or anything else.
    pub fn hint(&self, name: &str) -> Option<bool> {
        match self.value.member("annotations")?.member(name)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }
}

fn name_of(value: &Value) -> Result<String, DefinitionError> {
    let Some(name) = value.member("name").and_then(Value::as_text) else {
        return Err(DefinitionError::Name("none".to_owned()));
    };
    let good = (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if good { Ok(name.to_owned()) } else { Err(DefinitionError::Name(quoted(name))) }
}

fn check_schema(value: &Value) -> Result<(), DefinitionError> {
    let Some(schema) = value.member("inputSchema") else {
        return Err(DefinitionError::InputSchema("none".to_owned()));
    };
    match schema.member("type") {
        Some(Value::Text(kind)) if kind == "object" => {}
        Some(other) => {
            return Err(DefinitionError::InputSchema(quoted(&other.canonical())));
        }
        None => return Err(DefinitionError::InputSchema("no `type`".to_owned())),
    }
    // The rule of whoever sends the headers, so that no tool is offered whose headers nobody could
    // check.
    let header = |why: &dyn std::fmt::Display| DefinitionError::Header(why.to_string());
    let schema = Raw::parse(&schema.canonical()).map_err(|why| header(&why))?;
    ParamHeaders::of_schema(&schema).map_err(|why| header(&why))?;
    Ok(())
}

/// At most 64 characters of a server's text, harmless on a terminal, in backticks.
pub(crate) fn quoted(text: &str) -> String {
    let start: String = text.chars().take(64).collect();
    let dots = if start.len() < text.len() { "…" } else { "" };
    format!("`{}{dots}`", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        Definition::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_same_tool_has_one_digest() {
        let one = r#"{"name":"a","inputSchema":{"type":"object"}}"#;
        let two = "{ \"inputSchema\": {\"type\" : \"object\"},\n \"name\": \"\\u0061\" }";
        let one = Definition::parse(one).unwrap();
        let two = Definition::parse(two).unwrap();
        assert_eq!(one.digest(), two.digest());
        assert_ne!(one.text(), two.text());
    }

    #[test]
    fn what_breaks_a_limit_is_refused_with_a_reason() {
        let named =
            |name: &str| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#);
        assert!(Definition::parse(&named(&"x".repeat(128))).is_ok());
        for (text, expected) in [
            (named(&"x".repeat(129)), "1 to 128"),
            (named("a/b"), "got `a/b`"),
            (named("a b"), "got `a b`"),
            (named(""), "1 to 128"),
            (named("\\u200b"), r"`\u{200b}`"),
            (r#"{"inputSchema":{"type":"object"}}"#.to_owned(), "got none"),
            (r#"{"name":"a"}"#.to_owned(), "got none"),
            (r#"{"name":"a","inputSchema":{}}"#.to_owned(), "no `type`"),
            (r#"{"name":"a","inputSchema":{"type":"array"}}"#.to_owned(), "array"),
            (r#"{"name":"a","name":"b","inputSchema":{"type":"object"}}"#.to_owned(), "twice"),
            ("[]".to_owned(), "JSON object"),
            ("{".to_owned(), "JSON object"),
            (" ".repeat(MAX_DEFINITION + 1), "at most 65536 bytes, got 65537"),
        ] {
            let reason = reason(&text);
            assert!(reason.contains(expected), "{reason} / {expected}");
        }
    }

    #[test]
    fn hints_are_booleans_or_nothing() {
        let text = r#"{"name":"a","inputSchema":{"type":"object"},
            "annotations":{"readOnlyHint":true,"destructiveHint":"no"}}"#;
        let definition = Definition::parse(text).unwrap();
        assert_eq!(definition.hint("readOnlyHint"), Some(true));
        assert_eq!(definition.hint("destructiveHint"), None);
        assert_eq!(definition.hint("openWorldHint"), None);
    }
}
