//! What each test needs: storage, a clock, credentials, tasks of people.

use std::sync::Arc;
use std::time::SystemTime;

use remit_issuers::oauth::{Connecting, Doors, OAuth, Settings, TaskTokens};
use remit_model::{AgentName, Clock as _, LeaseId, Named, Secret, TaskId, Timestamp};
use remit_ports::{
    BroughtBack, Connection, Connections as _, Holder, Issued, Issuer as _, IssuerError, Lent,
    Secrets as _, Wanted,
};
use remit_testkit::{ManualClock, MemorySecrets, SeededEntropy, samples};

use crate::peer::Peer;

/// What Remit calls itself.
pub(crate) const OWN: &str = "http://127.0.0.1:7070";
/// Where the credential `api` has people sent back.
pub(crate) const BACK: &str = "http://127.0.0.1:7070/oauth/callback/api";
/// The same as the authorization server knows it: on this machine, ports come and go.
pub(crate) const PLACE: &str = "http://127.0.0.1/oauth/callback/api";
/// The client secret.
pub(crate) const SECRET: &str = "canary-client-3b7c";

/// A desk at which credentials are lent.
pub(crate) struct Stand {
    pub(crate) secrets: Arc<MemorySecrets>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) doors: Arc<Doors>,
    entropy: Arc<SeededEntropy>,
}

struct Names;

impl TaskTokens for Names {
    fn mint(
        &self,
        agent: &AgentName,
        task: &TaskId,
        audience: &str,
    ) -> Result<Secret, IssuerError> {
        Ok(Secret::new(format!("{agent}/{task}@{audience}")))
    }
}

impl Stand {
    /// One with the client secret `client` in storage. Its clock is the machine's, which the authorization
    /// server goes by.
    #[expect(clippy::disallowed_methods, reason = "another process compares it with its own clock")]
    pub(crate) fn new() -> Self {
        let secrets = Arc::new(MemorySecrets::with("client", SECRET).unwrap());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(now)));
        let entropy = Arc::new(SeededEntropy::new(now));
        let doors = Arc::new(Doors {
            secrets: Arc::clone(&secrets) as _,
            entropy: Arc::clone(&entropy) as _,
            clock: Arc::clone(&clock) as _,
            tasks: Some(Arc::new(Names)),
        });
        Self { secrets, clock, doors, entropy }
    }

    /// The credential `api` of this configuration.
    pub(crate) fn credential(&self, table: &str) -> OAuth {
        self.named("api", table)
    }

    /// The credential `name` likewise.
    pub(crate) fn named(&self, name: &str, table: &str) -> OAuth {
        let settings: Settings = toml::from_str(table).unwrap();
        OAuth::new(name.parse().unwrap(), settings, Arc::clone(&self.doors)).unwrap()
    }

    /// Where accounts are connected for these.
    pub(crate) fn connecting(&self, credentials: &[&OAuth]) -> Connecting {
        let credentials = credentials.iter().map(|&of| of.clone()).collect();
        Connecting::new(credentials, OWN, Arc::clone(&self.doors))
    }

    /// Lends to `holder`.
    pub(crate) async fn issue(&self, of: &OAuth, holder: Holder) -> Result<Issued, IssuerError> {
        self.issue_as(of, holder, LeaseId::draw(self.entropy.as_ref())).await
    }

    /// The same, under this lease.
    pub(crate) async fn issue_as(
        &self,
        of: &OAuth,
        holder: Holder,
        lease: LeaseId,
    ) -> Result<Issued, IssuerError> {
        let (now, scope) = (self.clock.now(), of.scope(&holder)?);
        let until = now.after(std::time::Duration::from_mins(5));
        of.issue(Wanted { lease, holder, scope, now, until }).await
    }

    /// A lease's name.
    pub(crate) fn lease(&self) -> LeaseId {
        LeaseId::draw(self.entropy.as_ref())
    }

    /// Keeps a secret.
    pub(crate) fn keep(&self, name: &str, text: &str) {
        self.secrets.keep(&name.parse().unwrap(), &Secret::new(text.to_owned())).unwrap();
    }
}

/// A lease as it stands on record.
pub(crate) fn on_record(lease: LeaseId, until: Timestamp) -> Lent {
    Lent { lease, task: Some(samples::task_id(1)), handle: None, until }
}

/// A person as an identity provider names them.
pub(crate) fn person(subject: &str, issuer: &str) -> Named {
    Named { issuer: issuer.to_owned(), subject: subject.to_owned() }
}

/// A task of `person` whose remit covers these tools.
pub(crate) fn holder(person: Option<Named>, tools: &[&str]) -> Holder {
    Holder { on_behalf: person, ..samples::holder(tools) }
}

/// Connects the account of `user` at `peer` for `person`, as a browser does.
pub(crate) async fn connect(
    connecting: &Connecting,
    peer: &Peer,
    (credential, person): (&str, Option<Named>),
    user: &str,
) -> Result<Connection, remit_ports::ConnectError> {
    let begun = connecting.begin(credential, person).await?;
    let ticket = begun.address.strip_prefix("http://127.0.0.1:7070/oauth/connect/").unwrap();
    let sent = connecting.send(ticket).unwrap();
    let back = peer.sign_in(&sent.address, user).await;
    connecting.end(brought(credential, sent.browser.reveal(), &back)).await
}

/// What a browser brings back with these parameters.
pub(crate) fn brought(credential: &str, browser: &str, back: &[(String, String)]) -> BroughtBack {
    let one = |name: &str| back.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone());
    BroughtBack {
        credential: credential.to_owned(),
        browser: browser.to_owned(),
        state: one("state").unwrap_or_default(),
        code: one("code"),
        error: one("error"),
        iss: one("iss"),
    }
}
