//! The connection on which roles are made and dropped: opened when needed, kept while it works.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use remit_fetch::{chain, trusting};
use remit_model::SecretName;
use remit_ports::{IssuerError, Secrets};
use tokio::sync::{Mutex, MutexGuard};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::tls::Trust;

/// How long anything here may take, in all: a call waits for it.
pub(super) const BOUND: Duration = Duration::from_secs(10);
/// Characters of what the server said that are passed on.
const MAX_SAID: usize = 200;
/// What every session of ours begins with. Nothing but the server's own functions is found by a bare
/// name, whatever others made in a schema that is looked through; and the server gives up before we do.
const SETTINGS: &str = "SET search_path = pg_catalog, pg_temp; SET statement_timeout = '8s'; \
    SET lock_timeout = '4s'";

/// Who may make roles, and where.
pub(super) struct Admin {
    secret: SecretName,
    secrets: Arc<dyn Secrets>,
    ca_file: Option<PathBuf>,
    kept: Mutex<Option<Client>>,
}

/// The one connection, while it is used. Whoever does not say [`Session::keep`] loses it: after an error
/// or a wait in vain it is not known what is under way on it.
pub(super) struct Session<'a> {
    slot: MutexGuard<'a, Option<Client>>,
    pub(super) client: Client,
}

impl Session<'_> {
    /// Leaves the connection for the next.
    pub(super) fn keep(mut self) {
        *self.slot = Some(self.client);
    }
}

impl Admin {
    pub(super) fn new(
        secret: SecretName,
        secrets: Arc<dyn Secrets>,
        ca_file: Option<PathBuf>,
    ) -> Self {
        Self { secret, secrets, ca_file, kept: Mutex::new(None) }
    }

    /// The connection, when nobody else uses it.
    pub(super) async fn session(&self) -> Result<Session<'_>, IssuerError> {
        let mut slot = self.kept.lock().await;
        let client = match slot.take() {
            Some(client) if !client.is_closed() => client,
            _ => self.connect(&self.config()?).await?,
        };
        Ok(Session { slot, client })
    }

    /// Where the database is and how it is entered, as the secret says now.
    pub(super) fn config(&self) -> Result<Config, IssuerError> {
        let text = self.secrets.read(&self.secret);
        let text = text.map_err(|why| IssuerError::Refused(why.to_string()))?;
        // The library's error would show parts of the text.
        read(text.reveal()).ok_or_else(|| {
            IssuerError::Refused(format!(
                "expected in the secret `{}` a connection string with a host, such as \
                 `postgresql://admin:password@host/database?sslmode=require` (sslmode is disable, prefer \
                 or require), got something else",
                self.secret
            ))
        })
    }

    /// A further connection, ready for use.
    pub(super) async fn connect(&self, config: &Config) -> Result<Client, IssuerError> {
        let client = if config.get_ssl_mode() == SslMode::Disable {
            let (client, connection) =
                config.connect(NoTls).await.map_err(|why| self.said("cannot connect", &why))?;
            tokio::spawn(connection);
            client
        } else {
            let ca_file = self.ca_file.clone();
            let trust =
                tokio::task::spawn_blocking(move || trusting(ca_file.as_deref(), true)).await;
            let trust = trust.unwrap_or_else(|why| Err(why.to_string()));
            let trust = Trust(Arc::new(trust.map_err(IssuerError::Refused)?));
            let (client, connection) =
                config.connect(trust).await.map_err(|why| self.said("cannot connect", &why))?;
            tokio::spawn(connection);
            client
        };
        client.batch_execute(SETTINGS).await.map_err(|why| self.said("cannot begin", &why))?;
        Ok(client)
    }

    /// What the server's `why` means for whoever asked to do `what`.
    pub(super) fn said(&self, what: &str, why: &tokio_postgres::Error) -> IssuerError {
        let Some(answer) = why.as_db_error() else {
            return IssuerError::Unavailable(format!("{what}: {}", chain(why)));
        };
        let (code, said) = (answer.code(), answer.message());
        let said: String = said.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect();
        let said = format!("{what}: the server said `{said}` ({})", code.code());
        // Whoever is refused at the door needs another secret, and may have it at any time.
        if *code == SqlState::INVALID_PASSWORD {
            let secret = &self.secret;
            return IssuerError::Refused(format!("{said}; see `remit secret rotate {secret}`"));
        }
        // Classes of errors that pass: connection, transaction, resources, object in use, operator, system.
        let passes = ["08", "40", "53", "55", "57", "58", "XX"];
        if passes.iter().any(|class| code.code().starts_with(class)) {
            IssuerError::Unavailable(said)
        } else {
            IssuerError::Refused(said)
        }
    }
}

/// Ends `work` when it takes longer than [`BOUND`].
pub(super) async fn in_time<T>(
    work: impl Future<Output = Result<T, IssuerError>>,
) -> Result<T, IssuerError> {
    tokio::time::timeout(BOUND, work).await.unwrap_or_else(|_| {
        let late = format!("PostgreSQL did not answer within {} s", BOUND.as_secs());
        Err(IssuerError::Unavailable(late))
    })
}

/// The connection string `text`. Within this machine TLS is not spoken, and beyond it always, unless the
/// string says `disable`: `prefer`, which is what no word means, leaves the choice to whoever sits between.
fn read(text: &str) -> Option<Config> {
    let mut config: Config = text.parse().ok()?;
    let hosts = config.get_hosts().iter().all(is_here);
    let addresses = config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    if config.get_hosts().is_empty() {
        return None;
    }
    if config.get_ssl_mode() == SslMode::Prefer {
        let here = hosts && addresses;
        config.ssl_mode(if here { SslMode::Disable } else { SslMode::Require });
    }
    config.connect_timeout(BOUND);
    Some(config)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|it: IpAddr| it.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_spoken_beyond_this_machine() {
        for (text, mode) in [
            ("postgresql://a:b@localhost/d", SslMode::Disable),
            ("postgresql://a:b@127.0.0.2/d?sslmode=prefer", SslMode::Disable),
            ("host=/run/postgresql user=a", SslMode::Disable),
            ("postgresql://a:b@[::1]/d?sslmode=require", SslMode::Require),
            ("postgresql://a:b@db.example/d", SslMode::Require),
            ("postgresql://a:b@db.example/d?sslmode=prefer", SslMode::Require),
            ("postgresql://a:b@db.example/d?sslmode=disable", SslMode::Disable),
            ("postgresql://a:b@localhost,db.example/d", SslMode::Require),
            ("host=localhost hostaddr=10.0.0.1 user=a", SslMode::Require),
        ] {
            assert_eq!(read(text).unwrap().get_ssl_mode(), mode, "{text}");
        }
        for bad in ["", "hunter2", "user=a", "postgresql://a:b@db/d?sslmode=verify-ca"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
