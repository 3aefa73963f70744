//! A database that is closed after any failure and opened anew when it is next used.
//!
//! redb refuses everything after a failed write, and the disk may hold either state; opening it anew
//! finds out which, and with that recovers.

use std::sync::{Mutex, PoisonError};

use crate::KeysError;

/// See the page.
pub(crate) struct Reopened<T>(Mutex<Option<T>>);

impl<T> Reopened<T> {
    /// Open so far.
    pub(crate) fn new(open: T) -> Self {
        Self(Mutex::new(Some(open)))
    }

    /// Runs `act` on it, after `open` if the last act failed. `act` gives it back where it is still
    /// good.
    pub(crate) fn with<R, E: From<KeysError>>(
        &self,
        open: impl FnOnce() -> Result<T, KeysError>,
        act: impl FnOnce(T) -> (Option<T>, Result<R, E>),
    ) -> Result<R, E> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (still, result) = act(slot.take().map_or_else(open, Ok)?);
        *slot = still;
        result
    }
}
