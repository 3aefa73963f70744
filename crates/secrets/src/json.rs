//! Secrets within the strings of a JSON text.
//!
//! A string is looked at as what it says, and what is cut is cut where it is written: every other byte
//! stays, so the text is as well-formed as it was.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memchr2};

use crate::cut::Cut;
use crate::rules::NAMED;
use crate::{Finding, Lookout, judge};

/// The member in which a protocol's message carries a text, perhaps one of several.
const TEXT: &str = "text";

/// A string of a JSON text.
struct Leaf<'a> {
    /// The name of the member that it is the value of.
    name: Option<Cow<'a, str>>,
    /// Where it is written, without its quotes.
    written: Range<usize>,
    /// What it says.
    says: Cow<'a, str>,
    /// From where on in what it says the writing is how far ahead of it, after each escape.
    ahead: Vec<(usize, usize)>,
}

impl Lookout {
    /// The secrets within the strings of `json`, in order, none within another.
    ///
    /// A string under a name that says so is one if it looks like one. Strings under the name `text`, as
    /// in the content of a tool's result, are also looked at as one text.
    pub fn find_in_json(&self, json: &str) -> Vec<Finding> {
        let leaves = leaves(json);
        let mut found: Vec<Finding> = Vec::new();
        for leaf in &leaves {
            let inside = self.find_called(leaf.name.as_deref().unwrap_or_default(), &leaf.says);
            found.extend(inside.into_iter().map(|it| leaf.at_writing(it)));
        }
        found.extend(self.across(&leaves));
        found.sort_by_key(|finding| finding.at.start);
        found.dedup_by(|next, kept| next.at.start < kept.at.end);
        found
    }

    /// The secrets in `text`, which is the value of something called `name`: all of it, if that says that
    /// it is one and it looks like one.
    pub fn find_called(&self, name: &str, text: &str) -> Vec<Finding> {
        let found = self.find(text);
        if !found.is_empty() || !judge::is_secret_in_text(name, text) {
            return found;
        }
        let fingerprint = self.key.fingerprint(text.as_bytes());
        vec![Finding { rule: Arc::from(NAMED), fingerprint, at: 0..text.len() }]
    }

    /// `json` with a placeholder for each secret within its strings; `None` if there is none.
    pub fn cut_json(&self, json: &str) -> Option<Cut> {
        Cut::of(json, self.find_in_json(json))
    }

    /// What begins in one text and ends in another; each of its parts is a finding.
    fn across(&self, leaves: &[Leaf<'_>]) -> Vec<Finding> {
        let texts: Vec<&Leaf<'_>> =
            leaves.iter().filter(|leaf| leaf.name.as_deref() == Some(TEXT)).collect();
        let mut parts = Vec::new();
        if texts.len() < 2 {
            return parts;
        }
        let mut stream = self.stream();
        let (mut ends, mut from) = (Vec::new(), 0);
        for leaf in &texts {
            stream.push(&leaf.says);
            ends.push(from..from + leaf.says.len());
            from += leaf.says.len();
        }
        for finding in stream.finish() {
            let touched = ends.iter().zip(&texts).filter_map(|(range, leaf)| {
                let start = finding.at.start.max(range.start);
                let end = finding.at.end.min(range.end);
                let at = start.checked_sub(range.start)?..end.checked_sub(range.start)?;
                (start < end).then(|| leaf.at_writing(Finding { at, ..finding.clone() }))
            });
            let touched: Vec<Finding> = touched.collect();
            if touched.len() > 1 {
                parts.extend(touched);
            }
        }
        parts
    }
}

impl Leaf<'_> {
    fn at_writing(&self, finding: Finding) -> Finding {
        let at = self.written_at(finding.at.start)..self.written_at(finding.at.end);
        Finding { at, ..finding }
    }

    fn written_at(&self, said: usize) -> usize {
        let before = self.ahead.partition_point(|(from, _)| *from <= said);
        let ahead = before.checked_sub(1).and_then(|at| self.ahead.get(at));
        (self.written.start + said + ahead.map_or(0, |(_, ahead)| *ahead)).min(self.written.end)
    }
}

/// The strings of `json` in order. On what is no JSON it merely finds other strings.
fn leaves(json: &str) -> Vec<Leaf<'_>> {
    let bytes = json.as_bytes();
    let (mut found, mut at, mut name) = (Vec::new(), 0, None);
    while let Some(quote) = memchr(b'"', bytes.get(at..).unwrap_or_default()) {
        let start = at + quote + 1;
        // A name belongs to the value right behind its colon, and to no other.
        let between = bytes.get(at..start - 1).unwrap_or_default();
        let named = name.take().filter(|_| between.iter().all(u8::is_ascii_whitespace));
        let end = string_end(bytes, start);
        let written = start..end;
        at = bytes.len().min(end + 1);
        let (says, ahead) = said(json.get(written.clone()).unwrap_or_default());
        let rest = bytes.get(at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if rest.get(blanks) == Some(&b':') {
            at += blanks + 1;
            name = Some(says.clone());
        }
        found.push(Leaf { name: named, written, says, ahead });
    }
    found
}

/// Where the string that begins at `at` ends.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(next) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += next;
        if bytes.get(at) == Some(&b'"') {
            return at;
        }
        at = bytes.len().min(at + 2);
    }
    bytes.len()
}

/// What a string says, and after each escape how far its writing is ahead.
fn said(written: &str) -> (Cow<'_, str>, Vec<(usize, usize)>) {
    if memchr(b'\\', written.as_bytes()).is_none() {
        return (Cow::Borrowed(written), Vec::new());
    }
    let (mut says, mut ahead) = (String::with_capacity(written.len()), Vec::new());
    let mut rest = written;
    while let Some(escape) = memchr(b'\\', rest.as_bytes()) {
        let (plain, from) = rest.split_at(escape);
        says.push_str(plain);
        let (c, length) = escaped(from);
        says.push(c);
        rest = from.get(length..).unwrap_or_default();
        ahead.push((says.len(), (written.len() - rest.len()).saturating_sub(says.len())));
    }
    says.push_str(rest);
    (Cow::Owned(says), ahead)
}

/// What the escape that `text` begins with says, and how long it is.
fn escaped(text: &str) -> (char, usize) {
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
