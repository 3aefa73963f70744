//! Variables in unit files, as systemd reads them: a setting may go on over lines, and the words of its
//! list may have quotes and escapes anywhere.

use std::iter::Peekable;
use std::ops::Range;

use crate::lines::is_variable;
use crate::{Place, Value};

/// The variables that a unit sets by `Environment=`, more than one perhaps in one setting.
pub(crate) fn variables(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    for setting in settings(text) {
        let mut list = setting.into_iter().peekable();
        let key: String =
            std::iter::from_fn(|| list.next_if(|(_, c)| *c != '=')).map(|(_, c)| c).collect();
        if list.next().is_none() || key.trim() != "Environment" {
            continue;
        }
        while let Some(word) = Word::next(&mut list) {
            values.extend(word.variable(text));
        }
    }
    values
}

/// Each setting over all of its lines: its characters, with their places. A backslash at the end of a line
/// joins the next one, and is read as a blank.
fn settings(text: &str) -> Vec<Vec<(usize, char)>> {
    let (mut settings, mut setting, mut at) = (Vec::new(), Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim_start().trim_end_matches(['\r', '\n']);
        // A comment may also stand between lines that are joined.
        if line.starts_with(['#', ';']) {
            continue;
        }
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        let joined = backslashes % 2 == 1;
        let read = line.char_indices().map(|(within, c)| (start + within, c));
        setting.extend(read);
        if joined {
            setting.pop();
            setting.push((start + line.len() - 1, ' '));
        } else {
            settings.push(std::mem::take(&mut setting));
        }
    }
    settings.push(setting);
    settings
}

/// A character as it is meant.
struct Read {
    says: char,
    /// Where it is written.
    at: Range<usize>,
    /// Where the quotes begin that it stands in.
    quotes: Option<usize>,
}

/// A word of a list.
struct Word {
    read: Vec<Read>,
    /// Where it ends, with its quotes.
    end: usize,
    /// Whether all of it could be read.
    certain: bool,
}

impl Word {
    /// The next one of `list`.
    fn next(list: &mut Peekable<impl Iterator<Item = (usize, char)>>) -> Option<Self> {
        while list.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        let mut word = Self { read: Vec::new(), end: list.peek()?.0, certain: true };
        let mut quotes: Option<(usize, char)> = None;
        while let Some((at, c)) = list.next_if(|(_, c)| quotes.is_some() || !c.is_whitespace()) {
            word.end = at + c.len_utf8();
            match (c, quotes) {
                ('"' | '\'', None) => quotes = Some((at, c)),
                (_, Some((_, open))) if open == c => quotes = None,
                _ => word.read((at, c), quotes.map(|(at, _)| at), list),
            }
        }
        word.certain &= quotes.is_none();
        Some(word)
    }

    /// Reads the character `c`, and what belongs to it: behind a backslash, and the second percent sign.
    fn read(
        &mut self,
        (at, c): (usize, char),
        quotes: Option<usize>,
        list: &mut Peekable<impl Iterator<Item = (usize, char)>>,
    ) {
        let second = match c {
            '\\' => list.next(),
            '%' => list.next_if(|(_, c)| *c == '%'),
            _ => None,
        };
        let says = match (c, second) {
            ('\\', Some((_, c))) => escaped(c),
            // Alone it begins what the service manager fills in.
            ('\\' | '%', None) => None,
            _ => Some(c),
        };
        self.end = second.map_or(self.end, |(at, c)| at + c.len_utf8());
        self.certain &= says.is_some();
        self.read.push(Read { says: says.unwrap_or(c), at: at..self.end, quotes });
    }

    /// The variable that it sets.
    fn variable(&self, text: &str) -> Option<Value> {
        let is = self.read.iter().position(|read| read.says == '=')?;
        let (name, rest) = self.read.split_at_checked(is)?;
        let name: String = name.iter().map(|read| read.says).collect();
        let (is, given) = rest.split_first()?;
        let certain = self.place(text, is, given).filter(|_| self.certain);
        let span = certain.clone().unwrap_or(is.at.end..self.end);
        let says = match certain {
            Some(_) => given.iter().map(|read| read.says).collect(),
            None => text.get(span.clone())?.to_owned(),
        };
        let certain = certain.is_some();
        is_variable(&name).then_some(Value {
            server: None,
            place: Place::Variable,
            name,
            says,
            span,
            certain,
        })
    }

    /// Where to write another value than `given`, which stands behind `is`, so that every quote that is
    /// opened there is closed there; `None` if there is no such place.
    fn place(&self, text: &str, is: &Read, given: &[Read]) -> Option<Range<usize>> {
        let (first, last) = (given.first()?, given.last()?);
        let inner = first.at.start..last.at.end;
        let says = given.iter().map(|read| read.says);
        if text.get(inner.clone())?.chars().eq(says) {
            return Some(inner);
        }
        if is.quotes.is_none() {
            return Some(is.at.end..self.end);
        }
        let one = given.iter().all(|read| read.quotes == is.quotes);
        (one && last.at.end + 1 == self.end).then_some(inner)
    }
}

/// What a backslash and `c` stand for. There are more of them, in numbers; those are left to people.
fn escaped(c: char) -> Option<char> {
    match c {
        '"' | '\'' | '\\' => Some(c),
        'n' => Some('\n'),
        't' => Some('\t'),
        's' => Some(' '),
        _ => None,
    }
}
