//! Where in a call's arguments a value stands, and what it is there for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The path of a leaf in a call's arguments: object keys joined by `.`, `[]` for any list element,
/// e.g. `attachments[].path`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArgumentPath(pub String);

impl fmt::Display for ArgumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ArgumentPath {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// What an argument is for. Unknown arguments count as [`Role::Target`], the safe side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who or what the effect reaches: recipient, account, host, path written.
    Target,
    /// What is written or sent.
    Content,
    /// What is looked for or read.
    Selector,
    /// How much: money, counts.
    Amount,
    /// A secret.
    Secret,
    /// An address in content, which whoever reads it may follow.
    Link,
    /// A switch or option without a value of its own.
    Flag,
}
