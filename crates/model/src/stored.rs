//! What tool servers hold, and the labels of whoever wrote it (promise R6).
//!
//! Memory, notes, files, queues and tables outlive a task, and so must the labels of what is in them:
//! otherwise one agent could write down what another then reads as if nobody outside had touched it.
//! [`Stored`] is a fold over what was permitted to be written, so it survives whatever the ledger does.
//! Labels only rise by what is written. An operator who has looked can lower them, but never below what
//! calls under way write: they may write it a moment later.
//!
//! Things are known by digests of their paths: paths are arguments, and none stands in the clear.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::agent::ServerName;
use crate::digest::Digest;
use crate::label::{Ceiling, Label};

/// How many paths of one server have labels of their own (R13), 1 MiB or so; what is written beyond
/// raises the label of all that the server holds, which is the safe side.
pub const MAX_STORED: usize = 4096;

/// Where something stands in a server: the digests of its path and of each folder above, from the root on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<Digest>", into = "Vec<Digest>")]
pub struct Trail {
    above: Vec<Digest>,
    at: Digest,
}

/// That something was written into a server. As records have it, members in alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// What it carries.
    pub label: Label,
    /// Into which.
    pub server: ServerName,
    /// Where it can be found again; nowhere named: it could be anywhere.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub trails: BTreeSet<Trail>,
}

/// That an operator says that what a server holds carries no more than this. As records have it, members in
/// alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lowered {
    /// What stands at this path, and in the folder that it is; without one all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Digest>,
    /// Which.
    pub server: ServerName,
    /// What it carries at most.
    pub to: Ceiling,
}

/// What a record changes in what is known of servers.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A call was permitted that writes.
    Writes(&'a Written),
    /// The call of this decision is over.
    Settled(u64),
    /// An operator has looked.
    Lowered(&'a Lowered),
}

/// A label, and the newest decision that brought any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What is carried.
    pub label: Label,
    /// The index of the record.
    pub decision: u64,
}

/// The labels of what servers hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The records before this index are in it.
    next: u64,
    shelves: BTreeMap<ServerName, Shelf>,
    /// What calls write that are not settled, by their decisions.
    under_way: BTreeMap<u64, Written>,
}

/// What one server holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Shelf {
    /// What could be anywhere in it.
    anywhere: Mark,
    /// What stands at a path carries beside that.
    places: BTreeMap<Digest, Place>,
    /// All of it joined.
    all: Label,
}

/// One path of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// The folder that it is in; none above the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    above: Option<Digest>,
    /// What was written there.
    here: Mark,
    /// What was written further down, joined.
    within: Label,
}

// === impl Trail ===

impl Trail {
    /// The way down through `steps`; none is the root.
    pub fn of(steps: &[&str]) -> Self {
        let name = |depth: usize| {
            let steps = steps.iter().take(depth).map(|step| step.as_bytes());
            Digest::of_parts(&[b"path".as_slice()].into_iter().chain(steps).collect::<Vec<_>>())
        };
        Self { above: (0..steps.len()).map(name).collect(), at: name(steps.len()) }
    }

    /// The path itself.
    pub fn at(&self) -> Digest {
        self.at
    }

    /// How many paths it names.
    pub fn depth(&self) -> usize {
        self.above.len() + 1
    }

    fn steps(&self) -> impl Iterator<Item = &Digest> {
        self.above.iter().chain([&self.at])
    }
}

impl TryFrom<Vec<Digest>> for Trail {
    type Error = &'static str;

    fn try_from(mut steps: Vec<Digest>) -> Result<Self, Self::Error> {
        let at = steps.pop().ok_or("expected the digest of at least one path")?;
        Ok(Self { above: steps, at })
    }
}

impl From<Trail> for Vec<Digest> {
    fn from(Trail { mut above, at }: Trail) -> Self {
        above.push(at);
        above
    }
}

// === impl Stored ===

impl Stored {
    /// After the record at `index`; one that is in it already changes nothing.
    pub fn apply(&mut self, index: u64, change: Change<'_>) {
        if index < self.next {
            return;
        }
        self.next = index.saturating_add(1);
        match change {
            Change::Writes(written) => {
                self.shelf(&written.server).write(index, written);
                self.under_way.insert(index, written.clone());
            }
            Change::Settled(decision) => {
                self.under_way.remove(&decision);
            }
            Change::Lowered(lowered) => self.lower(lowered),
        }
    }

    fn lower(&mut self, lowered: &Lowered) {
        let under_way = self.under_way.iter();
        let under_way: Vec<_> = under_way
            .filter(|(_, written)| written.server == lowered.server)
            .map(|(decision, written)| (*decision, written.clone()))
            .collect();
        let shelf = self.shelf(&lowered.server);
        shelf.lower(lowered.at, lowered.to);
        for (decision, written) in under_way {
            shelf.write(decision, &written);
        }
    }

    fn shelf(&mut self, server: &ServerName) -> &mut Shelf {
        self.shelves.entry(server.clone()).or_default()
    }

    /// Whether that would change anything now.
    pub fn would_fall(&self, lowered: &Lowered) -> bool {
        let mut then = self.clone();
        then.lower(lowered);
        !then.marks().eq(self.marks())
    }

    /// Whether the call of this decision writes and is not settled.
    pub fn is_under_way(&self, decision: u64) -> bool {
        self.under_way.contains_key(&decision)
    }

    /// What is found in a server at these places can carry.
    pub fn of(&self, server: &ServerName, trails: &BTreeSet<Trail>) -> Label {
        let Some(shelf) = self.shelves.get(server) else { return Label::default() };
        let found = trails.iter().flat_map(|trail| shelf.found(trail));
        found.fold(shelf.anywhere.label.clone(), |all, label| all.join(label.clone()))
    }

    /// What anything in a server can carry.
    pub fn all_of(&self, server: &ServerName) -> Label {
        self.shelves.get(server).map(|shelf| shelf.all.clone()).unwrap_or_default()
    }

    /// What carries anything: in which server, at which path, or anywhere in it.
    pub fn marks(&self) -> impl Iterator<Item = (&ServerName, Option<Digest>, &Mark)> {
        let marks = self.shelves.iter().flat_map(|(server, shelf)| {
            let places = shelf.places.iter().map(|(at, place)| (Some(*at), &place.here));
            [(None, &shelf.anywhere)]
                .into_iter()
                .chain(places)
                .map(move |(at, mark)| (server, at, mark))
        });
        marks.filter(|(_, _, mark)| !mark.label.is_bottom())
    }
}

// === impl Shelf ===

impl Shelf {
    fn write(&mut self, decision: u64, written: &Written) {
        if written.label.is_bottom() {
            return;
        }
        self.all.raise(&written.label);
        let steps = written.trails.iter().flat_map(Trail::steps);
        let new: BTreeSet<_> = steps.filter(|step| !self.places.contains_key(*step)).collect();
        if written.trails.is_empty() || self.places.len().saturating_add(new.len()) > MAX_STORED {
            self.anywhere.raise(decision, &written.label);
            return;
        }
        for trail in &written.trails {
            self.put(decision, trail, &written.label);
        }
    }

    fn put(&mut self, decision: u64, trail: &Trail, label: &Label) {
        let mut above = None;
        for folder in &trail.above {
            let place = self.places.entry(*folder).or_default();
            place.above = above.replace(*folder);
            place.within.raise(label);
        }
        let place = self.places.entry(trail.at).or_default();
        place.above = above;
        place.here.raise(decision, label);
    }

    /// What was written there, in a folder above as a whole, or further down.
    fn found(&self, trail: &Trail) -> impl Iterator<Item = &Label> {
        let here = trail.steps().filter_map(|step| Some(&self.places.get(step)?.here.label));
        here.chain(self.places.get(&trail.at).map(|place| &place.within))
    }

    fn lower(&mut self, at: Option<Digest>, to: Ceiling) {
        if at.is_none() {
            self.anywhere.lower(to);
        }
        let before = Self { places: std::mem::take(&mut self.places), ..Self::default() };
        self.all = self.anywhere.label.clone();
        for (name, place) in &before.places {
            let mut here = place.here.clone();
            if at.is_none_or(|at| before.ways_up(*name).any(|folder| folder == at)) {
                here.lower(to);
            }
            self.keep(&before, *name, here);
        }
    }

    /// Keeps what stands at `name`, if it carries anything, and in each folder above that it does.
    fn keep(&mut self, before: &Self, name: Digest, here: Mark) {
        if here.label.is_bottom() {
            return;
        }
        self.all.raise(&here.label);
        for folder in before.ways_up(name) {
            let place = self.places.entry(folder).or_default();
            place.above = before.above(&folder);
            if folder != name {
                place.within.raise(&here.label);
            }
        }
        self.places.entry(name).or_default().here = here;
    }

    fn above(&self, name: &Digest) -> Option<Digest> {
        self.places.get(name)?.above
    }

    /// A path and each folder above it.
    fn ways_up(&self, name: Digest) -> impl Iterator<Item = Digest> {
        std::iter::successors(Some(name), |name| self.above(name)).take(MAX_STORED)
    }
}

// === impl Mark ===

impl Mark {
    fn raise(&mut self, decision: u64, by: &Label) {
        self.label.raise(by);
        self.decision = self.decision.max(decision);
    }

    fn lower(&mut self, to: Ceiling) {
        self.label = std::mem::take(&mut self.label).under(to);
    }
}

#[cfg(test)]
mod tests;
