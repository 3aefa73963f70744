//! The catalogue as a fold over changes.
//!
//! Each [`Change`] stands in the ledger before it takes effect, so replaying them yields the same
//! catalogue, and [`Catalogue::digest`] pins what a decision saw of it.

use std::collections::{BTreeMap, BTreeSet};

use remit_model::question::ToolFacts;
use remit_model::tool::{Admission, Profile};
use remit_model::{Digest, Fixed, ServerName, Timestamp, Tool, ToolId};
use serde::{Deserialize, Serialize};

/// One thing that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// A configured server answered for the first time; from now on it is known, even if it showed
    /// no tool, so that nothing it shows later counts as first seen.
    Met {
        /// Which.
        server: ServerName,
    },
    /// A tool of a server just met: admitted by `configuration`.
    Discovered(Tool),
    /// A new tool of a server already known: quarantined.
    Appeared(Tool),
    /// A tool changed: quarantined, with the definition that was admitted before.
    Drifted {
        /// The tool with its new definition; the old one, quarantined, where the new one is not
        /// acceptable at all.
        tool: Tool,
    },
    /// The server no longer lists the tool. Its admission stays with its digest.
    Vanished {
        /// Which.
        id: ToolId,
    },
    /// The server lists it again, unchanged.
    Returned {
        /// Which.
        id: ToolId,
    },
    /// A person admitted it.
    Admitted {
        /// Which.
        id: ToolId,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
        /// The digest of the definition that person saw.
        digest: Digest,
    },
    /// A person withdrew it.
    Withdrawn {
        /// Which.
        id: ToolId,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The configuration, or a newer rule of inference, changed what is known of it; the definition
    /// is the same.
    Reprofiled {
        /// Which.
        id: ToolId,
        /// What is known now.
        profile: Profile,
        /// What looked like hidden instructions.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        flags: Vec<String>,
        /// The approver group that answers for its server.
        owner: String,
    },
    /// The executable that may be started for a stdio server: as first found, or as a person
    /// admitted it.
    Pinned {
        /// Which.
        server: ServerName,
        /// The digest of the program, and of the script it runs.
        executable: Digest,
        /// Who: `configuration` at first sight, or an operator.
        by: String,
    },
}

impl Change {
    /// The tool it is about; `None` for a whole server.
    pub fn tool(&self) -> Option<&ToolId> {
        match self {
            Self::Met { .. } | Self::Pinned { .. } => None,
            Self::Discovered(tool) | Self::Appeared(tool) | Self::Drifted { tool } => {
                Some(&tool.id)
            }
            Self::Vanished { id }
            | Self::Returned { id }
            | Self::Admitted { id, .. }
            | Self::Withdrawn { id, .. }
            | Self::Reprofiled { id, .. } => Some(id),
        }
    }

    /// What happened, in one fixed word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Met { .. } => "met",
            Self::Discovered(_) => "discovered",
            Self::Appeared(_) => "appeared",
            Self::Drifted { .. } => "drifted",
            Self::Vanished { .. } => "vanished",
            Self::Returned { .. } => "returned",
            Self::Admitted { .. } => "admitted",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Reprofiled { .. } => "reprofiled",
            Self::Pinned { .. } => "pinned",
        }
    }
}

/// Every tool of every server ever met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Catalogue {
    tools: BTreeMap<ToolId, Listed>,
    known: BTreeSet<ServerName>,
    absent: BTreeSet<ToolId>,
    executables: BTreeMap<ServerName, Digest>,
}

/// A tool, and what decisions see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    tool: Tool,
    facts: Fixed<ToolFacts>,
}

impl From<Tool> for Listed {
    fn from(tool: Tool) -> Self {
        Self { facts: ToolFacts::of(&tool).into(), tool }
    }
}

/// The catalogue as JSON can hold it: a map's key would have to be a string.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    tools: Vec<Tool>,
    known: BTreeSet<ServerName>,
    absent: BTreeSet<ToolId>,
    #[serde(default)]
    executables: BTreeMap<ServerName, Digest>,
}

impl From<Stored> for Catalogue {
    fn from(stored: Stored) -> Self {
        let Stored { tools, known, absent, executables } = stored;
        let tools = tools.into_iter().map(|tool| (tool.id.clone(), tool.into())).collect();
        Self { tools, known, absent, executables }
    }
}

impl From<Catalogue> for Stored {
    fn from(catalogue: Catalogue) -> Self {
        let Catalogue { tools, known, absent, executables } = catalogue;
        Self {
            tools: tools.into_values().map(|listed| listed.tool).collect(),
            known,
            absent,
            executables,
        }
    }
}

impl Catalogue {
    /// Every tool, in the order of its id, those that vanished included: schema and policies do not
    /// depend on who happens to be up.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.values().map(|listed| &listed.tool)
    }

    /// The tools that their servers list now, whatever their admission.
    pub fn offered(&self) -> impl Iterator<Item = &Tool> {
        self.tools().filter(|tool| !self.absent.contains(&tool.id))
    }

    /// The tools of one server, vanished ones included.
    pub fn of_server<'a>(&'a self, server: &'a ServerName) -> impl Iterator<Item = &'a Tool> {
        self.tools().filter(move |tool| tool.id.server == *server)
    }

    /// One tool.
    pub fn get(&self, id: &ToolId) -> Option<&Tool> {
        self.tools.get(id).map(|listed| &listed.tool)
    }

    /// What a decision sees of one tool.
    pub fn facts(&self, id: &ToolId) -> Option<&Fixed<ToolFacts>> {
        self.tools.get(id).map(|listed| &listed.facts)
    }

    /// Whether its server lists the tool now.
    pub fn is_offered(&self, id: &ToolId) -> bool {
        self.tools.contains_key(id) && !self.absent.contains(id)
    }

    /// Whether the server was met before.
    pub fn knows(&self, server: &ServerName) -> bool {
        self.known.contains(server)
    }

    /// The executable that may be started for a server.
    pub fn executable(&self, server: &ServerName) -> Option<Digest> {
        self.executables.get(server).copied()
    }

    /// The digest over everything a decision may depend on: of each tool its id, the digest of its
    /// definition, its admission, its owner and its profile.
    pub fn digest(&self) -> Digest {
        let rows: Vec<[Vec<u8>; 5]> = self.tools().map(digest_row).collect();
        let mut parts: Vec<&[u8]> = vec![b"remit/catalogue/v1"];
        parts.extend(rows.iter().flatten().map(Vec::as_slice));
        Digest::of_parts(&parts)
    }

    /// Takes a change in. Total: a change about an unknown tool, or an admission of a definition
    /// that is no longer the one there, changes nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Met { server } => {
                self.known.insert(server.clone());
            }
            Change::Discovered(tool) | Change::Appeared(tool) | Change::Drifted { tool } => {
                self.known.insert(tool.id.server.clone());
                self.absent.remove(&tool.id);
                self.tools.insert(tool.id.clone(), tool.clone().into());
            }
            Change::Pinned { server, executable, .. } => {
                self.executables.insert(server.clone(), *executable);
            }
            Change::Vanished { id } => {
                if self.tools.contains_key(id) {
                    self.absent.insert(id.clone());
                }
            }
            Change::Returned { id } => {
                self.absent.remove(id);
            }
            Change::Admitted { id, by, at, digest } => {
                let admission = Admission::Admitted { since: *at, by: by.clone() };
                self.change(id, |tool| {
                    if tool.digest == *digest {
                        tool.admission = admission;
                    }
                });
            }
            Change::Withdrawn { id, by, at } => {
                let admission = Admission::Withdrawn { since: *at, by: by.clone() };
                self.change(id, |tool| tool.admission = admission);
            }
            Change::Reprofiled { id, profile, flags, owner } => {
                self.change(id, |tool| {
                    tool.profile = profile.clone();
                    tool.flags.clone_from(flags);
                    tool.owner.clone_from(owner);
                });
            }
        }
    }

    fn change(&mut self, id: &ToolId, change: impl FnOnce(&mut Tool)) {
        if let Some(listed) = self.tools.get_mut(id) {
            change(&mut listed.tool);
            listed.facts = ToolFacts::of(&listed.tool).into();
        }
    }
}

fn digest_row(tool: &Tool) -> [Vec<u8>; 5] {
    // INVARIANT: a profile's serialisation is total over its own values.
    let profile = serde_json::to_vec(&tool.profile).unwrap_or_default();
    [
        tool.id.to_string().into_bytes(),
        tool.digest.0.to_vec(),
        tool.admission.name().as_bytes().to_vec(),
        tool.owner.clone().into_bytes(),
        profile,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: &str = r#"{"id":{"server":"mail","name":"send"},"definition":"{}",
        "digest":"1111111111111111111111111111111111111111111111111111111111111111",
        "profile":{"effect":{"value":"send","origin":"assumed"},
            "reach":{"value":"external","origin":"assumed"},
            "sensitivity":{"value":"internal","origin":"assumed"},
            "returns":{"value":"untrusted","origin":"assumed"},
            "idempotent":{"value":false,"origin":"assumed"},"arguments":{}},
        "admission":{"state":"admitted","since":1,"by":"configuration"},"owner":"ops"}"#;

    #[test]
    fn what_a_decision_sees_of_a_tool_follows_every_change() {
        let tool: Tool = serde_json::from_str(TOOL).unwrap();
        let (id, digest, at, by) = (tool.id.clone(), tool.digest, Timestamp(2), "olga".to_owned());
        let profile = Profile { undo: Some("recall".to_owned()), ..tool.profile.clone() };
        let drifted = Tool { digest: Digest::of(b"other"), ..tool.clone() };
        let owner = "mail-team".to_owned();
        let mut catalogue = Catalogue::default();
        for change in [
            Change::Discovered(tool),
            Change::Withdrawn { id: id.clone(), by: by.clone(), at },
            Change::Admitted { id: id.clone(), by, at, digest },
            Change::Reprofiled { id: id.clone(), profile, flags: Vec::new(), owner },
            Change::Drifted { tool: drifted },
        ] {
            let before = catalogue.facts(&id).cloned();
            catalogue.apply(&change);
            let facts = catalogue.facts(&id).unwrap();
            assert_eq!(**facts, ToolFacts::of(catalogue.get(&id).unwrap()));
            assert_ne!(Some(facts), before.as_ref(), "{}", change.name());
        }
    }
}
