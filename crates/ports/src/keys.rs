//! The keys under which record bodies are encrypted (promise R10).

use std::fmt;
use std::sync::Arc;

use remit_model::TaskId;
use zeroize::Zeroizing;

/// A 256-bit AES key. Never printed; wiped when its last holder lets go of it.
#[derive(Clone)]
pub struct BodyKey(Arc<Zeroizing<[u8; 32]>>);

impl BodyKey {
    /// The key in `bytes`, which move in and are wiped with it.
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(Arc::new(bytes))
    }

    /// The key's bytes, for the cipher.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for BodyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyKey(…)")
    }
}

/// Why a key could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
