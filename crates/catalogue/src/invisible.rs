//! Characters that a person does not see and a model reads.

use std::fmt::Write as _;

/// What kind of invisible character it is, in words; `None` for a visible one, plain blanks and
/// line ends included.
pub(crate) fn kind(c: char) -> Option<&'static str> {
    match c {
        '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2064}'
        | '\u{206a}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{feff}'
        | '\u{180e}' => Some("zero-width characters"),
        '\u{00ad}' => Some("soft hyphens"),
        '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => Some("characters that turn the direction of the text"),
        '\u{e0000}'..='\u{e007f}' => Some("tag characters"),
        '\u{e0100}'..='\u{e01ef}' => Some("variation selectors that can carry hidden bytes"),
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' => Some("blank letters"),
        '\n' | '\t' | '\r' => None,
        c if c.is_control() => Some("control characters"),
        _ => None,
    }
}

/// Blanks that are not the plain one; shown in a diff, but no sign of anything.
fn odd_blank(c: char) -> bool {
    c != ' ' && c.is_whitespace() && !matches!(c, '\n' | '\t')
}

/// The text with every invisible character written out, `<U+200B>`; line ends stay.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if kind(c).is_some() || odd_blank(c) {
            // INVARIANT: writing to a `String` cannot fail.
            let _ = write!(out, "<U+{:04X}>", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_written_out() {
        assert_eq!(
            visible("a\u{200b}b\u{1b}[2J\u{202e}\u{e0041}\u{a0}c\nd é\u{206a}\u{fff9}"),
            "a<U+200B>b<U+001B>[2J<U+202E><U+E0041><U+00A0>c\nd é<U+206A><U+FFF9>"
        );
    }
}
