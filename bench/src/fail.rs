//! Why a measurement could not be made: one sentence for a person.

use std::fmt;

/// Why a measurement could not be made, and what to do.
#[derive(Debug)]
pub(crate) struct Fail(String);

impl Fail {
    /// In these words.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Fail {
    fn from(why: E) -> Self {
        Self(why.to_string())
    }
}
