//! Refresh tokens: one for each task that a person allowed, another one after each use.
//!
//! A token is the name of its line and a secret; the secret changes with each use. Whoever shows an
//! old one has a copy of what somebody else used, or is the one who was robbed: the line ends either
//! way (RFC 9700 section 4.14.2).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use remit_model::{Digest, Entropy, ServerName, TaskId};

use super::claimant::Entitled;
use super::{RedeemError, secret};
use crate::open::Holding;

/// How many tasks can be gone on with so (R13); of those above, each grant runs out.
pub(crate) const MAX_RENEWALS: usize = 4096;

/// What stands between the two parts of a token; no character of either.
const BETWEEN: char = '.';

/// By the digest of the line's name.
#[derive(Debug, Default)]
pub(crate) struct Renewals(Mutex<BTreeMap<Digest, Line>>);

#[derive(Debug)]
struct Line {
    renewal: Renewal,
    secret: Digest,
}

/// What is renewed, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Renewal {
    pub(super) task: TaskId,
    pub(super) of: Entitled,
    /// Further grants are for the same key, and for this resource or less.
    pub(super) holding: Holding,
}

/// A token that was used up.
pub(super) struct Turned {
    pub(super) renewal: Renewal,
    /// The resource that the grant is for.
    pub(super) server: Option<ServerName>,
    /// The next token.
    pub(super) next: String,
    /// The nonce that further proofs should hold, where that is another.
    pub(super) nonce: Option<String>,
}

/// Why there is nothing for a token.
#[derive(Debug)]
pub(super) enum TurnError {
    Unknown,
    Replayed(TaskId),
    Misfit(RedeemError),
}

impl Renewals {
    /// The first token of a line; `None` if there are too many of tasks that are open.
    pub(super) fn begin(
        &self,
        renewal: Renewal,
        is_open: &dyn Fn(&TaskId) -> bool,
        entropy: &dyn Entropy,
    ) -> Option<String> {
        let (name, secret) = (secret(entropy), secret(entropy));
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MAX_RENEWALS {
            lines.retain(|_, line| is_open(&line.renewal.task));
        }
        if lines.len() >= MAX_RENEWALS {
            return None;
        }
        lines.insert(of(&name), Line { renewal, secret: of(&secret) });
        Some(format!("{name}{BETWEEN}{secret}"))
    }

    /// Uses `token` up if it `fits`, and with it what was shown besides.
    ///
    /// Errors: it is not the newest of its line, which ends then, or it does not fit.
    pub(super) fn turn(
        &self,
        token: &str,
        (fits, spend): (
            impl FnOnce(&Renewal) -> Result<Option<ServerName>, RedeemError>,
            impl FnOnce() -> Result<Option<String>, RedeemError>,
        ),
        entropy: &dyn Entropy,
    ) -> Result<Turned, TurnError> {
        let (name, shown) = token.split_once(BETWEEN).ok_or(TurnError::Unknown)?;
        let next = secret(entropy);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.get_mut(&of(name)).ok_or(TurnError::Unknown)?;
        let server = fits(&line.renewal).map_err(TurnError::Misfit)?;
        if line.secret != of(shown) {
            let task = line.renewal.task.clone();
            lines.remove(&of(name));
            return Err(TurnError::Replayed(task));
        }
        let nonce = spend().map_err(TurnError::Misfit)?;
        line.secret = of(&next);
        let (renewal, next) = (line.renewal.clone(), format!("{name}{BETWEEN}{next}"));
        Ok(Turned { renewal, server, next, nonce })
    }
}

fn of(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}
