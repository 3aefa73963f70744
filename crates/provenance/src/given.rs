//! What people said, and what trusted tools returned: the values that an agent may act on.
//!
//! Kept as text and compared exactly (but for case and composition): a value is given as a whole
//! word, a whole identifier or a whole phrase, never as a part of a longer one.

mod naming;
mod quoted;

use std::collections::{BTreeMap, BTreeSet};

use remit_model::Label;

use crate::atom::{Atom, Form, atoms, spaced};
use crate::chunk::{Chunk, chunks, is_cue, words};
use crate::figure::{Figure, LONGEST, day_of_month, figure, month};
use crate::fold::{plain, strict};
use crate::key::{Key, Keyed, Keys, Kind};
use crate::shape::{compact, host, is_distinct, is_grouped, ungrouped};

pub(crate) use naming::Mention;
use naming::{extension, is_telling};

/// How much given text a task keeps. Purposes and prompts are far shorter; what a trusted tool returns
/// beyond it is not given any more, the safe side.
pub const MAX_GIVEN: usize = 512 * 1024;

/// From this many digits a number that was given is the same one wherever it stands.
const LONG_NUMBER: usize = 5;

/// One given text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// `purpose`, `prompt` or the tool that returned it.
    pub(crate) source: Box<str>,
    /// The decision on the call that returned it.
    pub(crate) decision: Option<u64>,
    /// What it can carry.
    pub(crate) label: Label,
    /// Itself.
    pub(crate) words: Box<str>,
    /// Whether a person said it, so that it can name records.
    pub(crate) said: bool,
    /// The position of its first word.
    first: u32,
}

/// Where something given stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which text.
    pub(crate) text: u32,
    /// Where in it, in bytes.
    pub(crate) at: u32,
}

/// How a number was given.
#[derive(Clone, Debug)]
struct Numbered {
    place: Place,
    /// The word before it.
    before: Box<str>,
    /// Whether it stands as the name of something: quoted, or behind `#` or the like.
    names: bool,
}

/// What an argument asks of a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// How much or how many: any number that was given will do.
    Quantity,
    /// Which one: the number must have been given as the name of something, or behind one of these
    /// words.
    Which(&'a [String]),
}

/// All that was given in a task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    texts: Vec<Text>,
    /// Words by their positions, which count on from text to text.
    words: BTreeMap<Box<str>, Vec<u32>>,
    /// Where each word stands.
    places: Vec<Place>,
    /// Identifiers, hosts, days and times.
    names: BTreeMap<Box<str>, Place>,
    hosts: BTreeMap<Box<str>, Place>,
    numbers: BTreeMap<Box<str>, Vec<Numbered>>,
    /// What looks like an identifier that was given.
    looks: Keyed<Place>,
    /// Runs of words.
    runs: Keys,
    /// Words that belong together, in quotes or in one name: position of the first, and behind the last.
    quoted: BTreeMap<u32, u32>,
    joined: BTreeMap<u32, u32>,
    /// The words that are the extension of a file's name.
    extended: BTreeSet<u32>,
    bytes: usize,
}

impl Given {
    /// Takes in a text.
    pub(crate) fn add(&mut self, mut text: Text) {
        self.bytes = self.bytes.saturating_add(text.words.len());
        if self.bytes > MAX_GIVEN {
            return;
        }
        let (Ok(index), Ok(first)) =
            (u32::try_from(self.texts.len()), u32::try_from(self.places.len() + 1))
        else {
            return;
        };
        // A position that holds no word keeps phrases from running from one text into the next.
        let gap = Place { text: index, at: 0 };
        self.places.push(gap);
        text.first = first;
        let composed = std::mem::take(&mut text.words);
        let pieces = chunks(&composed);
        for (at, chunk) in pieces.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| pieces.get(at));
            self.chunk(chunk, (before, pieces.get(at + 1)), index);
        }
        for (joined, at) in spaced(&pieces) {
            self.name(&strict(&joined), place(index, at));
        }
        for (from, to) in quoted::spans(&composed) {
            let behind = |end: usize| {
                let own = self.places.get(first as usize..).unwrap_or_default();
                first.saturating_add(count(own.partition_point(|at| (at.at as usize) < end)))
            };
            let (start, end) = (behind(from), behind(to));
            if start < end {
                self.quoted.insert(start, end);
            }
        }
        atoms(&plain(&composed), &mut |atom: Atom<'_>| {
            if atom.form == Form::Run {
                self.runs.insert(atom.key);
            }
        });
        text.words = composed;
        self.texts.push(text);
    }

    fn chunk(
        &mut self,
        chunk: &Chunk<'_>,
        around: (Option<&Chunk<'_>>, Option<&Chunk<'_>>),
        text: u32,
    ) {
        let at = place(text, chunk.at);
        let first = self.places.len();
        for word in words(chunk.text) {
            let position = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            self.words.entry(strict(word).into()).or_default().push(position);
            self.places.push(at);
        }
        if self.places.len() > first + 1 {
            self.extended
                .extend(extension(chunk.text).and(u32::try_from(self.places.len() - 1).ok()));
            let span = (u32::try_from(first), u32::try_from(self.places.len()));
            if let (Ok(first), Ok(end)) = span {
                self.joined.insert(first, end);
            }
        }
        if let Some(day) = day_of_month(chunk.text) {
            let near = |piece: Option<&Chunk<'_>>| piece.and_then(|piece| month(piece.text));
            if let Some(month) = near(around.0).or_else(|| near(around.1)) {
                self.names.entry(format!("--{month:02}-{day:02}").into()).or_insert(at);
                return;
            }
        }
        match figure(chunk.text) {
            Some(Figure::Number { text, whole }) => {
                let before =
                    around.0.and_then(|piece| words(piece.text).last()).unwrap_or_default();
                let names = whole
                    && (chunk.is_quoted() || is_cue(before) || chunk.text.len() >= LONG_NUMBER);
                let found = Numbered { place: at, before: strict(before).into(), names };
                self.numbers.entry(text.into()).or_default().push(found);
                self.name(chunk.text, at);
            }
            Some(Figure::Day(day, clock)) => {
                self.names.entry(day.into()).or_insert(at);
                self.names.extend(clock.map(|clock| (clock.into(), at)));
            }
            Some(Figure::Time(clock)) => {
                self.names.entry(clock.into()).or_insert(at);
            }
            None => self.identifier(chunk.text, at),
        }
    }

    fn identifier(&mut self, text: &str, at: Place) {
        let name = strict(text);
        if let Some(digits) = text.strip_prefix('#').filter(|rest| rest.parse::<u64>().is_ok()) {
            let found = Numbered { place: at, before: "#".into(), names: true };
            self.numbers.entry(digits.trim_start_matches('0').into()).or_default().push(found);
        }
        if let Some(host) = host(&name) {
            self.hosts.entry(host.into()).or_insert(at);
        }
        if is_distinct(text) {
            self.looks.entry(Key::loose(Kind::Name, text)).or_insert(at);
        }
        if let Some(bare) = name.strip_prefix(['@', '#']).filter(|bare| !bare.is_empty()) {
            self.name(bare, at);
        }
        self.name(&name, at);
    }

    fn name(&mut self, name: &str, at: Place) {
        if let Some(number) = ungrouped(name) {
            self.names.entry(number.into()).or_insert(at);
        }
        self.names.entry(name.into()).or_insert(at);
    }

    /// Where `value` was given as a whole.
    pub(crate) fn whole(&self, value: &str, asked: Asked<'_>) -> Option<Place> {
        // What climbs out of a folder, or stands for all that is in it, is more than its parts.
        let climbs = || value.split(['/', '\\']).any(|part| part == "..");
        if value.contains('*') || (value.contains("..") && climbs()) {
            return self.names.get(strict(value).as_str()).copied();
        }
        // Whole texts are mostly new by their first word already.
        let known = |word: &str| self.words.contains_key(strict(word).as_str());
        if value.len() > LONGEST && !words(value).next().is_some_and(known) {
            return None;
        }
        let pieces = chunks(value);
        match pieces.as_slice() {
            [] => None,
            [only] => self.piece(only.text, asked),
            [first, ..] => self.phrase(&pieces).or_else(|| self.grouped(&pieces)).or_else(|| {
                self.figures(&pieces).then(|| self.figure(first.text, Asked::Quantity))?
            }),
        }
    }

    /// One piece without blanks.
    fn piece(&self, text: &str, asked: Asked<'_>) -> Option<Place> {
        if figure(text).is_some() && !text.starts_with('+') {
            return self.figure(text, asked);
        }
        let name = strict(text);
        let bare = name.strip_prefix(['@', '#']).unwrap_or(&name);
        if let Some(place) = self.names.get(name.as_str()).or_else(|| self.names.get(bare)) {
            return Some(*place);
        }
        self.names.get(ungrouped(&name)?.as_str()).copied()
    }

    fn figure(&self, text: &str, asked: Asked<'_>) -> Option<Place> {
        match figure(text)? {
            Figure::Number { text, .. } => {
                let fits = |number: &&Numbered| match asked {
                    Asked::Quantity => true,
                    Asked::Which(nouns) => {
                        number.names || nouns.iter().any(|noun| **noun == *number.before)
                    }
                };
                let numbers = self.numbers.get(text.as_str())?;
                numbers.iter().find(fits).map(|number| number.place)
            }
            Figure::Day(day, clock) => {
                let known = |name: &str| self.names.get(name).copied();
                let place = known(&day).or_else(|| known(&format!("-{}", day.get(4..)?)))?;
                match clock {
                    Some(clock) => known(&clock).map(|_| place),
                    None => Some(place),
                }
            }
            Figure::Time(clock) => self.names.get(clock.as_str()).copied(),
        }
    }

    fn figures(&self, pieces: &[Chunk<'_>]) -> bool {
        pieces.iter().all(|piece| self.figure(piece.text, Asked::Quantity).is_some())
            && pieces.iter().any(|piece| !matches!(figure(piece.text), Some(Figure::Number { .. })))
    }

    /// An account or phone number in groups.
    fn grouped(&self, pieces: &[Chunk<'_>]) -> Option<Place> {
        let whole: String = pieces.iter().map(|piece| compact(piece.text)).collect();
        let grouped = pieces.iter().all(|piece| is_grouped(piece.text))
            && spaced(pieces).into_iter().any(|(joined, _)| joined == whole);
        grouped.then(|| self.names.get(strict(&whole).as_str()).copied()).flatten()
    }

    /// The pieces as one phrase, in which each identifier was given, too.
    fn phrase(&self, pieces: &[Chunk<'_>]) -> Option<Place> {
        let known = |piece: &&Chunk<'_>| self.names.contains_key(strict(piece.text).as_str());
        if !pieces.iter().filter(|piece| is_distinct(piece.text)).all(|piece| known(&piece)) {
            return None;
        }
        let words: Vec<_> = pieces.iter().flat_map(|piece| words(piece.text)).map(strict).collect();
        self.positions(&words).next().and_then(|at| self.places.get(at as usize).copied())
    }

    /// Where these words stand in this order.
    fn positions<'a>(&'a self, words: &'a [String]) -> impl Iterator<Item = u32> + 'a {
        let at = |word: &String| self.words.get(word.as_str());
        let rarest = (0_u32..).zip(words).filter_map(|(offset, word)| Some((offset, at(word)?)));
        let anchor = rarest.min_by_key(|(_, positions)| positions.len());
        let known = words.iter().all(|word| at(word).is_some());
        let anchors = anchor.filter(|_| known).into_iter().flat_map(|(offset, positions)| {
            positions.iter().filter_map(move |position| position.checked_sub(offset))
        });
        anchors.filter(move |start| {
            (*start..).zip(words).all(|(position, word)| {
                at(word).is_some_and(|positions| positions.binary_search(&position).is_ok())
            })
        })
    }

    /// Whether the host was given by itself or within an address.
    pub(crate) fn host(&self, host: &str) -> Option<Place> {
        self.hosts.get(strict(host).as_str()).copied()
    }

    /// Where something stands that looks like `name`, which is not given itself.
    pub(crate) fn look_alike(&self, name: &str) -> Option<Place> {
        if !is_distinct(name) {
            return None;
        }
        self.looks.get(&Key::loose(Kind::Name, name)).copied()
    }

    /// Whether people spoke of `word`, in the singular or the plural.
    pub(crate) fn speaks_of(&self, word: &str) -> bool {
        [word.to_owned(), format!("{word}s"), format!("{word}es")].iter().any(|word| {
            let positions = self.words.get(word.as_str()).map(Vec::as_slice).unwrap_or_default();
            positions.iter().any(|position| self.is_said(*position))
        })
    }

    /// Where the first word of `value` was given, if every other one was, too, and one of them says
    /// something.
    pub(crate) fn words(&self, value: &str) -> Option<Place> {
        let words: Vec<String> = words(value).map(strict).collect();
        let known = words.iter().all(|word| self.words.contains_key(word.as_str()))
            && words.iter().any(|word| is_telling(word));
        let first = self.words.get(words.first()?.as_str())?.first()?;
        known.then(|| self.places.get(*first as usize).copied()).flatten()
    }

    /// Whether these words in this order were given, however they are spelt.
    pub(crate) fn has_run(&self, run: Key) -> bool {
        self.runs.contains(&run)
    }

    /// Where the words of a mention stand.
    pub(crate) fn place_of(&self, mention: Mention) -> Option<Place> {
        self.places.get(mention.start as usize).copied()
    }

    /// The text that a place is in.
    pub(crate) fn text(&self, place: Place) -> Option<&Text> {
        self.texts.get(place.text as usize)
    }
}

impl Text {
    /// What a person said.
    pub(crate) fn said(source: &str, text: &str) -> Self {
        let label = Label::default();
        Self {
            source: source.into(),
            decision: None,
            label,
            words: text.into(),
            said: true,
            first: 0,
        }
    }

    /// What a trusted tool returned.
    pub(crate) fn returned(source: &str, decision: u64, label: Label, text: &str) -> Self {
        let decision = Some(decision);
        Self { source: source.into(), decision, label, words: text.into(), said: false, first: 0 }
    }
}

fn place(text: u32, at: usize) -> Place {
    Place { text, at: count(at) }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
