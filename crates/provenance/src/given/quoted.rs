//! What stands in quotes in a text: an exact name, no part of which names anything else.

use crate::chunk::is_quote;

/// The spans within quotes, in bytes. An apostrophe inside a word opens nothing.
pub(super) fn spans(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(char, usize)> = None;
    let mut before = ' ';
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let behind = rest.peek().map_or(' ', |(_, c)| *c);
        match open {
            Some((mark, from)) if c == closing(mark) && !behind.is_alphanumeric() => {
                found.push((from, at));
                open = None;
            }
            None if is_quote(c) && !before.is_alphanumeric() && !behind.is_whitespace() => {
                open = Some((c, at + c.len_utf8()));
            }
            _ => {}
        }
        before = c;
    }
    found
}

fn closing(mark: char) -> char {
    match mark {
        '“' | '„' => '”',
        '‘' => '’',
        '«' => '»',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_found_and_apostrophes_are_not() {
        let text = "I'm at 'Bob's place', “so I am”; it's \"5\"";
        let found: Vec<_> =
            spans(text).into_iter().filter_map(|(from, to)| text.get(from..to)).collect();
        assert_eq!(found, ["Bob's place", "so I am", "5"]);
    }
}
