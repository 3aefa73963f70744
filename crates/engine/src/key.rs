//! Keys that Remit makes for itself and takes back, on record.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_ports::record::Signers;
use remit_ports::{Draft, Kind, LedgerError, Room};
use remit_token::{GrantKeys, Minter, Verifier};
use serde::Serialize;

use crate::approve::Actor;
use crate::{Caller, Change, Engine, draft};

/// What makes grants, and what believes them, under the same keys. Other keys make another, which
/// knows nothing of what this one has verified or is about to: what a key signed is believed by those
/// alone that hold the key.
#[derive(Debug)]
pub(crate) struct Grants {
    pub(crate) minter: Minter,
    pub(crate) verifier: Verifier,
    /// How often keys were taken back since the start.
    pub(crate) era: u64,
}

/// What is done with what lies in sealed storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// A secret is added.
    Added,
    /// A secret is replaced by another.
    Replaced,
    /// A secret was removed.
    Removed,
    /// All are wrapped under a new key.
    Rewrapped,
    /// A file is kept as it was before its secrets were taken out.
    Kept,
    /// Such a file is given back.
    GivenBack,
}

impl Sealing {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "secret_added",
            Self::Replaced => "secret_replaced",
            Self::Removed => "secret_removed",
            Self::Rewrapped => "secrets_rewrapped",
            Self::Kept => "file_kept",
            Self::GivenBack => "file_given_back",
        }
    }
}

/// What becomes of the keys that sign the log.
#[derive(Clone, Debug)]
pub struct Succession {
    /// The name of the one that was made, if one was.
    pub made: Option<String>,
    /// Those that sign no more.
    pub over: Vec<String>,
    /// Who signed, and who does from here on.
    pub signers: Signers,
}

impl Succession {
    fn word(&self) -> &'static str {
        match (&self.made, self.over.as_slice()) {
            (Some(_), []) => "made",
            (Some(_), _) => "withdrawn",
            (None, _) => "retired",
        }
    }
}

impl Grants {
    pub(crate) fn new(minter: Minter, era: u64) -> Self {
        Self { verifier: minter.verifier(), minter, era }
    }
}

impl Engine {
    /// From now on the newest of `keys` signs grants, and what others than these signed is believed no
    /// more. Whoever changes keys does so one after the other.
    pub fn use_grant_keys(&self, keys: GrantKeys) {
        let era = self.grants.load().era;
        self.grants.store(Arc::new(Grants::new(Minter::new(keys, self.realm.clone()), era)));
    }

    /// From now on no key signs grants, and none that any key signed is believed; streams that were
    /// opened with one end.
    pub fn take_grant_keys_back(&self) {
        let era = self.grants.load().era.saturating_add(1);
        let none = Minter::new(GrantKeys::default(), self.realm.clone());
        self.grants.store(Arc::new(Grants::new(none, era)));
        self.announce(Change::Grants);
    }

    /// Whether what `caller` showed once is still believed, as far as the keys of grants go.
    pub fn still_believes(&self, caller: &Caller) -> bool {
        caller.era.is_none_or(|era| era == self.grants.load().era)
    }

    /// The keys of grants that count.
    pub fn grant_keys(&self) -> GrantKeys {
        self.grants.load().minter.keys().clone()
    }

    /// The public keys of grants as a JWK set (RFC 7517).
    pub fn jwks(&self) -> serde_json::Value {
        self.grants.load().minter.jwks()
    }

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

    /// Records that others sign the log from here on, because `actor` wants it. The record itself is what
    /// makes them, so nothing of it has happened before. There is room kept for what takes a key back.
    ///
    /// Errors: it is not on record.
    pub async fn log_signed_by(
        &self,
        succession: Succession,
        actor: &Actor,
    ) -> Result<(), LedgerError> {
        let mut record = self.of_key(succession.word(), Some(actor));
        let Succession { made, over, signers } = succession;
        record.clear.signers = Some(signers);
        record.body.extend(made.map(|name| ("key".to_owned(), json(&name))));
        if !over.is_empty() {
            record.body.insert("keys".to_owned(), json(&over));
            record.room = Room::Restriction;
        }
        self.ports.ledger.append(record)?.durable().await.map(drop)
    }

    /// Records what is done with what lies in sealed storage, because `actor` wants it; `names` say with
    /// which. What adds or opens something is on record first; what removes something has happened.
    ///
    /// Errors: it is not on record.
    pub async fn sealing(
        &self,
        what: Sealing,
        names: &[&str],
        actor: &Actor,
    ) -> Result<(), LedgerError> {
        let mut record = self.of_key(what.word(), Some(actor));
        record.body.insert("secrets".to_owned(), json(&names));
        if matches!(what, Sealing::Removed) {
            record.room = Room::Restriction;
        }
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
