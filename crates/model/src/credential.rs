//! Credentials: what they are called, and the text that nobody may see.

use std::fmt;

use zeroize::Zeroizing;

use crate::agent::{NameError, check};
use crate::text::text_type;

text_type!(
    /// What the configuration calls a credential that can be lent.
    CredentialName,
    NameError,
    check
);

text_type!(
    /// What a secret in sealed storage is called.
    SecretName,
    NameError,
    check
);

/// A secret text. Never printed, never serialised; wiped when it is dropped (promise R12).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret `text`, which moves in and is wiped with it.
    pub fn new(text: impl Into<Zeroizing<String>>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(…) Secret(…)");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
