//! The records that a task has seen, with what only their store writes: ids, and who is in them.
//!
//! What a person named by its title is theirs to act on: the id of the record that they named is
//! *referenced*. Everything here is compared exactly, since it makes answers safer.

use std::collections::{BTreeMap, BTreeSet};

use crate::column::{Column, is_telling_title};
use crate::fold::strict;
use crate::given::{Asked, Given, Mention};
use crate::origin::{Marks, Place};
use crate::outside::RecordId;

/// The most records that a task keeps, and the most names of people and things: about 10 MiB of each.
pub const MAX_RECORDS: usize = 16 * 1024;

/// The most records that people's words are looked at for as one name. Of more nobody can tell which is meant.
const MAX_RIVALS: usize = 64;

/// A value in a field that is not text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Where.
    pub(crate) place: Place,
    /// In results of which labels.
    pub(crate) marks: Marks,
}

/// One record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Its own ids.
    pub(crate) ids: BTreeSet<Box<str>>,
    /// What people call it.
    pub(crate) titles: Vec<Box<str>>,
    /// Who is in it, by the field.
    pub(crate) parties: BTreeMap<Column, BTreeSet<Box<str>>>,
    /// The one address, of an entry of a directory: a name, that address and nothing that anybody writes.
    pub(crate) entry: Option<Box<str>>,
    /// What it is, as words.
    pub(crate) kind: Column,
}

/// Who is in a record, by the number of the field.
type Parties = Box<[(u32, Box<[Box<str>]>)]>;

/// A record as it is kept: what many have alike stands once.
#[derive(Clone, Debug)]
struct Kept {
    ids: Box<[Box<str>]>,
    titles: Box<[Box<str>]>,
    parties: Parties,
    entry: Option<Box<str>>,
    kind: u32,
    held: Held,
    mentions: Vec<Mention>,
}

/// All records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    kept: Vec<Kept>,
    columns: Columns,
    by_id: BTreeMap<Box<str>, Vec<u32>>,
    /// What makes a record the same one when it is seen again: its ids, its titles, its address.
    by_name: BTreeMap<Box<str>, u32>,
    by_mention: BTreeMap<(u32, u32), BTreeSet<u32>>,
    by_entry: BTreeMap<Box<str>, BTreeSet<u32>>,
    identities: BTreeMap<Box<str>, Held>,
    full: bool,
}

/// Names of fields and kinds of records by their numbers.
#[derive(Clone, Debug, Default)]
struct Columns {
    all: Vec<Column>,
    numbers: BTreeMap<Column, u32>,
}

impl Columns {
    fn number(&mut self, column: &Column) -> u32 {
        if let Some(known) = self.numbers.get(column) {
            return *known;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(column.clone());
        self.numbers.insert(column.clone(), number);
        number
    }

    /// Whether all that `asked` speaks of is what the kind of this number is.
    fn fit(&self, kind: u32, asked: &Column) -> bool {
        let kind = self.all.get(kind as usize);
        kind.is_some_and(|kind| asked.nouns().all(|noun| kind.has(noun)))
    }
}

/// How a record was named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// By which words.
    pub(crate) mention: Mention,
    /// Where the record was seen.
    pub(crate) held: Held,
}

impl Records {
    /// Takes in a record that was seen in a result of these `marks`; `place` says where, and takes room, so it
    /// is asked of a new one alone. The number of the record: the one it had if it was seen before.
    pub(crate) fn add(
        &mut self,
        record: Record,
        marks: Marks,
        given: &Given,
        place: impl FnOnce() -> Option<Place>,
    ) -> RecordId {
        let names = record.ids.iter().chain(&record.titles).chain(&record.entry);
        let name = names.map(AsRef::as_ref).collect::<Vec<_>>().join("\0");
        if let Some(known) = self.by_name.get(name.as_str()).copied() {
            self.again(known, &record, marks);
            return RecordId(known + 1);
        }
        let Some(number) =
            u32::try_from(self.kept.len()).ok().filter(|_| self.kept.len() < MAX_RECORDS)
        else {
            self.full = true;
            return RecordId::default();
        };
        let Some(place) = place() else { return RecordId::default() };
        for id in &record.ids {
            self.by_id.entry(id.clone()).or_default().push(number);
        }
        self.by_name.insert(name.into(), number);
        let (parties, kind) = (self.parties(&record), self.columns.number(&record.kind));
        let (ids, titles) = (record.ids.into_iter().collect(), record.titles.into());
        let (entry, mentions) = (record.entry, Vec::new());
        if let Some(entry) = &entry {
            self.by_entry.entry(entry.clone()).or_default().insert(number);
        }
        let held = Held { place, marks };
        let mut kept = Kept { ids, titles, parties, entry, kind, held, mentions };
        kept.name(given);
        for mention in &kept.mentions {
            self.by_mention.entry((mention.start, mention.end)).or_default().insert(number);
        }
        self.kept.push(kept);
        RecordId(number + 1)
    }

    fn parties(&mut self, record: &Record) -> Parties {
        let parties = record.parties.iter();
        parties
            .map(|(column, names)| (self.columns.number(column), names.iter().cloned().collect()))
            .collect()
    }

    /// Takes in a record once more.
    fn again(&mut self, number: u32, record: &Record, marks: Marks) {
        let parties = self.parties(record);
        let Some(kept) = self.kept.get_mut(number as usize) else { return };
        if let Some(kind) = self.columns.all.get(kept.kind as usize).cloned() {
            kept.kind = self.columns.number(&kind.with(&record.kind));
        }
        kept.parties = parties;
        kept.held.marks = kept.held.marks.with(marks);
    }

    /// Looks again for the records that people named: they said something more.
    pub(crate) fn name(&mut self, given: &Given) {
        self.by_mention.clear();
        for (number, kept) in (0..).zip(&mut self.kept) {
            kept.name(given);
            for mention in &kept.mentions {
                self.by_mention.entry((mention.start, mention.end)).or_default().insert(number);
            }
        }
    }

    /// Takes in that `text` says who or what somebody is, in a result of these `marks`; `place` says where, if
    /// that is new.
    pub(crate) fn identify(
        &mut self,
        text: &str,
        marks: Marks,
        place: impl FnOnce() -> Option<Place>,
    ) {
        let text = strict(text);
        if let Some(known) = self.identities.get_mut(text.as_str()) {
            known.marks = known.marks.with(marks);
        } else if self.identities.len() < MAX_RECORDS {
            let held = place().map(|place| Held { place, marks });
            self.identities.extend(held.map(|held| (text.into(), held)));
        } else {
            self.full = true;
        }
    }

    /// Where `text` says who or what somebody is.
    pub(crate) fn identity(&self, text: &str) -> Option<Held> {
        self.identities.get(strict(text).as_str()).copied()
    }

    /// The records whose id is `id`: those of the kind that `asked` speaks of, if there are any.
    fn of_id(&self, id: &str, asked: &Column) -> Vec<(u32, &Kept)> {
        let numbers = self.by_id.get(strict(id).as_str()).map(Vec::as_slice).unwrap_or_default();
        let all =
            numbers.iter().filter_map(|number| Some((*number, self.kept.get(*number as usize)?)));
        let (fitting, other): (Vec<_>, Vec<_>) =
            all.partition(|(_, kept)| self.columns.fit(kept.kind, asked));
        if fitting.is_empty() { other } else { fitting }
    }

    /// Whether the argument that `asked` names takes the id `id` as what it is: it asks for an id, or for
    /// a record of that kind, and not for whoever it reaches.
    pub(crate) fn fits(&self, id: &str, asked: &Column) -> bool {
        let kind = |(_, kept): &(u32, &Kept)| self.columns.fit(kept.kind, asked);
        !asked.is_party() && (asked.is_id() || self.of_id(id, asked).first().is_some_and(kind))
    }

    /// Where a store gave a record of its own the id `id`.
    pub(crate) fn assigned(&self, id: &str, asked: &Column) -> Option<Held> {
        let records = self.of_id(id, asked);
        let (_, first) = records.first()?;
        let marks =
            records.iter().fold(first.held.marks, |marks, (_, kept)| marks.with(kept.held.marks));
        Some(Held { marks, ..first.held })
    }

    /// How a person named the record whose id is `id`.
    pub(crate) fn referenced(&self, id: &str, asked: &Column) -> Option<Named> {
        self.of_id(id, asked).into_iter().find_map(|(number, kept)| self.named(number, kept, asked))
    }

    fn named(&self, number: u32, kept: &Kept, asked: &Column) -> Option<Named> {
        let clear = |mention: &&Mention| !self.is_contested(**mention, number, kept, asked);
        let mention = kept
            .mentions
            .iter()
            .filter(clear)
            .max_by_key(|mention| (mention.quoted, mention.telling))?;
        Some(Named { mention: *mention, held: kept.held })
    }

    /// Whether the same words, or more words around them, name another record.
    fn is_contested(&self, mention: Mention, number: u32, kept: &Kept, asked: &Column) -> bool {
        let around = self.by_mention.range(..=(mention.start, u32::MAX));
        around.filter(|((_, end), _)| *end >= mention.end).any(|((start, end), numbers)| {
            if numbers.len() > MAX_RIVALS {
                return true;
            }
            let others = numbers.iter().filter(|other| **other != number);
            let mut others = others.filter_map(|other| self.kept.get(*other as usize));
            let longer = (*start, *end) != (mention.start, mention.end);
            others.any(|other| {
                // Whoever writes may call themselves what they like: an entry of a directory stands
                // against another one only.
                let rival = kept.entry.is_none() || other.entry.is_some();
                let fits = self.columns.fit(other.kind, asked);
                longer || (rival && fits && !kept.is_as(other))
            })
        })
    }

    /// Those of the records of these `numbers` that people named, each with how.
    fn all_named<'a>(
        &'a self,
        numbers: impl Iterator<Item = u32> + 'a,
    ) -> impl Iterator<Item = (&'a Kept, Named)> {
        numbers.filter_map(|number| {
            let kept = self.kept.get(number as usize)?;
            Some((kept, self.named(number, kept, &Column::default())?))
        })
    }

    /// The record whose parties in the field that `asked` names are just `values`, but for those that
    /// were given themselves, if a person named it in quotes, or by words that name no other record with
    /// such a field.
    pub(crate) fn referenced_parties(
        &self,
        values: &BTreeSet<Box<str>>,
        asked: &Column,
        given: &Given,
    ) -> Option<Named> {
        let other = |name: &&str| given.whole(name, Asked::Quantity).is_none();
        let values: BTreeSet<&str> = values.iter().map(AsRef::as_ref).filter(other).collect();
        let column = self.columns.numbers.get(asked).filter(|_| !values.is_empty())?;
        let parties = |kept: &Kept| kept.parties.iter().position(|(number, _)| number == column);
        let numbers: BTreeSet<u32> = self.by_mention.values().flatten().copied().collect();
        let with = |number: &u32| self.kept.get(*number as usize).and_then(parties).is_some();
        let named = self.all_named(numbers.into_iter().filter(with));
        let mut named: Vec<_> = named.filter(|(_, named)| named.mention.is_strong()).collect();
        if named.iter().any(|(_, named)| named.mention.quoted) {
            named.retain(|(_, named)| named.mention.quoted);
        } else if let [(first, _), others @ ..] = named.as_slice()
            && others.iter().any(|(other, _)| !first.is_as(other))
        {
            return None;
        }
        let fits = |kept: &Kept| {
            let (_, names) = kept.parties.get(parties(kept)?)?;
            let names: BTreeSet<&str> = names.iter().map(AsRef::as_ref).filter(other).collect();
            Some(names == values)
        };
        named.into_iter().find(|(kept, _)| fits(kept) == Some(true)).map(|(_, named)| named)
    }

    /// The entry of a directory whose address is `text`, if a person named it as people are named, or in
    /// quotes, and no other entry is called so.
    pub(crate) fn referenced_entry(&self, text: &str) -> Option<Named> {
        let numbers = self.by_entry.get(strict(text).as_str())?;
        let mut named = self.all_named(numbers.iter().copied()).map(|(_, named)| named);
        named.find(|named| named.mention.is_name())
    }

    /// The records with this id and a title that nobody writes by accident.
    pub(crate) fn titled(&self, id: &str, asked: &Column) -> Vec<(RecordId, &str)> {
        let records = self.of_id(id, asked).into_iter();
        let titles = records.flat_map(|(number, kept)| {
            kept.titles.iter().map(move |title| (RecordId(number + 1), &**title))
        });
        titles.filter(|(_, title)| is_telling_title(title)).collect()
    }

    /// Whether something could not be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }
}

impl Kept {
    /// Whether it is the same record, by its id or by its address.
    fn is_as(&self, other: &Self) -> bool {
        self.ids.iter().any(|id| other.ids.contains(id))
            || (self.entry.is_some() && self.entry == other.entry)
    }

    fn name(&mut self, given: &Given) {
        self.mentions = self.titles.iter().flat_map(|title| given.mentions(title)).collect();
    }
}
