//! A role of its own for each lease, in a PostgreSQL database: made with the rights that the remit's
//! tools come with, and dropped when it is returned.
//!
//! The role is called after the lease, so that whoever returns it needs nothing else, and says so in a
//! comment by which it is found if somebody renames it. Returning it first ends what it can do (no
//! login, no session) and then removes what is left of it, in every database. Each step may be taken
//! again. What it made is dropped and handed to nobody: a view, a function, a trigger, a policy or a
//! constraint acts with the rights of its owner, and would bring others what the owner may.
//!
//! *What the server cannot do:* `VALID UNTIL` keeps out who logs in later, it ends no session. A session
//! ends when the role is returned.

mod admin;
mod end;
mod password;
mod right;
mod tls;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postgres_protocol::escape::escape_literal;
use remit_model::{CredentialName, Entropy, LeaseId, Secret, SecretName, Timestamp};
use remit_ports::{
    BoxFuture, Holder, Issued, Issuer, IssuerError, Lent, Material, Revoked, Secrets, Wanted,
};
use serde::Deserialize;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::escape::escaped;
use crate::kind::rebase;
use crate::{Clause, Doors, Kind, Lender, granted};
use admin::{Admin, in_time};
use password::Password;
pub use right::{Grant, Name, RightError, Rights};

/// Sessions that a lent role may have at a time, unless the configuration says otherwise: a tool
/// server's pool has that many at most, and the server a hundred for everybody.
const CONNECTIONS: u16 = 8;

/// What the configuration says of one database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The secret with the connection string of who may make roles.
    pub admin: SecretName,
    /// Certificates to trust instead of this machine's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Sessions that a lent role may have at a time.
    #[serde(default = "connections")]
    pub connections: u16,
    /// What the remit's tools come with.
    pub allow: Vec<Clause<Rights>>,
}

fn connections() -> u16 {
    CONNECTIONS
}

impl Kind for Settings {
    fn rebase(&mut self, base: &Path) {
        rebase(&mut self.ca_file, base);
    }

    fn open(&self, _: &CredentialName, doors: &Doors) -> Result<Lender, String> {
        let (secrets, entropy) = (Arc::clone(&doors.secrets), Arc::clone(&doors.entropy));
        Postgres::new(self.clone(), secrets, entropy).map(Lender::from)
    }
}

/// Lends roles of one database: fields `user`, `password`, `host`, `port`, `database` and all of them as
/// `url`.
pub struct Postgres {
    admin: Admin,
    entropy: Arc<dyn Entropy>,
    connections: u16,
    allow: Vec<Clause<Rights>>,
}

impl Postgres {
    /// Lends roles as `settings` say.
    ///
    /// Errors: a clause gives nothing, or no session is allowed.
    pub fn new(
        settings: Settings,
        secrets: Arc<dyn Secrets>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, String> {
        let Settings { admin, ca_file, connections, allow } = settings;
        if connections == 0 {
            return Err("expected `connections` of at least 1, got 0".to_owned());
        }
        if allow.iter().any(|clause| clause.what.is_empty()) {
            return Err(
                "expected `roles` or `grant` in each `allow`, got one with neither".to_owned()
            );
        }
        let admin = Admin::new(admin, secrets, ca_file);
        Ok(Self { admin, entropy, connections, allow })
    }

    fn rights(&self, holder: &Holder) -> Rights {
        granted(&self.allow, holder).fold(Rights::default(), Rights::with)
    }

    async fn make(&self, wanted: Wanted) -> Result<Issued, IssuerError> {
        let config = self.admin.config()?;
        let name = role(&wanted.lease)?;
        let password = Password::draw(self.entropy.as_ref());
        let statements = self.statements(&name, &password, &wanted);
        let session = self.admin.session().await?;
        // One batch is one transaction.
        let made = session.client.batch_execute(&statements).await;
        made.map_err(|why| self.admin.said("cannot make the role", &why))?;
        session.keep();
        let material = material(&config, &name, password.text)?;
        Ok(Issued { material, until: wanted.until, handle: None })
    }

    fn statements(&self, name: &Name, password: &Password, wanted: &Wanted) -> String {
        let rights = self.rights(&wanted.holder);
        let member_of: Vec<_> = rights.roles.iter().map(ToString::to_string).collect();
        let member_of = match member_of.as_slice() {
            [] => String::new(),
            roles => format!("IN ROLE {} ", roles.join(", ")),
        };
        // The admin is a member, because ending a role's sessions and dropping what it owns is for
        // superusers and members.
        let create = format!(
            "CREATE ROLE {name} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION \
             NOBYPASSRLS CONNECTION LIMIT {connections} PASSWORD {verifier} VALID UNTIL {until} \
             {member_of}ROLE CURRENT_USER",
            connections = self.connections,
            verifier = escape_literal(&password.verifier),
            until = time(wanted.until),
        );
        let comment = escape_literal(&comment(&wanted.lease));
        let comment = format!("COMMENT ON ROLE {name} IS {comment}");
        let grants = rights.grant.iter().map(|grant| format!("GRANT {grant} TO {name}"));
        [create, comment].into_iter().chain(grants).collect::<Vec<_>>().join("; ")
    }

    async fn prolong(&self, lent: Lent, until: Timestamp) -> Result<Timestamp, IssuerError> {
        let session = self.admin.session().await?;
        let roles = self.find(&session.client, &lent.lease).await?;
        let Some((_, name)) = roles.first() else {
            return Err(IssuerError::NotRenewable);
        };
        let statement = format!("ALTER ROLE {name} VALID UNTIL {}", time(until));
        let altered = session.client.batch_execute(&statement).await;
        altered.map_err(|why| self.admin.said("cannot prolong the role", &why))?;
        session.keep();
        Ok(until)
    }
}

/// The role of `lease`: of an id's letters alone, hence a name.
fn role(lease: &LeaseId) -> Result<Name, IssuerError> {
    let name = Name::try_from(format!("remit_{lease}"));
    name.map_err(|why| IssuerError::Refused(why.to_string()))
}

/// What the role of `lease` says of itself.
fn comment(lease: &LeaseId) -> String {
    format!("lent by remit as {lease}")
}

fn time(at: Timestamp) -> String {
    escape_literal(&at.to_string())
}

/// What the tool server needs to log in at the database of `config`.
fn material(config: &Config, name: &Name, password: Secret) -> Result<Material, IssuerError> {
    let user = name.as_str();
    let nowhere = || IssuerError::Refused("the connection string names no host".to_owned());
    let host = match config.get_hosts().first().ok_or_else(nowhere)? {
        Host::Tcp(host) => host.clone(),
        Host::Unix(folder) => folder.display().to_string(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
    let url = url((user, password.reveal()), (&host, port), database, config.get_ssl_mode());
    Ok(Material::default()
        .with("user", user)
        .with("host", host)
        .with("port", port.to_string())
        .with("database", database)
        .with_secret("password", password)
        .with_secret("url", Secret::new(url)))
}

/// All of it in the form that most programs take.
fn url(
    (user, password): (&str, &str),
    (host, port): (&str, u16),
    database: &str,
    tls: SslMode,
) -> String {
    let database = escaped(database);
    let query = if tls == SslMode::Require { "?sslmode=require" } else { "" };
    if host.starts_with('/') {
        let folder = escaped(host);
        return format!("postgresql://{user}:{password}@/{database}?host={folder}&port={port}");
    }
    let host = match host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => escaped(host).to_string(),
    };
    format!("postgresql://{user}:{password}@{host}:{port}/{database}{query}")
}

impl Issuer for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["user", "password", "host", "port", "database", "url"]
    }

    fn scope(&self, holder: &Holder) -> Result<String, IssuerError> {
        let rights = self.rights(holder);
        if rights.is_empty() && holder.task.is_some() {
            return Err(IssuerError::Refused(
                "no `allow` of this credential names a tool that the task's remit covers"
                    .to_owned(),
            ));
        }
        Ok(rights.to_string())
    }

    fn issue(&self, wanted: Wanted) -> BoxFuture<'_, Result<Issued, IssuerError>> {
        Box::pin(in_time(self.make(wanted)))
    }

    fn renew(&self, lent: Lent, until: Timestamp) -> BoxFuture<'_, Result<Timestamp, IssuerError>> {
        Box::pin(in_time(self.prolong(lent, until)))
    }

    fn revoke(&self, lent: Lent) -> BoxFuture<'_, Result<Revoked, IssuerError>> {
        Box::pin(in_time(self.end(lent)))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), IssuerError>> {
        Box::pin(in_time(self.check()))
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("allow", &self.allow).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_programs_take() {
        for (host, tls, expected) in [
            ("db.example", SslMode::Require, "postgresql://u:p@db.example:1/a%20b?sslmode=require"),
            ("127.0.0.1", SslMode::Disable, "postgresql://u:p@127.0.0.1:1/a%20b"),
            ("::1", SslMode::Disable, "postgresql://u:p@[::1]:1/a%20b"),
            ("/run/pg", SslMode::Disable, "postgresql://u:p@/a%20b?host=%2Frun%2Fpg&port=1"),
            ("a@evil/", SslMode::Disable, "postgresql://u:p@a%40evil%2F:1/a%20b"),
        ] {
            assert_eq!(url(("u", "p"), (host, 1), "a b", tls), expected);
            // What a client makes of it.
            let read: Config = expected.parse().unwrap();
            assert_eq!((read.get_dbname(), read.get_ports()), (Some("a b"), &[1][..]));
        }
    }
}
