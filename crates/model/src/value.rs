//! A JSON value that loses nothing a decision could hang on.
//!
//! Numbers keep their text, objects are sorted and refuse duplicate names (two parsers could
//! otherwise read two different calls from the same bytes), and depth is bounded.
//! [`Value::canonical`] is what digests are taken over: RFC 8785 ordering and escaping for
//! everything but numbers, which keep their exact text because RFC 8785 rounds them to doubles.

mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

/// How deep a value may nest (R13).
pub const MAX_DEPTH: usize = 64;

/// Why a text is not a value.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// Not JSON, or a duplicate name.
    #[error("expected one JSON value: {0}")]
    Syntax(String),
    /// Nested too deep.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, exactly as written.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object, sorted by name.
    Record(BTreeMap<String, Value>),
}

impl Default for Value {
    fn default() -> Self {
        Self::Record(BTreeMap::new())
    }
}

impl Value {
    /// Reads one JSON value.
    ///
    /// Errors: not JSON, a duplicate object name, or deeper than [`MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let raw: &RawValue =
            serde_json::from_str(text).map_err(|e| ValueError::Syntax(e.to_string()))?;
        read::value(raw.get())
    }

    /// The canonical bytes: sorted names, no blanks, minimal escapes, numbers as written.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => write_string(text, out),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Record(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_string(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The member `name` of a record.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Record(members) => members.get(name),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Calls `visit` with the path (see [`crate::ArgumentPath`]) and value of every leaf.
    pub fn leaves<'a>(&'a self, visit: &mut impl FnMut(&str, &'a Self)) {
        self.walk(&mut String::new(), visit);
    }

    fn walk<'a>(&'a self, path: &mut String, visit: &mut impl FnMut(&str, &'a Self)) {
        let length = path.len();
        match self {
            Self::Record(members) => {
                for (name, value) in members {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                    value.walk(path, visit);
                    path.truncate(length);
                }
            }
            Self::List(items) => {
                path.push_str("[]");
                for item in items {
                    item.walk(path, visit);
                }
                path.truncate(length);
            }
            leaf => visit(path, leaf),
        }
    }
}

/// Writes a string with the minimal escapes of RFC 8785 section 3.2.2.2, which are those of `serde_json`.
fn write_string(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    // INVARIANT: serialising a `str` cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// As its canonical bytes, where the serializer is that of JSON.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Number(text) => RawValue::from_string(text.clone())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Record(members) => serializer.collect_map(members),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        read::value(raw.get()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_numbers_and_sorts_names() {
        let value =
            Value::parse(r#"{"b":9007199254740993,"a":[1.50,"x\u0041"],"c":null}"#).unwrap();
        assert_eq!(value.canonical(), r#"{"a":[1.50,"xA"],"b":9007199254740993,"c":null}"#);
    }

    #[test]
    fn refuses_what_two_parsers_could_read_differently() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"a":{"b":1,"b":1}}"#, "{", "1 2", "", "{'a':1}"] {
            assert!(Value::parse(bad).is_err(), "{bad}");
        }
        let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
        assert!(matches!(Value::parse(&deep), Err(ValueError::TooDeep)));
    }

    #[test]
    fn names_the_path_of_every_leaf() {
        let value = Value::parse(r#"{"to":["a","b"],"body":{"text":"x"}}"#).unwrap();
        let mut paths = Vec::new();
        value.leaves(&mut |path, _| paths.push(path.to_owned()));
        assert_eq!(paths, ["body.text", "to[]", "to[]"]);
    }

    proptest! {
        #[test]
        fn canonical_form_is_a_fixed_point(text in "\\PC{0,40}", n in any::<i64>()) {
            let json = serde_json::json!({"t": text, "n": n, "l": [text, n]}).to_string();
            let once = Value::parse(&json).unwrap();
            let twice = Value::parse(&once.canonical()).unwrap();
            prop_assert_eq!(&once, &twice);
            prop_assert_eq!(serde_json::to_string(&once).unwrap(), once.canonical());
        }
    }
}
