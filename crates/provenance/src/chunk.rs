//! A text cut where identifiers end: at blanks, quotes, brackets and commas.

/// A piece of text without blanks, quotes or brackets, and without the punctuation around it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'a> {
    /// The piece.
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// What stands between it and the one before it.
    pub(crate) gap: &'a str,
    /// What stands between it and the one behind it.
    pub(crate) next: &'a str,
}

/// The words before a number that make it the name of something.
const CUES: [&str; 14] = [
    "id",
    "ids",
    "no",
    "nr",
    "num",
    "number",
    "numbers",
    "key",
    "code",
    "ref",
    "reference",
    "uuid",
    "record",
    "#",
];

impl Chunk<'_> {
    /// Whether it stands in quotes by itself.
    pub(crate) fn is_quoted(&self) -> bool {
        self.gap.ends_with(is_quote) && self.next.starts_with(is_quote)
    }

    /// Whether it begins a line.
    fn begins_line(&self) -> bool {
        let line = self.gap.rsplit_once('\n').map(|(_, line)| line);
        let blank = |line: &str| line.chars().all(|c| c.is_whitespace() || "-*>".contains(c));
        line.or((self.at == self.gap.len()).then_some(self.gap)).is_some_and(blank)
    }

    /// Whether it could be the number of a list's item, or of a heading of one word that is `before` it.
    pub(crate) fn is_numbering(&self, before: Option<&Self>) -> bool {
        let mark = self.next.strip_prefix(['.', ')', ':']);
        let mark = mark.is_some_and(|rest| rest.starts_with(' ') && !rest.contains('\n'));
        let heads = |word: &Self| word.begins_line() && self.gap == " " && !is_cue(word.text);
        mark && (self.begins_line() || before.is_some_and(heads))
    }
}

/// Whether `word` says that the number behind it names something.
pub(crate) fn is_cue(word: &str) -> bool {
    CUES.contains(&word.to_ascii_lowercase().as_str())
}

/// Whether `c` is a quotation mark.
pub(crate) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '“' | '”' | '„' | '‘' | '’' | '«' | '»')
}

fn ends_chunk(c: char) -> bool {
    let mark = matches!(c, '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | ',' | ';');
    let wide = matches!(c, '，' | '、' | '。' | '；' | '（' | '）');
    mark || wide || c.is_whitespace() || is_quote(c)
}

/// The pieces of `text`, in order.
pub(crate) fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut spans = Vec::new();
    let mut start = None;
    let mut before = ' ';
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let behind = rest.peek().map_or(' ', |(_, c)| *c);
        let groups = c == ',' && before.is_ascii_digit() && behind.is_ascii_digit();
        if ends_chunk(c) && !groups {
            spans.extend(start.take().map(|start| (start, at)));
        } else if start.is_none() {
            start = Some(at);
        }
        before = c;
    }
    spans.extend(start.map(|start| (start, text.len())));
    trimmed(text, &spans)
}

fn trimmed<'a>(text: &'a str, spans: &[(usize, usize)]) -> Vec<Chunk<'a>> {
    let mut found: Vec<Chunk<'a>> = Vec::with_capacity(spans.len());
    let mut end = 0;
    for (start, stop) in spans {
        let whole = text.get(*start..*stop).unwrap_or_default();
        let piece = whole.trim_end_matches(['.', ':', '!', '?', '*']);
        let piece = piece.trim_end_matches(|c| c == '/' && piece.len() > 1);
        let inner = piece.trim_start_matches(['.', ':', '!', '?', '*']);
        // A hidden file and a relative path begin with dots.
        let inner = if piece.starts_with('.') && inner.len() > 1 { piece } else { inner };
        let at = start + (piece.len() - inner.len());
        let piece = inner;
        if piece.is_empty() {
            continue;
        }
        let gap = text.get(end..at).unwrap_or_default();
        if let Some(last) = found.last_mut() {
            last.next = gap;
        }
        end = at + piece.len();
        found.push(Chunk { text: piece, at, gap, next: "" });
    }
    if let Some(last) = found.last_mut() {
        last.next = text.get(end..).unwrap_or_default();
    }
    found
}

/// The words of `piece`: runs of letters and digits; scripts that put no blank between words give a
/// word a letter.
pub(crate) fn words(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let first = rest.chars().next()?;
        let length = if is_letter_word(first) {
            first.len_utf8()
        } else {
            let ends = |c: char| !c.is_alphanumeric() || is_letter_word(c);
            rest.find(ends).unwrap_or(rest.len())
        };
        let (word, behind) = rest.split_at_checked(length)?;
        rest = behind;
        Some(word)
    })
}

fn is_letter_word(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<&str> {
        chunks(text).iter().map(|chunk| chunk.text).collect()
    }

    #[test]
    fn identifiers_stay_whole() {
        assert_eq!(
            cut("Mail 'a.b-1@c.example', see <https://d.example/e?f=1>; pay $1,050.00 (now!)."),
            [
                "Mail",
                "a.b-1@c.example",
                "see",
                "https://d.example/e?f=1",
                "pay",
                "$1,050.00",
                "now"
            ]
        );
        assert_eq!(cut("./x .env ../y/ ... /"), ["./x", ".env", "../y", "/"]);
        assert_eq!(cut(""), [""; 0]);
    }

    #[test]
    fn chunks_know_what_is_around_them() {
        let text = "1. file '13'\n2) x";
        let found = chunks(text);
        assert!(found[0].is_numbering(None) && found[3].is_numbering(None));
        assert!(
            found[2].is_quoted() && !found[2].is_numbering(found.get(1)) && !found[1].is_quoted()
        );
        for chunk in &found {
            assert!(text.split_at(chunk.at).1.starts_with(chunk.text));
        }
    }

    #[test]
    fn words_are_letters_and_digits() {
        assert_eq!(words("a.b-1@c_d").collect::<Vec<_>>(), ["a", "b", "1", "c", "d"]);
        assert_eq!(words("x送金y").collect::<Vec<_>>(), ["x", "送", "金", "y"]);
    }
}
