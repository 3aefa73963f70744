//! The end of a role: first of what it can do, then of what is left of it.

use std::time::Duration;

use postgres_protocol::escape::escape_identifier;
use remit_model::LeaseId;
use remit_ports::{IssuerError, Lent, Revoked};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::{Postgres, comment, role};

/// Sessions that were told to end are looked for again after this, then after twice as long: most have
/// ended by then.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// How often: for 2 s in all, which leaves time for the rest.
const LOOKS: u32 = 10;

/// Finds a role by its name, or by what it says of itself if somebody renamed it.
const FIND: &str = "SELECT oid, rolname::text FROM pg_roles \
    WHERE rolname = $1 OR shobj_description(oid, 'pg_authid') = $2";
/// Whether a session of ours is about to make a role: the process that began it may have ended since.
const BEING_MADE: &str = "SELECT 1 FROM pg_stat_activity WHERE usename = current_user \
    AND pid <> pg_backend_pid() AND state <> 'idle' AND starts_with(query, 'CREATE ROLE ' || $1)";
/// Tells all sessions of a role to end.
const END_SESSIONS: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usesysid = $1";
/// The other databases in which a role owns something or is named in a grant.
const ELSEWHERE: &str = "SELECT DISTINCT datname::text FROM pg_shdepend JOIN pg_database ON \
    pg_database.oid = dbid WHERE refclassid = 'pg_authid'::regclass AND refobjid = $1 \
    AND datname <> current_database()";
/// Whether the admin may make roles.
const MAY_MAKE: &str =
    "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user";
/// Whether there is a role of that name.
const EXISTS: &str = "SELECT 1 FROM pg_roles WHERE rolname = $1";

impl Postgres {
    /// Ends whatever there is of a lease.
    pub(super) async fn end(&self, lent: Lent) -> Result<Revoked, IssuerError> {
        let session = self.admin.session().await?;
        let roles = self.find(&session.client, &lent.lease).await?;
        if roles.is_empty() {
            self.is_not_being_made(&session.client, &lent.lease).await?;
        }
        for (oid, name) in roles {
            self.end_role(&session.client, oid, &name).await?;
        }
        session.keep();
        Ok(Revoked::Now)
    }

    /// The roles of a lease, none or one, with their names as they are, quoted.
    pub(super) async fn find(
        &self,
        client: &Client,
        lease: &LeaseId,
    ) -> Result<Vec<(u32, String)>, IssuerError> {
        let name = role(lease)?;
        let (name, comment) = (name.as_str(), comment(lease));
        let found = client.query_typed(FIND, &[(&name, Type::TEXT), (&comment, Type::TEXT)]).await;
        let found = found.map_err(|why| self.admin.said("cannot look for the role", &why))?;
        Ok(found.iter().map(|row| (row.get(0), escape_identifier(row.get(1)))).collect())
    }

    async fn is_not_being_made(&self, client: &Client, lease: &LeaseId) -> Result<(), IssuerError> {
        let name = role(lease)?.to_string();
        let found = client.query_typed(BEING_MADE, &[(&name, Type::TEXT)]).await;
        let found = found.map_err(|why| self.admin.said("cannot look for the role", &why))?;
        if found.is_empty() {
            return Ok(());
        }
        Err(IssuerError::Unavailable(format!("the role {name} is just being made")))
    }

    async fn end_role(&self, client: &Client, oid: u32, name: &str) -> Result<(), IssuerError> {
        // Whoever made it is a member already, unless somebody took that away.
        let shut = format!(
            "ALTER ROLE {name} NOLOGIN CONNECTION LIMIT 0 PASSWORD NULL; GRANT {name} TO CURRENT_USER"
        );
        let shut = client.batch_execute(&shut).await;
        shut.map_err(|why| self.admin.said("cannot shut the role out", &why))?;
        self.end_sessions(client, oid).await?;
        // All that it owns and was granted in one database.
        let emptied = format!("DROP OWNED BY {name}");
        for database in self.elsewhere(client, oid).await? {
            let mut config = self.admin.config()?;
            let there = self.admin.connect(config.dbname(&database)).await?;
            let left = there.batch_execute(&emptied).await;
            left.map_err(|why| self.admin.said("cannot remove what the role left", &why))?;
        }
        // Whoever was let in just before and had not shown up yet has by now.
        let late = END_SESSIONS.replace("$1", &oid.to_string());
        let dropped = format!("{emptied}; {late}; DROP ROLE {name}");
        let dropped = client.batch_execute(&dropped).await;
        dropped.map_err(|why| self.admin.said("cannot drop the role", &why))
    }

    async fn end_sessions(&self, client: &Client, oid: u32) -> Result<(), IssuerError> {
        for look in 0..LOOKS {
            let told = client.query_typed(END_SESSIONS, &[(&oid, Type::OID)]).await;
            let told =
                told.map_err(|why| self.admin.said("cannot end the role's sessions", &why))?;
            if told.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(look)).await;
        }
        Err(IssuerError::Unavailable("the role's sessions do not end".to_owned()))
    }

    async fn elsewhere(&self, client: &Client, oid: u32) -> Result<Vec<String>, IssuerError> {
        let found = client.query_typed(ELSEWHERE, &[(&oid, Type::OID)]).await;
        let found = found.map_err(|why| self.admin.said("cannot look for what is left", &why))?;
        Ok(found.iter().map(|row| row.get(0)).collect())
    }

    /// Whether roles can be made as configured.
    pub(super) async fn check(&self) -> Result<(), IssuerError> {
        let session = self.admin.session().await?;
        let client = &session.client;
        let failed = |why| self.admin.said("cannot look at the roles", &why);
        if !client.query_typed_one(MAY_MAKE, &[]).await.map_err(failed)?.get::<_, bool>(0) {
            return Err(IssuerError::Refused(
                "expected an admin with CREATEROLE: `ALTER ROLE … CREATEROLE`".to_owned(),
            ));
        }
        for name in self.allow.iter().flat_map(|clause| &clause.what.roles) {
            let text = name.as_str();
            let found = client.query_typed_opt(EXISTS, &[(&text, Type::TEXT)]).await;
            if found.map_err(failed)?.is_none() {
                return Err(IssuerError::Refused(format!("there is no role {name}")));
            }
        }
        session.keep();
        Ok(())
    }
}
