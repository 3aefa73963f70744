//! A text cut where identifiers end: at blanks, quotes, brackets and commas.
//!
//! Everything that is read goes through here, so one look at each byte also says what a piece is made of and how
//! it is spelt: most pieces are plain words, of which nothing has to be looked for after that.

use std::ops::Range;

use crate::fold::{alike, passes_for_two};
use crate::key::{Block, Key, Kind};
use crate::letters::Letters;
use crate::shape::LONG;

/// A piece of text without blanks, quotes or brackets, and without the punctuation around it.
#[derive(Clone, Debug)]
pub(crate) struct Chunk<'a> {
    /// The piece.
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) at: usize,
    /// What it is made of.
    pub(crate) signs: Signs,
    /// The text that it is a piece of.
    whole: &'a str,
    /// Where the piece before it ends, and the one behind it begins.
    around: Range<usize>,
    /// How it is spelt, if it is short, folded as what is [`alike`].
    spelt: Block,
}

/// Which kinds of characters may be in a piece: what it cannot be by them, nobody has to look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signs(u8);

impl Signs {
    const LOWER: Self = Self(1);
    const UPPER: Self = Self(1 << 1);
    pub(crate) const DIGIT: Self = Self(1 << 2);
    /// Any other.
    pub(crate) const MARK: Self = Self(1 << 3);
    /// Beside one of those: a letter that passes for two others.
    const TWO: Self = Self(1 << 4);
    /// Where a piece ends.
    const END: Self = Self(1 << 5);
    /// What begins a character beyond ASCII.
    const WIDE: Self = Self(1 << 6);

    #[inline]
    fn of(byte: u8) -> Self {
        SIGNS.get(usize::from(byte)).copied().unwrap_or(Self::MARK)
    }

    #[inline]
    fn of_letters(letters: Letters) -> Self {
        if letters.two { Self::LOWER.with(Self::TWO) } else { Self::LOWER }
    }

    #[inline]
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What each byte of a text is a sign of.
static SIGNS: [Signs; 256] = {
    let (mut signs, mut byte) = ([Signs::MARK; 256], 0_u8);
    let mut rest: &mut [Signs] = &mut signs;
    while let Some((first, behind)) = rest.split_first_mut() {
        let sign = match byte {
            b'a'..=b'z' => Signs::LOWER,
            b'A'..=b'Z' => Signs::UPPER,
            b'0'..=b'9' => Signs::DIGIT,
            _ if ends(byte) => Signs::END,
            0xc0.. => Signs::WIDE,
            _ => Signs::MARK,
        };
        *first = if passes_for_two(byte) { sign.with(Signs::TWO) } else { sign };
        rest = behind;
        byte = byte.wrapping_add(1);
    }
    signs
};

/// Whether a character of ASCII ends a piece.
const fn ends(byte: u8) -> bool {
    let bracket = matches!(byte, b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'{' | b'}');
    let mark = matches!(byte, b'"' | b'\'' | b'`' | b'|' | b',' | b';');
    bracket || mark || matches!(byte, b'\t'..=b'\r' | b' ')
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

impl<'a> Chunk<'a> {
    /// What stands between it and the piece before it.
    pub(crate) fn gap(&self) -> &'a str {
        self.whole.get(self.around.start..self.at).unwrap_or_default()
    }

    /// What stands between it and the piece behind it.
    fn next(&self) -> &'a str {
        self.whole.get(self.at + self.text.len()..self.around.end).unwrap_or_default()
    }

    /// Whether it stands in quotes by itself.
    pub(crate) fn is_quoted(&self) -> bool {
        self.gap().ends_with(is_quote) && self.next().starts_with(is_quote)
    }

    /// Whether it is a word that can be nothing else: not encoded, not distinct, no figure.
    pub(crate) fn is_plain(&self) -> bool {
        const LETTERS: Signs = Signs::LOWER.with(Signs::TWO);
        let word = || {
            self.text.starts_with(|c: char| c.is_ascii_alphabetic())
                && self.text.bytes().skip(1).all(|byte| byte.is_ascii_lowercase())
        };
        self.text.len() < LONG && (LETTERS.with(self.signs) == LETTERS || word())
    }

    /// Whether it consists of at most so many capitals.
    pub(crate) fn is_capitals(&self, most: usize) -> bool {
        !self.signs.has(Signs::LOWER)
            && self.text.len() <= most
            && self.text.bytes().all(|byte| byte.is_ascii_uppercase())
    }

    /// The key of it and of all that looks like it.
    #[inline]
    pub(crate) fn key(&self, kind: Kind) -> Key {
        const LONG: Signs = Signs::MARK.with(Signs::TWO);
        if self.text.len() <= Block::LONGEST && !self.signs.has(LONG) {
            Key::of(kind, self.spelt)
        } else {
            Key::loose(kind, self.text)
        }
    }

    /// Whether it begins a line.
    fn begins_line(&self) -> bool {
        let gap = self.gap();
        let line = gap.rsplit_once('\n').map(|(_, line)| line);
        let blank = |line: &str| line.chars().all(|c| c.is_whitespace() || "-*>".contains(c));
        line.or((self.at == gap.len()).then_some(gap)).is_some_and(blank)
    }

    /// Whether it could be the number of a list's item, or of a heading of one word that is `before` it.
    pub(crate) fn is_numbering(&self, before: Option<&Self>) -> bool {
        let mark = self.next().strip_prefix(['.', ')', ':']);
        let mark = mark.is_some_and(|rest| rest.starts_with(' ') && !rest.contains('\n'));
        let heads = |word: &Self| word.begins_line() && self.gap() == " " && !is_cue(word.text);
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

/// Whether a character beyond ASCII ends a piece.
fn ends_wide(c: char) -> bool {
    matches!(c, '，' | '、' | '。' | '；' | '（' | '）') || c.is_whitespace() || is_quote(c)
}

/// How many bytes of a text there are to a piece, with what stands around it, as people write.
const MEAN: usize = 5;

/// The pieces of `text`, in order.
pub(crate) fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let bytes = text.as_bytes();
    let mut found: Vec<Chunk<'_>> = Vec::with_capacity(text.len() / MEAN);
    let (mut at, mut start, mut signs, mut spelt) = (0, 0, Signs::default(), Block::EMPTY);
    while at <= bytes.len() {
        // The text ends like a line.
        let byte = bytes.get(at).copied().unwrap_or(b'\n');
        if byte.is_ascii_lowercase()
            && let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk)
        {
            let letters = Letters::of(*eight);
            signs = signs.with(Signs::of_letters(letters));
            spelt = spelt.then(letters);
            at += letters.count as usize;
            continue;
        }
        let sign = Signs::of(byte);
        let Some(end) = end_of(text, (at, byte), sign) else {
            signs = signs.with(sign);
            spelt = spelt.with(alike(byte));
            at += 1;
            continue;
        };
        if let Some((inner, begin)) = inner(text, start..at, signs) {
            let last = found.last_mut().map_or(0, |last| {
                last.around.end = begin;
                last.at + last.text.len()
            });
            let around = last..bytes.len();
            found.push(Chunk { text: inner, at: begin, signs, whole: text, around, spelt });
        }
        (at, start, signs, spelt) = (end, end, Signs::default(), Block::EMPTY);
    }
    found
}

/// Where what stands at `at` ends, if it ends a piece.
#[inline]
fn end_of(text: &str, (at, byte): (usize, u8), sign: Signs) -> Option<usize> {
    match sign {
        Signs::END if byte == b',' && is_within_digits(text.as_bytes(), at) => None,
        Signs::END => Some(at + 1),
        Signs::WIDE => {
            let c = text.get(at..)?.chars().next().filter(|c| ends_wide(*c))?;
            Some(at + c.len_utf8())
        }
        _ => None,
    }
}

/// Whether digits stand right before and right behind what stands at `at`.
fn is_within_digits(text: &[u8], at: usize) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
    digit(at.checked_sub(1)) && digit(Some(at + 1))
}

/// What of a piece is left without the punctuation around it, if anything, and where that begins.
#[inline]
fn inner(text: &str, span: Range<usize>, signs: Signs) -> Option<(&str, usize)> {
    let start = span.start;
    let piece = text.get(span).filter(|piece| !piece.is_empty())?;
    if !signs.has(Signs::MARK) {
        return Some((piece, start));
    }
    let (before, inner) = bare(piece);
    (!inner.is_empty()).then_some((inner, start + before))
}

/// `piece` without the punctuation around it, and how much of that stands before it.
fn bare(piece: &str) -> (usize, &str) {
    const MARKS: [char; 5] = ['.', ':', '!', '?', '*'];
    let piece = piece.trim_end_matches(MARKS);
    let piece = piece.trim_end_matches(|c| c == '/' && piece.len() > 1);
    let inner = piece.trim_start_matches(MARKS);
    // A hidden file and a relative path begin with dots.
    let inner = if piece.starts_with('.') && inner.len() > 1 { piece } else { inner };
    (piece.len() - inner.len(), inner)
}

/// The words of `piece`: runs of letters and digits; scripts that put no blank between words give a
/// word a letter.
pub(crate) fn words(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let start = rest.find(is_of_word)?;
        let (_, behind) = rest.split_at_checked(start)?;
        let first = behind.chars().next()?;
        let length = if is_letter_word(first) {
            first.len_utf8()
        } else {
            behind.find(|c| !is_of_word(c) || is_letter_word(c)).unwrap_or(behind.len())
        };
        let (word, behind) = behind.split_at_checked(length)?;
        rest = behind;
        Some(word)
    })
}

#[inline]
fn is_of_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { c.is_alphanumeric() }
}

fn is_letter_word(c: char) -> bool {
    !c.is_ascii()
        && matches!(c, '\u{0e00}'..='\u{0eff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
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
