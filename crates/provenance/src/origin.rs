//! Where things were seen: which call, which field, which text; and what each can carry.

use std::collections::BTreeMap;

use remit_model::{Evidence, Label};

use crate::Source;
use crate::key::{Key, Keyed};
use crate::outside::RecordId;

/// The most bytes of text that a task keeps to find and to show what stood there. A task that has read
/// more is one that nobody oversees.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The longest excerpt of an [`Evidence`], in characters: a line on a terminal.
const MAX_EXCERPT: usize = 120;

/// How much of an excerpt stands before what was found.
const LEAD: usize = 40;

/// How many labels are told apart; whatever comes later shares the last one.
const LABELS: usize = 32;

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    passage: u32,
    at: u32,
}

/// A set of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u32);

impl Marks {
    /// Both sets.
    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The number of a call's result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin(u32);

#[derive(Clone, Debug)]
struct Result {
    tool: Box<str>,
    decision: u64,
    pointed: bool,
    marks: Marks,
}

#[derive(Clone, Debug)]
struct Passage {
    origin: u32,
    field: Option<u32>,
    record: RecordId,
    text: Box<str>,
}

/// All results, and the texts in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    results: Vec<Result>,
    passages: Vec<Passage>,
    fields: Vec<Box<str>>,
    numbers: BTreeMap<Box<str>, u32>,
    /// The texts that were read word by word.
    read: Keyed<Place>,
    labels: Vec<Label>,
    bytes: usize,
    full: bool,
}

impl Origins {
    /// Takes in that there is a result.
    pub(crate) fn result(&mut self, source: &Source) -> Origin {
        let marks = self.mark(&source.label);
        let tool: Box<str> = source.tool.to_string().into();
        self.bytes = self.bytes.saturating_add(tool.len());
        let origin = number(self.results.len());
        let (decision, pointed) = (source.decision, source.pointed);
        self.results.push(Result { tool, decision, pointed, marks });
        Origin(origin)
    }

    /// The result was read. Nothing stays of one in which nothing was new, as of most that are read again.
    pub(crate) fn end(&mut self, origin: Origin) {
        let kept = self.passages.last().is_some_and(|passage| passage.origin == origin.0);
        if let Some(result) = self.results.pop_if(|_| !kept) {
            self.bytes = self.bytes.saturating_sub(result.tool.len());
        }
    }

    /// Takes in a text of a result; `None` where there is no room for it.
    pub(crate) fn passage(
        &mut self,
        origin: Origin,
        (field, record): (&str, RecordId),
        text: &str,
    ) -> Option<Place> {
        let bytes = self.bytes.saturating_add(text.len()).saturating_add(size_of::<Passage>());
        if self.full || bytes > MAX_BYTES {
            self.full = true;
            return None;
        }
        self.bytes = bytes;
        let field = (!field.is_empty()).then(|| self.field(field));
        let passage = number(self.passages.len());
        self.passages.push(Passage { origin: origin.0, field, record, text: text.into() });
        Some(Place { passage, at: 0 })
    }

    /// Takes in that the text at `place`, of which this is the key, was read word by word.
    pub(crate) fn remember(&mut self, key: Key, place: Place) {
        self.bytes = self.bytes.saturating_add(size_of::<(Key, Place)>());
        self.read.insert(key, place);
    }

    /// Whether `text`, of which this is the key, was read word by word before, in the same record and of a
    /// result that was no different: whatever stands in it is known.
    pub(crate) fn has_read(&self, key: Key, origin: Origin, record: RecordId, text: &str) -> bool {
        let passage = self.read.get(&key).and_then(|at| self.passages.get(at.passage as usize));
        passage.is_some_and(|passage| {
            let result = |origin: u32| self.results.get(origin as usize);
            let alike = |it: &Result| (it.marks, it.pointed);
            passage.record == record
                && result(passage.origin).map(alike) == result(origin.0).map(alike)
                && *passage.text == *text
        })
    }

    /// Where the next text that is taken in will stand.
    pub(crate) fn next(&self) -> Place {
        Place { passage: number(self.passages.len()), at: 0 }
    }

    fn field(&mut self, field: &str) -> u32 {
        if let Some(known) = self.numbers.get(field) {
            return *known;
        }
        let new = number(self.fields.len());
        self.bytes = self.bytes.saturating_add(field.len().saturating_mul(2));
        self.fields.push(field.into());
        self.numbers.insert(field.into(), new);
        new
    }

    fn mark(&mut self, label: &Label) -> Marks {
        let known = self.labels.iter().position(|known| known == label);
        let at = known.unwrap_or_else(|| {
            if self.labels.len() < LABELS {
                self.labels.push(label.clone());
            } else if let Some(last) = self.labels.last_mut() {
                *last = std::mem::take(last).join(label.clone());
            }
            self.labels.len().saturating_sub(1)
        });
        Marks(1 << at.min(LABELS - 1))
    }

    /// The label of what came from all of `marks`.
    pub(crate) fn label(&self, marks: Marks) -> Label {
        let carried = (0..).zip(&self.labels).filter(|(bit, _)| marks.0 & (1_u32 << bit) != 0);
        carried.fold(Label::default(), |label, (_, other)| label.join(other.clone()))
    }

    /// The label of everything that was seen.
    pub(crate) fn entered(&self) -> Marks {
        Marks(self.labels.iter().fold(0, |marks, _| (marks << 1) | 1))
    }

    /// What a result can carry.
    pub(crate) fn marks(&self, origin: Origin) -> Marks {
        self.results.get(origin.0 as usize).map(|result| result.marks).unwrap_or_default()
    }

    /// Whether a person's words led there.
    pub(crate) fn is_pointed(&self, place: Place) -> bool {
        self.passages
            .get(place.passage as usize)
            .and_then(|passage| self.results.get(passage.origin as usize))
            .is_some_and(|result| result.pointed)
    }

    /// Whether a person's words led to that result.
    pub(crate) fn is_pointed_origin(&self, origin: Origin) -> bool {
        self.results.get(origin.0 as usize).is_some_and(|result| result.pointed)
    }

    /// Whether that is a part of `record`.
    pub(crate) fn is_of(&self, place: Place, record: RecordId) -> bool {
        self.passages.get(place.passage as usize).is_some_and(|passage| passage.record == record)
    }

    /// Whether something could not be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// What stands there, to be shown.
    pub(crate) fn evidence(&self, place: Place) -> Option<Evidence> {
        let passage = self.passages.get(place.passage as usize)?;
        let result = self.results.get(passage.origin as usize)?;
        let field = passage.field.and_then(|field| self.fields.get(field as usize));
        Some(Evidence {
            source: result.tool.to_string(),
            decision: Some(result.decision),
            field: field.map(ToString::to_string),
            pointed: result.pointed,
            excerpt: excerpt(&passage.text, place.at as usize),
        })
    }
}

impl Place {
    /// The place `at` bytes behind the beginning of the passage.
    pub(crate) fn at(self, at: usize) -> Self {
        Self { at: number(at), ..self }
    }

    /// Whether both stand in the same passage.
    pub(crate) fn is_beside(self, other: Self) -> bool {
        self.passage == other.passage
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The text around `at`, in one line.
pub(crate) fn excerpt(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or_default();
    let lead = before.chars().rev().take(LEAD).take_while(|c| *c != '\n').map(char::len_utf8);
    let from = at.saturating_sub(lead.sum());
    let shown = text.get(from..).unwrap_or(text).chars().take(MAX_EXCERPT);
    let line: String = shown.map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line_around_what_was_found() {
        let text = format!("first line\nÄ{}X\u{1b}[31m\ny{}", "ö".repeat(60), "z".repeat(300));
        let at = text.find('X').unwrap();
        let shown = excerpt(&text, at);
        assert_eq!(shown.chars().count(), MAX_EXCERPT);
        assert!(shown.starts_with("öö") && shown.contains("X [31m y") && !shown.contains("first"));
        assert_eq!(excerpt("short", 99), "short");
    }

    fn source(tag: usize) -> Source {
        Source {
            tool: remit_model::ToolId::new(&"s".parse().unwrap(), "t"),
            decision: 0,
            pointed: false,
            label: Label { tags: [tag.to_string()].into(), ..Label::default() },
        }
    }

    #[test]
    fn a_result_in_which_nothing_is_new_leaves_nothing_behind() {
        let mut origins = Origins::default();
        let mut see = |new: bool| {
            let origin = origins.result(&source(0));
            let place = new.then(|| origins.passage(origin, ("", RecordId::default()), "a text"));
            origins.end(origin);
            (place, origins.results.len(), origins.bytes)
        };
        let (place, one, bytes) = see(true);
        assert_eq!([see(false), see(false)], [(None, one, bytes); 2]);
        assert_eq!(see(true).1, one + 1);
        assert_eq!(origins.evidence(place.flatten().unwrap()).unwrap().excerpt, "a text");
    }

    #[test]
    fn labels_beyond_the_last_are_joined() {
        let mut origins = Origins::default();
        let marks: Vec<_> = (0..40)
            .map(|tag| {
                let origin = origins.result(&source(tag));
                origins.marks(origin)
            })
            .collect();
        assert_eq!(origins.label(marks[3]).tags, ["3".to_owned()].into());
        assert!(origins.label(marks[39]).tags.contains("39"));
        assert_eq!(origins.label(origins.entered()).tags.len(), 40);
    }
}
