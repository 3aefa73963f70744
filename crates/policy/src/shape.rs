//! The typed input of a tool: what of its `inputSchema` Cedar can see, and how arguments become it.
//!
//! | JSON Schema | Cedar |
//! |---|---|
//! | `string`, an `enum` or `const` of strings | `String` |
//! | `boolean` | `Bool` |
//! | `integer` | `Long` if exact in 64 bits, else absent with `<name>_text` beside it |
//! | `number` | `decimal` if exact with four fraction digits, else absent with `<name>_text` |
//! | `array` of strings, booleans or integers | `Set` |
//! | `object` with properties | record |
//! | anything else, `$ref`, unions other than with `null` | absent |
//!
//! Every attribute is optional. A definition comes from outside, so its size is bounded (R13) and
//! `$ref` is not followed. An argument whose type contradicts the definition is a [`Mismatch`]:
//! a policy written against the type could not see it, so the call is refused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use remit_model::Value;
use serde_json::json;

use crate::fact::{Fact, Facts, text};
use crate::number;
use crate::sight::Sight;

/// How deep records nest.
const MAX_DEPTH: usize = 4;
/// How many attributes one record has.
const MAX_ATTRIBUTES: usize = 64;
/// How many attributes one tool has in all.
const MAX_TOTAL: usize = 256;
/// How long an attribute's name is, in bytes.
const MAX_NAME: usize = 128;

/// What stands in a path for the items of a list.
const ITEMS: &str = "[]";

/// What one argument can be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    Flag,
    Long,
    Decimal,
    Set(Scalar),
    Record(Attributes),
}

/// What a set can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    Text,
    Flag,
    Long,
}

/// The attributes of a record, all optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(BTreeMap<String, Shape>);

/// An argument that is not of the type its tool's definition gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) path: String,
    pub(crate) expected: &'static str,
    pub(crate) came: &'static str,
}

impl Attributes {
    /// What Cedar can see of the input of a tool with this `inputSchema`.
    pub(crate) fn of_schema(schema: &Value) -> Self {
        Self::of_properties(schema, 0, &mut { MAX_TOTAL })
    }

    fn of_properties(schema: &Value, depth: usize, left: &mut usize) -> Self {
        let Some(Value::Record(properties)) = schema.member("properties") else {
            return Self::default();
        };
        let mut attributes = BTreeMap::new();
        for (name, property) in properties {
            if attributes.len() >= MAX_ATTRIBUTES || *left == 0 {
                break;
            }
            if name.len() > MAX_NAME {
                continue;
            }
            *left -= 1;
            if let Some(shape) = Shape::of(property, depth + 1, left) {
                attributes.insert(name.clone(), shape);
            }
        }
        Self(attributes)
    }

    /// The record type in Cedar's JSON schema format.
    pub(crate) fn schema(&self) -> serde_json::Value {
        let mut attributes = serde_json::Map::new();
        for (name, shape) in &self.0 {
            if shape.is_number() {
                let text = json!({ "type": "String", "required": false });
                attributes.insert(format!("{name}_text"), text);
            }
        }
        for (name, shape) in &self.0 {
            let mut schema = shape.schema();
            if let Some(members) = schema.as_object_mut() {
                members.insert("required".to_owned(), json!(false));
            }
            attributes.insert(name.clone(), schema);
        }
        json!({ "type": "Record", "attributes": attributes })
    }

    /// The arguments as policies see them, as far as `sight` goes; all are compared with their types.
    ///
    /// Errors: an argument is not of its type.
    pub(crate) fn express<'a>(
        &'a self,
        value: &'a Value,
        sight: &Sight,
    ) -> Result<Fact<'a>, Mismatch> {
        let Value::Record(members) = value else {
            return Err(Mismatch::new("an object", value));
        };
        let mut facts: Facts<'a> = Vec::new();
        for (name, shape) in &self.0 {
            let value = match members.get(name) {
                None | Some(Value::Null) => continue,
                Some(value) => value,
            };
            let fact = shape.express(value, sight.within(name));
            if let Some(fact) = fact.map_err(|mismatch| mismatch.within(name))? {
                if sight.sees(name) {
                    facts.push((Cow::Borrowed(name), fact));
                }
            } else if let Value::Number(number) = value {
                let beside = format!("{name}_text");
                if sight.sees(&beside) && !self.0.contains_key(&beside) {
                    facts.push((Cow::Owned(beside), text(number)));
                }
            }
        }
        Ok(Fact::Record(facts))
    }
}

impl Mismatch {
    fn new(expected: &'static str, value: &Value) -> Self {
        let came = match value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Record(_) => "an object",
        };
        Self { path: String::new(), expected, came }
    }

    /// The same of a member `name`, or of the items of it.
    fn within(self, name: &str) -> Self {
        let between = if matches!(self.path.as_str(), "" | ITEMS) { "" } else { "." };
        Self { path: format!("{name}{between}{}", self.path), ..self }
    }
}

impl Shape {
    fn of(schema: &Value, depth: usize, left: &mut usize) -> Option<Self> {
        if schema.member("$ref").is_some() {
            return None;
        }
        if let Some(only) = nullable(schema) {
            return Self::of(only, depth, left);
        }
        match kind(schema)? {
            "string" => Some(Self::Text),
            "boolean" => Some(Self::Flag),
            "integer" => Some(Self::Long),
            "number" => Some(Self::Decimal),
            "array" => match Self::of(schema.member("items")?, depth, left)? {
                Self::Text => Some(Self::Set(Scalar::Text)),
                Self::Flag => Some(Self::Set(Scalar::Flag)),
                Self::Long => Some(Self::Set(Scalar::Long)),
                Self::Decimal | Self::Set(_) | Self::Record(_) => None,
            },
            "object" if depth < MAX_DEPTH && schema.member("properties").is_some() => {
                Some(Self::Record(Attributes::of_properties(schema, depth, left)))
            }
            _ => None,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Long | Self::Decimal)
    }

    fn schema(&self) -> serde_json::Value {
        match self {
            Self::Text => json!({ "type": "String" }),
            Self::Flag => json!({ "type": "Boolean" }),
            Self::Long => json!({ "type": "Long" }),
            Self::Decimal => json!({ "type": "Extension", "name": "decimal" }),
            Self::Set(scalar) => json!({ "type": "Set", "element": scalar.shape().schema() }),
            Self::Record(attributes) => attributes.schema(),
        }
    }

    /// `None`: the value is a number that Cedar cannot hold exactly.
    fn express<'a>(
        &'a self,
        value: &'a Value,
        sight: &Sight,
    ) -> Result<Option<Fact<'a>>, Mismatch> {
        match (self, value) {
            (Self::Set(scalar), Value::List(items)) => {
                let facts: Result<Option<Vec<_>>, _> =
                    items.iter().map(|item| scalar.express(item)).collect();
                Ok(facts.map_err(|mismatch| mismatch.within(ITEMS))?.map(Fact::Set))
            }
            (Self::Record(attributes), value) => attributes.express(value, sight).map(Some),
            (Self::Text, value) => Scalar::Text.express(value),
            (Self::Flag, value) => Scalar::Flag.express(value),
            (Self::Long, value) => Scalar::Long.express(value),
            (Self::Decimal, Value::Number(text)) => Ok(number::decimal(text).map(Fact::Decimal)),
            (shape, value) => Err(Mismatch::new(shape.words(), value)),
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Flag => "a boolean",
            Self::Long => "a whole number",
            Self::Decimal => "a number",
            Self::Set(_) => "a list",
            Self::Record(_) => "an object",
        }
    }
}

impl Scalar {
    /// `None`: the value is a number that Cedar cannot hold exactly.
    fn express(self, value: &Value) -> Result<Option<Fact<'_>>, Mismatch> {
        match (self, value) {
            (Self::Text, Value::Text(said)) => Ok(Some(text(said))),
            (Self::Flag, Value::Bool(flag)) => Ok(Some(Fact::Flag(*flag))),
            (Self::Long, Value::Number(text)) => Ok(number::long(text).map(Fact::Long)),
            (scalar, value) => Err(Mismatch::new(scalar.shape().words(), value)),
        }
    }

    fn shape(self) -> Shape {
        match self {
            Self::Text => Shape::Text,
            Self::Flag => Shape::Flag,
            Self::Long => Shape::Long,
        }
    }
}

/// `anyOf`/`oneOf` of one schema and `null`: that schema.
fn nullable(schema: &Value) -> Option<&Value> {
    let alternatives = schema.member("anyOf").or_else(|| schema.member("oneOf"))?;
    let Value::List(alternatives) = alternatives else { return None };
    let is_null = |s: &&Value| s.member("type").and_then(Value::as_text) == Some("null");
    let mut rest = alternatives.iter().filter(|s| !is_null(s));
    match (alternatives.len(), rest.next(), rest.next()) {
        (2, Some(only), None) => Some(only),
        _ => None,
    }
}

/// The one type a schema gives, `null` aside.
fn kind(schema: &Value) -> Option<&str> {
    match schema.member("type") {
        Some(Value::Text(kind)) => Some(kind),
        Some(Value::List(kinds)) => {
            let mut rest = kinds.iter().filter_map(Value::as_text).filter(|kind| *kind != "null");
            match (rest.next(), rest.next()) {
                (Some(only), None) => Some(only),
                _ => None,
            }
        }
        Some(_) => None,
        None => {
            let texts = |value: &Value| match value {
                Value::List(items) => {
                    !items.is_empty() && items.iter().all(|item| item.as_text().is_some())
                }
                _ => false,
            };
            let choice = schema.member("enum").is_some_and(texts);
            let fixed = schema.member("const").is_some_and(|value| value.as_text().is_some());
            (choice || fixed).then_some("string")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sight::ALL;

    fn attributes(properties: &str) -> Attributes {
        let schema = format!(r#"{{"type":"object","properties":{properties}}}"#);
        Attributes::of_schema(&Value::parse(&schema).unwrap())
    }

    #[test]
    fn types_are_taken_where_they_are_plain() {
        let seen = attributes(
            r##"{"a":{"type":"string"},"b":{"type":["integer","null"]},"c":{"enum":["x","y"]},
                "d":{"anyOf":[{"type":"boolean"},{"type":"null"}]},
                "e":{"type":"array","items":{"type":"string"}},
                "f":{"type":"object","properties":{"g":{"type":"number"}}},
                "h":{"$ref":"#/$defs/x"},"i":{"type":["string","number"]},"j":{},"k":true,
                "l":{"type":"array","items":{"type":"object","properties":{"m":{"type":"string"}}}},
                "n":{"type":"string","$ref":"#/$defs/x"}}"##,
        );
        let names: Vec<_> = seen.0.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(seen.0["b"], Shape::Long);
        assert_eq!(seen.0["e"], Shape::Set(Scalar::Text));
    }

    #[test]
    fn a_hostile_definition_stays_small() {
        let mut deep = r#"{"x":{"type":"string"}}"#.to_owned();
        for _ in 0..8 {
            deep = format!(r#"{{"d":{{"type":"object","properties":{deep}}}}}"#);
        }
        assert!(attributes(&deep).schema().to_string().matches("\"d\"").count() < MAX_DEPTH);
        let wide: Vec<_> = (0..5000).map(|n| format!(r#""n{n}":{{"type":"string"}}"#)).collect();
        let wide = format!("{{{}}}", wide.join(","));
        assert_eq!(attributes(&wide).0.len(), MAX_ATTRIBUTES);
        let both: Vec<_> =
            (0..60).map(|n| format!(r#""n{n}":{{"type":"object","properties":{wide}}}"#)).collect();
        let all = attributes(&format!("{{{}}}", both.join(",")));
        let total: usize = all
            .0
            .values()
            .map(|shape| if let Shape::Record(inner) = shape { 1 + inner.0.len() } else { 1 })
            .sum();
        assert!(total <= MAX_TOTAL, "{total}");
    }

    #[test]
    fn an_argument_of_another_type_is_refused_rather_than_hidden() {
        let seen = attributes(
            r#"{"amount":{"type":"integer"},"to":{"type":"array","items":{"type":"string"}},
                "o":{"type":"object","properties":{"on":{"type":"boolean"}}}}"#,
        );
        let express = |json: &str| seen.express(&Value::parse(json).unwrap(), &ALL).map(drop);
        assert!(express(r#"{"amount":1e30,"to":[],"o":{},"more":1}"#).is_ok());
        assert!(express(r#"{"amount":null}"#).is_ok());
        for (json, path, expected, came) in [
            (r#"{"amount":"1000"}"#, "amount", "a whole number", "a string"),
            (r#"{"to":"a@x"}"#, "to", "a list", "a string"),
            (r#"{"to":["a",1]}"#, "to[]", "a string", "a number"),
            (r#"{"o":{"on":"yes"}}"#, "o.on", "a boolean", "a string"),
            ("[]", "", "an object", "a list"),
        ] {
            let path = path.to_owned();
            assert_eq!(express(json).unwrap_err(), Mismatch { path, expected, came }, "{json}");
        }
    }
}
