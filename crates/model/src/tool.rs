//! Tools, what is known of them, and whether they may be used.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::agent::ServerName;
use crate::argument::{ArgumentPath, Role};
use crate::digest::Digest;
use crate::label::Confidentiality;
use crate::question::ResourceKind;
use crate::time::Timestamp;

/// One operation of one server. Text form `server/tool`, which is also its Cedar action.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ToolId {
    /// The server.
    pub server: ServerName,
    /// The tool's own name there.
    pub name: String,
}

impl ToolId {
    /// The tool `name` of `server`.
    pub fn new(server: &ServerName, name: &str) -> Self {
        Self { server: server.clone(), name: name.to_owned() }
    }
}

impl fmt::Display for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.name)
    }
}

impl fmt::Debug for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What calling a tool does, from harmless to irrevocable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Looks.
    Read,
    /// Changes something that can be changed back.
    Write,
    /// Makes something leave: a message, a payment, a post.
    Send,
    /// Runs code of the caller's choice.
    Execute,
    /// Removes what cannot be brought back.
    Destroy,
}

/// How far an effect reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// This machine or this task's own sandbox.
    Local,
    /// The organisation's own systems.
    Internal,
    /// Anyone.
    External,
}

/// Whether what a tool returns could have been written by an outsider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// No outsider writes there.
    Trusted,
    /// An outsider could have written it.
    Untrusted,
}

/// Who said so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A person, in the configuration.
    Configured,
    /// A rule, named, over the definition's words.
    Inferred(String),
    /// The server's own annotation; it can raise a risk, never lower it.
    Annotated(String),
    /// Nothing was known: the safe side.
    Assumed,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured => f.write_str("configured"),
            Self::Inferred(rule) => write!(f, "inferred: {rule}"),
            Self::Annotated(hint) => write!(f, "annotated: {hint}"),
            Self::Assumed => f.write_str("assumed"),
        }
    }
}

/// A part of a profile together with who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known<T> {
    /// What is known.
    pub value: T,
    /// Who said so.
    pub origin: Origin,
}

/// What an argument is for, and what kind of thing it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgumentProfile {
    /// Its role.
    pub role: Role,
    /// The kind of resource its value names, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ResourceKind>,
}

/// What is known of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What calling it does.
    pub effect: Known<Effect>,
    /// How far that reaches.
    pub reach: Known<Reach>,
    /// How sensitive what it returns is.
    pub sensitivity: Known<Confidentiality>,
    /// Whether an outsider could have written what it returns.
    pub returns: Known<Trust>,
    /// Whether calling it twice with the same arguments is the same as once.
    pub idempotent: Known<bool>,
    /// Its arguments, by path.
    pub arguments: BTreeMap<ArgumentPath, Known<ArgumentProfile>>,
    /// The tool that undoes it, if one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

impl Profile {
    /// What the leaf at `path` of a call's arguments is for.
    ///
    /// The profile names the leaves of the *schema*; a call may hold others: a list where the schema
    /// says string, members of a free-form object, arguments nobody declared. So: the path itself,
    /// else the nearest profile above it, else the same path without list marks, else a target of no
    /// known kind, which is the safe side.
    pub fn argument(&self, path: &str) -> ArgumentProfile {
        let mut above = Some(path);
        while let Some(path) = above {
            if let Some(found) = self.arguments.get(&ArgumentPath::from(path)) {
                return found.value.clone();
            }
            above = match path.strip_suffix("[]") {
                Some(list) => Some(list),
                None => path.rsplit_once('.').map(|(above, _)| above),
            };
        }
        let bare = path.replace("[]", "");
        self.arguments
            .iter()
            .find(|(known, _)| known.0.replace("[]", "") == bare)
            .map_or(ArgumentProfile { role: Role::Target, kind: None }, |(_, k)| k.value.clone())
    }
}

/// Whether a tool may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Admission {
    /// Not yet, or not any more: calls hold for the server's owner.
    Quarantined {
        /// Since when.
        since: Timestamp,
        /// Why, in words.
        why: String,
        /// The definition that was admitted before, if any; for the diff.
        before: Option<String>,
    },
    /// Yes, with this very definition.
    Admitted {
        /// Since when.
        since: Timestamp,
        /// By whom: `configuration` at first sight, or an operator.
        by: String,
    },
    /// No.
    Withdrawn {
        /// Since when.
        since: Timestamp,
        /// By whom.
        by: String,
    },
}

impl Admission {
    /// `quarantined`, `admitted` or `withdrawn`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Quarantined { .. } => "quarantined",
            Self::Admitted { .. } => "admitted",
            Self::Withdrawn { .. } => "withdrawn",
        }
    }
}

/// A tool as the catalogue keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Which.
    pub id: ToolId,
    /// The definition, byte for byte as the server gave it (one JSON object).
    pub definition: String,
    /// The digest of the definition's canonical form.
    pub digest: Digest,
    /// What is known of it.
    pub profile: Profile,
    /// What looked like hidden instructions in its words, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Whether it may be used.
    pub admission: Admission,
    /// The approver group that answers for its server.
    pub owner: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(arguments: &[(&str, Role, Option<ResourceKind>)]) -> Profile {
        fn known<T>(value: T) -> Known<T> {
            Known { value, origin: Origin::Assumed }
        }
        let argument = |(path, role, kind): &(&str, Role, Option<ResourceKind>)| {
            ((*path).into(), known(ArgumentProfile { role: *role, kind: *kind }))
        };
        Profile {
            effect: known(Effect::Send),
            reach: known(Reach::External),
            sensitivity: known(Confidentiality::Internal),
            returns: known(Trust::Untrusted),
            idempotent: known(false),
            arguments: arguments.iter().map(argument).collect(),
            undo: None,
        }
    }

    #[test]
    fn leaves_the_schema_does_not_name_take_the_nearest_profile() {
        let mailbox = Some(ResourceKind::Mailbox);
        let profile = profile(&[
            ("to[]", Role::Target, mailbox),
            ("token", Role::Secret, None),
            ("fields", Role::Content, None),
        ]);
        for (path, role, kind) in [
            ("to[]", Role::Target, mailbox),
            ("to", Role::Target, mailbox),
            ("to[][]", Role::Target, mailbox),
            ("token[]", Role::Secret, None),
            ("fields.a.b", Role::Content, None),
            ("undeclared", Role::Target, None),
            ("undeclared.token", Role::Target, None),
            ("", Role::Target, None),
            ("[]", Role::Target, None),
        ] {
            assert_eq!(profile.argument(path), ArgumentProfile { role, kind }, "{path}");
        }
    }
}
