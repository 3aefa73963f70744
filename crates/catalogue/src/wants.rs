//! What a purpose calls for.

use remit_model::{Profile, ToolId, Wanted};

/// What people's words call for.
#[derive(Clone, Debug, Default)]
pub struct Wants(());

impl Wants {
    /// What `said` calls for.
    pub fn of(_said: &str) -> Self {
        Self(())
    }

    /// Whether it calls for `tool`.
    pub fn calls_for(&self, _tool: &ToolId, _profile: &Profile) -> Wanted {
        Wanted::Open
    }
}
