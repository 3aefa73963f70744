//! Identifiers: a readable prefix and 128 random bits.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Serialize};

use crate::time::Entropy;

/// An identifier that was not of the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an identifier like `{prefix}_…` with 26 letters and digits, got `{got}`")]
pub struct IdError {
    prefix: &'static str,
    got: String,
}

fn base32() -> Result<Encoding, data_encoding::SpecificationError> {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    spec.encoding()
}

fn draw(prefix: &str, entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    let body = base32().map_or_else(
        |_| data_encoding::HEXLOWER.encode(&bytes),
        |encoding| encoding.encode(&bytes),
    );
    format!("{prefix}_{body}")
}

fn well_formed(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')).is_some_and(|body| {
        (26..=32).contains(&body.len())
            && body.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Draws a fresh identifier (128 random bits).
            pub fn draw(entropy: &dyn Entropy) -> Self {
                Self(draw($prefix, entropy).into())
            }

            /// The text form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                if well_formed($prefix, text) {
                    Ok(Self(text.into()))
                } else {
                    Err(IdError { prefix: $prefix, got: text.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// One task.
    TaskId,
    "tsk"
);
id!(
    /// One held call, waiting for a person.
    HoldId,
    "hld"
);

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn drawn_ids_parse_and_others_do_not() {
        let id = TaskId::draw(&Zeros);
        assert_eq!(id.as_str(), "tsk_00000000000000000000000000");
        assert_eq!(id.as_str().parse::<TaskId>().unwrap(), id);
        let wrong = id.as_str().parse::<HoldId>().unwrap_err();
        assert!(wrong.to_string().contains("hld_"), "{wrong}");
        assert!("tsk_../../etc/passwd000000000000".parse::<TaskId>().is_err());
    }
}
