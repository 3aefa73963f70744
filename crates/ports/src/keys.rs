//! The keys under which record bodies are encrypted (promise R10).

use std::fmt;

use remit_model::TaskId;

/// A 256-bit AES key. Never printed; wiped by its owner.
#[derive(Clone)]
pub struct BodyKey(pub std::sync::Arc<[u8; 32]>);

impl fmt::Debug for BodyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyKey(…)")
    }
}

/// Why a key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It was destroyed, or never made.
    #[error("the key of `{0}` is gone: its records were erased")]
    Gone(String),
    /// The keyring could not be read or written.
    #[error("the keyring failed: {0}")]
    Failed(String),
}

/// The keyring. `None` as a task stands for the node itself, whose key is never erased.
pub trait BodyKeys: Send + Sync {
    /// Makes and durably keeps a key for `task`; must be on disk when this returns. Making it
    /// twice keeps the first.
    fn create(&self, task: &TaskId) -> Result<(), KeyError>;
    /// The key of `task`.
    fn key(&self, task: Option<&TaskId>) -> Result<BodyKey, KeyError>;
    /// Destroys the key of `task`: drops it, rotates the wrapping key and rewraps the survivors,
    /// so that no copy of the old file opens it.
    fn erase(&self, task: &TaskId) -> Result<(), KeyError>;
}
