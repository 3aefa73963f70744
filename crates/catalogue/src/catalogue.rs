//! The catalogue as a fold over changes.
//!
//! Each [`Change`] stands in the ledger before it takes effect, so replaying them yields the same
//! catalogue, and [`Catalogue::digest`] pins what a decision saw of it.

use std::collections::{BTreeMap, BTreeSet};

use remit_model::tool::{Admission, Profile};
use remit_model::{Digest, ServerName, Timestamp, Tool, ToolId};
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
    tools: BTreeMap<ToolId, Tool>,
    known: BTreeSet<ServerName>,
    absent: BTreeSet<ToolId>,
    executables: BTreeMap<ServerName, Digest>,
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
        let tools = tools.into_iter().map(|tool| (tool.id.clone(), tool)).collect();
        Self { tools, known, absent, executables }
    }
}

impl From<Catalogue> for Stored {
    fn from(catalogue: Catalogue) -> Self {
        let Catalogue { tools, known, absent, executables } = catalogue;
        Self { tools: tools.into_values().collect(), known, absent, executables }
    }
}

impl Catalogue {
    /// Every tool, in the order of its id, those that vanished included: schema and policies do not
    /// depend on who happens to be up.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.tools.values()
    }

    /// The tools that their servers list now, whatever their admission.
    pub fn offered(&self) -> impl Iterator<Item = &Tool> {
        self.tools.values().filter(|tool| !self.absent.contains(&tool.id))
    }

    /// The tools of one server, vanished ones included.
    pub fn of_server<'a>(&'a self, server: &'a ServerName) -> impl Iterator<Item = &'a Tool> {
        self.tools.values().filter(move |tool| tool.id.server == *server)
    }

    /// One tool.
    pub fn get(&self, id: &ToolId) -> Option<&Tool> {
        self.tools.get(id)
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
        let rows: Vec<[Vec<u8>; 5]> = self.tools.values().map(digest_row).collect();
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
                self.tools.insert(tool.id.clone(), tool.clone());
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
                if let Some(tool) = self.tools.get_mut(id).filter(|tool| tool.digest == *digest) {
                    tool.admission = Admission::Admitted { since: *at, by: by.clone() };
                }
            }
            Change::Withdrawn { id, by, at } => {
                if let Some(tool) = self.tools.get_mut(id) {
                    tool.admission = Admission::Withdrawn { since: *at, by: by.clone() };
                }
            }
            Change::Reprofiled { id, profile, flags, owner } => {
                if let Some(tool) = self.tools.get_mut(id) {
                    tool.profile = profile.clone();
                    tool.flags.clone_from(flags);
                    tool.owner.clone_from(owner);
                }
            }
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
