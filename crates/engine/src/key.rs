//! Keys that Remit makes for itself and takes back, on record.

use std::collections::BTreeMap;

use remit_ports::{Draft, Kind, LedgerError, Room};
use serde::Serialize;

use crate::approve::Actor;
use crate::{Engine, draft};

impl Engine {
    /// Records that the key `name` was made, with the ids by which others know its parts, and waits
    /// until that is durable: only then may anybody hear of it. `actor` is who asked for it, if it
    /// was not due anyway.
    ///
    /// Errors: it is not on record.
    pub async fn key_made(
        &self,
        name: &str,
        ids: &BTreeMap<&str, &str>,
        actor: Option<&Actor>,
    ) -> Result<(), LedgerError> {
        let mut record = self.of_key("made", actor);
        record.body.insert("key".to_owned(), json(&name));
        record.body.insert("ids".to_owned(), json(&ids));
        self.ports.ledger.append(record)?.durable().await.map(drop)
    }

    /// Records that `actor` took the keys `names` back. They are no longer believed by then, so
    /// there is room kept for this.
    ///
    /// Errors: it is not on record.
    pub async fn keys_withdrawn(&self, names: &[String], actor: &Actor) -> Result<(), LedgerError> {
        let mut record = self.of_key("withdrawn", Some(actor));
        record.body.insert("keys".to_owned(), json(&names));
        record.room = Room::Restriction;
        self.ports.ledger.append(record)?.durable().await.map(drop)
    }

    fn of_key(&self, what: &str, actor: Option<&Actor>) -> Draft {
        let mut record = draft::note(Kind::Key, self.world().pins, what);
        record.clear.actor = actor.map(|actor| actor.name.clone());
        record
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
