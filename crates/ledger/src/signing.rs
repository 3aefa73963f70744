//! The keys that this process can sign the log with. Which of them do is up to the log.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use remit_tlog::{SigningKey, VerifierKey};

/// What a ledger is opened with.
#[derive(Debug)]
pub struct Signing {
    /// Who signs as long as the log names nobody; `None` if that key is gone.
    pub first: Option<VerifierKey>,
    /// Those that the log must have named, or which is the first. One that it did not comes from a later
    /// time than the journal.
    pub named: Vec<VerifierKey>,
    /// All there are.
    pub keys: Vec<SigningKey>,
}

impl From<SigningKey> for Signing {
    /// The only key that a log ever had.
    fn from(key: SigningKey) -> Self {
        let first = key.verifier().clone();
        Self { named: vec![first.clone()], first: Some(first), keys: vec![key] }
    }
}

/// The keys at hand.
pub(crate) struct Pens(Mutex<Vec<Arc<SigningKey>>>);

impl Pens {
    pub(crate) fn new(keys: Vec<SigningKey>) -> Self {
        Self(Mutex::new(keys.into_iter().map(Arc::new).collect()))
    }

    /// From now on these.
    pub(crate) fn replace(&self, keys: Vec<SigningKey>) {
        let keys = keys.into_iter().map(Arc::new).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The private keys of `signers`, in their order.
    ///
    /// Errors: the one that is not at hand.
    pub(crate) fn of(&self, signers: &[VerifierKey]) -> Result<Vec<Arc<SigningKey>>, VerifierKey> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |signer: &VerifierKey| {
            let key = keys.iter().find(|key| key.verifier() == signer);
            key.map(Arc::clone).ok_or_else(|| signer.clone())
        };
        signers.iter().map(of).collect()
    }
}

impl fmt::Debug for Pens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pens(…)")
    }
}
