//! A value that somebody keeps: in sealed storage, in a file that others replace, or in a variable of
//! Remit's own environment.
//!
//! Nothing is made and nothing can be narrowed. What is gained is that nobody but Remit holds the
//! value, that it is used for decisions on record alone, and that replacing it needs no restart.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_model::{CredentialName, Secret, SecretName};
use remit_ports::{
    BoxFuture, Holder, Issued, Issuer, IssuerError, Lent, Material, Revoked, Secrets, Wanted,
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{Doors, Kind, Lender};

/// The largest value that is lent (R13).
const MAX_VALUE: usize = 16 * 1024;

/// What the configuration says of a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Places")]
pub enum Settings {
    /// It is in sealed storage, under this name.
    Secret(SecretName),
    /// It is in this file.
    File(PathBuf),
    /// It is in this variable of Remit's own environment.
    Variable(String),
}

/// Its members, of which there is exactly one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Places {
    secret: Option<SecretName>,
    file: Option<PathBuf>,
    variable: Option<String>,
}

impl TryFrom<Places> for Settings {
    type Error = String;

    fn try_from(places: Places) -> Result<Self, String> {
        match places {
            Places { secret: Some(name), file: None, variable: None } => Ok(Self::Secret(name)),
            Places { secret: None, file: Some(path), variable: None } => Ok(Self::File(path)),
            Places { secret: None, file: None, variable: Some(name) } => Ok(Self::Variable(name)),
            _ => Err("expected exactly one of `secret` (a name in sealed storage), `file` and `variable`"
                .to_owned()),
        }
    }
}

impl Kind for Settings {
    fn rebase(&mut self, base: &Path) {
        if let Self::File(path) = self {
            *path = base.join(&*path);
        }
    }

    fn keeps(&self) -> Option<&SecretName> {
        match self {
            Self::Secret(name) => Some(name),
            Self::File(_) | Self::Variable(_) => None,
        }
    }

    fn open(&self, name: &CredentialName, doors: &Doors) -> Result<Lender, String> {
        let place = match self {
            Self::Secret(secret) => Place::Sealed(secret.clone()),
            Self::File(path) => Place::File(path.clone()),
            Self::Variable(variable) => {
                let value = (doors.variable)(variable).ok_or_else(|| {
                    format!(
                        "it is the variable `{variable}`, which is not set: set it for `remit serve`, or \
                         keep the value with `remit secret add {name}`"
                    )
                })?;
                Place::Variable(Secret::new(value))
            }
        };
        Ok(Stored { place, secrets: Arc::clone(&doors.secrets) }.into())
    }
}

/// Where a value is kept.
#[derive(Clone, Debug)]
enum Place {
    /// In sealed storage.
    Sealed(SecretName),
    /// In a file; read for each lease, so that the next one has what replaced it.
    File(PathBuf),
    /// It was in Remit's environment when it started.
    Variable(Secret),
}

/// Lends a value as the field `value`; a value of the form `user:password` also as those two fields.
pub struct Stored {
    place: Place,
    secrets: Arc<dyn Secrets>,
}

impl Stored {
    fn read(&self) -> Result<Secret, IssuerError> {
        match &self.place {
            Place::Variable(value) => Ok(value.clone()),
            Place::Sealed(name) => {
                self.secrets.read(name).map_err(|why| IssuerError::Refused(why.to_string()))
            }
            Place::File(path) => read(path),
        }
    }
}

fn read(path: &Path) -> Result<Secret, IssuerError> {
    let failed = |why: &dyn fmt::Display| {
        IssuerError::Refused(format!("cannot read the secret in {}: {why}", path.display()))
    };
    let file = File::open(path).map_err(|why| failed(&why))?;
    let mut text = Zeroizing::new(String::with_capacity(MAX_VALUE + 1));
    let most = u64::try_from(MAX_VALUE + 1).unwrap_or(u64::MAX);
    file.take(most).read_to_string(&mut text).map_err(|why| failed(&why))?;
    if text.len() > MAX_VALUE {
        return Err(failed(&format_args!("it has more than {MAX_VALUE} bytes")));
    }
    // Editors and `echo` end files with a line break that no secret has.
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(failed(&"it is empty"));
    }
    Ok(Secret::new(value.to_owned()))
}

impl Issuer for Stored {
    fn kind(&self) -> &'static str {
        "secret"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["value", "user", "password"]
    }

    fn scope(&self, _: &Holder) -> Result<String, IssuerError> {
        Ok(String::new())
    }

    fn issue(&self, wanted: Wanted) -> BoxFuture<'_, Result<Issued, IssuerError>> {
        Box::pin(async move {
            let value = self.read()?;
            let mut material = Material::default();
            if let Some((user, password)) = value.reveal().split_once(':') {
                let password = Secret::new(password.to_owned());
                material = material.with("user", user).with_secret("password", password);
            }
            let material = material.with_secret("value", value);
            Ok(Issued { material, until: wanted.until, handle: None })
        })
    }

    fn revoke(&self, _: Lent) -> BoxFuture<'_, Result<Revoked, IssuerError>> {
        Box::pin(std::future::ready(Ok(Revoked::Now)))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), IssuerError>> {
        Box::pin(std::future::ready(self.read().map(drop)))
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored").field("place", &self.place).finish_non_exhaustive()
    }
}
