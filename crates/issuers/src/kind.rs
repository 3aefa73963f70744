//! What a configuration says of a credential, whatever its kind, and the one list of kinds: what is
//! read, what an error names and what is opened all follow from it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_model::{Clock, CredentialName, Entropy, SecretName};
use remit_ports::{Issuer, Secrets};
use serde::de::DeserializeOwned;

use crate::oauth::OAuth;
use crate::svid::Mint;
use crate::{oauth, postgres, ssh, stored, sts, svid};

type Read = fn(toml::Table) -> Result<Box<dyn Kind>, toml::de::Error>;

/// All kinds, by what the configuration calls them.
const KINDS: [(&str, Read); 6] = [
    ("secret", settings::<stored::Settings>),
    ("postgres", settings::<postgres::Settings>),
    ("ssh", settings::<ssh::Settings>),
    ("sts", settings::<sts::Settings>),
    ("svid", settings::<svid::Settings>),
    ("oauth", settings::<oauth::Settings>),
];

/// What a configuration says of one credential, in the terms of its kind.
pub trait Kind: fmt::Debug + Send + Sync {
    /// Makes the paths of files relative to `base`.
    fn rebase(&mut self, _base: &Path) {}

    /// The secret that is lent as it is, by its name in sealed storage.
    fn keeps(&self) -> Option<&SecretName> {
        None
    }

    /// Who lends the credential `name`.
    ///
    /// Errors: in words, what makes no sense or is not there.
    fn open(&self, name: &CredentialName, doors: &Doors) -> Result<Lender, String>;
}

/// What issuers need from outside.
pub struct Doors {
    /// Where secrets are kept.
    pub secrets: Arc<dyn Secrets>,
    /// Where passwords, keys and names come from.
    pub entropy: Arc<dyn Entropy>,
    /// For what is signed while nothing is issued.
    pub clock: Arc<dyn Clock>,
    /// A variable of Remit's own environment.
    pub variable: fn(&str) -> Option<String>,
    /// Who says who a run is, if this Remit does.
    pub mint: Option<Mint>,
}

/// Who lends one credential.
pub struct Lender {
    /// To whom it is asked for.
    pub issuer: Arc<dyn Issuer>,
    /// Where people connect what of it is theirs, if there is such a thing.
    pub accounts: Option<OAuth>,
}

impl<I: Issuer + 'static> From<I> for Lender {
    fn from(issuer: I) -> Self {
        Self { issuer: Arc::new(issuer), accounts: None }
    }
}

/// Reads what `table` says of a credential of this `kind`.
///
/// Errors: there is no such kind, or it has no such members.
pub fn read(kind: Option<&str>, table: toml::Table) -> Result<Box<dyn Kind>, String> {
    let Some((_, read)) = KINDS.iter().find(|(name, _)| Some(*name) == kind) else {
        let got = kind.map_or("none".to_owned(), |kind| format!("`{kind}`"));
        let known = KINDS.map(|(name, _)| format!("`{name}`")).join(", ");
        return Err(format!("expected a `kind`, one of {known}; got {got}"));
    };
    read(table).map_err(|why| why.to_string())
}

fn settings<T: Kind + DeserializeOwned + 'static>(
    table: toml::Table,
) -> Result<Box<dyn Kind>, toml::de::Error> {
    let settings: T = table.try_into()?;
    Ok(Box::new(settings))
}

/// Makes the path of a file that may be left out relative to `base`.
pub(crate) fn rebase(file: &mut Option<PathBuf>, base: &Path) {
    *file = file.take().map(|file| base.join(file));
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors").finish_non_exhaustive()
    }
}

impl fmt::Debug for Lender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lender").field("kind", &self.issuer.kind()).finish_non_exhaustive()
    }
}
