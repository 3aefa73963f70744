//! A text that comes in pieces, looked through as if it had come at once.
//!
//! What can be a secret is only looked at when all that it could reach is there, so where a text is
//! cut into pieces changes nothing. Kept is no more than that reach.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kept::HEAD;
use crate::rules::{AHEAD, BEHIND, MAX_KEYWORD, Rule};
use crate::{Finding, Lookout, SEALED};

/// How many secrets of a text are told apart (R13): behind the last of them all of it counts as secret.
pub const MAX_FOUND: usize = 256;

/// How much of a text is looked through at a time, so that whole texts need no more room than pieces.
const BLOCK: usize = 64 * 1024;

/// How much a rule reads in each [`SHARE`] of text (R13): a text that is made of keywords would otherwise be
/// read once for each of them. No text that people write comes near it. What is left of the share then counts as
/// secret, as far as a secret that begins there can reach: what was not looked at is not shown.
const LOOKS_AT: usize = 32 * SHARE;
/// See [`LOOKS_AT`].
const SHARE: usize = 4 * 1024;

/// The state between two pieces.
#[derive(Debug)]
pub struct Stream<'a> {
    lookout: &'a Lookout,
    /// The end of what came so far.
    text: Text,
    /// Up to where keywords were looked for.
    looked: usize,
    /// Places that wait for what follows them.
    waiting: Vec<Place<'a>>,
    /// What each rule has read, by its place; behind them sealed storage.
    spent: BTreeMap<usize, Spent>,
    found: Vec<Found>,
    /// Whether there were more than are told apart.
    full: bool,
}

/// What a rule has read in the share of the text in which it was tried last.
#[derive(Debug, Default)]
struct Spent {
    share: usize,
    bytes: usize,
    /// Whether what is left of it counts as secret.
    over: bool,
}

/// A finding, and how much its rule says.
#[derive(Debug)]
struct Found {
    rank: Rank,
    finding: Finding,
}

/// Which of two rules that find the same says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// By the name before it.
    Named,
    /// By the form that a provider gave it.
    Formed,
    /// It is one of sealed storage.
    Kept,
}

/// The end of a text.
#[derive(Default)]
struct Text {
    /// Where it begins in the whole.
    from: usize,
    bytes: Vec<u8>,
}

/// A place where a secret may be.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    /// Where the keyword stands, in the whole text.
    at: usize,
    /// Up to where the text must be there. Of two places of one rule, the one that was found first needs no
    /// more than the other, so they are looked at in this order however the text comes.
    until: usize,
    what: What<'a>,
}

#[derive(Clone, Copy, Debug)]
enum What<'a> {
    /// By this rule.
    Rule(&'a Rule),
    /// One of sealed storage, by its head.
    Kept(u32),
}

impl<'a> Stream<'a> {
    pub(crate) fn new(lookout: &'a Lookout) -> Self {
        let (waiting, found, spent) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { lookout, text: Text::default(), looked: 0, waiting, spent, found, full: false }
    }

    /// The next piece.
    pub fn push(&mut self, piece: &str) {
        for block in piece.as_bytes().chunks(BLOCK) {
            self.text.bytes.extend_from_slice(block);
            // Short pieces are put together: each look has a cost of its own.
            if self.text.end() - self.looked >= BLOCK {
                self.look();
                self.settle(false);
                self.forget();
            }
        }
    }

    /// There is no more: everything that was found, in the order in which it stands in the text, none
    /// within another. After [`MAX_FOUND`] the last one reaches to the end.
    pub fn finish(mut self) -> Vec<Finding> {
        self.look();
        self.settle(true);
        self.bound();
        let end = self.text.end();
        for it in &mut self.found {
            it.finding.at.end = it.finding.at.end.min(end);
        }
        let mut found = resolved(self.found);
        if let Some(last) = found.last_mut().filter(|_| self.full) {
            last.at.end = end;
        }
        found
    }

    /// Finds the places of keywords in what came since.
    fn look(&mut self) {
        let lookout = self.lookout;
        let end = self.text.end();
        let from = self.looked.saturating_sub(MAX_KEYWORD).max(self.text.from);
        let fresh = self.text.bytes.get(from - self.text.from..).unwrap_or_default();
        for (range, rules) in lookout.rules.keywords(fresh) {
            let (at, behind) = (from + range.start, from + range.end);
            if behind > self.looked {
                self.waiting.extend(rules.map(|rule| {
                    let until = behind + rule.reach() + AHEAD;
                    Place { at, until, what: What::Rule(rule) }
                }));
            }
        }
        if !lookout.kept.is_empty() {
            let longest = lookout.kept.longest();
            // Eight bytes are looked at from each place, so the last seven wait for the next piece.
            let from = self.looked.saturating_sub(HEAD - 1).max(self.text.from);
            for at in from..end.saturating_sub(HEAD - 1) {
                let rest = self.text.bytes.get(at - self.text.from..).unwrap_or_default();
                let kept = lookout.kept.beginning(rest).map(What::Kept);
                self.waiting.extend(kept.map(|what| Place { at, until: at + longest, what }));
            }
        }
        self.looked = end;
    }

    /// Looks at the places around which all is there, or, at the end, at all.
    fn settle(&mut self, last: bool) {
        let (lookout, text, end) = (self.lookout, &self.text, self.text.end());
        let (spent, found) = (&mut self.spent, &mut self.found);
        self.waiting.retain(|place| {
            if !last && place.until > end {
                return true;
            }
            let spent = spent.entry(place.which(lookout)).or_default();
            if spent.share != place.at / SHARE {
                *spent = Spent { share: place.at / SHARE, ..Spent::default() };
            }
            if spent.bytes < LOOKS_AT {
                spent.bytes += place.look(lookout, text, found);
            } else if !spent.over {
                spent.over = true;
                found.extend(place.unread(lookout, text));
            }
            false
        });
        if self.found.len() > 2 * MAX_FOUND {
            self.bound();
        }
    }

    /// Keeps the first of what was found. Which those are does not depend on when this is done.
    fn bound(&mut self) {
        if self.found.len() > MAX_FOUND {
            self.found.sort_by(order);
            self.found.truncate(MAX_FOUND);
            self.full = true;
        }
    }

    /// Lets go of what no place can need any more.
    fn forget(&mut self) {
        let first = self.waiting.iter().map(|place| place.at).min().unwrap_or(self.looked);
        let needed = first.min(self.looked.saturating_sub(MAX_KEYWORD)).saturating_sub(BEHIND);
        if let Some(gone) = needed.checked_sub(self.text.from).filter(|gone| *gone > BLOCK) {
            self.text.bytes.drain(..gone.min(self.text.bytes.len()));
            self.text.from = needed;
        }
    }
}

impl Place<'_> {
    /// Whose place it is, among the rules, with sealed storage behind them.
    fn which(&self, lookout: &Lookout) -> usize {
        match self.what {
            What::Rule(rule) => rule.place(),
            What::Kept(_) => lookout.rules.count(),
        }
    }

    /// Adds what stands here to what was `found`, and says how many bytes were read for that.
    fn look(&self, lookout: &Lookout, text: &Text, found: &mut Vec<Found>) -> usize {
        match self.what {
            What::Rule(rule) => {
                let from = self.at.saturating_sub(BEHIND);
                let Some(window) = text.between(from, self.until) else { return 0 };
                let tried = rule.secret(window, self.at - from);
                found.extend(tried.secret.and_then(|at| {
                    let fingerprint = lookout.key.fingerprint(window.get(at.clone())?);
                    let at = from + at.start..from + at.end;
                    let rank = if rule.is_by_form() { Rank::Formed } else { Rank::Named };
                    let rule = Arc::clone(rule.id());
                    Some(Found { rank, finding: Finding { rule, fingerprint, at } })
                }));
                tried.read
            }
            What::Kept(head) => {
                let Some(window) = text.between(self.at, self.until) else { return 0 };
                let (standing, read) = lookout.kept.standing(head, &lookout.key, window);
                found.extend(standing.into_iter().filter_map(|mark| {
                    let fingerprint = lookout.key.fingerprint(window.get(..mark.length())?);
                    let rule = Arc::from(lookout.kept.rule(mark));
                    let at = self.at..self.at + mark.length();
                    Some(Found { rank: Rank::Kept, finding: Finding { rule, fingerprint, at } })
                }));
                read
            }
        }
    }

    /// From here to where a secret ends at the latest that begins in the same share.
    fn unread(&self, lookout: &Lookout, text: &Text) -> Option<Found> {
        let from = self.at.saturating_sub(BEHIND);
        let fingerprint = lookout.key.fingerprint(text.between(from, self.until)?);
        let end = (self.at / SHARE + 1) * SHARE + (self.until - self.at);
        let (rank, rule) = match self.what {
            What::Rule(rule) => (Rank::Named, Arc::clone(rule.id())),
            What::Kept(_) => (Rank::Kept, Arc::from(SEALED)),
        };
        Some(Found { rank, finding: Finding { rule, fingerprint, at: from..end } })
    }
}

impl Text {
    fn end(&self) -> usize {
        self.from + self.bytes.len()
    }

    /// What stands between two places, as far as it is there.
    fn between(&self, from: usize, to: usize) -> Option<&[u8]> {
        let from = from.checked_sub(self.from)?;
        let to = to.checked_sub(self.from)?.min(self.bytes.len());
        self.bytes.get(from..to)
    }
}

/// Holds somebody's words.
impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes)", self.bytes.len())
    }
}

/// Of findings that overlap the one by the more telling rule, over the place of all of them.
fn resolved(mut found: Vec<Found>) -> Vec<Finding> {
    found.sort_by(order);
    let mut kept: Vec<Found> = Vec::new();
    for next in found {
        match kept.last_mut() {
            Some(last) if next.finding.at.start < last.finding.at.end => {
                let start = last.finding.at.start;
                let whole = start..last.finding.at.end.max(next.finding.at.end);
                if next.rank > last.rank {
                    *last = next;
                }
                last.finding.at = whole;
            }
            _ => kept.push(next),
        }
    }
    kept.into_iter().map(|found| found.finding).collect()
}

/// By place, the longest first.
fn order(one: &Found, other: &Found) -> Ordering {
    let key = |it: &Found| (it.finding.at.start, Reverse(it.finding.at.end), Reverse(it.rank));
    key(one).cmp(&key(other)).then_with(|| one.finding.rule.cmp(&other.finding.rule))
}

#[cfg(test)]
mod tests {
    use remit_model::Secret;

    use super::*;
    use crate::{Key, MAX_SECRET};

    #[test]
    fn a_text_made_of_beginnings_is_not_read_once_for_each_of_them() {
        let sealed = Secret::new("12345678".repeat(2000));
        let lookout = Lookout::new(Key::new(&[1; 32])).with(&"long".parse().unwrap(), &sealed);
        let beginnings =
            ["eyJ-", "-----BEGIN PRIVATE KEY-----. ", "token:", "sk-", " -u", "12345678"];
        for flood in beginnings {
            let mut stream = lookout.stream();
            stream.push(&flood.repeat(2 * BLOCK / flood.len()));
            let read = stream.spent.values().map(|spent| spent.bytes).max().unwrap();
            assert!(read < LOOKS_AT + 2 * MAX_SECRET, "{flood}: {read}");
        }
    }

    #[test]
    fn pieces_of_one_letter_are_put_together_before_they_are_looked_at() {
        let lookout = Lookout::new(Key::new(&[1; 32]));
        let mut stream = lookout.stream();
        for letter in "-----begin private key-----.".repeat(BLOCK / 50).chars() {
            stream.push(letter.encode_utf8(&mut [0; 4]));
        }
        assert_eq!((stream.looked, stream.waiting.len()), (0, 0));
    }
}
