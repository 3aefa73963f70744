//! Other people's words on our page: what could make them look like ours, or like others, is left out.

/// How long a name may be, in characters (R13).
pub(crate) const MAX_NAME: usize = 80;
/// How much of a longer text of a client's is shown (R13).
pub(crate) const MAX_QUOTE: usize = 600;

/// `text` on one line without what is not seen or turns the direction of what is beside it, at most
/// `most` characters of it.
pub(crate) fn tame(text: &str, most: usize) -> String {
    let mut seen = String::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|c| !is_hidden(*c)).collect();
        if !seen.is_empty() && !word.is_empty() {
            seen.push(' ');
        }
        seen.push_str(&word);
    }
    if seen.chars().count() > most {
        seen = seen.chars().take(most).collect();
        seen.push('…');
    }
    seen
}

/// Control and format characters: marks of direction, joiners, tags, fillers.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_is_left() {
        for (text, seen) in [
            ("Desk app", "Desk app"),
            ("  Desk\n\tapp ", "Desk app"),
            ("Desk\u{202e}ppa", "Deskppa"),
            ("De\u{200b}sk\u{feff}\u{0}", "Desk"),
            ("\u{2066}a\u{2069} \u{e0041}", "a"),
            ("Grüße 你好", "Grüße 你好"),
            ("", ""),
        ] {
            assert_eq!(tame(text, MAX_NAME), seen, "{text:?}");
        }
        assert_eq!(tame("abcdef", 3), "abc…");
    }
}
