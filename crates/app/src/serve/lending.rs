//! Who issues what is lent, put together from the configuration.

mod folder;

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_issuers::oauth::Connecting;
use remit_issuers::{Doors, Lender};
use remit_model::{CredentialName, SecretName};
use remit_ports::{Connections, Issuers};
use remit_upstream::Delivery;

use crate::config::Config;
use crate::fail::Fail;

pub(super) use self::folder::folder;

/// Who issues what is lent, and where people connect what of it is theirs.
pub(super) struct Lending {
    pub(super) issuers: Issuers,
    pub(super) connections: Arc<dyn Connections>,
}

impl Lending {
    /// Those of `config`; people come to `own`, this server's address without a path.
    ///
    /// Errors: one of them cannot be made, or gives nothing of what a server is to be lent.
    pub(super) fn open(config: &Config, own: &str, doors: &Doors) -> Result<Self, Fail> {
        let (mut issuers, mut connected) = (Issuers::new(), Vec::new());
        for table in &config.credentials {
            let lender = table.kind.open(&table.name, doors);
            let Lender { issuer, accounts } =
                lender.map_err(|why| Fail::new(format!("credential `{}`: {why}", table.name)))?;
            issuers.insert(table.name.clone(), issuer);
            connected.extend(accounts);
        }
        for server in &config.servers {
            for delivery in server.deliveries()? {
                fits(&delivery, &issuers)
                    .map_err(|why| Fail::new(format!("server `{}`: {why}", server.name)))?;
            }
        }
        let connections = Arc::new(Connecting::new(connected, own, Arc::new(doors.into())));
        Ok(Self { issuers, connections })
    }
}

/// The credentials that are nothing but a secret in sealed storage, by its name.
pub(super) fn lent(config: &Config) -> BTreeMap<SecretName, Vec<CredentialName>> {
    let mut lent = BTreeMap::<_, Vec<_>>::new();
    for table in &config.credentials {
        if let Some(secret) = table.kind.keeps() {
            lent.entry(secret.clone()).or_default().push(table.name.clone());
        }
    }
    lent
}

fn fits(delivery: &Delivery, issuers: &Issuers) -> Result<(), Fail> {
    let Some(issuer) = issuers.get(&delivery.credential) else { return Ok(()) };
    let known = issuer.fields();
    let unknown = delivery.fields().find(|field| !known.contains(field));
    unknown.map_or(Ok(()), |field| {
        Err(Fail::new(format!(
            "expected fields of `{}`, which are {}; got `{field}`",
            delivery.credential,
            known.join(", ")
        )))
    })
}
