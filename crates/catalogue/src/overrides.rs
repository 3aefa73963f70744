//! What a person configured for a server: the only word that may lower an assumed risk.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use remit_model::scope::PatternError;
use remit_model::tool::{ArgumentProfile, Trust};
use remit_model::{ArgumentPath, Confidentiality, Effect, Reach, ToolPattern};
use serde::{Deserialize, Serialize};

/// A pattern over a tool's own name: `*` stands for any run of characters, e.g. `read_*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    literals: usize,
    text: String,
    pattern: ToolPattern,
}

impl NamePattern {
    /// Whether the pattern covers the tool called `name`.
    pub fn covers(&self, name: &str) -> bool {
        self.pattern.covers(&format!("-/{name}"))
    }
}

impl FromStr for NamePattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let pattern = format!("*/{text}").parse()?;
        let literals = text.chars().filter(|c| *c != '*').count();
        Ok(Self { literals, text: text.to_owned(), pattern })
    }
}

impl TryFrom<String> for NamePattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a person says of the tools that match a pattern. What is left out is inferred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileOverride {
    /// What calling it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// How far that reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach: Option<Reach>,
    /// How sensitive what it returns is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Confidentiality>,
    /// Whether an outsider could have written what it returns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returns: Option<Trust>,
    /// Whether calling it twice is the same as once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// The tool that undoes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// Its arguments, by path; paths that the schema does not name may be given, too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<ArgumentPath, ArgumentProfile>,
}

/// What a person configured for one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// The approver group that answers for the server.
    pub owner: String,
    /// Whether the server's annotations may lower a risk, too. Off unless a person says so: an
    /// annotation is the server's own word.
    pub trust_annotations: bool,
    /// Profiles by pattern over the tool's own name, least specific first: where several patterns
    /// cover a tool, the one with more literal characters has the last word on each part.
    pub tools: BTreeMap<NamePattern, ProfileOverride>,
}

impl Overrides {
    /// Everything said about the tool `name`, least specific first.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ProfileOverride> {
        self.tools.iter().filter(move |(pattern, _)| pattern.covers(name)).map(|(_, said)| said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_specific_pattern_comes_last() {
        let json = r#"{"owner":"ops","tools":{
            "send_mail":{"effect":"send"},"*":{"effect":"execute","reach":"internal"},
            "send_*":{"effect":"write"}}}"#;
        let overrides: Overrides = serde_json::from_str(json).unwrap();
        let effects: Vec<_> = overrides.of("send_mail").map(|said| said.effect).collect();
        assert_eq!(effects, [Some(Effect::Execute), Some(Effect::Write), Some(Effect::Send)]);
        assert_eq!(overrides.of("read").count(), 1);
        let again = serde_json::to_string(&overrides).unwrap();
        assert_eq!(serde_json::from_str::<Overrides>(&again).unwrap(), overrides);
    }

    #[test]
    fn mistakes_in_a_configuration_are_told() {
        for bad in [r#"{"ownr":"x"}"#, r#"{"tools":{"a/b":{}}}"#, r#"{"tools":{"a":{"efect":1}}}"#]
        {
            assert!(serde_json::from_str::<Overrides>(bad).is_err(), "{bad}");
        }
    }
}
