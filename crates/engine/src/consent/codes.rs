//! Codes: each for one consent, and for one use.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use remit_model::{Digest, TaskId, Timestamp};

use super::{CODE_LIFETIME, Consent};

/// How many codes are remembered (R13), used ones among them so that they are known again: only a
/// person makes one, and the oldest used one gives way.
pub(crate) const MAX_CODES: usize = 1024;

/// By the digest of the code, so that the time a look-up takes says nothing about it.
#[derive(Debug, Default)]
pub(crate) struct Codes(Mutex<BTreeMap<Digest, Code>>);

#[derive(Debug)]
struct Code {
    ends: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nobody came yet.
    Waiting(Box<Consent>),
    /// Somebody came; its task is being opened, or was refused.
    Taken,
    /// Its task is there.
    Spent(TaskId),
    /// It was shown again before its task was there.
    Replayed,
}

/// Of a code that cannot be had: `Some` if it was used, with the task that it opened.
pub(super) type Used = Option<Option<TaskId>>;

impl Codes {
    pub(super) fn put(&self, code: &str, consent: Consent, now: Timestamp) {
        let mut codes = self.lock();
        codes.retain(|_, code| !matches!(code.state, State::Waiting(_)) || now < code.ends);
        while codes.len() >= MAX_CODES {
            let oldest = codes.iter().min_by_key(|(_, code)| code.ends).map(|(digest, _)| *digest);
            let Some(oldest) = oldest else { break };
            codes.remove(&oldest);
        }
        let state = State::Waiting(Box::new(consent));
        codes.insert(of(code), Code { ends: now.after(CODE_LIFETIME), state });
    }

    /// Uses `code` up.
    ///
    /// Errors: it is not there, has run out, or was used.
    pub(super) fn take(&self, code: &str, now: Timestamp) -> Result<Consent, Used> {
        let mut codes = self.lock();
        let Some(code) = codes.get_mut(&of(code)) else { return Err(None) };
        match std::mem::replace(&mut code.state, State::Taken) {
            State::Waiting(consent) if now < code.ends => Ok(*consent),
            State::Waiting(_) => Err(None),
            State::Taken | State::Replayed => {
                code.state = State::Replayed;
                Err(Some(None))
            }
            State::Spent(task) => {
                code.state = State::Spent(task.clone());
                Err(Some(Some(task)))
            }
        }
    }

    /// Remembers which task a code opened; whether it was shown again meanwhile.
    pub(super) fn spent(&self, code: &str, task: &TaskId) -> bool {
        let mut codes = self.lock();
        let Some(code) = codes.get_mut(&of(code)) else { return false };
        let state = std::mem::replace(&mut code.state, State::Spent(task.clone()));
        matches!(state, State::Replayed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Code>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(code: &str) -> Digest {
    Digest::of(code.as_bytes())
}
