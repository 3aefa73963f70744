//! Reading a result: which of it is a store's own, and which somebody wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use remit_model::Value;

use crate::atom::{Atom, Form, Visitor, atoms};
use crate::chunk::chunks;
use crate::column::{Class, Column, Field, Sort, is_field, mailbox, own_ids};
use crate::decode::unseen;
use crate::fold::{plain, strict};
use crate::given::Given;
use crate::key::{Key, Keys, Kind};
use crate::origin::{Origin, Origins};
use crate::outside::{Intake, Outside, Part, RecordId};
use crate::records::{Record, Records};

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
    /// What the structure of the result holds, if there is text beside it.
    held: Option<Keys>,
    fields: Fields,
}

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// In a field of a structure.
    Field,
    /// In the title of a record.
    Title,
    /// By itself.
    Alone,
    /// Beside a structure that was read before: servers write the same once more for people, and only what is
    /// not in the structure is new.
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
    /// Where a member of the record here stands; `own` says whether that is an id of it.
    fn inside(&self, member: &Member<'_>, record: RecordId, own: bool) -> Self {
        let Field { column, sort } = &*member.field;
        let nature = if self.nature == Nature::Body { Nature::Body } else { Nature::Other };
        if *sort == Sort::Value {
            return Self { record, nature, ..self.clone() };
        }
        let path = joined(&self.path, member.name);
        if *sort == Sort::Container || nature == Nature::Body {
            return Self { path, record, nature, ..self.clone() };
        }
        let nature = match sort {
            _ if own => Nature::Own,
            Sort::Title => Nature::Title,
            Sort::Body => Nature::Body,
            Sort::Value | Sort::Container | Sort::Other => Nature::Other,
        };
        let kind = column.clone();
        // An id of somebody is another name for them.
        let column = if own { self.kind.head().with(&kind) } else { kind.clone() };
        Self { path, column, kind, record, nature, within: self.within }
    }
}

/// One member of a record.
struct Member<'v> {
    name: &'v str,
    value: &'v Value,
    field: Rc<Field>,
}

impl Member<'_> {
    fn is_title(&self) -> bool {
        self.field.sort == Sort::Title
    }
}

/// What the names say that stand in a result, where each stands once for each of its records.
#[derive(Default)]
struct Fields(BTreeMap<Box<str>, Rc<Field>>);

impl Fields {
    fn of(&mut self, name: &str) -> Rc<Field> {
        if let Some(known) = self.0.get(name) {
            return Rc::clone(known);
        }
        let field = Rc::new(Field::of(name));
        self.0.insert(name.into(), Rc::clone(&field));
        field
    }
}

impl<'a> Reading<'a> {
    /// Begins to read a result of a tool of this name.
    pub(crate) fn new(kept: &'a mut Kept, given: &'a Given, origin: Origin, tool: &str) -> Self {
        Self { kept, given, origin, tool: Column::of(tool), held: None, fields: Fields::default() }
    }

    /// Reads a result of these structures and texts.
    pub(crate) fn result(&mut self, structures: &[&Value], texts: &[&str]) {
        self.held = (!structures.is_empty() && !texts.is_empty()).then(Keys::default);
        let nature = if self.tool.is_document() { Nature::Body } else { Nature::Other };
        for structure in structures {
            self.structure(structure, nature);
        }
        let manner = if structures.is_empty() { Manner::Alone } else { Manner::Beside };
        for text in texts {
            self.plainly(text, manner);
        }
        self.held = None;
    }

    /// Reads a text that is a document of somebody's, and a structure as a whole or not.
    pub(crate) fn document(&mut self, text: &str, structure: Option<&Value>) {
        match structure {
            Some(value) => self.structure(value, Nature::Body),
            None => self.plainly(text, Manner::Alone),
        }
    }

    fn plainly(&mut self, text: &str, manner: Manner) {
        self.unseen(text, "", RecordId::default());
        self.words(&plain(text), "", (RecordId::default(), manner));
    }

    fn structure(&mut self, value: &Value, nature: Nature) {
        let (column, kind, record) = (self.tool.clone(), self.tool.clone(), RecordId::default());
        let path = String::new();
        self.value(value, &Spot { path, column, kind, record, nature, within: false });
    }

    fn value(&mut self, value: &Value, spot: &Spot) {
        match value {
            Value::Record(members) => {
                let fields = &mut self.fields;
                let members = members.iter().map(|(name, value)| Member {
                    name,
                    value,
                    field: fields.of(name),
                });
                let members: Vec<_> = members.collect();
                let columns = members.iter().map(|member| (member.name, &member.field.column));
                let mut own = own_ids(columns, &spot.kind);
                if spot.nature == Nature::Body {
                    own.clear();
                }
                let record = self.record(&members, &own, spot);
                let within = spot.within || members.iter().filter(|it| says(it.value)).count() > 1;
                for member in &members {
                    let own = own.contains(member.name);
                    let inner = Spot { within, ..spot.inside(member, record, own) };
                    if member.field.sort == Sort::Value {
                        self.text(member.name, &inner);
                    }
                    self.value(member.value, &inner);
                }
            }
            Value::List(items) => {
                let nature = if spot.nature == Nature::Own { Nature::Other } else { spot.nature };
                let spot = Spot { path: [&spot.path, "[]"].concat(), nature, ..spot.clone() };
                for item in items {
                    self.value(item, &spot);
                }
            }
            Value::Text(text) | Value::Number(text) => self.text(text, spot),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Keeps what a record is known by.
    fn record(&mut self, members: &[Member<'_>], own: &BTreeSet<&str>, spot: &Spot) -> RecordId {
        let own = || members.iter().filter(|member| own.contains(member.name));
        let ids = own().filter_map(|own| Some((own, text_of(own.value)?)));
        let ids = ids.filter(|(own, id)| {
            spot.inside(own, spot.record, true).column.class(id, true) == Class::Id
        });
        let ids: BTreeSet<Box<str>> = ids.map(|(_, id)| strict(id).into()).collect();
        let titles = members.iter().filter(|member| member.is_title());
        let titles: Vec<Box<str>> =
            titles.filter_map(|title| title.value.as_text()).map(Into::into).collect();
        let shown = titles.first().or_else(|| ids.first());
        let Some(shown) = shown.filter(|_| spot.nature != Nature::Body) else { return spot.record };
        let shown = shown.clone();
        let kind = own().fold(spot.kind.clone(), |kind, own| kind.with(&own.field.column));
        let parties = members.iter().filter_map(|member| {
            let column = &member.field.column;
            column.is_party().then(|| (column.clone(), names(member.value)))
        });
        let parties = parties.filter(|(_, names)| !names.is_empty()).collect();
        let entry = if spot.within { None } else { entry(members) };
        let record = Record { ids, titles, parties, entry, kind };
        let Kept { origins, records, .. } = &mut *self.kept;
        records.add(record, origins.marks(self.origin), self.given, || {
            origins.passage(self.origin, (&spot.path, spot.record), &shown)
        })
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
        if let Some(held) = &mut self.held {
            atoms(&text, &mut |atom: Atom<'_>| {
                held.insert(atom.key);
            });
        }
        match class {
            Class::Identity => self.identity(&text, spot),
            Class::Scalar => self.scalar(&text, spot),
            // An id is kept with its record.
            Class::Id | Class::Free => {}
        }
    }

    fn identity(&mut self, text: &str, spot: &Spot) {
        let Kept { origins, records, .. } = &mut *self.kept;
        let marks = origins.marks(self.origin);
        let parts = mailbox(text).into_iter().flat_map(|(name, address)| [name, address]);
        let mut place = None;
        for name in std::iter::once(text).chain(parts) {
            records.identify(name, marks, || {
                let here = (spot.path.as_str(), spot.record);
                *place.get_or_insert_with(|| origins.passage(self.origin, here, text))
            });
        }
    }

    fn scalar(&mut self, text: &str, spot: &Spot) {
        let Kept { origins, scalars, .. } = &mut *self.kept;
        let intake = Intake { place: origins.next(), marks: origins.marks(self.origin), led: None };
        let mut new = false;
        atoms(text, &mut |atom: Atom<'_>| {
            new |= scalars.add(atom.key, (&intake, 0), Part::Of(spot.record));
        });
        if new {
            origins.passage(self.origin, (&spot.path, spot.record), text);
        }
    }

    /// Takes in a text word by word, unless it was read just so before.
    fn words(&mut self, text: &str, path: &str, (record, manner): (RecordId, Manner)) {
        let key =
            Key::verbatim(if manner == Manner::Title { Kind::Title } else { Kind::Text }, text);
        // What the structure holds has to be known for the text beside it, new or not.
        let holds = self.held.is_some() && manner != Manner::Beside;
        if !holds && self.kept.origins.has_read(key, self.origin, record, text) {
            return;
        }
        let (new, whole) = self.take_in(text, (record, manner));
        let origins = &mut self.kept.origins;
        let place = new.then(|| origins.passage(self.origin, (path, record), text)).flatten();
        if let Some(place) = place.filter(|_| whole) {
            origins.remember(key, place);
        }
    }

    /// Whether something in the text is new, and whether all of it is kept.
    fn take_in(&mut self, text: &str, (record, manner): (RecordId, Manner)) -> (bool, bool) {
        let Self { kept: Kept { outside, origins, .. }, held, origin, .. } = self;
        let led = origins.is_pointed_origin(*origin);
        let (place, marks) = (origins.next(), origins.marks(*origin));
        let intake = Intake { place, marks, led: led.then_some(&*origins) };
        let only = manner == Manner::Title && chunks(text).len() == 1;
        let part = if led || only { Part::Aside } else { Part::Of(record) };
        outside.make_room(text.len());
        let held = held.as_mut();
        let mut taking = Taking { outside, intake, part, manner, held, new: false, whole: true };
        atoms(text, &mut taking);
        (taking.new, taking.whole)
    }

    fn unseen(&mut self, text: &str, path: &str, record: RecordId) {
        if let Some(unseen) = unseen(text) {
            self.words(&plain(&unseen), path, (record, Manner::Alone));
        }
    }
}

/// A text on its way into what is kept.
struct Taking<'a> {
    outside: &'a mut Outside,
    intake: Intake<'a>,
    /// Where in its record it stands.
    part: Part,
    manner: Manner,
    /// What the structure of the result holds, if there is text beside it.
    held: Option<&'a mut Keys>,
    /// Whether something in it is new.
    new: bool,
    /// Whether all of it is kept.
    whole: bool,
}

impl Visitor for Taking<'_> {
    fn visit(&mut self, atom: Atom<'_>) {
        match (self.manner, self.held.as_mut()) {
            (Manner::Field | Manner::Title, Some(held)) => {
                held.insert(atom.key);
            }
            (Manner::Beside, Some(held)) if is_held(held, &atom) => {
                self.whole = false;
                return;
            }
            _ => {}
        }
        // A title says how its own record is called, if it is no more than that.
        let called = self.manner == Manner::Title && atom.form == Form::Pair;
        let part = if called { Part::Aside } else { self.part };
        self.new |= self.outside.add(atom.key, (&self.intake, atom.at), part);
    }

    fn visit_all<'a>(&mut self, atoms: impl Iterator<Item = Atom<'a>>) {
        if self.held.is_some() || self.manner == Manner::Title {
            atoms.for_each(|atom| self.visit(atom));
        } else {
            let Self { outside, intake, part, new, .. } = self;
            for atom in atoms {
                *new |= outside.add(atom.key, (intake, atom.at), *part);
            }
        }
    }
}

/// Whether a structure holds `atom`, too. A number that is a figure there is numbering or the like beside it.
fn is_held(held: &Keys, atom: &Atom<'_>) -> bool {
    let figure = || Key::exact(Kind::Number, atom.text.trim_start_matches('0'));
    held.contains(&atom.key) || (atom.form == Form::Whole && held.contains(&figure()))
}

/// The path of a member.
pub(crate) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { [path, ".", name].concat() }
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
fn entry(members: &[Member<'_>]) -> Option<Box<str>> {
    let mut others =
        members.iter().filter(|member| !member.is_title() && *member.value != Value::Null);
    let (Some(Member { value: Value::Text(address), field, .. }), None) =
        (others.next(), others.next())
    else {
        return None;
    };
    let column = &field.column;
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
