//! What changed at a server since a person last looked.
//!
//! A server that a person put into the configuration is admitted as first seen, on record; any later
//! change quarantines what changed. "First seen" is a fact about the *server* ([`Change::Met`]), not
//! about the tool: a server that first shows nothing, or only harmless tools, gets no second chance
//! to be taken at its word.
//!
//! # Going back does not heal
//!
//! A tool that drifts and then returns to exactly the admitted definition stays quarantined until a
//! person admits it. Healing by itself would make drift free of charge: a server could show hostile
//! words to one session, go back, and be trusted again before anyone looked, as often as it likes.
//! Quarantine costs one command; the flapping server stays visible until somebody asked why. A tool
//! that merely *vanished* and comes back unchanged keeps its admission ([`Change::Returned`]): nobody
//! was ever shown anything else, and servers do list less while they start or while a login is
//! missing.
//!
//! The same holds where a known tool's new definition is rejected as such (too large, a forbidden
//! header …): it is quarantined, not forgotten.

use std::collections::BTreeMap;

use remit_model::tool::Admission;
use remit_model::{ServerName, Timestamp, Tool, ToolId, Value};

use crate::catalogue::{Catalogue, Change};
use crate::definition::{Definition, DefinitionError, quoted};
use crate::flags::flags;
use crate::infer::infer;
use crate::overrides::Overrides;

/// Who admits what is first seen at a server that a person configured.
pub const CONFIGURATION: &str = "configuration";

/// How many tools of one server are looked at, and how many are ever known, those that vanished
/// included (R13). Further ones are as unknown as if they were not listed.
pub const MAX_TOOLS: usize = 1024;

/// A definition that did not enter the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its name as far as it can be read, safe to print.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Compares what `server` lists now with the catalogue. Applying the changes in order, and only
/// that, makes the catalogue agree; observing the same list again then yields nothing.
///
/// `definitions` are raw JSON tool objects, the *whole* list of one successful `tools/list`.
/// Definitions that break a limit are left out; [`rejected`] names them.
pub fn observe(
    catalogue: &Catalogue,
    server: &ServerName,
    definitions: &[String],
    overrides: &Overrides,
    now: Timestamp,
) -> Vec<Change> {
    let view = View { catalogue, server, overrides, now };
    let listed = sort(definitions);
    let mut changes = Vec::new();
    if !catalogue.knows(server) {
        changes.push(Change::Met { server: server.clone() });
    }
    let mut room = MAX_TOOLS.saturating_sub(catalogue.of_server(server).count());
    for (name, read) in &listed.by_name {
        match read {
            // What a server once showed is never forgotten, so a server that shows other names
            // each time must not make the catalogue grow for ever.
            Ok(definition) if catalogue.get(&ToolId::new(server, definition.name())).is_none() => {
                if let Some(less) = room.checked_sub(1) {
                    room = less;
                    changes.extend(view.compare(definition));
                }
            }
            Ok(definition) => changes.extend(view.compare(definition)),
            Err(error) => changes.extend(view.condemn(name, error)),
        }
    }
    let gone = catalogue
        .of_server(server)
        .filter(|tool| {
            catalogue.is_offered(&tool.id) && !listed.by_name.contains_key(&tool.id.name)
        })
        .map(|tool| Change::Vanished { id: tool.id.clone() });
    changes.extend(gone);
    changes
}

/// The definitions that [`observe`] leaves out, and why; for the operator.
pub fn rejected(definitions: &[String]) -> Vec<Rejected> {
    let listed = sort(definitions);
    let named = listed.by_name.into_iter().filter_map(|(name, read)| {
        read.err().map(|error| Rejected { name: quoted(&name), why: error.to_string() })
    });
    listed.nameless.into_iter().chain(named).collect()
}

/// What a server lists, by name, so that a name that stands twice is seen.
struct Listed {
    by_name: BTreeMap<String, Result<Definition, DefinitionError>>,
    nameless: Vec<Rejected>,
}

fn sort(definitions: &[String]) -> Listed {
    let mut groups: BTreeMap<String, Vec<Result<Definition, DefinitionError>>> = BTreeMap::new();
    let mut nameless = Vec::new();
    for (index, text) in definitions.iter().enumerate() {
        if index >= MAX_TOOLS {
            let rest = definitions.len() - MAX_TOOLS;
            nameless.push(Rejected {
                name: format!("{rest} more"),
                why: format!("expected at most {MAX_TOOLS} tools of one server"),
            });
            break;
        }
        let read = Definition::parse(text);
        let name = match &read {
            Ok(definition) => Some(definition.name().to_owned()),
            Err(_) => claimed_name(text),
        };
        match (name, read) {
            (Some(name), read) => groups.entry(name).or_default().push(read),
            (None, Err(error)) => {
                nameless.push(Rejected { name: "?".to_owned(), why: error.to_string() });
            }
            (None, Ok(_)) => {}
        }
    }
    let by_name = groups
        .into_iter()
        .map(|(name, mut group)| match (group.len(), group.pop()) {
            (1, Some(only)) => (name, only),
            (count, _) => (name, Err(DefinitionError::Duplicate(count))),
        })
        .collect();
    Listed { by_name, nameless }
}

/// The name that an unacceptable definition claims, so that the tool it replaces is found.
fn claimed_name(text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Claim {
        name: String,
    }
    serde_json::from_str::<Claim>(text).ok().map(|claim| claim.name)
}

struct View<'a> {
    catalogue: &'a Catalogue,
    server: &'a ServerName,
    overrides: &'a Overrides,
    now: Timestamp,
}

impl View<'_> {
    fn compare(&self, definition: &Definition) -> Vec<Change> {
        let id = ToolId::new(self.server, definition.name());
        let Some(old) = self.catalogue.get(&id) else {
            return vec![self.first_sight(id, definition)];
        };
        if old.digest != definition.digest() {
            let admission = self.drift(old, &changed_members(&old.definition, definition));
            return vec![Change::Drifted { tool: self.tool(id, definition, admission) }];
        }
        let mut changes = Vec::new();
        if !self.catalogue.is_offered(&id) {
            changes.push(Change::Returned { id: id.clone() });
        }
        let new = self.tool(id.clone(), definition, old.admission.clone());
        if (&new.profile, &new.flags, &new.owner) != (&old.profile, &old.flags, &old.owner) {
            let Tool { profile, flags, owner, .. } = new;
            changes.push(Change::Reprofiled { id, profile, flags, owner });
        }
        changes
    }

    fn first_sight(&self, id: ToolId, definition: &Definition) -> Change {
        if self.catalogue.knows(self.server) {
            let why = "a new tool of a server that was known without it".to_owned();
            let admission = Admission::Quarantined { since: self.now, why, before: None };
            Change::Appeared(self.tool(id, definition, admission))
        } else {
            let by = CONFIGURATION.to_owned();
            let admission = Admission::Admitted { since: self.now, by };
            Change::Discovered(self.tool(id, definition, admission))
        }
    }

    /// A known tool whose definition is no longer acceptable: quarantined as it was.
    fn condemn(&self, name: &str, error: &DefinitionError) -> Option<Change> {
        let old = self.catalogue.get(&ToolId::new(self.server, name))?;
        if !matches!(old.admission, Admission::Admitted { .. }) {
            return None;
        }
        let why = format!("its new definition is rejected: {error}");
        let admission = self.drift(old, &why);
        Some(Change::Drifted { tool: Tool { admission, ..old.clone() } })
    }

    /// What becomes of an admission when the definition changes. `before` is always the definition
    /// that a person last admitted, however often it drifted since; withdrawn stays withdrawn.
    fn drift(&self, old: &Tool, why: &str) -> Admission {
        let before = match &old.admission {
            Admission::Admitted { .. } => Some(old.definition.clone()),
            Admission::Quarantined { before, .. } => before.clone(),
            Admission::Withdrawn { .. } => return old.admission.clone(),
        };
        Admission::Quarantined { since: self.now, why: why.to_owned(), before }
    }

    fn tool(&self, id: ToolId, definition: &Definition, admission: Admission) -> Tool {
        Tool {
            profile: infer(definition, id.server.as_str(), self.overrides),
            id,
            definition: definition.text().to_owned(),
            digest: definition.digest(),
            flags: flags(definition),
            admission,
            owner: self.overrides.owner.clone(),
        }
    }
}

/// `the definition changed: description, inputSchema`.
fn changed_members(before: &str, after: &Definition) -> String {
    let (Ok(Value::Record(old)), Value::Record(new)) = (Value::parse(before), after.value()) else {
        return "the definition changed".to_owned();
    };
    let mut names: Vec<&str> = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value))
        .map(|(name, _)| name.as_str())
        .chain(old.keys().filter(|name| !new.contains_key(*name)).map(String::as_str))
        .collect();
    names.truncate(8);
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    format!("the definition changed: {}", names.join(", "))
}
