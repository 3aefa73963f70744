//! Who issues what is lent, put together from the configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_issuers::oauth::{self, Connecting, Doors, OAuth};
use remit_issuers::postgres::Postgres;
use remit_issuers::ssh::Ssh;
use remit_issuers::stored::{Place, Stored};
use remit_issuers::sts::{self, Sts};
use remit_issuers::svid::Svid;
use remit_model::{CredentialName, Digest, Secret, SecretName};
use remit_ports::{Connections, Issuer, Issuers};
use remit_upstream::{Delivery, SIGNING};

use super::minting::Minting;
use crate::config::{Config, CredentialTable, Kind, SecretTable};
use crate::environment;
use crate::fail::Fail;

/// Who issues what is lent, and where people connect what of it is theirs.
pub(super) struct Lending {
    pub(super) issuers: Issuers,
    pub(super) connections: Arc<dyn Connections>,
}

impl Lending {
    /// Those of `config`; people come to `own`, this server's address without a path.
    ///
    /// Errors: one of them cannot be made, or gives nothing of what a server is to be lent.
    pub(super) fn open(
        config: &Config,
        own: &str,
        (doors, minting): (Doors, &Arc<Minting>),
    ) -> Result<Self, Fail> {
        let (mut issuers, mut accounts, doors) = (Issuers::new(), Vec::new(), Arc::new(doors));
        for table in &config.credentials {
            let issuer = issuer(table, (&doors, minting), &mut accounts)
                .map_err(|why| Fail::new(format!("credential `{}`: {why}", table.name)))?;
            issuers.insert(table.name.clone(), issuer);
        }
        for server in &config.servers {
            for delivery in server.deliveries()? {
                fits(&delivery, &issuers)
                    .map_err(|why| Fail::new(format!("server `{}`: {why}", server.name)))?;
            }
        }
        let connections = Arc::new(Connecting::new(accounts, own, doors));
        Ok(Self { issuers, connections })
    }
}

/// The issuer of one credential; one that people connect is put to `accounts`, too.
fn issuer(
    table: &CredentialTable,
    (doors, minting): (&Arc<Doors>, &Arc<Minting>),
    accounts: &mut Vec<OAuth>,
) -> Result<Arc<dyn Issuer>, String> {
    let (secrets, entropy) = (Arc::clone(&doors.secrets), Arc::clone(&doors.entropy));
    Ok(match &table.kind {
        Kind::Secret(secret) => Arc::new(Stored::new(place(&table.name, secret)?, secrets)),
        Kind::Postgres(settings) => Arc::new(Postgres::new(settings.clone(), secrets, entropy)?),
        Kind::Ssh(settings) => Arc::new(Ssh::new(settings.clone(), secrets, entropy)?),
        Kind::Sts(settings) => {
            let settings = sts::Settings::clone(settings);
            Arc::new(Sts::new(settings, secrets, Arc::clone(&doors.clock))?)
        }
        Kind::Svid(settings) => Arc::new(Svid::new(settings.clone(), minting.mint())?),
        Kind::OAuth(settings) => {
            let settings = oauth::Settings::clone(settings);
            let issuer = OAuth::new(table.name.clone(), settings, Arc::clone(doors))?;
            accounts.push(issuer.clone());
            Arc::new(issuer)
        }
    })
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
    let signing = delivery.signs.iter().flat_map(|_| SIGNING);
    let unknown = wanted.chain(signing).find(|field| !known.contains(field));
    unknown.map_or(Ok(()), |field| {
        Err(Fail::new(format!(
            "expected fields of `{}`, which are {}; got `{field}`",
            delivery.credential,
            known.join(", ")
        )))
    })
}

fn place(name: &CredentialName, table: &SecretTable) -> Result<Place, String> {
    Ok(match (&table.secret, &table.file, &table.variable) {
        (Some(secret), _, _) => Place::Sealed(secret.clone()),
        (_, Some(file), _) => Place::File(file.clone()),
        (_, _, variable) => {
            let variable = variable.as_deref().unwrap_or_default();
            let value = environment::variable(variable).ok_or_else(|| {
                format!(
                    "it is the variable `{variable}`, which is not set: set it for `remit serve`, or keep \
                     the value with `remit secret add {name}`"
                )
            })?;
            Place::Variable(Secret::new(value))
        }
    })
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
