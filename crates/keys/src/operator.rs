//! Knowing the operator by a passphrase, of which only an Argon2id verifier is kept.

use std::path::{Path, PathBuf};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use remit_model::Entropy;
use zeroize::Zeroizing;

use crate::{KeysError, file};

/// The shortest passphrase an operator may choose, in characters (NIST SP 800-63B section
/// 5.1.1.2 asks for 8; nothing here slows guesses down but Argon2 and the caller's rate limit).
pub const MIN_PASSPHRASE: usize = 12;

/// The longest, in bytes (R13).
const MAX_PASSPHRASE: usize = 1024;

/// Letters and digits that are not mistaken for each other (Crockford's base32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The operator's verifier in `operator.phc`.
#[derive(Clone, Debug)]
pub struct Operator {
    path: PathBuf,
}

impl Operator {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { path: dir.join("operator.phc") }
    }

    /// Replaces the passphrase, durably.
    ///
    /// Errors: it is shorter than [`MIN_PASSPHRASE`] or longer than 1 KiB, or the disk refuses.
    pub fn set_passphrase(&self, passphrase: &str, entropy: &dyn Entropy) -> Result<(), KeysError> {
        let length = passphrase.chars().count();
        if length < MIN_PASSPHRASE || passphrase.len() > MAX_PASSPHRASE {
            return Err(KeysError::Passphrase(format!(
                "expected a passphrase of {MIN_PASSPHRASE} characters to {MAX_PASSPHRASE} bytes, \
                 got {length} characters: choose another"
            )));
        }
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let hash = Argon2::default()
            .hash_password_with_salt(passphrase.as_bytes(), &salt)
            .map_err(|_| KeysError::Crypto("argon2"))?;
        file::replace(&self.path, hash.to_string().as_bytes())
    }

    /// Whether there is a passphrase at all.
    ///
    /// Errors: the file cannot be read.
    pub fn has_passphrase(&self) -> Result<bool, KeysError> {
        Ok(file::read_if_there(&self.path)?.is_some())
    }

    /// Whether `passphrase` is the operator's. The comparison takes the same time wherever the
    /// two differ. It costs 19 MiB and some tens of milliseconds (the defaults of `argon2`, as
    /// OWASP recommends), so call it off the event loop and not without a rate limit.
    ///
    /// Errors: no passphrase was set, or the file cannot be read: then nobody is the operator.
    pub fn verify_passphrase(&self, passphrase: &str) -> Result<bool, KeysError> {
        let kept = file::read_if_there(&self.path)?.ok_or_else(|| {
            let advice = "no operator passphrase is set: run `remit init` or set one first";
            KeysError::Passphrase(advice.to_owned())
        })?;
        if passphrase.len() > MAX_PASSPHRASE {
            return Ok(false);
        }
        let damaged = || KeysError::damaged(&self.path, &"expected an Argon2id PHC string");
        let text = std::str::from_utf8(&kept).map_err(|_| damaged())?;
        let hash = PasswordHash::new(text.trim_end()).map_err(|_| damaged())?;
        Ok(Argon2::default().verify_password(passphrase.as_bytes(), &hash).is_ok())
    }
}

/// A passphrase of six groups of four letters or digits: 120 random bits.
pub fn generate_passphrase(entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; 24]);
    entropy.fill(bytes.as_mut_slice());
    // Reserved at once: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(29));
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 && i % 4 == 0 {
            text.push('-');
        }
        // INVARIANT: five bits index an alphabet of 32.
        let letter = ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'0');
        text.push(char::from(letter));
    }
    text
}

#[cfg(test)]
mod tests {
    use remit_testkit::SeededEntropy;

    use super::*;

    #[test]
    fn only_the_passphrase_verifies_and_it_stands_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let operator = Operator::new(dir.path());
        let entropy = SeededEntropy::new(1);
        assert!(!operator.has_passphrase().unwrap());
        assert!(operator.verify_passphrase("anything at all").is_err());
        operator.set_passphrase("correct horse battery", &entropy).unwrap();
        assert!(operator.verify_passphrase("correct horse battery").unwrap());
        for wrong in ["", "correct horse batter", "correct horse battery ", &"x".repeat(2000)] {
            assert!(!operator.verify_passphrase(wrong).unwrap(), "{wrong}");
        }
        let kept = std::fs::read_to_string(dir.path().join("operator.phc")).unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(!kept.contains("correct"));
        operator.set_passphrase("another one entirely", &entropy).unwrap();
        assert!(!operator.verify_passphrase("correct horse battery").unwrap());
    }

    #[test]
    fn weak_and_endless_passphrases_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let operator = Operator::new(dir.path());
        for bad in ["", "elevenchars", &"x".repeat(1025)] {
            let error = operator.set_passphrase(bad, &SeededEntropy::new(1)).unwrap_err();
            assert!(error.to_string().contains("12 characters"), "{error}");
        }
        assert!(!operator.has_passphrase().unwrap());
    }

    #[test]
    fn a_damaged_verifier_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let operator = Operator::new(dir.path());
        for bad in ["", "$argon2id$", "plain text", "$argon2id$v=19$m=19456,t=2,p=1$"] {
            file::replace(&operator.path, bad.as_bytes()).unwrap();
            let answer = operator.verify_passphrase("correct horse battery");
            assert!(!matches!(answer, Ok(true)), "{bad}");
        }
    }

    #[test]
    fn a_generated_passphrase_is_readable_and_strong_enough() {
        let entropy = SeededEntropy::new(1);
        let (one, two) = (generate_passphrase(&entropy), generate_passphrase(&entropy));
        assert_ne!(one, two);
        assert_eq!(one.len(), 29);
        assert!(one.split('-').all(|group| group.len() == 4));
        assert!(one.bytes().all(|b| b == b'-' || ALPHABET.contains(&b)));
    }
}
