//! The clients to which a person allows something, as far as the token endpoint has to know them: who serves
//! the page knows the rest.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use remit_jose::KeySet;
use remit_model::Timestamp;

/// Whoever knows them.
pub trait Clients: fmt::Debug + Send + Sync {
    /// The keys by which the client `id` proves to be it; `None` of a public one, which proves nothing.
    fn keys<'a>(&'a self, id: &'a str, now: Timestamp) -> FoundKeys<'a>;
}

/// The keys, or why there are none to be had.
pub type FoundKeys<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Arc<KeySet>>, NoClient>> + Send + 'a>>;

/// Why a client is not known; in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoClient {
    /// Nobody configured it.
    #[error("{0}")]
    Unknown(String),
    /// Its document could not be fetched, or introduces nobody as it stands.
    #[error("{0}")]
    Later(String),
}
