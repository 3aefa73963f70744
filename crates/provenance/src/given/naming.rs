//! Which records people named: a record is named where its title stands in what a person said, as
//! a whole.
//!
//! An outsider can give a record any title, so a title that is a part of something longer (of a
//! quoted name, of a file's name), or that consists of words that name nothing, does not count.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::Given;
use crate::chunk::words;
use crate::fold::strict;

/// The title of a record, where a person said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mention {
    /// The position of its first word.
    pub(crate) start: u32,
    /// The position behind its last one.
    pub(crate) end: u32,
    /// Whether it is in quotes as a whole.
    pub(crate) quoted: bool,
    /// How many of its words say something.
    pub(crate) telling: usize,
    /// Whether each of its words begins with a capital, as names of people do.
    pub(crate) capital: bool,
}

impl Mention {
    /// Whether it is not a title that an outsider could have made up of words that people use anyway.
    pub(crate) fn is_strong(self) -> bool {
        self.quoted || self.telling > 1
    }

    /// Whether it is somebody's name as people write it.
    pub(crate) fn is_name(self) -> bool {
        self.quoted || (self.telling > 1 && self.capital)
    }
}

/// The longest title that names a record.
const MAX_WORDS: usize = 16;

/// Words that by themselves name no record.
static GENERIC: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("generic.txt").split_whitespace().collect());

impl Given {
    /// Where a person named a record of this title.
    pub(crate) fn mentions(&self, title: &str) -> Vec<Mention> {
        let whole: Vec<String> = words(title).map(strict).take(MAX_WORDS + 1).collect();
        let mut found = self.named(&whole);
        if let Some(stem) = stem(title) {
            found.extend(
                self.named(&words(stem).map(strict).take(MAX_WORDS + 1).collect::<Vec<_>>()),
            );
        }
        found
    }

    fn named(&self, words: &[String]) -> Vec<Mention> {
        if words.len() > MAX_WORDS || !words.iter().any(|word| is_telling(word)) {
            return Vec::new();
        }
        let length = u32::try_from(words.len()).unwrap_or(u32::MAX);
        let starts = self.positions(words).filter(|start| self.is_said(*start));
        let telling = words.iter().filter(|word| is_telling(word)).count();
        let units = starts.filter_map(|start| self.unit(start, start.saturating_add(length)));
        units.map(|mention| Mention { telling, ..mention }).collect()
    }

    /// Whether the piece that the word at `position` is in begins with a capital.
    fn is_capital(&self, position: u32) -> bool {
        let place = self.places.get(position as usize).copied();
        let text = place.and_then(|place| Some((self.text(place)?, place.at)));
        let behind = text.and_then(|(text, at)| text.words.get(at as usize..));
        behind.and_then(|behind| behind.chars().next()).is_some_and(char::is_uppercase)
    }

    pub(super) fn is_said(&self, position: u32) -> bool {
        let place = self.places.get(position as usize).copied();
        place.and_then(|place| self.text(place)).is_some_and(|text| text.said)
    }

    /// The mention from `start` to `end`, unless it is a part of something that belongs together; the
    /// extension of a file's name may be missing.
    fn unit(&self, start: u32, end: u32) -> Option<Mention> {
        let mut end = end;
        let mut quoted = false;
        for units in [&self.joined, &self.quoted] {
            let around = |at: u32| {
                units.range(..=at).next_back().filter(|(from, to)| **from < at && at < **to)
            };
            if around(start).is_some() {
                return None;
            }
            if let Some((_, to)) = around(end) {
                if *to != end + 1 || !self.extended.contains(&end) {
                    return None;
                }
                end = *to;
            }
            quoted |= units.get(&start) == Some(&end);
        }
        let capital = (start..end).all(|position| self.is_capital(position));
        Some(Mention { start, end, quoted, capital, telling: 0 })
    }
}

/// Whether a word can name something by itself.
pub(super) fn is_telling(word: &str) -> bool {
    word.chars().count() > 2 && !GENERIC.contains(word)
}

/// A file's name without its extension.
fn stem(title: &str) -> Option<&str> {
    extension(title.trim()).map(|(stem, _)| stem)
}

/// A file's name and its extension.
pub(super) fn extension(name: &str) -> Option<(&str, &str)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let plain = extension.chars().all(|c| c.is_ascii_alphanumeric());
    ((1..=5).contains(&extension.len()) && plain && !stem.is_empty()).then_some((stem, extension))
}
