//! The keys of those elsewhere who vouch for workloads and people.
//!
//! *Obligations of an implementation.* A key is believed for a bounded time after its owner last said
//! that it is one, and not a moment longer: if that cannot be asked, there are no keys. However many
//! requests come and whatever they name, an owner is asked within bounds.

use std::fmt;
use std::sync::Arc;

use remit_jose::KeySet;
use remit_model::Voucher;

use crate::BoxFuture;

/// There are no keys to verify anything with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys of {of} cannot be had at the moment: {why}")]
pub struct NoKeys {
    /// Whose.
    pub of: Voucher,
    /// Why.
    pub why: String,
}

/// Where the keys of others come from.
pub trait ForeignKeys: fmt::Debug + Send + Sync {
    /// The keys of `voucher`. If `key_id` is none of those that are known it may just have come to them,
    /// so they are asked for again, as far as that has not just been done.
    fn keys<'a>(
        &'a self,
        voucher: &'a Voucher,
        key_id: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<KeySet>, NoKeys>>;
}
