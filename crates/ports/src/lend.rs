//! The issuer port: credentials that are lent for a decision and taken back with the task.
//!
//! An issuer is asked four things: to issue, to renew, to take back, and whether it works. It never
//! decides: who may have what for how long is settled before it is asked, and on record.
//!
//! *Obligations of an implementation.* What it issues is worth no more than [`Wanted::scope`] says and
//! no longer than [`Wanted::until`], as far as its server can express that; where it cannot, its
//! documentation says so. [`Issuer::revoke`] is idempotent and works from [`Lent`] alone, also in a
//! process that did not issue it and for what may never have been issued: a crash can lie between.
//! No error text holds a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use remit_model::{
    AgentName, CredentialName, LeaseId, Named, Secret, SecretName, ServerName, TaskId, Timestamp,
};

use crate::{BoxFuture, Veil};

/// For whom something is lent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The agent; `None` for Remit itself, which asks a server what it offers.
    pub agent: Option<AgentName>,
    /// The task; `None` likewise.
    pub task: Option<TaskId>,
    /// The person on whose behalf the task was opened.
    pub on_behalf: Option<Named>,
    /// The tools of the credential's servers that the remit could cover, as `server/tool`; none for
    /// Remit itself.
    pub tools: BTreeSet<String>,
}

/// What is to be issued.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The lease it is for: names what is made at the server, so that it can be found again.
    pub lease: LeaseId,
    /// For whom.
    pub holder: Holder,
    /// What [`Issuer::scope`] said of this holder.
    pub scope: String,
    /// When.
    pub now: Timestamp,
    /// The latest end.
    pub until: Timestamp,
}

/// What was issued.
#[derive(Debug)]
pub struct Issued {
    /// What is handed over.
    pub material: Material,
    /// When it is worth nothing any more, whatever happens; not after [`Wanted::until`] unless the
    /// server knows no shorter life.
    pub until: Timestamp,
    /// What [`Issuer::revoke`] needs besides the lease's id: goes on record in the clear, hence no
    /// secret; at most [`MAX_HANDLE`] bytes.
    pub handle: Option<String>,
}

/// The longest handle that is kept (R13).
pub const MAX_HANDLE: usize = 1024;

/// Something that was or may have been issued, as it stands on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lent {
    /// The lease.
    pub lease: LeaseId,
    /// For which task, if for one.
    pub task: Option<TaskId>,
    /// What the issuer left of it; `None` also where the process ended before it said so.
    pub handle: Option<String>,
    /// When it is worth nothing any more.
    pub until: Timestamp,
}

/// What became of what was to be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It is worth nothing any more.
    Now,
    /// The server cannot take it back: it counts as exposure until it runs out.
    AtExpiry,
}

/// Named fields, such as `user` and `password`, of which some are secret.
#[derive(Clone, Debug, Default)]
pub struct Material(BTreeMap<&'static str, Field>);

/// One of them.
#[derive(Clone)]
enum Field {
    Plain(String),
    Secret(Secret),
}

/// A credential in the hands of Remit, lent within one task to one server.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Its name on record and at the server that issued it.
    pub id: LeaseId,
    /// Of which configured credential.
    pub credential: CredentialName,
    /// For calls of which server.
    pub server: ServerName,
    /// Within which task; `None` for Remit itself, which asks a server what it offers.
    pub task: Option<TaskId>,
    /// When it is worth nothing any more.
    pub until: Timestamp,
    /// What is handed over.
    pub material: Material,
    /// What keeps its secrets out of what comes back.
    pub veil: Veil,
    /// Whether it may still be used; nothing is sent with one that was taken back.
    pub good: Arc<AtomicBool>,
}

impl Lease {
    /// Whether it may still be used.
    pub fn is_good(&self) -> bool {
        self.good.load(Ordering::Acquire)
    }
}

/// Why an issuer did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// It may be tried again.
    #[error("{0}")]
    Unavailable(String),
    /// Trying again is of no use before somebody changes something; the text says what.
    #[error("{0}")]
    Refused(String),
    /// It knows no longer life: another has to be issued.
    #[error("it cannot be renewed; another one has to be issued")]
    NotRenewable,
}

/// Issues one kind of credential at one place.
pub trait Issuer: Send + Sync {
    /// The kind, as the configuration calls it.
    fn kind(&self) -> &'static str;
    /// The fields of its material, for the check of what is configured to be done with them.
    fn fields(&self) -> &'static [&'static str];
    /// What of `holder`'s remit it expresses, in canonical words: equal scopes of one task share a
    /// lease. Goes on record.
    ///
    /// Errors: this holder can have nothing from it (needs a person, and the task has none).
    fn scope(&self, holder: &Holder) -> Result<String, IssuerError>;
    /// Issues what is wanted.
    fn issue(&self, wanted: Wanted) -> BoxFuture<'_, Result<Issued, IssuerError>>;
    /// Prolongs what was issued, up to `until`; gives the new end.
    fn renew(&self, lent: Lent, until: Timestamp) -> BoxFuture<'_, Result<Timestamp, IssuerError>> {
        let _ = (lent, until);
        Box::pin(std::future::ready(Err(IssuerError::NotRenewable)))
    }
    /// Takes it back.
    fn revoke(&self, lent: Lent) -> BoxFuture<'_, Result<Revoked, IssuerError>>;
    /// Whether it could issue now, without issuing anything.
    fn probe(&self) -> BoxFuture<'_, Result<(), IssuerError>>;
}

/// Why a secret could not be had or kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none of that name.
    #[error("there is no secret `{0}`: add it with `remit secret add {0}`")]
    Missing(SecretName),
    /// The storage failed.
    #[error("sealed storage failed: {0}")]
    Failed(String),
}

/// The issuers, by what the configuration calls them.
pub type Issuers = BTreeMap<CredentialName, Arc<dyn Issuer>>;

/// Sealed storage.
pub trait Secrets: Send + Sync {
    /// The secret `name` as it is now.
    fn read(&self, name: &SecretName) -> Result<Secret, SecretError>;
    /// Keeps `secret` as `name`, durably; one that is there is replaced.
    fn keep(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError>;
}

impl Material {
    /// Adds a field that may be seen.
    #[must_use]
    pub fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.0.insert(name, Field::Plain(text.into()));
        self
    }

    /// Adds a field that may not.
    #[must_use]
    pub fn with_secret(mut self, name: &'static str, secret: Secret) -> Self {
        self.0.insert(name, Field::Secret(secret));
        self
    }

    /// The field `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|field| match field {
            Field::Plain(text) => text.as_str(),
            Field::Secret(secret) => secret.reveal(),
        })
    }

    /// All of them, for whoever may hold them.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.keys().filter_map(|name| Some((*name, self.get(name)?)))
    }

    /// The fields that nobody may see.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.0.values().filter_map(|field| match field {
            Field::Plain(_) => None,
            Field::Secret(secret) => Some(secret),
        })
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => fmt::Debug::fmt(text, f),
            Self::Secret(secret) => fmt::Debug::fmt(secret, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn material_shows_what_is_plain_and_nothing_else() {
        let material = Material::default()
            .with("user", "remit_1")
            .with_secret("password", Secret::new("hunter2".to_owned()));
        let shown = format!("{material:?}");
        assert!(shown.contains("remit_1") && !shown.contains("hunter2"), "{shown}");
        assert_eq!(material.get("password"), Some("hunter2"));
        assert_eq!(material.get("host"), None);
        assert_eq!(material.secrets().count(), 1);
    }
}
