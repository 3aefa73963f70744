//! Other people's secrets in what passes through: results, prompts, arguments (promise R12).
//!
//! A secret is found by the form that its provider gives it, by a checksum within it, by the name that
//! stands before it, or because it lies in sealed storage here. It is cut, and a placeholder of its
//! kind and fingerprint stands in its place, the same for the same secret, so that whoever reads on can
//! still tell one from another.
//!
//! Precision comes first: text is full of digests, ids and encoded pictures, and cutting one of those
//! breaks somebody's work. So nothing counts for looking random alone. What is looked for is data
//! (`rules/`); how it is looked for is the same for all of it:
//!
//! 1. one pass for all keywords at once (`keyword`), which most text does not get beyond;
//! 2. behind a keyword, the rules that it belongs to, anchored there and within their own reach;
//! 3. what they find is judged ([`judge`]): proven by its own checksum, or random enough, no example,
//!    not part of something longer.
//!
//! *Absences:* no I/O, no clock, no randomness: the key of fingerprints is an argument. No secret is
//! kept, none is in a [`Finding`], an error or a `Debug`.

mod cut;
mod fingerprint;
mod json;
pub mod judge;
mod kept;
mod keyword;
mod proof;
mod reader;
mod rules;
mod stream;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use remit_model::{Secret, SecretName};

pub use crate::cut::Cut;
pub use crate::fingerprint::{Fingerprint, Key};
pub use crate::rules::MAX_SECRET;
pub use crate::stream::{MAX_FOUND, Stream};

use crate::kept::Kept;
use crate::rules::Rules;

/// The name of the rule by which what lies in sealed storage is found.
pub const SEALED: &str = "sealed";
/// The same, of what lies there for nothing but to be found.
pub const CANARY: &str = "canary";

/// A secret that was found. It says where and what, never which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that found it, such as `github-pat`.
    pub rule: Arc<str>,
    /// The same for the same secret, as long as the key is the same.
    pub fingerprint: Fingerprint,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

impl Finding {
    /// Whether it lies somewhere for nothing but to be found.
    pub fn is_canary(&self) -> bool {
        *self.rule == *CANARY
    }
}

/// The secrets in `text` that have a form of their own, whatever they are called: the rule, and where the
/// secret stands, in bytes. None lies within another.
pub fn by_form(text: &str) -> impl Iterator<Item = (Arc<str>, Range<usize>)> {
    let mut end = 0;
    Rules::standard().keywords(text.as_bytes()).filter_map(move |(at, rules)| {
        // What stands within the last one is part of it.
        let mut rules = rules.filter(|rule| rule.is_by_form() && at.start >= end);
        let (rule, at) = rules.find_map(|rule| {
            let at = rule.secret(text.as_bytes(), at.start).secret?;
            (at.start >= end && text.get(at.clone()).is_some()).then_some((rule, at))
        })?;
        end = at.end;
        Some((Arc::clone(rule.id()), at))
    })
}

/// What looks for secrets.
#[derive(Clone, Debug)]
pub struct Lookout {
    rules: &'static Rules,
    key: Key,
    kept: Kept,
}

impl Lookout {
    /// One that knows the forms of secrets, and gives fingerprints under `key`.
    pub fn new(key: Key) -> Self {
        let kept = Kept::new(&key);
        Self { rules: Rules::standard(), key, kept }
    }

    /// The same, which also finds `secret`, whatever form it has. It keeps no more of it than a digest
    /// under its key.
    #[must_use]
    pub fn with(mut self, name: &SecretName, secret: &Secret) -> Self {
        self.kept.add(&self.key, name, secret.reveal().as_bytes());
        self
    }

    /// The same, without what it knows as `name`.
    #[must_use]
    pub fn without(mut self, name: &SecretName) -> Self {
        self.kept.remove(name);
        self
    }

    /// The same, with these of what it knows as canaries: found by the rule [`CANARY`].
    #[must_use]
    pub fn telling(mut self, canaries: BTreeSet<SecretName>) -> Self {
        self.kept.tell(canaries);
        self
    }

    /// The secrets in `text`, in the order in which they stand there; none lies within another.
    pub fn find(&self, text: &str) -> Vec<Finding> {
        let mut stream = self.stream();
        stream.push(text);
        stream.finish()
    }

    /// Looks at a text that comes in pieces.
    pub fn stream(&self) -> Stream<'_> {
        Stream::new(self)
    }
}
