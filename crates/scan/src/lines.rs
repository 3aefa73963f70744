//! Values in files of a variable a line: dotenv files, shell profiles.

use std::ops::Range;

use crate::{Form, Place, Value};

/// What stands around a name and its value on a line.
const BLANKS: [char; 2] = [' ', '\t'];

/// The variables that `text` sets.
pub(crate) fn variables(text: &str, form: Form) -> Vec<Value> {
    let mut values = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        at += length;
        let exported =
            line.trim_start().strip_prefix("export").filter(|set| set.starts_with(BLANKS));
        if exported.is_none() && form == Form::Profile {
            continue;
        }
        let set = exported.unwrap_or(line);
        // Common readers of dotenv files take blanks around the sign.
        let Some((name, given)) = set.split_once('=') else { continue };
        let name = name.trim();
        if !is_variable(name) {
            continue;
        }
        let span = written(text, at - given.trim_start_matches(BLANKS).len(), form);
        // A quoted value may go on over lines, which are none of their own.
        at = at.max(span.end);
        values.extend(value(text, name, span));
    }
    values
}

/// Where the value that begins at `start` is written, without its quotes: in quotes up to the next one,
/// else up to a comment or the end of the line.
fn written(text: &str, start: usize, form: Form) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    if let Some(end) = closing(rest) {
        return start + 1..start + end;
    }
    let line = rest.lines().next().unwrap_or_default();
    let mut blank = false;
    let ends = |(_, c): &(usize, char)| {
        // Only a shell has more to say on this line; to others it is all the value.
        let ends = (*c == '#' && blank) || (form != Form::Dotenv && matches!(c, '\t' | ';'));
        blank = BLANKS.contains(c);
        ends
    };
    let end = line.char_indices().find(ends).map_or(line.len(), |(at, _)| at);
    start..start + line.get(..end).unwrap_or_default().trim_end().len()
}

/// Where the quote is closed that `text` begins with.
fn closing(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next().filter(|(_, c)| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    let closes = |(_, c): &(usize, char)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && quote == '"' && !escaped;
        closes
    };
    chars.find(closes).map(|(at, _)| at)
}

fn value(text: &str, name: &str, span: Range<usize>) -> Option<Value> {
    let written = text.get(span.clone())?;
    let doubly = span.start > 0 && text.get(span.start - 1..span.start) == Some("\"");
    let says = if doubly { unescaped(written) } else { written.to_owned() };
    let name = name.to_owned();
    Some(Value { server: None, place: Place::Variable, name, says, span, certain: true })
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

/// Whether this can be the name of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(part) && !name.starts_with(|c: char| c.is_ascii_digit())
}
