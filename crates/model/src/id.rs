//! Identifiers: a readable prefix and 128 random bits.

use data_encoding::{Encoding, Specification};

use crate::text::text_type;
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

fn check(prefix: &'static str, text: &str) -> Result<(), IdError> {
    if well_formed(prefix, text) { Ok(()) } else { Err(IdError { prefix, got: text.to_owned() }) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        text_type!($(#[$doc])* $name, IdError, |text| check($prefix, text));

        impl $name {
            /// Draws a fresh identifier (128 random bits).
            pub fn draw(entropy: &dyn Entropy) -> Self {
                Self(draw($prefix, entropy).into())
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
id!(
    /// One credential lent.
    LeaseId,
    "lse"
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
