//! What stands in text that an outsider could have written, by the keys it is looked up by.

use crate::atom::{Atom, Form};
use crate::key::{Key, Keyed};
use crate::origin::{Marks, Origins, Place};

/// The most things that are told apart in a task, as much as a long day's reading: what the table has places for
/// before it takes twice its 7 MiB.
pub const MAX_VALUES: usize = 224 * 1024;
/// How many values room is made for ahead of them.
const AT_ONCE: usize = 16 * 1024;

/// The record that a text belongs to; texts outside any record share the first number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordId(pub(crate) u32);

/// One thing that stands in outside text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Where, the first time that a person's words led there, else the first time.
    pub(crate) place: Place,
    /// Where it was seen, as labels.
    pub(crate) marks: Marks,
    spread: Spread,
}

/// Which records something stands in where it could choose another one, in no more room than a record's number:
/// there is one of these for each word, each pair and each run of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spread(RecordId);

impl Spread {
    const NOWHERE: Self = Self(RecordId(u32::MAX));
    const MORE: Self = Self(RecordId(u32::MAX - 1));
}

/// Where in a record something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Where it chooses nothing: in a title, or in what a person pointed at.
    Aside,
    /// In what anybody may have written.
    Of(RecordId),
}

/// A text that is taken in.
pub(crate) struct Intake<'a> {
    /// Where it begins.
    pub(crate) place: Place,
    /// What it can carry.
    pub(crate) marks: Marks,
    /// Where else things were seen, if a person's words led to it.
    pub(crate) led: Option<&'a Origins>,
}

impl Intake<'_> {
    /// Whether a person's words led to this text and not to what stands at `place`.
    #[inline]
    fn is_led_beyond(&self, place: Place) -> bool {
        self.led.is_some_and(|seen| !place.is_beside(self.place) && !seen.is_pointed(place))
    }
}

impl Entry {
    /// Whether it stands, outside `record`, where it could choose that record.
    pub(crate) fn is_beyond(&self, record: RecordId) -> bool {
        self.spread != Spread::NOWHERE && self.spread != Spread(record)
    }
}

impl Spread {
    fn with(self, part: Part) -> Self {
        match (self, part) {
            (spread, Part::Aside) => spread,
            (Self::NOWHERE, Part::Of(record)) => Self(record),
            (Self(one), Part::Of(record)) if one == record => self,
            _ => Self::MORE,
        }
    }
}

/// All that stands in outside text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outside {
    entries: Keyed<Entry>,
    full: bool,
}

impl Outside {
    /// Makes room for what a text of so many bytes holds as people write, at once: a word, a pair and a run of words
    /// in six bytes. No more than [`AT_ONCE`], since nobody knows yet how much of it is new.
    pub(crate) fn make_room(&mut self, bytes: usize) {
        let left = MAX_VALUES.saturating_sub(self.entries.len());
        self.entries.reserve((bytes / 2).min(left).min(AT_ONCE));
    }

    /// Takes in that `key` stands in a text, `at` bytes behind its beginning. Whether the place is kept.
    #[inline]
    pub(crate) fn add(&mut self, key: Key, (text, at): (&Intake<'_>, usize), part: Part) -> bool {
        let Some(known) = self.entries.get_mut(&key) else {
            return self.insert(key, text, at, part);
        };
        known.marks = known.marks.with(text.marks);
        known.spread = known.spread.with(part);
        let led = text.is_led_beyond(known.place);
        if led {
            known.place = text.place.at(at);
        }
        led
    }

    fn insert(&mut self, key: Key, text: &Intake<'_>, at: usize, part: Part) -> bool {
        let room = self.entries.len() < MAX_VALUES;
        if room {
            let (place, spread) = (text.place.at(at), Spread::NOWHERE.with(part));
            self.entries.insert(key, Entry { place, marks: text.marks, spread });
        } else {
            self.full = true;
        }
        room
    }

    /// What is known of `key`.
    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.get(&key)
    }

    /// What is known of what `atom` is.
    pub(crate) fn find(&self, atom: &Atom<'_>) -> Option<&Entry> {
        self.get(atom.key)
    }

    /// How many things are told apart.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether something could not be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }
}

impl Form {
    /// Whether two texts that share such a thing share it on purpose.
    pub(crate) fn is_telling(self) -> bool {
        matches!(self, Self::Name(true) | Self::Part(true) | Self::Host(true) | Self::Run)
    }
}
