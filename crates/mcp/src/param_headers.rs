//! Which arguments of a tool are mirrored into `Mcp-Param-*` headers.
//!
//! MCP 2026-07-28 *Custom Headers from Tool Parameters*: a property of the `inputSchema` declares
//! it with `x-mcp-header`. A tool with an invalid declaration must not be offered over HTTP.

use serde_json::{Map, Value};

use crate::object::Object;
use crate::raw::Raw;

/// The annotation.
const ANNOTATION: &str = "x-mcp-header";
/// The most declarations of one tool; the header block is bounded (promise R13).
pub const MAX_DECLARED: usize = 64;

/// The mirrored arguments of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders(Vec<Declared>);

/// One mirrored argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The name after `Mcp-Param-`.
    pub name: String,
    /// The property names that lead to the value in the arguments.
    pub path: Vec<String>,
}

/// Why a tool's declarations are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDeclaration {
    /// The schema is not an object.
    #[error("expected `inputSchema` to be an object")]
    Schema,
    /// Not a header name.
    #[error("expected `x-mcp-header` to be a header name (RFC 9110 token), got {0}")]
    Name(String),
    /// Twice the same.
    #[error("expected each `x-mcp-header` once (case does not count), got `{0}` again")]
    Twice(String),
    /// On something other than an integer, a string or a boolean.
    #[error("expected `x-mcp-header` `{0}` on an integer, a string or a boolean")]
    Kind(String),
    /// Where it could not be found in the arguments by its path alone.
    #[error(
        "expected `x-mcp-header` only on properties reached through `properties`, got it at {0}"
    )]
    Place(String),
    /// Too many.
    #[error("expected at most {MAX_DECLARED} `x-mcp-header` declarations")]
    TooMany,
}

impl ParamHeaders {
    /// Reads the declarations in a tool's `inputSchema`; no declarations is the usual case.
    ///
    /// Errors: see [`BadDeclaration`]; such a tool must be left out of `tools/list`.
    pub fn of_schema(schema: &Raw) -> Result<Self, BadDeclaration> {
        if !schema.as_str().contains(ANNOTATION) && !schema.as_str().contains('\\') {
            return Ok(Self::default());
        }
        let Ok(Value::Object(root)) = serde_json::from_str(schema.as_str()) else {
            return Err(BadDeclaration::Schema);
        };
        let mut found = Vec::new();
        walk(&root, Some(&mut Vec::new()), "", &mut found)?;
        if found.len() > MAX_DECLARED {
            return Err(BadDeclaration::TooMany);
        }
        Ok(Self(found))
    }

    /// Whether nothing is mirrored.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is mirrored.
    pub fn declared(&self) -> &[Declared] {
        &self.0
    }
}

impl Declared {
    /// The value in `arguments`; `None` where it is absent or `null`.
    pub fn value(&self, arguments: &Raw) -> Option<Raw> {
        let mut here = arguments.clone();
        for name in &self.path {
            here = Object::parse(&here).ok()?.get(name)?;
        }
        (!here.is_null()).then_some(here)
    }
}

/// Walks a schema. `path` leads here from the root, `None` once it can no longer be told from the
/// schema alone where in the arguments the value stands.
fn walk(
    schema: &Map<String, Value>,
    mut path: Option<&mut Vec<String>>,
    place: &str,
    found: &mut Vec<Declared>,
) -> Result<(), BadDeclaration> {
    if let Some(declared) = schema.get(ANNOTATION) {
        declare(schema, declared, path.as_deref().map(Vec::as_slice), place, found)?;
    }
    for (keyword, value) in schema {
        let place = format!("{place}/{keyword}");
        match (keyword.as_str(), value) {
            ("default" | "const" | "enum" | "examples", _) => {}
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    let Value::Object(property) = property else { continue };
                    let place = format!("{place}/{name}");
                    if let Some(path) = path.as_deref_mut() {
                        path.push(name.clone());
                        walk(property, Some(path), &place, found)?;
                        path.pop();
                    } else {
                        walk(property, None, &place, found)?;
                    }
                }
            }
            ("patternProperties" | "$defs" | "definitions" | "dependentSchemas", value) => {
                for child in value.as_object().into_iter().flat_map(Map::values) {
                    walk_any(child, &place, found)?;
                }
            }
            (_, value) => walk_any(value, &place, found)?,
        }
    }
    Ok(())
}

fn walk_any(value: &Value, place: &str, found: &mut Vec<Declared>) -> Result<(), BadDeclaration> {
    match value {
        Value::Object(schema) => walk(schema, None, place, found),
        Value::Array(items) => items.iter().try_for_each(|item| walk_any(item, place, found)),
        _ => Ok(()),
    }
}

fn declare(
    schema: &Map<String, Value>,
    declared: &Value,
    path: Option<&[String]>,
    place: &str,
    found: &mut Vec<Declared>,
) -> Result<(), BadDeclaration> {
    let name = declared.as_str().filter(|name| is_token(name));
    let name = name.ok_or_else(|| BadDeclaration::Name(declared.to_string()))?;
    if found.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
        return Err(BadDeclaration::Twice(name.to_owned()));
    }
    let path = path
        .filter(|path| !path.is_empty())
        .ok_or_else(|| BadDeclaration::Place(format!("`{place}`")))?;
    if !matches!(schema.get("type").and_then(Value::as_str), Some("integer" | "string" | "boolean"))
    {
        return Err(BadDeclaration::Kind(name.to_owned()));
    }
    found.push(Declared { name: name.to_owned(), path: path.to_vec() });
    Ok(())
}

/// Whether `name` is a token (RFC 9110 section 5.6.2).
fn is_token(name: &str) -> bool {
    let punctuation = b"!#$%&'*+-.^_`|~";
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || punctuation.contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(schema: &str) -> Result<ParamHeaders, BadDeclaration> {
        ParamHeaders::of_schema(&Raw::parse(schema).unwrap())
    }

    #[test]
    fn finds_nested_properties() {
        let found = read(
            r#"{"type":"object","properties":{"a":{"type":"object","properties":
               {"b":{"type":"integer","x-mcp-header":"B"}}},"c":{"type":"string","x-mcp-header":"C"}}}"#,
        )
        .unwrap();
        assert_eq!(found.declared().len(), 2);
        let arguments = Raw::parse(r#"{"a":{"b":7},"c":null}"#).unwrap();
        let b = found.declared().iter().find(|d| d.name == "B").unwrap();
        assert_eq!(b.value(&arguments).unwrap().as_str(), "7");
        let c = found.declared().iter().find(|d| d.name == "C").unwrap();
        assert_eq!(c.value(&arguments), None);
    }

    #[test]
    fn a_property_or_an_example_of_that_name_is_no_declaration() {
        let named = read(
            r#"{"properties":{"x-mcp-header":{"type":"object"}},"default":{"x-mcp-header":7}}"#,
        );
        assert!(named.unwrap().is_empty());
    }

    #[test]
    fn refuses_invalid_declarations() {
        let property = |p: &str| read(&format!(r#"{{"properties":{{"a":{p}}}}}"#));
        for (bad, kind) in [
            (r#"{"type":"string","x-mcp-header":""}"#, "name"),
            (r#"{"type":"string","x-mcp-header":"a b"}"#, "name"),
            (r#"{"type":"string","x-mcp-header":"a\r\nb"}"#, "name"),
            (r#"{"type":"string","x-mcp-header":7}"#, "name"),
            (r#"{"type":"number","x-mcp-header":"A"}"#, "integer"),
            (r#"{"type":"null","x-mcp-header":"A"}"#, "integer"),
            (r#"{"type":"array","items":{"type":"string","x-mcp-header":"A"}}"#, "reached"),
            (r#"{"anyOf":[{"type":"string","x-mcp-header":"A"}]}"#, "reached"),
            (
                r#"{"type":"string","x-mcp-header":"A","not":{"type":"string","x-mcp-header":"a"}}"#,
                "again",
            ),
        ] {
            let error = property(bad).unwrap_err().to_string();
            assert!(error.contains(kind), "{bad}: {error}");
        }
        let root = read(r#"{"type":"string","x-mcp-header":"A"}"#);
        assert!(matches!(root, Err(BadDeclaration::Place(_))));
        let escaped = read(r#"{"properties":{"a":{"type":"number","x-mcp-h\u0065ader":"A"}}}"#);
        assert!(matches!(escaped, Err(BadDeclaration::Kind(_))));
    }
}
