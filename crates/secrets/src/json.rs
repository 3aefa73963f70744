//! Secrets within the strings of a JSON text.
//!
//! A string is looked at as what it says, and what is cut is cut where it is written: every other byte
//! stays, so the text is as well-formed as it was.

use std::borrow::Cow;
use std::sync::Arc;

use memchr::{memchr, memchr2};
use remit_model::escape::{Writing, said};

use crate::cut::Cut;
use crate::rules::NAMED;
use crate::{Finding, Lookout, Stream, judge};

/// The member in which a protocol's message carries a text, perhaps one of several.
const TEXT: &str = "text";

/// A string of a JSON text.
struct Leaf<'a> {
    /// The name of the member that it is the value of.
    name: Option<Cow<'a, str>>,
    /// Where it is written, without its quotes.
    at: usize,
    /// What is written there.
    written: &'a str,
    /// What it says.
    says: Cow<'a, str>,
}

/// The strings of a JSON text in order, one at a time: there can be a third as many as bytes. On what is no JSON
/// these are merely other strings.
struct Leaves<'a> {
    json: &'a str,
    at: usize,
    /// The name that stands before `at`.
    name: Option<Cow<'a, str>>,
}

/// The texts of a message, looked at as one. One alone is looked at as itself, and not again.
enum Texts<'a, 'j> {
    None,
    One(Leaf<'j>),
    More(Stream<'a>),
}

impl Lookout {
    /// The secrets within the strings of `json`, in order, none within another.
    ///
    /// A string under a name that says so is one if it looks like one. Strings under the name `text`, as
    /// in the content of a tool's result, are also looked at as one text.
    pub fn find_in_json(&self, json: &str) -> Vec<Finding> {
        let (mut found, mut texts) = (Vec::new(), Texts::None);
        for leaf in Leaves::of(json) {
            let inside = self.find_called(leaf.name.as_deref().unwrap_or_default(), &leaf.says);
            found.extend(leaf.at_writing(inside));
            if leaf.is_text() {
                texts = texts.and(leaf, self);
            }
        }
        found.extend(texts.across(json));
        found.sort_by_key(|finding| finding.at.start);
        found.dedup_by(|next, kept| {
            let overlap = next.at.start < kept.at.end;
            kept.at.end = if overlap { kept.at.end.max(next.at.end) } else { kept.at.end };
            overlap
        });
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
}

impl<'a, 'j> Texts<'a, 'j> {
    fn and(self, next: Leaf<'j>, lookout: &'a Lookout) -> Self {
        let mut stream = match self {
            Self::None => return Self::One(next),
            Self::One(first) => {
                let mut stream = lookout.stream();
                stream.push(&first.says);
                stream
            }
            Self::More(stream) => stream,
        };
        stream.push(&next.says);
        Self::More(stream)
    }

    /// What begins in one of them and ends in another; each of its parts is a finding.
    fn across(self, json: &str) -> Vec<Finding> {
        let Self::More(stream) = self else { return Vec::new() };
        let (found, mut parts, mut from) = (stream.finish(), Vec::new(), 0);
        let mut rest = found.as_slice();
        // The strings are looked up again, as hardly ever.
        let mut texts = Leaves::of(json).filter(Leaf::is_text);
        while let Some(last) = rest.last()
            && from < last.at.end
            && let Some(leaf) = texts.next()
        {
            let end = from + leaf.says.len();
            let behind = rest.iter().take_while(|it| it.at.end <= from).count();
            rest = rest.get(behind..).unwrap_or_default();
            let touching = rest.iter().take_while(|it| it.at.start < end);
            let across = touching.filter(|it| it.at.start < from || end < it.at.end);
            parts.extend(leaf.at_writing(across.filter_map(|it| {
                let at = it.at.start.max(from) - from..it.at.end.min(end) - from;
                (!at.is_empty()).then(|| Finding { at, ..it.clone() })
            })));
            from = end;
        }
        parts
    }
}

impl Leaf<'_> {
    fn is_text(&self) -> bool {
        self.name.as_deref() == Some(TEXT)
    }

    /// What was found in what it says, in order, where it is written.
    fn at_writing(
        &self,
        found: impl IntoIterator<Item = Finding>,
    ) -> impl Iterator<Item = Finding> {
        let mut writing = Writing::of(self.written);
        found.into_iter().map(move |it| {
            let start = self.at + writing.place(it.at.start);
            Finding { at: start..self.at + writing.place(it.at.end), ..it }
        })
    }
}

impl<'a> Leaves<'a> {
    fn of(json: &'a str) -> Self {
        Self { json, at: 0, name: None }
    }
}

impl<'a> Iterator for Leaves<'a> {
    type Item = Leaf<'a>;

    fn next(&mut self) -> Option<Leaf<'a>> {
        let bytes = self.json.as_bytes();
        let quote = memchr(b'"', bytes.get(self.at..).unwrap_or_default())?;
        let at = self.at + quote + 1;
        // A name belongs to the value right behind its colon, and to no other.
        let between = bytes.get(self.at..at - 1).unwrap_or_default();
        let name = self.name.take().filter(|_| between.iter().all(u8::is_ascii_whitespace));
        let end = string_end(bytes, at);
        let written = self.json.get(at..end).unwrap_or_default();
        let says = said(written);
        self.at = bytes.len().min(end + 1);
        let rest = bytes.get(self.at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if rest.get(blanks) == Some(&b':') {
            self.at += blanks + 1;
            self.name = Some(says.clone());
        }
        Some(Leaf { name, at, written, says })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_looked_at_one_at_a_time() {
        let json = format!("[{}]", "\"\",".repeat(1 << 20));
        let mut leaves = Leaves::of(&json);
        assert!(leaves.next().is_some_and(|leaf| leaf.says.is_empty()));
        assert_eq!(leaves.at, 3, "nothing behind the first was read");
        assert_eq!(leaves.by_ref().take(10).count(), 10);
        assert_eq!(leaves.at, 33);
    }
}
