//! The two kinds of every fault.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// When a write fails. The writer sees the same error either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was kept.
    Before,
    /// It was kept all the same.
    After,
}

/// Locks, also after a test's thread panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
