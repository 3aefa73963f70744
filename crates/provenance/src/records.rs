//! The records that a task has seen, with what only their store writes: ids, and who is in them.
//!
//! What a person named by its title is theirs to act on: the id of the record that they named is
//! *referenced*. Everything here is compared exactly, since it makes answers safer.

use std::collections::{BTreeMap, BTreeSet};

use crate::column::{Column, is_telling_title};
use crate::fold::strict;
use crate::given::{Given, Mention};
use crate::origin::{Marks, Place};
use crate::outside::RecordId;

/// The most records and fields of theirs that a task keeps, each kind by itself.
pub const MAX_RECORDS: usize = 64 * 1024;

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
    /// Its own id.
    pub(crate) id: Option<Box<str>>,
    /// What people call it.
    pub(crate) titles: Vec<Box<str>>,
    /// Who is in it, by the field.
    pub(crate) parties: BTreeMap<Column, BTreeSet<Box<str>>>,
    /// What it is, as words.
    pub(crate) kind: Column,
}

#[derive(Clone, Debug)]
struct Kept {
    record: Record,
    held: Held,
    mentions: Vec<Mention>,
}

/// All records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    kept: Vec<Kept>,
    by_id: BTreeMap<Box<str>, Vec<u32>>,
    by_title: BTreeMap<(Box<str>, Vec<Box<str>>), u32>,
    by_mention: BTreeMap<(u32, u32), BTreeSet<u32>>,
    identities: BTreeMap<Box<str>, Held>,
    full: bool,
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
    /// Takes in a record that was seen at `held`. The number of the record: the one it had if it was
    /// seen before.
    pub(crate) fn add(&mut self, record: Record, held: Held, given: &Given) -> RecordId {
        let name = record.id.clone().map(|id| (id, record.titles.clone()));
        if let Some(known) = name.as_ref().and_then(|name| self.by_title.get(name)).copied() {
            if let Some(kept) = self.kept.get_mut(known as usize) {
                kept.record.kind = std::mem::take(&mut kept.record.kind).with(&record.kind);
                kept.record.parties = record.parties;
                kept.held.marks = kept.held.marks.with(held.marks);
            }
            return RecordId(known + 1);
        }
        let Some(number) =
            u32::try_from(self.kept.len()).ok().filter(|_| self.kept.len() < MAX_RECORDS)
        else {
            self.full = true;
            return RecordId::default();
        };
        if let Some(id) = &record.id {
            self.by_id.entry(id.clone()).or_default().push(number);
        }
        self.by_title.extend(name.map(|name| (name, number)));
        let mut kept = Kept { record, held, mentions: Vec::new() };
        kept.name(given);
        for mention in &kept.mentions {
            self.by_mention.entry((mention.start, mention.end)).or_default().insert(number);
        }
        self.kept.push(kept);
        RecordId(number + 1)
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

    /// Takes in that `text` says who or what somebody is.
    pub(crate) fn identify(&mut self, text: &str, held: Held) {
        if let Some(known) = self.identities.get_mut(strict(text).as_str()) {
            known.marks = known.marks.with(held.marks);
        } else if self.identities.len() < MAX_RECORDS {
            self.identities.insert(strict(text).into(), held);
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
            all.partition(|(_, kept)| asked.nouns().all(|noun| kept.record.kind.has(noun)));
        if fitting.is_empty() { other } else { fitting }
    }

    /// Whether the argument that `asked` names takes the id `id` as what it is: it asks for an id, or for
    /// a record of that kind, and not for whoever it reaches.
    pub(crate) fn fits(&self, id: &str, asked: &Column) -> bool {
        let kind = |(_, kept): &(u32, &Kept)| asked.nouns().all(|noun| kept.record.kind.has(noun));
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
        let mention = kept.mentions.iter().filter(clear).max_by_key(|mention| mention.strong)?;
        Some(Named { mention: *mention, held: kept.held })
    }

    /// Whether the same words, or more words around them, name another record.
    fn is_contested(&self, mention: Mention, number: u32, kept: &Kept, asked: &Column) -> bool {
        let around = self.by_mention.range(..=(mention.start, u32::MAX));
        around.filter(|((_, end), _)| *end >= mention.end).any(|((start, end), numbers)| {
            let others = numbers.iter().filter(|other| **other != number);
            let mut others = others.filter_map(|other| self.kept.get(*other as usize));
            let longer = (*start, *end) != (mention.start, mention.end);
            others.any(|other| {
                let kind = asked.nouns().all(|noun| other.record.kind.has(noun));
                longer || (kind && other.record.id != kept.record.id)
            })
        })
    }

    /// The record whose parties in the field that `asked` names are just `values`, if a person named
    /// it by more than one word or in quotes.
    pub(crate) fn referenced_parties(
        &self,
        values: &BTreeSet<Box<str>>,
        asked: &Column,
    ) -> Option<Named> {
        let numbers: BTreeSet<u32> = self.by_mention.values().flatten().copied().collect();
        numbers.into_iter().find_map(|number| {
            let kept = self.kept.get(number as usize)?;
            let whole = kept.record.parties.get(asked).is_some_and(|parties| parties == values);
            let named = self.named(number, kept, &Column::default()).filter(|_| whole)?;
            named.mention.strong.then_some(named)
        })
    }

    /// The records with this id and a title that nobody writes by accident.
    pub(crate) fn titled(&self, id: &str, asked: &Column) -> Vec<(RecordId, &str)> {
        let records = self.of_id(id, asked).into_iter();
        let titles = records.flat_map(|(number, kept)| {
            kept.record.titles.iter().map(move |title| (RecordId(number + 1), &**title))
        });
        titles.filter(|(_, title)| is_telling_title(title)).collect()
    }

    /// Whether something could not be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }
}

impl Kept {
    fn name(&mut self, given: &Given) {
        self.mentions = self.record.titles.iter().flat_map(|title| given.mentions(title)).collect();
    }
}
