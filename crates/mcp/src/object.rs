//! The members of a JSON object, found but not decoded.

use crate::raw::Raw;
use crate::scan::{self, Span};

/// An object and where its members stand in its text.
#[derive(Clone, Debug)]
pub struct Object {
    raw: Raw,
    members: Vec<(String, Span)>,
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
            members.push((name.clone().into_owned(), span));
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
        let (_, span) = self.members.iter().find(|(found, _)| found == name)?;
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
        self.members.iter().any(|(found, _)| found == name)
    }

    /// The names of the members, in the order they stand.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    /// The members, in the order they stand.
    pub fn members(&self) -> impl Iterator<Item = (&str, Raw)> {
        self.members.iter().map(|(name, span)| (name.as_str(), self.raw.slice(&span.value)))
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn spans(&self) -> &[(String, Span)] {
        &self.members
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
    fn refuses_duplicates_and_other_values() {
        let twice = Raw::parse(r#"{"a":1,"a":2}"#).unwrap();
        assert!(matches!(Object::parse(&twice), Err(ObjectError::Duplicate(_))));
        let list = Raw::parse("[]").unwrap();
        assert!(matches!(Object::parse(&list), Err(ObjectError::NotAnObject)));
    }
}
