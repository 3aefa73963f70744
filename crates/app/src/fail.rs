//! A command that failed: one sentence for a person.

use std::fmt;

/// Why a command failed, and what to do.
#[derive(Debug)]
pub(crate) struct Fail(String);

impl Fail {
    /// In these words.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The words.
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Fail {
    fn from(why: E) -> Self {
        let mut text = why.to_string();
        let mut source = why.source();
        while let Some(inner) = source {
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            source = inner.source();
        }
        Self(text)
    }
}
