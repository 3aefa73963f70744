//! Proof key for code exchange (RFC 7636): whoever brings a code must be whoever asked for it.
//!
//! `S256` alone: with `plain`, whoever reads the request can redeem its code.

use data_encoding::BASE64URL_NOPAD;
use remit_model::Digest;

/// The lengths that a verifier may have (RFC 7636 section 4.1).
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// What a client asks with: the hash of a secret that it shows later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge(Digest);

/// A text that is not a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected as `code_challenge` the SHA-256 of a verifier, 43 characters of base64url")]
pub struct ChallengeError;

impl Challenge {
    /// Reads a `code_challenge` of the method `S256`.
    ///
    /// Errors: it is not a SHA-256 in base64url.
    pub fn s256(text: &str) -> Result<Self, ChallengeError> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| ChallengeError)?;
        bytes.try_into().map(|bytes| Self(Digest(bytes))).map_err(|_| ChallengeError)
    }

    /// Whether `verifier` is the secret behind it.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        VERIFIER.contains(&verifier.len())
            && verifier.bytes().all(unreserved)
            && Digest::of(verifier.as_bytes()) == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_met_by_its_verifier_alone() {
        let challenge = Challenge::s256("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
        assert!(!challenge.is_met_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), "no plain");
    }

    #[test]
    fn short_secrets_and_other_texts_are_none() {
        let of = |text: &str| BASE64URL_NOPAD.encode(&Digest::of(text.as_bytes()).0);
        for verifier in ["", "short", &"a".repeat(42), &"a".repeat(129), &"ä".repeat(30)] {
            assert!(!Challenge::s256(&of(verifier)).unwrap().is_met_by(verifier), "{verifier}");
        }
        for text in
            ["", "plain", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", &of("x").split_off(1)]
        {
            assert_eq!(Challenge::s256(text), Err(ChallengeError), "{text}");
        }
    }
}
