//! A text with a placeholder in the place of each secret.
//!
//! The placeholder says of which kind the secret is and tells it from others, so that whoever reads on
//! knows that something was there, that it was one thing in several places, and whom to ask for it.

use std::fmt;
use std::ops::Range;

use crate::{Finding, Lookout};

/// What is left of a text.
#[derive(Clone, PartialEq, Eq)]
pub struct Cut {
    /// The text, with a placeholder for each secret.
    pub text: String,
    /// What was cut; the places are those in the text as it was.
    pub found: Vec<Finding>,
}

impl Cut {
    /// `text` without what was `found` in it, in order and none within another.
    pub(crate) fn of(text: &str, found: Vec<Finding>) -> Option<Self> {
        if found.is_empty() {
            return None;
        }
        let (mut kept, mut from) = (String::with_capacity(text.len()), 0);
        for finding in &found {
            let Range { start, end } = whole(text, &finding.at);
            kept.push_str(text.get(from..start).unwrap_or_default());
            kept.push_str(&finding.placeholder());
            from = end;
        }
        kept.push_str(text.get(from..).unwrap_or_default());
        Some(Self { text: kept, found })
    }
}

/// Whole characters, should a secret be held to begin or end within one.
fn whole(text: &str, at: &Range<usize>) -> Range<usize> {
    text.floor_char_boundary(at.start)..text.ceil_char_boundary(at.end)
}

impl Lookout {
    /// `text` with a placeholder for each secret in it; `None` if there is none.
    pub fn cut(&self, text: &str) -> Option<Cut> {
        Cut::of(text, self.find(text))
    }
}

impl Finding {
    /// What stands where the secret was: `[cut: github-pat 1f3a0c2d]`. There is nothing in it that JSON
    /// would escape.
    pub fn placeholder(&self) -> String {
        format!("[cut: {} {}]", self.rule, self.fingerprint)
    }
}

/// Holds somebody's words.
impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cut({:?})", self.found)
    }
}
