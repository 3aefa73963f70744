//! Reading a result: which of it is a store's own, and which somebody wrote.

use std::collections::BTreeSet;

use remit_model::Value;

use crate::atom::{Atom, Form, atoms};
use crate::column::{Class, Column, is_field, is_title, mailbox, own_id};
use crate::fold::{plain, strict};
use crate::given::Given;
use crate::key::{Key, Kind};
use crate::origin::{Origin, Origins, Place};
use crate::outside::{Outside, Part, RecordId};
use crate::records::{Held, Record, Records};

/// The member that servers wrap a result in that is no object.
const WRAPPER: &str = "result";

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
    held: BTreeSet<Key>,
}

/// Where in a structure something stands.
#[derive(Clone)]
struct Spot {
    path: String,
    column: Column,
    record: RecordId,
    own: bool,
    title: bool,
}

impl<'a> Reading<'a> {
    /// Begins to read a result of a tool of this name.
    pub(crate) fn new(kept: &'a mut Kept, given: &'a Given, origin: Origin, tool: &str) -> Self {
        Self { kept, given, origin, tool: Column::of(tool), held: BTreeSet::new() }
    }

    /// Reads a structured result.
    pub(crate) fn structure(&mut self, value: &Value) {
        let column = self.tool.clone();
        let record = RecordId::default();
        let spot = Spot { path: String::new(), column, record, own: false, title: false };
        self.value(value, &spot);
    }

    fn value(&mut self, value: &Value, spot: &Spot) {
        match value {
            Value::Record(members) if members.len() == 1 && members.contains_key(WRAPPER) => {
                let inner = Spot { path: joined(&spot.path, WRAPPER), ..spot.clone() };
                for item in members.values() {
                    self.value(item, &inner);
                }
            }
            Value::Record(members) => {
                let own = own_id(members.keys().map(String::as_str), &self.tool).map(str::to_owned);
                let record = self.record(value, own.as_deref(), spot);
                for (name, member) in members {
                    let own = own.as_ref() == Some(name);
                    let inner = if is_field(name) {
                        let path = joined(&spot.path, name);
                        Spot { path, column: Column::of(name), record, own, title: is_title(name) }
                    } else {
                        let filed = Spot { record, own: false, ..spot.clone() };
                        self.text(name, &filed);
                        filed
                    };
                    self.value(member, &inner);
                }
            }
            Value::List(items) => {
                let spot = Spot { path: format!("{}[]", spot.path), own: false, ..spot.clone() };
                for item in items {
                    self.value(item, &spot);
                }
            }
            Value::Text(text) | Value::Number(text) => self.text(text, spot),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Keeps what a record is known by.
    fn record(&mut self, value: &Value, own: Option<&str>, spot: &Spot) -> RecordId {
        let Value::Record(members) = value else { return spot.record };
        let id = own.and_then(|own| members.get(own)).and_then(text_of);
        let titles = members.iter().filter(|(name, _)| is_title(name));
        let titles: Vec<Box<str>> =
            titles.filter_map(|(_, title)| title.as_text()).map(Into::into).collect();
        if id.is_none() && titles.is_empty() {
            return spot.record;
        }
        let kind = own.map(Column::of).unwrap_or_default().with(&self.tool).with(&spot.column);
        let parties = members.iter().filter_map(|(name, member)| {
            let column = Column::of(name);
            column.is_party().then(|| (column, names(member)))
        });
        let parties = parties.filter(|(_, names)| !names.is_empty()).collect();
        let shown =
            titles.first().map_or_else(|| id.unwrap_or_default().to_owned(), ToString::to_string);
        let Some(place) = self.kept.origins.passage(self.origin, &spot.path, &shown) else {
            return RecordId::default();
        };
        let id =
            id.filter(|id| own.is_some_and(|own| Column::of(own).class(id, true) == Class::Id));
        let record = Record { id: id.map(|id| strict(id).into()), titles, parties, kind };
        let held = Held { place, marks: self.kept.origins.marks(self.origin) };
        self.kept.records.add(record, held, self.given)
    }

    fn text(&mut self, text: &str, spot: &Spot) {
        let text = plain(text);
        let held = &mut self.held;
        atoms(&text, &mut |atom| {
            held.insert(atom.key);
        });
        match spot.column.class(&text, spot.own) {
            // Kept with its record.
            Class::Id => {}
            Class::Identity => self.identity(&text, spot),
            Class::Scalar => self.scalar(&text, spot),
            Class::Free => {
                let part = if spot.title { Part::Aside } else { Part::Of(spot.record) };
                self.words(&text, (&spot.path, part), &|_, _| true);
            }
        }
    }

    fn identity(&mut self, text: &str, spot: &Spot) {
        let marks = self.kept.origins.marks(self.origin);
        let Some(place) = self.kept.origins.passage(self.origin, &spot.path, text) else { return };
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
            self.kept.origins.passage(self.origin, &spot.path, text);
        }
    }

    fn words(
        &mut self,
        text: &str,
        (path, part): (&str, Part),
        counts: &dyn Fn(&BTreeSet<Key>, &Atom<'_>) -> bool,
    ) {
        let (first, marks) = (self.kept.origins.next(), self.kept.origins.marks(self.origin));
        let Kept { outside, origins, .. } = &mut *self.kept;
        let led = origins.is_pointed_origin(self.origin);
        let part = if led { Part::Aside } else { part };
        let pointed =
            |place: Place| if place.is_beside(first) { led } else { origins.is_pointed(place) };
        let mut new = false;
        atoms(text, &mut |atom| {
            if counts(&self.held, &atom) {
                new |= outside.add(atom.key, (first.at(atom.at), marks), part, pointed);
            }
        });
        if new {
            self.kept.origins.passage(self.origin, path, text);
        }
    }

    /// Reads a text that stands by itself.
    pub(crate) fn alone(&mut self, text: &str) {
        self.words(&plain(text), ("", Part::Of(RecordId::default())), &|_, _| true);
    }

    /// Reads a text beside a structure that was read before: servers write the same once more for
    /// people, and only what is not in the structure is new.
    pub(crate) fn beside(&mut self, text: &str) {
        self.words(&plain(text), ("", Part::Of(RecordId::default())), &|held, atom| {
            // A number that is a figure in the structure is numbering or the like here.
            let figure = atom.form == Form::Whole
                && held.contains(&Key::new(Kind::Number, atom.text.trim_start_matches('0')));
            !(held.contains(&atom.key) || figure)
        });
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text),
        _ => None,
    }
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
