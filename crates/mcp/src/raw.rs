//! A piece of JSON that keeps its bytes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::scan;

/// One JSON value as it was written, without the blanks around it. Cloning and slicing share the
/// text. Two values are equal if their bytes are.
#[derive(Clone)]
pub struct Raw {
    text: Arc<str>,
    span: Range<usize>,
}

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one JSON value, got something else: {0}")]
pub struct NotJson(String);

impl Raw {
    /// Checks that `text` is exactly one JSON value (RFC 8259), blanks around it allowed.
    pub fn parse(text: &str) -> Result<Self, NotJson> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| NotJson(e.to_string()))?;
        Ok(Self::trusted(raw.get().trim_matches(BLANKS)))
    }

    /// A string value.
    pub fn string(text: &str) -> Self {
        let mut quoted = String::with_capacity(text.len() + 2);
        push_string(&mut quoted, text);
        Self::trusted(&quoted)
    }

    /// Text that is known to be JSON.
    pub(crate) fn trusted(text: &str) -> Self {
        Self { text: text.into(), span: 0..text.len() }
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        // INVARIANT: spans come from the scanner, which cuts at ASCII characters only.
        self.text.get(self.span.clone()).unwrap_or_default()
    }

    /// A part of this value, sharing its text. `span` is relative to [`Raw::as_str`].
    pub(crate) fn slice(&self, span: &Range<usize>) -> Self {
        let start = self.span.start + span.start;
        let end = (self.span.start + span.end).min(self.span.end);
        Self { text: Arc::clone(&self.text), span: start.min(end)..end }
    }

    /// The text of a string value, unescaped; `None` for anything else.
    pub fn as_text(&self) -> Option<String> {
        let literal = self.as_str();
        literal.starts_with('"').then(|| scan::name(literal)).flatten().map(Into::into)
    }

    /// The elements of an array, in order; `None` for anything else.
    pub fn elements(&self) -> Option<Vec<Self>> {
        let spans = scan::elements(self.as_str())?;
        Some(spans.iter().map(|span| self.slice(span)).collect())
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// The same value on one line: line breaks between tokens become spaces. Line breaks inside
    /// strings are always escaped in JSON, so no value changes.
    pub fn to_line(&self) -> String {
        self.as_str().replace(['\n', '\r'], " ")
    }
}

/// Writes `text` as a string value.
pub(crate) fn push_string(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        // INVARIANT: serialising a `str` cannot fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    } else {
        out.extend(["\"", text, "\""]);
    }
}

/// What JSON counts as a blank (RFC 8259 section 2).
pub(crate) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

impl From<serde_json::Value> for Raw {
    fn from(value: serde_json::Value) -> Self {
        Self::trusted(&value.to_string())
    }
}

impl From<u64> for Raw {
    fn from(number: u64) -> Self {
        Self::trusted(&number.to_string())
    }
}

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Raw {}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shows how long the value is, not what it says: bodies must not reach logs by accident.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.as_str().len())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.as_str().to_owned())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_bytes() {
        let raw = Raw::parse(" {\"a\" : 1.50, \"b\":[ 1e9 ]}\n").unwrap();
        assert_eq!(raw.as_str(), "{\"a\" : 1.50, \"b\":[ 1e9 ]}");
        assert_eq!(serde_json::to_string(&raw).unwrap(), raw.as_str());
        assert!(!format!("{raw:?}").contains("1.50"));
    }

    #[test]
    fn strings_are_escaped_where_they_must_be() {
        for text in ["", "plain ü \u{7f}", "a\"b", "a\\b", "a\nb", "\0", "\u{1f}"] {
            assert_eq!(Raw::string(text).as_str(), serde_json::to_string(text).unwrap());
            assert_eq!(Raw::string(text).as_text().as_deref(), Some(text));
        }
    }

    #[test]
    fn refuses_what_is_not_one_value() {
        for bad in ["", "{", "1 2", "{'a':1}", "nul", "[1,]", "\u{feff}1", "{\"a\":01}"] {
            assert!(Raw::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn line_form_has_no_breaks_and_the_same_value() {
        let raw = Raw::parse("{\r\n \"a\": \"x\\n\"\n}").unwrap();
        let line = raw.to_line();
        assert!(!line.contains(['\n', '\r']));
        let (one, two): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&line).unwrap(), serde_json::from_str(raw.as_str()).unwrap());
        assert_eq!(one, two);
    }
}
