//! Keys that Remit makes for itself, on record.

use remit_ports::{Kind, LedgerError};

use crate::{Engine, draft};

impl Engine {
    /// Records that the key `name` was made, and waits until that is durable: only then may
    /// anybody hear of it.
    ///
    /// Errors: it is not on record.
    pub async fn key_made(&self, name: &str) -> Result<(), LedgerError> {
        let mut record = draft::note(Kind::Key, self.world().pins, "made");
        record.body.insert("key".to_owned(), serde_json::json!(name).to_string());
        self.ports.ledger.append(record)?.durable().await.map(drop)
    }
}
