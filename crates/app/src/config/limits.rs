//! `[limits]`: the bounds that a person sets.

use std::time::Duration;

use serde::Deserialize;

use super::Period;

/// Bounds.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// The longest a call may take.
    pub(crate) call: Period,
    /// How long a grant lives.
    pub(crate) grant: Period,
    /// How long an approval waits for its call.
    pub(crate) approval: Period,
    /// How old the proof of a task's agent may get before it has lapsed.
    pub(crate) attestation: Period,
    /// How often a server that announces no change is asked all the same what it offers.
    pub(crate) ask: Period,
    /// The largest request, in bytes.
    pub(crate) request_bytes: usize,
    /// The largest result, in bytes.
    pub(crate) result_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Period(Duration::from_mins(2)),
            grant: Period(Duration::from_mins(15)),
            approval: Period(Duration::from_mins(15)),
            attestation: Period(Duration::from_hours(24)),
            ask: Period(Duration::from_mins(5)),
            request_bytes: 4 * 1024 * 1024,
            result_bytes: 16 * 1024 * 1024,
        }
    }
}
