//! Values in files of lines: dotenv files, shell profiles, unit files.

use std::ops::Range;

use crate::{Place, Value};

/// The variables that `text` sets, each after `begins`; where that may be left out, it is empty.
pub(crate) fn variables(text: &str, begins: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        at += length;
        let indent = line.len() - line.trim_start().len();
        let line = line.trim_start();
        let set = match line.strip_prefix("export ") {
            Some(set) => set,
            None if begins.is_empty() => line,
            None => continue,
        };
        let offset = at - length + indent + (line.len() - set.len());
        let Some((name, _)) = set.split_once('=').filter(|(name, _)| is_variable(name)) else {
            continue;
        };
        let start = offset + name.len() + 1;
        let Some(span) = written(text, start) else { continue };
        // A quoted value may go on over lines, which are none of their own.
        at = at.max(span.end);
        values.extend(value(text, name, span));
    }
    values
}

/// The variables that a unit sets by `Environment=`, more than one perhaps on a line.
pub(crate) fn units(text: &str) -> Vec<Value> {
    let mut values = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let Some(list) = line.trim_start().strip_prefix("Environment=") else { continue };
        let mut from = start + (line.len() - list.len());
        while let Some(word) = next_word(text, from, at) {
            let said = text.get(word.clone()).unwrap_or_default();
            if let Some((name, given)) = said.split_once('=').filter(|(name, _)| is_variable(name))
            {
                // The quotes may stand around the whole, or around the value.
                let quoted = given.len() >= 2 && given.starts_with(['"', '\'']);
                let inner = word.end - given.len();
                let span = if quoted { inner + 1..word.end - 1 } else { inner..word.end };
                values.extend(value(text, name, span));
            }
            from = word.end + 1;
        }
    }
    values
}

/// The next word between `from` and `end`, without quotes around it.
fn next_word(text: &str, from: usize, end: usize) -> Option<Range<usize>> {
    let rest = text.get(from..end)?;
    let start = from + (rest.len() - rest.trim_start().len());
    let rest = text.get(start..end)?;
    let first = rest.chars().next()?;
    if matches!(first, '"' | '\'') {
        let inner = rest.get(1..)?;
        return Some(start + 1..start + 1 + inner.find(first)?);
    }
    let mut quote = None;
    let ends = |(at, c): (usize, char)| {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() => return Some(at),
            _ => {}
        }
        None
    };
    let length = rest.char_indices().find_map(ends).unwrap_or(rest.len());
    Some(start..start + length)
}

/// Where the value that begins at `start` is written, without its quotes: in quotes up to the next one,
/// else up to a comment or the end of the line.
fn written(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
        let inner = rest.get(1..)?;
        let mut escaped = false;
        let closes = |(_, c): &(usize, char)| {
            let closes = *c == quote && !escaped;
            escaped = *c == '\\' && quote == '"' && !escaped;
            closes
        };
        let (end, _) = inner.char_indices().find(closes)?;
        return Some(start + 1..start + 1 + end);
    }
    let line = rest.lines().next().unwrap_or_default();
    let value = line.split(" #").next().unwrap_or_default();
    let value = value.split(['\t', ';']).next().unwrap_or_default().trim_end();
    Some(start..start + value.len())
}

fn value(text: &str, name: &str, span: Range<usize>) -> Option<Value> {
    let written = text.get(span.clone())?;
    let doubly = span.start > 0 && text.get(span.start - 1..span.start) == Some("\"");
    let says = if doubly { unescaped(written) } else { written.to_owned() };
    Some(Value { server: None, place: Place::Variable, name: name.to_owned(), says, span })
}

/// What is meant by what is written in double quotes.
fn unescaped(written: &str) -> String {
    let mut says = String::with_capacity(written.len());
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        says.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            },
            c => c,
        });
    }
    says
}

fn is_variable(name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(part) && !name.starts_with(|c: char| c.is_ascii_digit())
}
