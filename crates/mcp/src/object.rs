//! The members of a JSON object, found but not decoded.

use std::borrow::Cow;

use crate::raw::Raw;
use crate::scan::{self, Span};

/// An object and where its members stand in its text.
#[derive(Clone, Debug)]
pub struct Object {
    raw: Raw,
    members: Vec<Member>,
}

/// A member of an object.
#[derive(Clone, Debug)]
struct Member {
    span: Span,
    /// Its name, where that is not what stands between the quotes.
    unescaped: Option<Box<str>>,
}

/// An object of our own, written member by member.
#[derive(Debug)]
pub(crate) struct Composed {
    text: String,
    members: Vec<Member>,
}

/// Why a value is not usable as an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// Some other JSON value.
    #[error("expected an object, got another kind of value")]
    NotAnObject,
    /// Two readers could pick different members.
    #[error("the name {0} stands twice in one object; send it once")]
    Duplicate(String),
}

impl Object {
    /// Finds the members of `raw`.
    ///
    /// Errors: not an object, or a name that stands twice at its top level.
    pub fn parse(raw: &Raw) -> Result<Self, ObjectError> {
        let text = raw.as_str();
        let spans = scan::members(text).ok_or(ObjectError::NotAnObject)?;
        let mut names = Vec::with_capacity(spans.len());
        let mut members = Vec::with_capacity(spans.len());
        for span in spans {
            let literal = text.get(span.key.clone()).unwrap_or_default();
            let duplicate = || ObjectError::Duplicate(literal.to_owned());
            let name = scan::name(literal).ok_or_else(duplicate)?;
            let unescaped = match &name {
                Cow::Borrowed(_) => None,
                Cow::Owned(name) => Some(name.as_str().into()),
            };
            members.push(Member { span, unescaped });
            names.push((name, literal));
        }
        match scan::repeated(&mut names) {
            Some(twice) => Err(ObjectError::Duplicate(twice.to_owned())),
            None => Ok(Self { raw: raw.clone(), members }),
        }
    }

    /// The object `{}`.
    pub fn empty() -> Self {
        Self { raw: Raw::trusted("{}"), members: Vec::new() }
    }

    /// The whole object as it was written.
    pub fn raw(&self) -> &Raw {
        &self.raw
    }

    /// The member `name`, as written.
    pub fn get(&self, name: &str) -> Option<Raw> {
        let (_, span) = self.spans().find(|(found, _)| *found == name)?;
        Some(self.raw.slice(&span.value))
    }

    /// The member `name` if it is a string, unescaped.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_text()
    }

    /// The member `name` if it is an object without duplicate names.
    pub fn object(&self, name: &str) -> Option<Self> {
        Self::parse(&self.get(name)?).ok()
    }

    /// Whether there is a member `name`.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|found| found == name)
    }

    /// The names of the members, in the order they stand.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.spans().map(|(name, _)| name)
    }

    /// The members, in the order they stand.
    pub fn members(&self) -> impl Iterator<Item = (&str, Raw)> {
        self.spans().map(|(name, span)| (name, self.raw.slice(&span.value)))
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The names of the members, and where they stand.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (&str, &Span)> {
        let text = self.raw.as_str();
        self.members.iter().map(move |Member { span, unescaped }| {
            let within = span.key.start.saturating_add(1)..span.key.end.saturating_sub(1);
            let written = || text.get(within).unwrap_or_default();
            (unescaped.as_deref().unwrap_or_else(written), span)
        })
    }
}

impl Composed {
    /// No member yet; room for so many bytes of them.
    pub(crate) fn with_room(bytes: usize) -> Self {
        let mut text = String::with_capacity(bytes.saturating_add(2));
        text.push('{');
        Self { text, members: Vec::with_capacity(4) }
    }

    /// Adds the member `name`, which is not there yet and needs no escapes, with a value that is JSON.
    pub(crate) fn put(&mut self, name: &'static str, value: &str) {
        debug_assert!(!name.contains(['"', '\\']) && name.chars().all(|c| !c.is_control()));
        if !self.members.is_empty() {
            self.text.push(',');
        }
        let start = self.text.len();
        self.text.extend(["\"", name, "\":"]);
        let (end, at) = (self.text.len().saturating_sub(1), self.text.len());
        self.text.push_str(value);
        let span = Span { key: start..end, value: at..self.text.len() };
        self.members.push(Member { span, unescaped: None });
    }

    /// The object.
    pub(crate) fn finish(self) -> Object {
        let Self { mut text, members } = self;
        text.push('}');
        Object { raw: Raw::trusted(&text), members }
    }

    /// Its text alone.
    pub(crate) fn into_text(self) -> String {
        let mut text = self.text;
        text.push('}');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_members_by_their_unescaped_name() {
        let raw = Raw::parse(r#"{"n\u0061me":"x\ny","o":{"k":1}, "l": [1]}"#).unwrap();
        let object = Object::parse(&raw).unwrap();
        assert_eq!(object.text("name").as_deref(), Some("x\ny"));
        assert_eq!(object.get("l").unwrap().as_str(), "[1]");
        assert_eq!(object.object("o").unwrap().get("k").unwrap().as_str(), "1");
        assert!(object.text("l").is_none() && object.get("x").is_none());
        assert_eq!(object.names().collect::<Vec<_>>(), ["name", "o", "l"]);
    }

    #[test]
    fn what_is_composed_reads_as_what_is_parsed() {
        let mut composed = Composed::with_room(8);
        composed.put("a", "{\"b\":[1, 2]}");
        composed.put("io.x/y", "\"\"");
        let composed = composed.finish();
        let parsed = Object::parse(composed.raw()).unwrap();
        assert!(composed.members().eq(parsed.members()), "{composed:?} is not {parsed:?}");
        assert_eq!(composed.raw().as_str(), r#"{"a":{"b":[1, 2]},"io.x/y":""}"#);
        assert_eq!(Composed::with_room(0).finish().raw().as_str(), "{}");
    }

    #[test]
    fn refuses_duplicates_and_other_values() {
        let twice = Raw::parse(r#"{"a":1,"a":2}"#).unwrap();
        assert!(matches!(Object::parse(&twice), Err(ObjectError::Duplicate(_))));
        let list = Raw::parse("[]").unwrap();
        assert!(matches!(Object::parse(&list), Err(ObjectError::NotAnObject)));
    }
}
