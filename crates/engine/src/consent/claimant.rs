//! Who comes for what a person allowed: a client that says which one it is, or one that proves it.
//!
//! Which of both it has to be goes with the code and with each refresh token, so nobody gets past a
//! client's key by leaving the proof out (RFC 6749 section 3.2.1).

use std::sync::Arc;

use remit_jose::KeySet;
use remit_token::AssertionError;

use super::RedeemError;
use crate::Engine;

/// Who may have what a person allowed.
#[derive(Clone, Debug)]
pub(super) struct Entitled {
    /// The client's id.
    pub(super) client: String,
    /// Whether it is a confidential one.
    pub(super) confidential: bool,
}

impl Entitled {
    /// Whether `claimant` is it.
    ///
    /// Errors: it is another client, or has proved nothing where that is wanted.
    pub(super) fn check(&self, claimant: &Claimant) -> Result<(), RedeemError> {
        if claimant.id != self.client {
            return Err(RedeemError::Client);
        }
        if self.confidential && !claimant.proved {
            return Err(RedeemError::Unproved);
        }
        Ok(())
    }
}

/// A client that comes for what a person allowed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    id: String,
    proved: bool,
}

impl Claimant {
    /// A public client, which says that it is the one of this id.
    pub fn public(id: &str) -> Self {
        Self { id: id.to_owned(), proved: false }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Engine {
    /// Believes the client `id` by `assertion`, signed with one of its `keys`, and uses that up.
    ///
    /// Errors: it is not an assertion of that client's, not good now, or was used before.
    pub fn claimant(
        &self,
        assertion: &str,
        (id, keys): (&str, &Arc<KeySet>),
    ) -> Result<Claimant, AssertionError> {
        let now = self.now();
        let own = |named: &str| (named == id).then(|| Arc::clone(keys));
        let checked = self.assertions.check(assertion, &own, now)?;
        let id = self.assertions.spend(checked, now)?;
        Ok(Claimant { id, proved: true })
    }
}
