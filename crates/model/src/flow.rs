//! Where the values of a call's arguments came from (promise R5).
//!
//! A hijacked agent makes calls that are each allowed; the harm is in where their values come from.
//! So every leaf of a call's arguments carries its [`Provenance`], with the evidence for it, in the
//! question and so in the record: a decision can be made again, and explained, from that alone.

use serde::{Deserialize, Serialize};

use crate::argument::{ArgumentPath, Role};
use crate::label::Label;

/// Where a value came from, from what a person said to what an outsider wrote. The order is that of
/// risk: what is made of several is as risky as the riskiest of them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// A person wrote it (purpose, prompt, facts about them), or a trusted tool returned it.
    Given,
    /// A person named the record that it is taken from, and the part of it.
    Referenced,
    /// A store's own id of a record, which no text from outside mentions.
    Assigned,
    /// A third party's name or address, from the field of a record that holds just that: it says who
    /// somebody is, not that anything may be sent there.
    Identified,
    /// It was seen nowhere: the agent made it.
    Derived,
    /// It stands in text that an outsider could have written, or nobody can tell.
    #[default]
    Tainted,
}

impl Provenance {
    /// Every kind, from the least risk.
    pub const ALL: [Self; 6] = [
        Self::Given,
        Self::Referenced,
        Self::Assigned,
        Self::Identified,
        Self::Derived,
        Self::Tainted,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Referenced => "referenced",
            Self::Assigned => "assigned",
            Self::Identified => "identified",
            Self::Derived => "derived",
            Self::Tainted => "tainted",
        }
    }

    /// Whether an outsider could have chosen it, in a task that outsiders' text has entered. Before
    /// that (`sealed` is false) whatever the agent makes up is its person's and its own.
    pub fn is_untrusted(self, sealed: bool) -> bool {
        sealed && self >= Self::Identified
    }
}

/// Where in a result a value was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The tool that returned it, `server/tool`; `purpose`, `prompt` and the like for what people said.
    pub source: String,
    /// The index of the decision on the call that returned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<u64>,
    /// The path of the field of the result, where the server structures what it returns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether a person's words led there: what was looked for or read in that call was given.
    #[serde(default)]
    pub pointed: bool,
    /// What stood there, shortened; it may hold anything that an outsider wrote.
    pub excerpt: String,
}

/// Where one leaf of the arguments came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafFlow {
    /// Which leaf.
    pub path: ArgumentPath,
    /// What it is for.
    pub role: Role,
    /// Where it came from.
    pub provenance: Provenance,
    /// What it can carry: the labels of all that it shares something with.
    #[serde(default, skip_serializing_if = "Label::is_bottom")]
    pub label: Label,
    /// The strongest evidence for that, where there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The number of the foreseen flow of its task that it came by; it counts as referenced then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreseen: Option<usize>,
}

/// A secret of somebody's in an argument. It says where and of which kind, never which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretSeen {
    /// In which leaf.
    pub path: ArgumentPath,
    /// The rule that found it, such as `github-pat`.
    pub rule: String,
    /// What tells it from others, as long as the process runs that found it.
    pub fingerprint: String,
}

/// What a task was announced to do, as far as the call in question is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// What people said in this task calls for such a tool.
    Named,
    /// They said to do what some document says, whatever that is.
    Open,
    /// Nothing that they said speaks of it, but the agent named it in its plan, before it had read anything
    /// that an outsider could have written.
    Planned,
    /// Nobody spoke of it.
    #[default]
    No,
}

impl Wanted {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Open => "open",
            Self::Planned => "planned",
            Self::No => "no",
        }
    }
}
