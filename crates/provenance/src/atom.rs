//! What stands in a text that a later call could have taken from it: names, addresses, figures,
//! words and runs of words, each as the key it is looked up by.
//!
//! Both sides of a comparison are read by this one function: whatever is found in outside text is
//! found in an argument in the same way.

use crate::chunk::{self, Chunk, Signs, chunks};
use crate::decode::{decoded, entities};
use crate::figure::{Figure, day_of_month, figure, is_moment, month};
use crate::fold::plain;
use crate::key::{Key, Kind};
use crate::shape::{
    LONG, SHORTEST_COMPACT, compact, compact_length, host, is_distinct, is_mail, is_number_like,
};

/// How many words make a run that is not repeated by accident.
pub(crate) const RUN: usize = 5;

/// How often what was decoded is decoded again.
const MAX_LAYERS: u8 = 2;

/// What kind of thing an atom is, and so what it says about a value that holds it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A piece between blanks, or the same without its separators; `true` if it is one that is not
    /// repeated by accident: an address, a path, an account number.
    Name(bool),
    /// A part of such a piece.
    Part(bool),
    /// The host of an address; `true` unless the address is one of e-mail, whose host many share.
    Host(bool),
    /// Digits and nothing else, as ids are written.
    Whole,
    /// Any number.
    Number,
    /// A day.
    Day,
    /// A time of the day.
    Time,
    /// A word.
    Word,
    /// Two words.
    Pair,
    /// [`RUN`] words.
    Run,
}

/// One thing in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Atom<'a> {
    /// What it is looked up by.
    pub(crate) key: Key,
    /// Where it stands, in bytes.
    pub(crate) at: usize,
    /// What it is.
    pub(crate) form: Form,
    /// Itself; empty for runs of words.
    pub(crate) text: &'a str,
    /// Whether it stands there encoded.
    pub(crate) decoded: bool,
}

/// Who is told what stands in a text.
pub(crate) trait Visitor {
    /// Takes one thing.
    fn visit(&mut self, atom: Atom<'_>);

    /// Takes things of one form: most of a text.
    fn visit_all<'a>(&mut self, atoms: impl Iterator<Item = Atom<'a>>)
    where
        Self: Sized,
    {
        atoms.for_each(|atom| self.visit(atom));
    }
}

impl<F: FnMut(Atom<'_>)> Visitor for F {
    fn visit(&mut self, atom: Atom<'_>) {
        self(atom);
    }
}

/// Tells `found` all that stands in `text`, which is [`plain`].
pub(crate) fn atoms(text: &str, found: &mut impl Visitor) {
    Reader { found, origin: None }.read(text, 0);
}

/// Reads a text: by itself what most of it consists of, words and runs of them, and by [`Piece`] the rest.
struct Reader<'v, V> {
    found: &'v mut V,
    /// Where what is being decoded stands.
    origin: Option<usize>,
}

#[derive(Clone, Copy)]
struct Word<'a> {
    key: Key,
    at: usize,
    text: &'a str,
}

impl Word<'_> {
    /// Whether it is a sign of an address that is spelt out.
    fn is_sign(&self) -> bool {
        self.text.eq_ignore_ascii_case("at") || self.text.eq_ignore_ascii_case("dot")
    }
}

impl<V: Visitor> Reader<'_, V> {
    fn read(&mut self, text: &str, layer: u8) {
        let pieces = chunks(text);
        let mut words: Vec<Word<'_>> = Vec::with_capacity(pieces.len());
        let (mut told, mut numbering) = (0, Numbering::default());
        for (index, chunk) in pieces.iter().enumerate() {
            if chunk.is_plain() {
                let (key, at, text) = (chunk.key(Kind::Word), chunk.at, chunk.text);
                words.push(Word { key, at, text });
                continue;
            }
            self.words(words.get(told..).unwrap_or_default());
            let before = index.checked_sub(1).and_then(|index| pieces.get(index));
            let behind = pieces.get(index + 1);
            self.piece().chunk(chunk, (before, behind), &mut numbering);
            let inner = chunk::words(chunk.text);
            let first = words.len();
            words.extend(inner.map(|text| Word {
                key: Key::loose(Kind::Word, text),
                at: chunk.at,
                text,
            }));
            self.words(words.get(first..).unwrap_or_default());
            told = words.len();
            if layer < MAX_LAYERS && may_be_encoded(chunk.text) {
                for hidden in decoded(chunk.text) {
                    self.hidden(&hidden, chunk.at, layer);
                }
            }
        }
        self.words(words.get(told..).unwrap_or_default());
        for (joined, at) in spaced(&pieces) {
            let key = Key::loose(Kind::Name, &joined);
            self.piece().add(key, (&joined, at), Form::Name(true));
        }
        self.sequences(&words);
        if let Some(hidden) = entities(text).filter(|_| layer < MAX_LAYERS) {
            self.hidden(&hidden, 0, layer);
        }
    }

    fn hidden(&mut self, text: &str, at: usize, layer: u8) {
        let origin = self.origin;
        self.origin = origin.or(Some(at));
        self.read(&plain(text), layer + 1);
        self.origin = origin;
    }

    fn piece(&mut self) -> Piece<'_> {
        Piece { origin: self.origin, found: self.found }
    }

    /// Tells words that are no figures.
    fn words(&mut self, words: &[Word<'_>]) {
        let words =
            words.iter().filter(|word| !word.text.bytes().all(|byte| byte.is_ascii_digit()));
        self.tell(Form::Word, words.map(|word| (word.key, (word.text, word.at))));
    }

    fn sequences(&mut self, words: &[Word<'_>]) {
        self.tell(Form::Pair, words.array_windows::<2>().map(run));
        self.tell(Form::Run, words.array_windows::<RUN>().map(run));
        // An address that is spelt out: `name at host dot example`.
        let spelt = words.array_windows().filter(|[_, sign, _]| sign.is_sign());
        let spelt = spelt.map(|[before, _, behind]| match [before, behind].map(Word::is_sign) {
            [false, false] => run(&[*before, *behind]),
            [false, true] => run(&[*before]),
            [true, false] => run(&[*behind]),
            [true, true] => run(&[]),
        });
        self.tell(Form::Pair, spelt);
    }

    #[inline]
    fn tell<'a>(&mut self, form: Form, found: impl Iterator<Item = (Key, (&'a str, usize))>) {
        let origin = self.origin;
        let decoded = origin.is_some();
        self.found.visit_all(found.map(|(key, (text, at))| Atom {
            key,
            at: origin.unwrap_or(at),
            form,
            text,
            decoded,
        }));
    }
}

/// The key of these words in this order, and where they stand.
#[inline]
fn run<'a, const N: usize>(words: &[Word<'_>; N]) -> (Key, (&'a str, usize)) {
    let at = words.first().map_or(0, |word| word.at);
    (Key::run(words.map(|word| word.key)), ("", at))
}

/// Reads a piece of a text that is more than a word.
struct Piece<'f> {
    found: &'f mut dyn Visitor,
    /// Where what is being decoded stands.
    origin: Option<usize>,
}

impl Piece<'_> {
    fn add(&mut self, key: Key, (text, at): (&str, usize), form: Form) {
        let decoded = self.origin.is_some();
        self.found.visit(Atom { key, at: self.origin.unwrap_or(at), form, text, decoded });
    }

    fn chunk(
        &mut self,
        chunk: &Chunk<'_>,
        around: (Option<&Chunk<'_>>, Option<&Chunk<'_>>),
        numbering: &mut Numbering,
    ) {
        if !chunk.signs.has(Signs::DIGIT) {
            return self.name(chunk);
        }
        if self.date(chunk, around) {
            return;
        }
        let here = (chunk.text, chunk.at);
        match figure(chunk.text) {
            Some(Figure::Number { text, whole }) => {
                self.add(Key::exact(Kind::Number, &text), here, Form::Number);
                let clock = around.1.is_some_and(|behind| is_half(behind.text));
                if whole && !clock && !numbering.numbers(chunk, around.0) {
                    self.whole(here);
                }
                let digits = compact(chunk.text);
                if chunk.text.starts_with('+') && is_number_like(&digits) {
                    self.add(Key::loose(Kind::Name, &digits), here, Form::Name(true));
                }
            }
            Some(Figure::Day(day, clock)) => {
                self.add(Key::exact(Kind::Day, &day), here, Form::Day);
                if let Some(clock) = clock {
                    self.add(Key::exact(Kind::Time, &clock), here, Form::Time);
                }
            }
            Some(Figure::Time(clock)) => {
                self.add(Key::exact(Kind::Time, &clock), here, Form::Time);
            }
            None => self.name(chunk),
        }
    }

    /// Digits as an id; leading zeroes are part of it in some stores and not in others.
    fn whole(&mut self, (digits, at): (&str, usize)) {
        self.add(Key::exact(Kind::Whole, digits), (digits, at), Form::Whole);
        let bare = digits.trim_start_matches('0');
        if bare.len() < digits.len() {
            self.add(Key::exact(Kind::Whole, bare), (digits, at), Form::Whole);
        }
        if digits.len() >= SHORTEST_COMPACT {
            self.add(Key::loose(Kind::Name, digits), (digits, at), Form::Name(true));
        }
    }

    /// `May 15th`, `15 May 2024`: whether the piece is the day of a date in words.
    fn date(
        &mut self,
        chunk: &Chunk<'_>,
        around: (Option<&Chunk<'_>>, Option<&Chunk<'_>>),
    ) -> bool {
        let Some(day) = day_of_month(chunk.text) else { return false };
        let near = |piece: Option<&Chunk<'_>>| piece.and_then(|piece| month(piece.text));
        let Some(month) = near(around.0).or_else(|| near(around.1)) else { return false };
        let key = Key::exact(Kind::Day, &format!("--{month:02}-{day:02}"));
        self.add(key, (chunk.text, chunk.at), Form::Day);
        true
    }

    fn name(&mut self, chunk: &Chunk<'_>) {
        let (text, at) = (chunk.text, chunk.at);
        self.add(chunk.key(Kind::Name), (text, at), Form::Name(is_distinct(text)));
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let bare = if digits * 2 >= SHORTEST_COMPACT { compact_length(text) } else { text.len() };
        if (SHORTEST_COMPACT..=digits * 2).contains(&bare) && bare < text.len() {
            self.add(Key::loose(Kind::Name, &compact(text)), (text, at), Form::Name(true));
        }
        let mail = is_mail(text);
        let host = host(text);
        if let Some(host) = host {
            self.add(Key::loose(Kind::Host, host), (host, at), Form::Host(!mail));
        }
        let parts = text.split(['/', '\\', '?', '#', '=', '&', ':', '@', '~']);
        for part in parts.filter(|part| !part.is_empty() && part.len() < text.len()) {
            if let Some(Figure::Number { text, whole: true }) = figure(part) {
                self.add(Key::exact(Kind::Number, &text), (part, at), Form::Number);
                self.whole((part, at));
            } else {
                let key = Key::loose(Kind::Name, part);
                self.add(key, (part, at), Form::Part(is_distinct(part) && host != Some(part)));
            }
        }
        let numbered = text.rsplit_once(['-', '_']).filter(|(name, digits)| {
            name.ends_with(|c: char| c.is_alphabetic())
                && digits.bytes().all(|b| b.is_ascii_digit())
        });
        if let Some((_, digits)) = numbered {
            self.add(Key::exact(Kind::Whole, digits), (digits, at), Form::Whole);
        }
    }
}

/// The most groups that an account or phone number is written in: an IBAN has nine.
const MAX_GROUPS: usize = 12;

/// Account and phone numbers that are written in groups: the groups as one, and where they begin. A
/// figure before or behind them may look like one more group, so each beginning and each end counts.
pub(crate) fn spaced(pieces: &[Chunk<'_>]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut groups: Vec<&Chunk<'_>> = Vec::new();
    for chunk in pieces {
        let group = is_group(chunk);
        let near = || chunk.gap().len() <= 3 && chunk.gap().chars().all(|c| " ()-./+".contains(c));
        if !(groups.is_empty() || (group && near())) {
            join(&groups, &mut found);
            groups.clear();
        }
        groups.extend(group.then_some(chunk));
    }
    join(&groups, &mut found);
    found
}

/// Whether it can be a group of an account or phone number, by its letters and digits.
fn is_group(chunk: &Chunk<'_>) -> bool {
    let piece = chunk.text;
    (chunk.signs.has(Signs::DIGIT) || chunk.is_capitals(4))
        && !(chunk.signs.has(Signs::MARK) && is_moment(piece))
        && (1..=LONG).contains(&compact_length(piece))
}

fn join(groups: &[&Chunk<'_>], found: &mut Vec<(String, usize)>) {
    if !(2..=MAX_GROUPS).contains(&groups.len()) {
        return;
    }
    let ends = (0..groups.len()).map(|from| (from, groups.len()));
    for (from, to) in ends.chain((1..groups.len()).map(|to| (0, to))) {
        let part = groups.get(from..to).unwrap_or_default();
        let joined: String = part.iter().map(|group| compact(group.text)).collect();
        if let [first, _, ..] = part
            && is_number_like(&joined)
        {
            found.push((joined, first.at));
        }
    }
}

/// The numbers of a list's items, and of headings: `1.`, `Step 1:`.
#[derive(Default)]
struct Numbering {
    last: u64,
}

impl Numbering {
    /// Whether the piece is the next number of a list; what only looks like one counts as a number.
    fn numbers(&mut self, chunk: &Chunk<'_>, before: Option<&Chunk<'_>>) -> bool {
        let Ok(number) = chunk.text.parse::<u64>() else { return false };
        let next = chunk.is_numbering(before) && (number == self.last + 1 || number == 1);
        if next {
            self.last = number;
        }
        next
    }
}

/// `am` or `pm`.
fn is_half(word: &str) -> bool {
    let word = word.replace('.', "");
    word.eq_ignore_ascii_case("am") || word.eq_ignore_ascii_case("pm")
}

/// Whether decoding it may tell something: it holds what plain words do not.
fn may_be_encoded(piece: &str) -> bool {
    piece.len() > 2
        && (piece.contains(['%', '='])
            || piece.bytes().skip(1).any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()))
}
