//! Who issues what is lent, put together from the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_issuers::postgres::Postgres;
use remit_issuers::stored::{Place, Stored};
use remit_model::{CredentialName, Digest, Secret, SecretName};
use remit_ports::{Issuer, Issuers, Secrets};
use remit_upstream::Delivery;

use crate::config::{Config, Kind, SecretTable};
use crate::environment::{self, SystemEntropy};
use crate::fail::Fail;

/// The issuers of `config`.
///
/// Errors: one of them cannot be made, or gives nothing of what a server is to be lent.
pub(super) fn issuers(config: &Config, secrets: &Arc<dyn Secrets>) -> Result<Issuers, Fail> {
    let mut issuers = Issuers::new();
    for table in &config.credentials {
        let within = |why| Fail::new(format!("credential `{}`: {why}", table.name));
        let issuer: Arc<dyn Issuer> = match &table.kind {
            Kind::Secret(secret) => Arc::new(stored(&table.name, secret, secrets)?),
            Kind::Postgres(settings) => {
                let entropy = Arc::new(SystemEntropy);
                let made = Postgres::new(settings.clone(), Arc::clone(secrets), entropy);
                Arc::new(made.map_err(within)?)
            }
        };
        issuers.insert(table.name.clone(), issuer);
    }
    for server in &config.servers {
        for delivery in server.deliveries()? {
            fits(&delivery, &issuers)
                .map_err(|why| Fail::new(format!("server `{}`: {why}", server.name)))?;
        }
    }
    Ok(issuers)
}

/// The credentials that are nothing but a secret in sealed storage, by its name.
pub(super) fn lent(config: &Config) -> BTreeMap<SecretName, Vec<CredentialName>> {
    let mut lent = BTreeMap::<_, Vec<_>>::new();
    for table in &config.credentials {
        if let Kind::Secret(SecretTable { secret: Some(secret), .. }) = &table.kind {
            lent.entry(secret.clone()).or_default().push(table.name.clone());
        }
    }
    lent
}

fn fits(delivery: &Delivery, issuers: &Issuers) -> Result<(), Fail> {
    let Some(issuer) = issuers.get(&delivery.credential) else { return Ok(()) };
    let wanted = delivery.places.iter().flat_map(|(_, template)| template.fields());
    let known = issuer.fields();
    let unknown = wanted.into_iter().find(|field| !known.contains(field));
    unknown.map_or(Ok(()), |field| {
        Err(Fail::new(format!(
            "expected fields of `{}`, which are {}; got `{field}`",
            delivery.credential,
            known.join(", ")
        )))
    })
}

fn stored(
    name: &CredentialName,
    table: &SecretTable,
    secrets: &Arc<dyn Secrets>,
) -> Result<Stored, Fail> {
    let place = match (&table.secret, &table.file, &table.variable) {
        (Some(secret), _, _) => Place::Sealed(secret.clone()),
        (_, Some(file), _) => Place::File(file.clone()),
        (_, _, variable) => {
            let variable = variable.as_deref().unwrap_or_default();
            let value = environment::variable(variable).ok_or_else(|| {
                Fail::new(format!(
                    "credential `{name}` is the variable `{variable}`, which is not set: set it for \
                     `remit serve`, or keep the value with `remit secret add {name}`"
                ))
            })?;
            Place::Variable(Secret::new(value))
        }
    };
    Ok(Stored::new(place, Arc::clone(secrets)))
}

/// A folder of ours alone for what processes are lent as files: in memory where there is one. What a
/// process that was killed left there is removed.
///
/// Errors: it cannot be made.
pub(super) fn folder(state: &Path) -> Result<PathBuf, Fail> {
    let memory = Path::new("/dev/shm");
    let name = Digest::of(state.as_os_str().as_encoded_bytes()).short();
    let folder = if memory.is_dir() {
        memory.join(format!("remit-lent-{name}"))
    } else {
        state.join("lent")
    };
    remit_keys::fresh_dir(&folder)?;
    Ok(folder)
}
