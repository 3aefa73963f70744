//! A text that comes in pieces, looked through as if it had come at once.
//!
//! What can be a secret is only looked at when all that it could reach is there, so where a text is
//! cut into pieces changes nothing. Kept is no more than that reach.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rules::{AHEAD, BEHIND, MAX_KEYWORD, Rule};
use crate::{Finding, Lookout};

/// How many secrets of a text are told apart (R13): behind the last of them all of it counts as secret.
pub const MAX_FOUND: usize = 256;

/// How much of a text is looked through at a time, so that whole texts need no more room than pieces.
const BLOCK: usize = 64 * 1024;

/// How much a rule looks at, at most, for each [`SHARE`] of text (R13): a text that is made of keywords would
/// otherwise be looked at once for each of them. No text that people write comes near it.
const LOOKS_AT: usize = 32 * SHARE;
/// See [`LOOKS_AT`].
const SHARE: usize = 4 * 1024;
/// How often a rule is tried in each [`SHARE`] whatever it looks at.
const MIN_TRIES: usize = 8;

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
    /// In which share of the text each rule was tried last, and how often; behind them sealed storage.
    tried: BTreeMap<usize, (usize, usize)>,
    found: Vec<Found>,
    /// Whether there were more than are told apart.
    full: bool,
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
    what: What<'a>,
}

#[derive(Clone, Copy, Debug)]
enum What<'a> {
    /// By this rule.
    Rule(&'a Rule),
    /// One of sealed storage, by its place in the list.
    Kept(usize),
}

impl<'a> Stream<'a> {
    pub(crate) fn new(lookout: &'a Lookout) -> Self {
        let (waiting, found, tried) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { lookout, text: Text::default(), looked: 0, waiting, tried, found, full: false }
    }

    /// The next piece.
    pub fn push(&mut self, piece: &str) {
        for block in piece.as_bytes().chunks(BLOCK) {
            self.text.bytes.extend_from_slice(block);
            self.look();
            self.settle(false);
            self.forget();
        }
    }

    /// There is no more: everything that was found, in the order in which it stands in the text, none
    /// within another. After [`MAX_FOUND`] the last one reaches to the end.
    pub fn finish(mut self) -> Vec<Finding> {
        self.settle(true);
        self.bound();
        let mut found = resolved(self.found);
        if let Some(last) = found.last_mut().filter(|_| self.full) {
            last.at.end = self.text.end();
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
            if from + range.end > self.looked {
                let place = |rule| Place { at: from + range.start, what: What::Rule(rule) };
                let tried = &mut self.tried;
                self.waiting.extend(rules.map(place).filter(|it| it.may_be_tried(lookout, tried)));
            }
        }
        if !lookout.kept.is_empty() {
            // Eight bytes are looked at from each place, so the last seven wait for the next piece.
            let from = self.looked.saturating_sub(7).max(self.text.from);
            for at in from..end.saturating_sub(7) {
                let rest = self.text.bytes.get(at - self.text.from..).unwrap_or_default();
                let kept = lookout.kept.beginning(rest).map(What::Kept);
                let places = kept.map(|what| Place { at, what });
                let tried = &mut self.tried;
                self.waiting.extend(places.filter(|it| it.may_be_tried(lookout, tried)));
            }
        }
        self.looked = end;
    }

    /// Looks at the places around which all is there, or, at the end, at all.
    fn settle(&mut self, last: bool) {
        let (lookout, text, found) = (self.lookout, &self.text, &mut self.found);
        let end = text.end();
        self.waiting.retain(|place| {
            if !last && place.needs(lookout) > end {
                return true;
            }
            found.extend(place.finding(lookout, text));
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
    /// Whether there were not too many such places before it, near by; it is counted.
    fn may_be_tried(&self, lookout: &Lookout, tried: &mut BTreeMap<usize, (usize, usize)>) -> bool {
        let which = match self.what {
            What::Rule(rule) => rule.place(),
            What::Kept(_) => lookout.rules.count(),
        };
        let tried = tried.entry(which).or_default();
        let share = self.at / SHARE;
        *tried = if tried.0 == share { (share, tried.1 + 1) } else { (share, 1) };
        tried.1 <= (LOOKS_AT / (self.needs(lookout) - self.at)).max(MIN_TRIES)
    }

    /// Up to where the text must be there.
    fn needs(&self, lookout: &Lookout) -> usize {
        self.at
            + match self.what {
                What::Rule(rule) => rule.reach() + AHEAD,
                What::Kept(mark) => lookout.kept.length(mark),
            }
    }

    fn finding(&self, lookout: &Lookout, text: &Text) -> Option<Found> {
        match self.what {
            What::Rule(rule) => {
                let from = self.at.saturating_sub(BEHIND);
                let window = text.between(from, self.needs(lookout))?;
                let at = rule.secret(window, self.at - from)?;
                let fingerprint = lookout.key.fingerprint(window.get(at.clone())?);
                let at = from + at.start..from + at.end;
                let rank = if rule.is_by_form() { Rank::Formed } else { Rank::Named };
                let rule = Arc::clone(rule.id());
                Some(Found { rank, finding: Finding { rule, fingerprint, at } })
            }
            What::Kept(mark) => {
                let end = self.needs(lookout);
                let bytes = text.between(self.at, end)?;
                let whole = bytes.len() == lookout.kept.length(mark);
                (whole && lookout.kept.is(mark, &lookout.key, bytes)).then(|| {
                    let fingerprint = lookout.key.fingerprint(bytes);
                    let rule = Arc::from(lookout.kept.rule(mark));
                    let finding = Finding { rule, fingerprint, at: self.at..end };
                    Found { rank: Rank::Kept, finding }
                })
            }
        }
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
    use crate::Key;

    #[test]
    fn a_text_made_of_beginnings_is_not_looked_at_once_for_each_of_them() {
        let sealed = Secret::new("12345678".repeat(2000));
        let lookout = Lookout::new(Key::new(&[1; 32])).with(&"long".parse().unwrap(), &sealed);
        for flood in ["eyJ-", "-----BEGIN ", "token:", "sk-", "12345678"] {
            let mut stream = lookout.stream();
            stream.push(&flood.repeat(BLOCK / flood.len()));
            let looked: usize = stream.waiting.iter().map(|it| it.needs(&lookout) - it.at).sum();
            assert!(looked <= 4 * LOOKS_AT / SHARE * BLOCK, "{flood}: {looked}");
        }
    }
}
