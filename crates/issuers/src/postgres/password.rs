//! A password that the server never sees when it is set: it gets what SCRAM verifies it by.
//!
//! So neither its log of statements nor its catalogue holds anything that opens a session (RFC 5802
//! section 9).

use std::num::NonZeroU32;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use remit_model::{Entropy, Secret};
use zeroize::Zeroizing;

/// The fewest that RFC 7677 section 4 asks for; clients refuse less, such as Java's. A random password
/// needs none.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();
/// Bytes of a password, and of its salt (as the server draws one itself).
const PASSWORD: usize = 32;
const SALT: usize = 16;

/// A fresh password.
pub(super) struct Password {
    /// What whoever logs in needs.
    pub(super) text: Secret,
    /// What the server needs.
    pub(super) verifier: String,
}

impl Password {
    /// Draws one.
    pub(super) fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; PASSWORD]);
        entropy.fill(bytes.as_mut_slice());
        let mut salt = [0; SALT];
        entropy.fill(&mut salt);
        let text = BASE64URL_NOPAD.encode(bytes.as_slice());
        let verifier = verifier(&text, &salt);
        Self { text: Secret::new(text), verifier }
    }
}

/// What the server keeps of an ASCII password, in the form of `pg_authid.rolpassword`.
fn verifier(password: &str, salt: &[u8]) -> String {
    let mut salted = Zeroizing::new([0; SHA256_OUTPUT_LEN]);
    derive(PBKDF2_HMAC_SHA256, ITERATIONS, salt, password.as_bytes(), salted.as_mut_slice());
    let salted = Key::new(HMAC_SHA256, salted.as_slice());
    let stored = digest(&SHA256, sign(&salted, b"Client Key").as_ref());
    let server = sign(&salted, b"Server Key");
    let [salt, stored, server] =
        [salt, stored.as_ref(), server.as_ref()].map(|it| BASE64.encode(it));
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 section 3.
    #[test]
    fn a_verifier_answers_as_the_specification_shows() {
        const MESSAGES: &str = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = verifier("pencil", &salt);
        let keys = verifier.strip_prefix("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$").unwrap();
        let (stored, server) = keys.split_once(':').unwrap();
        let hmac = |key: &str| {
            let key = Key::new(HMAC_SHA256, &BASE64.decode(key.as_bytes()).unwrap());
            sign(&key, MESSAGES.as_bytes())
        };
        assert_eq!(
            BASE64.encode(hmac(server).as_ref()),
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
        // The client's proof is its key, hidden by what the stored key signs.
        let proof = BASE64.decode(b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let key: Vec<_> = proof.iter().zip(hmac(stored).as_ref()).map(|(a, b)| a ^ b).collect();
        assert_eq!(BASE64.encode(digest(&SHA256, &key).as_ref()), stored);
    }
}
