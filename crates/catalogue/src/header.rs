//! `x-mcp-header`: which arguments a client repeats in HTTP headers.
//!
//! MCP 2026-07-28, basic/transports, custom headers from tool parameters: the value is a non-empty
//! RFC 9110 token, unique regardless of case; the property is an integer, a string or a boolean; and
//! it is reached from the root by `properties` alone. A client must drop a tool that violates this,
//! because header and body could then say different things.

use std::collections::BTreeSet;

use remit_model::Value;

use crate::definition::quoted;

const KEY: &str = "x-mcp-header";

/// Members whose value is data, not a schema: nothing in there is an annotation.
const DATA: &[&str] = &["const", "default", "enum", "example", "examples", "required"];

/// Members that map names to schemas.
const NAMED: &[&str] =
    &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// Checks every `x-mcp-header` of an input schema; the error says which one breaks what.
pub(crate) fn check(schema: &Value) -> Result<(), String> {
    walk(schema, Place::Root, &mut BTreeSet::new())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Property,
    Elsewhere,
}

fn walk(schema: &Value, place: Place, seen: &mut BTreeSet<String>) -> Result<(), String> {
    match schema {
        Value::List(items) => items.iter().try_for_each(|item| walk(item, Place::Elsewhere, seen)),
        Value::Record(members) => {
            if let Some(header) = members.get(KEY) {
                check_one(header, schema, place, seen)?;
            }
            for (name, value) in members.iter().filter(|(name, _)| !DATA.contains(&name.as_str())) {
                let below = if name == "properties" && place != Place::Elsewhere {
                    Place::Property
                } else {
                    Place::Elsewhere
                };
                match value {
                    Value::Record(named) if NAMED.contains(&name.as_str()) => {
                        named.values().try_for_each(|schema| walk(schema, below, seen))?;
                    }
                    _ if name == KEY => {}
                    value => walk(value, Place::Elsewhere, seen)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_one(
    header: &Value,
    schema: &Value,
    place: Place,
    seen: &mut BTreeSet<String>,
) -> Result<(), String> {
    let Some(name) = header.as_text() else {
        return Err(format!("expected `{KEY}` to be a string"));
    };
    let shown = quoted(name);
    if place != Place::Property {
        return Err(format!("`{KEY}` {shown} is not reached by `properties` alone"));
    }
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(format!("`{KEY}` {shown} is not an RFC 9110 token"));
    }
    let kind = schema.member("type").and_then(Value::as_text);
    if !matches!(kind, Some("string" | "integer" | "boolean")) {
        return Err(format!("`{KEY}` {shown} is not at a string, an integer or a boolean"));
    }
    if seen.insert(name.to_ascii_lowercase()) {
        Ok(())
    } else {
        Err(format!("`{KEY}` {shown} stands twice"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(properties: &str) -> Result<(), String> {
        check(&Value::parse(&format!(r#"{{"type":"object",{properties}}}"#)).unwrap())
    }

    #[test]
    fn good_headers_pass() {
        for good in [
            r#""properties":{"a":{"type":"string","x-mcp-header":"Region"}}"#,
            r#""properties":{"a":{"type":"object","properties":{"b":{"type":"integer",
               "x-mcp-header":"N"}}}}"#,
            // A property of that name, and data that merely looks like one.
            r#""properties":{"x-mcp-header":{"type":"array"}}"#,
            r#""properties":{"a":{"type":"array","default":[{"x-mcp-header":""}]}}"#,
        ] {
            assert_eq!(verdict(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn bad_headers_name_the_rule() {
        for (bad, expected) in [
            (r#""properties":{"a":{"type":"string","x-mcp-header":""}}"#, "token"),
            (r#""properties":{"a":{"type":"string","x-mcp-header":"a b"}}"#, "token"),
            (r#""properties":{"a":{"type":"string","x-mcp-header":1}}"#, "string"),
            (r#""properties":{"a":{"type":"number","x-mcp-header":"A"}}"#, "integer"),
            (
                r#""properties":{"a":{"type":"string","x-mcp-header":"A"},
                   "b":{"type":"string","x-mcp-header":"a"}}"#,
                "twice",
            ),
            (
                r#""properties":{"a":{"type":"array","items":{"type":"string",
                   "x-mcp-header":"A"}}}"#,
                "`properties` alone",
            ),
            (
                r#""properties":{"a":{"anyOf":[{"type":"string","x-mcp-header":"A"}]}}"#,
                "`properties` alone",
            ),
            (
                r#""properties":{},"$defs":{"d":{"properties":{"a":{"type":"string",
                   "x-mcp-header":"A"}}}}"#,
                "`properties` alone",
            ),
            (r#""x-mcp-header":"A""#, "`properties` alone"),
        ] {
            let error = verdict(bad).unwrap_err();
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }
}
