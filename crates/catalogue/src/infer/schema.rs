//! The leaves of an input schema: what a call can hold, by path.
//!
//! JSON Schema 2020-12, as far as it says where values stand: `properties`, `items`, `prefixItems`,
//! the combinators, and `$ref` within the document. Nothing is fetched from anywhere (MCP
//! 2026-07-28, server/tools). Depth and number are bounded; below the bound a whole branch counts as
//! one leaf about which nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use remit_model::Value;

/// How deep the walk goes, references included (R13).
const MAX_DEPTH: usize = 12;

/// How many leaves a profile names (R13).
const MAX_LEAVES: usize = 256;

/// How many schema nodes are looked at: combinators can multiply without adding leaves (R13).
const MAX_STEPS: usize = 4096;

/// What the schema says of one leaf; where it gives alternatives, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaf {
    /// The JSON types it may have.
    pub(super) types: BTreeSet<String>,
    /// Whether some alternative says nothing about the type.
    pub(super) any_type: bool,
    /// Whether some alternative allows values that are not listed.
    pub(super) free: bool,
    /// Its `format`.
    pub(super) format: String,
    /// The start of its description, in words like the tool's description.
    pub(super) description: String,
}

impl Leaf {
    /// Whether nothing but these types may stand here (`null` aside).
    pub(super) fn only(&self, allowed: &[&str]) -> bool {
        let mut real = self.types.iter().filter(|kind| *kind != "null").peekable();
        !self.any_type && real.peek().is_some() && real.all(|kind| allowed.contains(&kind.as_str()))
    }
}

/// Every leaf by path.
pub(super) fn leaves(schema: &Value) -> BTreeMap<String, Leaf> {
    let mut walk = Walk { root: schema, found: BTreeMap::new(), steps: 0 };
    walk.node(schema, "", 0, "");
    walk.found.remove("");
    walk.found
}

struct Walk<'a> {
    root: &'a Value,
    found: BTreeMap<String, Leaf>,
    steps: usize,
}

impl<'a> Walk<'a> {
    fn node(&mut self, schema: &'a Value, path: &str, depth: usize, description: &'a str) {
        self.steps += 1;
        let description = text(schema, "description").unwrap_or(description);
        if depth > MAX_DEPTH || self.steps > MAX_STEPS {
            self.leaf(path, &Value::Null, description);
            return;
        }
        let mut below = false;
        if let Some(target) = text(schema, "$ref").and_then(|at| self.resolve(at)) {
            self.node(target, path, depth + 1, description);
            below = true;
        }
        for name in ["anyOf", "oneOf", "allOf"] {
            if let Some(Value::List(options)) = schema.member(name) {
                // That it may be left out says nothing of what it is.
                for option in options.iter().filter(|option| !is_null(option)) {
                    self.node(option, path, depth + 1, description);
                    below = true;
                }
            }
        }
        below |= self.members(schema, path, depth);
        below |= self.items(schema, path, depth, description);
        let itself = !below
            || ["type", "enum", "const", "format"].iter().any(|name| {
                schema
                    .member(name)
                    .is_some_and(|value| !matches!(value.as_text(), Some("object" | "array")))
            });
        if itself {
            self.leaf(path, schema, description);
        }
    }

    fn members(&mut self, schema: &'a Value, path: &str, depth: usize) -> bool {
        let Some(Value::Record(members)) = schema.member("properties") else { return false };
        for (name, member) in members {
            let dot = if path.is_empty() { "" } else { "." };
            self.node(member, &format!("{path}{dot}{name}"), depth + 1, "");
        }
        !members.is_empty()
    }

    fn items(&mut self, schema: &'a Value, path: &str, depth: usize, said: &'a str) -> bool {
        let path = format!("{path}[]");
        let mut any = false;
        for name in ["items", "prefixItems"] {
            match schema.member(name) {
                Some(item @ Value::Record(_)) => {
                    self.node(item, &path, depth + 1, said);
                    any = true;
                }
                Some(Value::List(items)) => {
                    for item in items {
                        self.node(item, &path, depth + 1, said);
                    }
                    any = true;
                }
                _ => {}
            }
        }
        any
    }

    fn leaf(&mut self, path: &str, schema: &Value, description: &str) {
        if self.found.len() >= MAX_LEAVES && !self.found.contains_key(path) {
            return;
        }
        let leaf = self.found.entry(path.to_owned()).or_default();
        let types = types(schema);
        let listed = schema.member("enum").is_some() || schema.member("const").is_some();
        let null = types.len() == 1 && types.contains("null");
        leaf.any_type |= types.is_empty();
        leaf.free |= !listed && !null;
        leaf.types.extend(types);
        if let Some(format) = text(schema, "format") {
            leaf.format = format.to_ascii_lowercase();
        }
        if leaf.description.is_empty() {
            let start: String = description.chars().take(200).collect();
            leaf.description = super::plain(&start);
        }
    }

    /// `#/$defs/Name`: a JSON pointer (RFC 6901) into this schema.
    fn resolve(&self, reference: &str) -> Option<&'a Value> {
        let pointer = reference.strip_prefix('#')?;
        pointer.split('/').skip(1).try_fold(self.root, |at, segment| {
            at.member(&segment.replace("~1", "/").replace("~0", "~"))
        })
    }
}

fn text<'a>(schema: &'a Value, name: &str) -> Option<&'a str> {
    schema.member(name).and_then(Value::as_text)
}

fn is_null(schema: &Value) -> bool {
    text(schema, "type") == Some("null")
}

fn types(schema: &Value) -> BTreeSet<String> {
    match schema.member("type") {
        Some(Value::Text(kind)) => BTreeSet::from([kind.clone()]),
        Some(Value::List(kinds)) => {
            kinds.iter().filter_map(Value::as_text).map(str::to_owned).collect()
        }
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(schema: &str) -> Vec<String> {
        leaves(&Value::parse(schema).unwrap())
            .into_iter()
            .map(|(path, leaf)| {
                let types: Vec<_> = leaf.types.iter().map(String::as_str).collect();
                let any = if leaf.any_type { "any" } else { "" };
                let listed = if leaf.free { "" } else { " listed" };
                format!("{path} {any}{}{listed}", types.join("|"))
            })
            .collect()
    }

    #[test]
    fn every_way_to_say_where_a_value_stands() {
        let schema = r##"{"type":"object","$defs":{"P":{"enum":["r","rw"],"type":"string"},
            "T":{"type":"object","properties":{"n":{"type":"integer"},
                 "sub":{"$ref":"#/$defs/T"}}}},
            "properties":{
              "a":{"type":"string"},
              "list":{"type":"array","items":{"type":"object","properties":{"x":{"type":"string"}}}},
              "bare":{"type":"array"},
              "free":{"type":"object"},
              "open":{},
              "maybe":{"anyOf":[{"type":"string"},{"type":"null"}]},
              "either":{"oneOf":[{"type":"string"},{"type":"array","items":{"type":"number"}}]},
              "mode":{"$ref":"#/$defs/P"},
              "away":{"$ref":"https://evil.example/schema"},
              "t":{"allOf":[{"properties":{"n":{"type":"integer"}}}]}}}"##;
        assert_eq!(
            found(schema),
            [
                "a string",
                "away any",
                "bare array",
                "either string",
                "either[] number",
                "free object",
                "list[].x string",
                "maybe string",
                "mode string listed",
                "open any",
                "t.n integer"
            ]
        );
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let schema = r##"{"type":"object","properties":{"t":{"$ref":"#/$defs/T"}},"$defs":{
            "T":{"anyOf":[{"$ref":"#/$defs/T"},{"$ref":"#/$defs/T"},
                 {"properties":{"a":{"$ref":"#/$defs/T"},"b":{"$ref":"#/$defs/T"}}}]}}}"##;
        let found = leaves(&Value::parse(schema).unwrap());
        assert!((1..=MAX_LEAVES).contains(&found.len()), "{}", found.len());
    }

    proptest! {
        #[test]
        fn leaves_are_bounded(names in proptest::collection::btree_set("[a-z]{1,3}", 0..600)) {
            let members: Vec<_> =
                names.iter().map(|name| format!("\"{name}\":{{\"type\":\"string\"}}")).collect();
            let schema = format!("{{\"properties\":{{{}}}}}", members.join(","));
            let found = leaves(&Value::parse(&schema).unwrap());
            prop_assert_eq!(found.len(), names.len().min(MAX_LEAVES));
        }
    }
}
