//! Reading a result: which of it is a store's own, and which somebody wrote.

use std::collections::{BTreeMap, BTreeSet};

use remit_model::Value;

use crate::atom::{Atom, Form, atoms};
use crate::chunk::chunks;
use crate::column::{Class, Column, is_container, is_field, is_title, mailbox, own_ids};
use crate::decode::unseen;
use crate::fold::{plain, strict};
use crate::given::Given;
use crate::key::{Key, Keys, Kind};
use crate::origin::{Origin, Origins, Place};
use crate::outside::{Outside, Part, RecordId};
use crate::records::{Held, Record, Records};

/// What is kept of results.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) origins: Origins,
    pub(crate) outside: Outside,
    pub(crate) records: Records,
    /// Figures and words out of few, which say nothing by themselves.
    pub(crate) scalars: Outside,
}

/// One result being read.
pub(crate) struct Reading<'a> {
    pub(crate) kept: &'a mut Kept,
    pub(crate) given: &'a Given,
    pub(crate) origin: Origin,
    /// What the tool is about: the kind of its records.
    pub(crate) tool: Column,
    /// What the structure of the result holds.
    held: Keys,
}

/// How many things are looked up one right after the other: most of the table is in no cache, and a processor
/// waits for several places at once if nothing stands between.
const TOGETHER: usize = 256;

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// In a field of a structure.
    Field,
    /// In the title of a record.
    Title,
    /// By itself.
    Alone,
    /// Beside a structure.
    Beside,
}

/// Where in a structure something stands.
#[derive(Clone)]
struct Spot {
    path: String,
    column: Column,
    /// What the records here are.
    kind: Column,
    record: RecordId,
    nature: Nature,
    /// Whether it is in something that says more than just this: a message, and not a directory.
    within: bool,
}

/// What the field is in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Other,
    /// Its own id.
    Own,
    /// Its title.
    Title,
    /// A document as somebody wrote it, with whatever is in it.
    Body,
}

impl Spot {
    /// Where the member `name` of the record here stands; `own` says whether that is an id of it.
    fn inside(&self, name: &str, record: RecordId, own: bool) -> Self {
        let nature = if self.nature == Nature::Body { Nature::Body } else { Nature::Other };
        if !is_field(name) {
            return Self { record, nature, ..self.clone() };
        }
        let path = joined(&self.path, name);
        if is_container(name) || nature == Nature::Body {
            return Self { path, record, nature, ..self.clone() };
        }
        let kind = Column::of(name);
        // An id of somebody is another name for them.
        let column = if own { self.kind.head().with(&kind) } else { kind.clone() };
        let nature = match name {
            _ if own => Nature::Own,
            _ if is_title(name) => Nature::Title,
            _ if kind.is_body() => Nature::Body,
            _ => Nature::Other,
        };
        Self { path, column, kind, record, nature, within: self.within }
    }
}

impl<'a> Reading<'a> {
    /// Begins to read a result of a tool of this name.
    pub(crate) fn new(kept: &'a mut Kept, given: &'a Given, origin: Origin, tool: &str) -> Self {
        Self { kept, given, origin, tool: Column::of(tool), held: Keys::default() }
    }

    /// Reads a structured result.
    pub(crate) fn structure(&mut self, value: &Value) {
        let (column, kind, record) = (self.tool.clone(), self.tool.clone(), RecordId::default());
        let path = String::new();
        let nature = if kind.is_document() { Nature::Body } else { Nature::Other };
        self.value(value, &Spot { path, column, kind, record, nature, within: false });
    }

    fn value(&mut self, value: &Value, spot: &Spot) {
        match value {
            Value::Record(members) => {
                let mut own = own_ids(members.keys().map(String::as_str), &spot.kind);
                if spot.nature == Nature::Body {
                    own.clear();
                }
                let record = self.record(members, &own, spot);
                let within = spot.within || members.values().filter(|it| says(it)).count() > 1;
                for (name, member) in members {
                    let filed = !is_field(name);
                    let own = own.contains(name.as_str());
                    let inner = Spot { within, ..spot.inside(name, record, own) };
                    if filed {
                        self.text(name, &inner);
                    }
                    self.value(member, &inner);
                }
            }
            Value::List(items) => {
                let nature = if spot.nature == Nature::Own { Nature::Other } else { spot.nature };
                let spot = Spot { path: format!("{}[]", spot.path), nature, ..spot.clone() };
                for item in items {
                    self.value(item, &spot);
                }
            }
            Value::Text(text) | Value::Number(text) => self.text(text, spot),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Keeps what a record is known by.
    fn record(
        &mut self,
        members: &BTreeMap<String, Value>,
        own: &BTreeSet<&str>,
        spot: &Spot,
    ) -> RecordId {
        let ids = own.iter().filter_map(|own| Some((*own, members.get(*own).and_then(text_of)?)));
        let ids = ids.filter(|(own, id)| {
            spot.inside(own, spot.record, true).column.class(id, true) == Class::Id
        });
        let ids: BTreeSet<Box<str>> = ids.map(|(_, id)| strict(id).into()).collect();
        let titles = members.iter().filter(|(name, _)| is_title(name));
        let titles: Vec<Box<str>> =
            titles.filter_map(|(_, title)| title.as_text()).map(Into::into).collect();
        let shown = titles.first().or_else(|| ids.first());
        let Some(shown) = shown.filter(|_| spot.nature != Nature::Body) else { return spot.record };
        let Some(place) = self.kept.origins.passage(self.origin, (&spot.path, spot.record), shown)
        else {
            return RecordId::default();
        };
        let kind = own.iter().fold(spot.kind.clone(), |kind, own| kind.with(&Column::of(own)));
        let parties = members.iter().filter_map(|(name, member)| {
            let column = Column::of(name);
            column.is_party().then(|| (column, names(member)))
        });
        let parties = parties.filter(|(_, names)| !names.is_empty()).collect();
        let entry = if spot.within { None } else { entry(members) };
        let record = Record { ids, titles, parties, entry, kind };
        let held = Held { place, marks: self.kept.origins.marks(self.origin) };
        self.kept.records.add(record, held, self.given)
    }

    fn text(&mut self, text: &str, spot: &Spot) {
        self.unseen(text, &spot.path, spot.record);
        let text = plain(text);
        let class = match spot.nature {
            Nature::Body => Class::Free,
            nature => spot.column.class(&text, nature == Nature::Own),
        };
        if class == Class::Free {
            let title = spot.nature == Nature::Title;
            let manner = if title { Manner::Title } else { Manner::Field };
            self.words(&text, &spot.path, (spot.record, manner));
            return;
        }
        let held = &mut self.held;
        atoms(&text, &mut |atom| {
            held.insert(atom.key);
        });
        match class {
            Class::Identity => self.identity(&text, spot),
            Class::Scalar => self.scalar(&text, spot),
            // An id is kept with its record.
            Class::Id | Class::Free => {}
        }
    }

    fn identity(&mut self, text: &str, spot: &Spot) {
        let marks = self.kept.origins.marks(self.origin);
        let Some(place) = self.kept.origins.passage(self.origin, (&spot.path, spot.record), text)
        else {
            return;
        };
        let held = Held { place, marks };
        self.kept.records.identify(text, held);
        for part in mailbox(text).into_iter().flat_map(|(name, address)| [name, address]) {
            self.kept.records.identify(part, held);
        }
    }

    fn scalar(&mut self, text: &str, spot: &Spot) {
        let seen = (self.kept.origins.next(), self.kept.origins.marks(self.origin));
        let scalars = &mut self.kept.scalars;
        let mut new = false;
        atoms(text, &mut |atom| {
            new |= scalars.add(atom.key, seen, Part::Of(spot.record), |_| false);
        });
        if new {
            self.kept.origins.passage(self.origin, (&spot.path, spot.record), text);
        }
    }

    fn words(&mut self, text: &str, path: &str, (record, manner): (RecordId, Manner)) {
        let (first, marks) = (self.kept.origins.next(), self.kept.origins.marks(self.origin));
        let led = self.kept.origins.is_pointed_origin(self.origin);
        let Self { kept: Kept { outside, origins, .. }, held, .. } = &mut *self;
        let pointed =
            |place: Place| if place.is_beside(first) { led } else { origins.is_pointed(place) };
        let only = manner == Manner::Title && chunks(text).len() == 1;
        let (mut new, mut met) = (false, Vec::new());
        let mut keep = |met: &mut Vec<(Key, usize, Part)>| {
            for (key, at, part) in met.drain(..) {
                new |= outside.add(key, (first.at(at), marks), part, pointed);
            }
        };
        atoms(text, &mut |atom| {
            match manner {
                Manner::Field | Manner::Title => {
                    held.insert(atom.key);
                }
                Manner::Beside if is_held(held, &atom) => return,
                Manner::Beside | Manner::Alone => {}
            }
            // A title says how its own record is called, if it is no more than that.
            let called = manner == Manner::Title && (only || atom.form == Form::Pair);
            let part = if led || called { Part::Aside } else { Part::Of(record) };
            met.push((atom.key, atom.at, part));
            if met.len() == TOGETHER {
                keep(&mut met);
            }
        });
        keep(&mut met);
        if new {
            self.kept.origins.passage(self.origin, (path, record), text);
        }
    }

    fn unseen(&mut self, text: &str, path: &str, record: RecordId) {
        if let Some(unseen) = unseen(text) {
            self.words(&plain(&unseen), path, (record, Manner::Alone));
        }
    }

    /// Reads a text that stands by itself.
    pub(crate) fn alone(&mut self, text: &str) {
        self.unseen(text, "", RecordId::default());
        self.words(&plain(text), "", (RecordId::default(), Manner::Alone));
    }

    /// Reads a text beside a structure that was read before: servers write the same once more for
    /// people, and only what is not in the structure is new.
    pub(crate) fn beside(&mut self, text: &str) {
        self.unseen(text, "", RecordId::default());
        self.words(&plain(text), "", (RecordId::default(), Manner::Beside));
    }
}

/// Whether a structure holds `atom`, too. A number that is a figure there is numbering or the like beside it.
fn is_held(held: &Keys, atom: &Atom<'_>) -> bool {
    let figure = || Key::exact(Kind::Number, atom.text.trim_start_matches('0'));
    held.contains(&atom.key) || (atom.form == Form::Whole && held.contains(&figure()))
}

/// The path of a member.
pub(crate) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text),
        _ => None,
    }
}

/// Whether it can hold more than a figure.
fn says(value: &Value) -> bool {
    matches!(value, Value::Text(_) | Value::List(_) | Value::Record(_))
}

/// The address in an entry of a directory: a record of a name and one address, and nothing else.
fn entry(members: &BTreeMap<String, Value>) -> Option<Box<str>> {
    let mut others =
        members.iter().filter(|(name, value)| !is_title(name) && **value != Value::Null);
    let (Some((name, Value::Text(address))), None) = (others.next(), others.next()) else {
        return None;
    };
    let column = Column::of(name);
    let is_address = column.is_party() && column.class(address, false) == Class::Identity;
    is_address.then(|| strict(address).into())
}

/// The names in a field, which may be one, a list, or what something is filed under.
fn names(value: &Value) -> BTreeSet<Box<str>> {
    match value {
        Value::List(items) => {
            items.iter().filter_map(text_of).map(|text| strict(text).into()).collect()
        }
        Value::Record(members) => {
            members.keys().filter(|name| !is_field(name)).map(|text| strict(text).into()).collect()
        }
        other => text_of(other).map(|text| strict(text).into()).into_iter().collect(),
    }
}
