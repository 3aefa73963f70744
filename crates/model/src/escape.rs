//! Strings of JSON: what they say, and where that is written.

use std::borrow::Cow;

use memchr::memchr;

/// What is said by `written`, which stands between the quotes of a JSON string. What only looks like an
/// escape says [`char::REPLACEMENT_CHARACTER`].
pub fn said(written: &str) -> Cow<'_, str> {
    let mut rest = written;
    let Some(mut plain) = memchr(b'\\', rest.as_bytes()) else { return Cow::Borrowed(written) };
    let mut says = String::with_capacity(written.len());
    loop {
        says.push_str(rest.get(..plain).unwrap_or_default());
        rest = rest.get(plain..).unwrap_or_default();
        if rest.is_empty() {
            return Cow::Owned(says);
        }
        let (c, length) = escape(rest);
        says.push(c);
        rest = rest.get(length..).unwrap_or_default();
        plain = memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
    }
}

/// Where that is written what a string says. It keeps nothing of each escape, so it is asked in order.
#[derive(Debug)]
pub struct Writing<'a> {
    rest: &'a str,
    /// What stands before the rest, as it is written and as what it says.
    written: usize,
    said: usize,
}

impl<'a> Writing<'a> {
    /// As [`said`].
    pub fn of(written: &'a str) -> Self {
        Self { rest: written, written: 0, said: 0 }
    }

    /// Where that is written which is said at `said`, which is nowhere before what was asked last.
    pub fn place(&mut self, said: usize) -> usize {
        loop {
            let near = self.rest.floor_char_boundary(said.saturating_sub(self.said));
            let near = self.rest.get(..near).unwrap_or_default();
            let plain = memchr(b'\\', near.as_bytes()).unwrap_or(near.len());
            self.pass(plain, plain);
            if plain == near.len() {
                return self.written + self.rest.len().min(said.saturating_sub(self.said));
            }
            let (c, length) = escape(self.rest);
            // What is within that which an escape says is written nowhere else than where that begins.
            if self.said + c.len_utf8() > said {
                return self.written;
            }
            self.pass(length, c.len_utf8());
        }
    }

    fn pass(&mut self, written: usize, said: usize) {
        self.rest = self.rest.get(written..).unwrap_or_default();
        self.written += written;
        self.said += said;
    }
}

/// What the escape that `text` begins with says, and how long it is.
fn escape(text: &str) -> (char, usize) {
    match text.as_bytes().get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'u') => unicode(text),
        Some(byte @ (b'"' | b'\\' | b'/')) => (char::from(*byte), 2),
        _ => (char::REPLACEMENT_CHARACTER, 1),
    }
}

/// `\uXXXX`, or a pair of them for what is beyond.
fn unicode(text: &str) -> (char, usize) {
    let unit = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(0) else { return (char::REPLACEMENT_CHARACTER, 2) };
    let units = [Some(first), unit(6)].into_iter().flatten();
    match char::decode_utf16(units).next() {
        Some(Ok(c)) => (c, 6 * c.len_utf16()),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_says_what_json_says_that_it_does() {
        for written in
            ["", "plain", r#"\u0041\n\/\"\\ \ud83d\uDE00é\t"#, r"\u00e9\u00E9", r"a\\u0041"]
        {
            let expected: String = serde_json::from_str(&format!("\"{written}\"")).unwrap();
            assert_eq!(said(written), expected);
        }
        assert_eq!(said(r"\ud83d \x \u12 \"), "\u{fffd} \u{fffd}x \u{fffd}12 \u{fffd}");
    }

    #[test]
    fn each_place_is_found_where_it_is_written() {
        let written = r"é\u0041b\ud83d\ude00\\c";
        let says = said(written);
        let mut writing = Writing::of(written);
        let places: Vec<usize> = says.char_indices().map(|(at, _)| writing.place(at)).collect();
        assert_eq!(places, [0, 2, 8, 9, 21, 23]);
        assert_eq!(writing.place(says.len()), written.len());
        assert_eq!(writing.place(usize::MAX), written.len());
        assert_eq!(Writing::of(written).place(5), 9, "within the pair");
        assert_eq!(Writing::of(written).place(1), 1, "within what is no escape");
    }
}
