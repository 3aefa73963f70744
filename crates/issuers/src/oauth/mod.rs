//! Access tokens of OAuth 2.0 authorization servers: for Remit as a client, for the task's person by their
//! own consent, for another token, or for the word of the person's identity provider.
//!
//! A person consents once for each credential, at the authorization server itself ([`Connecting`]); what
//! Remit keeps of that is theirs alone, in sealed storage, and good with that server for that client. No
//! task gets a token by somebody else's consent, and a task without a person gets none.
//!
//! What of the remit it expresses: scopes, by the tools that the remit covers, and the resource. A server
//! that grants more than was asked for is refused. How a token ends: it is taken back with its lease where
//! the server can do that (RFC 7009) and this process still has the token; otherwise it runs out.

pub(crate) mod answer;
mod client;
mod connect;
mod consent;
pub(crate) mod metadata;
mod server;
mod settings;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use remit_model::{AgentName, Clock, CredentialName, Entropy, Named, Secret, TaskId};
use remit_ports::{
    BoxFuture, Holder, Issued, Issuer, IssuerError, Lent, Material, Revoked, Secrets, Wanted,
};

pub use self::connect::Connecting;
pub use self::consent::refresh_token;
pub use self::settings::{ClientAuth, Grant, Scopes, ServerSettings, Settings, Subject};

use tokio::sync::oneshot;

use self::answer::{NoToken, Token};
use self::consent::{Consents, Good};
use self::server::Server;
use crate::granted;
use crate::known::Known;

/// `urn:ietf:params:oauth:` and what follows it.
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What it needs from outside.
pub struct Doors {
    /// Where client secrets, keys and people's consents are.
    pub secrets: Arc<dyn Secrets>,
    /// For names of assertions.
    pub entropy: Arc<dyn Entropy>,
    /// For the times of assertions, also of those with which a token is taken back.
    pub clock: Arc<dyn Clock>,
    /// For tokens that are exchanged for a task's own; without it there are none.
    pub tasks: Option<Arc<dyn TaskTokens>>,
}

impl From<&crate::Doors> for Doors {
    fn from(doors: &crate::Doors) -> Self {
        Self {
            secrets: Arc::clone(&doors.secrets),
            entropy: Arc::clone(&doors.entropy),
            clock: Arc::clone(&doors.clock),
            tasks: doors.mint.clone().map(|mint| Arc::new(mint) as _),
        }
    }
}

/// Says who a task is.
pub trait TaskTokens: Send + Sync {
    /// A JWT-SVID of `agent`'s `task` for `audience` alone.
    ///
    /// Errors: there are none of that task.
    fn mint(&self, agent: &AgentName, task: &TaskId, audience: &str)
    -> Result<Secret, IssuerError>;
}

/// Lends access tokens, as the field `token`.
#[derive(Clone)]
pub struct OAuth(Arc<Inner>);

struct Inner {
    name: CredentialName,
    granting: Granting,
    server: Server,
    /// What a token is for: parameters of each request for one.
    target: Vec<(&'static str, String)>,
    allow: Vec<crate::Clause<Scopes>>,
    takes_back: bool,
    /// How long a token lives, where the server does not say.
    life: Option<u64>,
    consents: Consents,
    outstanding: Known<Out>,
    doors: Arc<Doors>,
}

/// What is out for a lease.
#[derive(Clone, Debug)]
enum Out {
    /// This token.
    Token(Secret),
    /// Nothing: nobody got one.
    Nothing,
}

/// How a token is come by.
enum Granting {
    ClientCredentials,
    Consent,
    ExchangeForPerson { identity: Option<Server> },
    ExchangeForTask(Arc<dyn TaskTokens>),
    IdJag { identity: Server },
}

impl OAuth {
    /// The issuer of the credential `name`.
    ///
    /// Errors: in words, what `settings` lack.
    pub fn new(
        name: CredentialName,
        settings: Settings,
        doors: Arc<Doors>,
    ) -> Result<Self, String> {
        settings.check()?;
        let Settings { grant, server, identity, subject, resource, audience, .. } = settings;
        let server = Server::new(server, resource.as_deref(), Arc::clone(&doors))?;
        let identity = identity.map(|it| Server::new(it, None, Arc::clone(&doors))).transpose();
        let identity = identity.map_err(|why| format!("`identity`: {why}"))?;
        let granting = match (grant, subject, identity) {
            (Grant::ClientCredentials, ..) => Granting::ClientCredentials,
            (Grant::RefreshToken, ..) => Granting::Consent,
            (Grant::TokenExchange, Subject::Person, identity) => {
                Granting::ExchangeForPerson { identity }
            }
            (Grant::TokenExchange, Subject::Task, _) => {
                let tasks = doors.tasks.clone();
                Granting::ExchangeForTask(tasks.ok_or(
                    "`subject = \"task\"` needs SVIDs of our own, and another hands them out here",
                )?)
            }
            (Grant::IdJag, _, Some(identity)) => Granting::IdJag { identity },
            (Grant::IdJag, _, None) => return Err("the table `identity` is missing".to_owned()),
        };
        let target = [("resource", resource), ("audience", audience)];
        let target = target.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let consents = Consents::new(name.clone(), Arc::clone(&doors.secrets));
        let (allow, takes_back, life) = (settings.allow, settings.revoke, settings.expires_in);
        let outstanding = Known::default();
        Ok(Self(Arc::new(Inner {
            name,
            granting,
            server,
            target,
            allow,
            takes_back,
            life,
            consents,
            outstanding,
            doors,
        })))
    }
}

impl Inner {
    /// Where people sign in for it, if they do.
    fn sign_in(&self) -> Option<&Server> {
        match &self.granting {
            Granting::ClientCredentials | Granting::ExchangeForTask(_) => None,
            Granting::Consent | Granting::ExchangeForPerson { identity: None } => {
                Some(&self.server)
            }
            Granting::ExchangeForPerson { identity: Some(identity) }
            | Granting::IdJag { identity } => Some(identity),
        }
    }

    /// A form for the token endpoint: what is asked for, of what, and what for.
    fn form<'a>(
        &'a self,
        scope: &'a str,
        fields: &[(&'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let scope = Some(("scope", scope)).filter(|(_, scope)| !scope.is_empty());
        let target = self.target.iter().map(|(name, value)| (*name, value.as_str()));
        fields.iter().copied().chain(scope).chain(target).collect()
    }

    async fn issue(&self, wanted: Wanted) -> Result<Issued, IssuerError> {
        let issued = match self.token(&wanted).await {
            Ok(token) => self.lend(&wanted, token).await,
            Err(why) => Err(why),
        };
        if issued.is_err() {
            // Whatever the server made, nobody has it.
            self.outstanding.put(&wanted.lease, (Out::Nothing, wanted.until), wanted.now);
        }
        issued
    }

    async fn token(&self, wanted: &Wanted) -> Result<Token, IssuerError> {
        let (scope, person) = (wanted.scope.as_str(), wanted.holder.on_behalf.as_ref());
        Ok(match &self.granting {
            Granting::ClientCredentials => {
                self.granted(&self.form(scope, &[("grant_type", "client_credentials")])).await?
            }
            Granting::Consent => {
                let target: Vec<_> =
                    self.target.iter().map(|(name, of)| (*name, of.as_str())).collect();
                self.refreshed(&self.server, person, (scope, &target)).await?.0
            }
            Granting::ExchangeForPerson { identity } => {
                let at = identity.as_ref().unwrap_or(&self.server);
                let (theirs, _) = self.subject_of(at, person).await?;
                self.exchanged(scope, (&theirs.access, ACCESS_TOKEN)).await?
            }
            Granting::ExchangeForTask(tasks) => {
                let nobody =
                    || IssuerError::Refused("only a task has a JWT-SVID to exchange".to_owned());
                let (agent, task) = (wanted.holder.agent.as_ref(), wanted.holder.task.as_ref());
                let (agent, task) = agent.zip(task).ok_or_else(nobody)?;
                let metadata = self.server.metadata().await?;
                let theirs = tasks.mint(agent, task, &metadata.issuer)?;
                self.exchanged(scope, (&theirs, JWT)).await?
            }
            Granting::IdJag { identity } => {
                let word = self.word(identity, person, scope).await?;
                let fields = [("grant_type", JWT_BEARER), ("assertion", word.reveal())];
                self.granted(&self.form(scope, &fields)).await?
            }
        })
    }

    async fn granted(&self, form: &[(&str, &str)]) -> Result<Token, IssuerError> {
        let metadata = self.server.metadata().await?;
        Ok(self.server.token(&metadata, form).await?)
    }

    /// A token for another one (RFC 8693).
    async fn exchanged(
        &self,
        scope: &str,
        (subject, of): (&Secret, &str),
    ) -> Result<Token, IssuerError> {
        let fields = [
            ("grant_type", EXCHANGE),
            ("subject_token", subject.reveal()),
            ("subject_token_type", of),
            ("requested_token_type", ACCESS_TOKEN),
        ];
        let token = self.granted(&self.form(scope, &fields)).await?;
        if token.issued.as_deref() != Some(ACCESS_TOKEN) {
            return Err(other("an access token in exchange"));
        }
        Ok(token)
    }

    /// What `person` is known by where they sign in.
    async fn subject_of(
        &self,
        at: &Server,
        person: Option<&Named>,
    ) -> Result<(Token, Secret), IssuerError> {
        self.refreshed(at, person, (&at.scopes.join(" "), &[])).await
    }

    /// What the identity provider says of `person` to the authorization server (ID-JAG section 4).
    async fn word(
        &self,
        identity: &Server,
        person: Option<&Named>,
        scope: &str,
    ) -> Result<Secret, IssuerError> {
        let (theirs, refresh) = self.subject_of(identity, person).await?;
        let id_token = theirs.identity.as_ref().map(|token| (token, ID_TOKEN));
        let (subject, of) = id_token.unwrap_or((&refresh, REFRESH_TOKEN));
        let audience = self.server.metadata().await?;
        let fields = [
            ("grant_type", EXCHANGE),
            ("requested_token_type", ID_JAG),
            ("subject_token", subject.reveal()),
            ("subject_token_type", of),
            ("audience", &audience.issuer),
        ];
        let target = self.target.iter().filter(|(name, _)| *name == "resource");
        let target = target.map(|(name, value)| (*name, value.as_str()));
        let scope = Some(("scope", scope)).filter(|(_, scope)| !scope.is_empty());
        let form: Vec<_> = fields.into_iter().chain(scope).chain(target).collect();
        let token = identity.token(&*identity.metadata().await?, &form).await?;
        if token.issued.as_deref() != Some(ID_JAG) {
            return Err(other("an ID-JAG"));
        }
        Ok(token.access)
    }

    /// A token by the consent of `person`, and the refresh token that is good from now on. That is kept
    /// before the other is used: the server may never take the old one again.
    async fn refreshed(
        &self,
        at: &Server,
        person: Option<&Named>,
        (scope, target): (&str, &[(&str, &str)]),
    ) -> Result<(Token, Secret), IssuerError> {
        let metadata = at.metadata().await?;
        let with = Good { issuer: &metadata.issuer, client: &at.client.id };
        let _turn = self.consents.turn(person).await?;
        let kept = self.consents.read(person, &with).await?;
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", kept.reveal())];
        form.extend(Some(("scope", scope)).filter(|(_, scope)| !scope.is_empty()));
        form.extend(target);
        let token = match at.token(&metadata, &form).await {
            Err(NoToken::Grant) => {
                return Err(self
                    .consents
                    .unusable(person, "gave a consent that is no longer good"));
            }
            answered => answered?,
        };
        let good = token.refresh.clone().unwrap_or_else(|| kept.clone());
        if good != kept {
            self.consents.keep(person, &with, &good).await?;
        }
        Ok((token, good))
    }

    /// Hands a token over, if it is what was asked for.
    async fn lend(&self, wanted: &Wanted, token: Token) -> Result<Issued, IssuerError> {
        let checked = self.check(&wanted.scope, &token);
        let life = match checked {
            Ok(life) => life,
            Err(why) => {
                // It is out all the same; nobody is to use it.
                self.take_back(&token.access).await.ok();
                return Err(why);
            }
        };
        let until = wanted.now.after(Duration::from_secs(life));
        self.outstanding.put(&wanted.lease, (Out::Token(token.access.clone()), until), wanted.now);
        let material = Material::default().with_secret("token", token.access);
        Ok(Issued { material, until, handle: None })
    }

    /// How long `token` lives, if it is what was asked for.
    fn check(&self, scope: &str, token: &Token) -> Result<u64, IssuerError> {
        if token.used_as != "bearer" {
            return Err(other("a bearer token"));
        }
        let asked: BTreeSet<&str> = scope.split(' ').collect();
        let more = |scopes: &BTreeSet<String>| scopes.iter().any(|it| !asked.contains(it.as_str()));
        if !scope.is_empty() && token.scope.as_ref().is_some_and(more) {
            let text = format!(
                "the authorization server granted more than was asked for (`{scope}`), so it is not used"
            );
            return Err(IssuerError::Refused(text));
        }
        token.life.or(self.life).ok_or_else(|| {
            let text = "the authorization server does not say how long its tokens live: say it with \
                        `expires_in`, in seconds";
            IssuerError::Refused(text.to_owned())
        })
    }

    async fn take_back(&self, token: &Secret) -> Result<Revoked, IssuerError> {
        let metadata = self.server.metadata().await?;
        let Some(at) = metadata.revocation.as_ref().filter(|_| self.takes_back) else {
            return Ok(Revoked::AtExpiry);
        };
        match self.server.revoke(&metadata, at, token).await {
            Ok(()) => Ok(Revoked::Now),
            Err(why @ IssuerError::Unavailable(_)) => Err(why),
            Err(_) => Ok(Revoked::AtExpiry),
        }
    }

    async fn revoke(&self, lent: Lent) -> Result<Revoked, IssuerError> {
        if lent.until <= self.doors.clock.now() {
            return Ok(Revoked::Now);
        }
        let token = match self.outstanding.of(&lent.lease) {
            Some(Out::Token(token)) => token,
            Some(Out::Nothing) => return Ok(Revoked::Now),
            None => return Ok(Revoked::AtExpiry),
        };
        let revoked = self.take_back(&token).await?;
        if revoked == Revoked::AtExpiry {
            self.outstanding.forget(&lent.lease);
        }
        Ok(revoked)
    }

    async fn probe(&self) -> Result<(), IssuerError> {
        for server in [Some(&self.server), self.sign_in()].into_iter().flatten() {
            let metadata = server.metadata().await?;
            server.client.prove(&self.doors, &metadata.issuer)?;
        }
        Ok(())
    }

    /// The scopes of `holder`, in order.
    fn scopes<'a>(&'a self, holder: &'a Holder) -> BTreeSet<&'a str> {
        let cut = granted(&self.allow, holder).flat_map(|what| &what.scopes);
        self.server.scopes.iter().chain(cut).map(String::as_str).collect()
    }
}

fn other(expected: &str) -> IssuerError {
    IssuerError::Refused(format!(
        "expected {expected}, got something else from the authorization server"
    ))
}

impl Issuer for OAuth {
    fn kind(&self) -> &'static str {
        "oauth"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["token"]
    }

    fn scope(&self, holder: &Holder) -> Result<String, IssuerError> {
        let of = &self.0;
        if of.sign_in().is_some() && holder.task.is_some() && holder.on_behalf.is_none() {
            return Err(IssuerError::Refused(format!(
                "the credential `{}` is lent on behalf of a person, and this task has none: open the task with \
                 what the person's identity provider says of them (ID-JAG)",
                of.name
            )));
        }
        if of.sign_in().is_some() {
            of.consents.look(holder.on_behalf.as_ref())?;
        }
        let scopes = of.scopes(holder);
        if scopes.is_empty() && !of.allow.is_empty() {
            return Err(IssuerError::Refused(format!(
                "the remit covers no tool for which the credential `{}` has scopes: see `allow` in its table, \
                 and `scopes` of its `server` for what everybody gets",
                of.name
            )));
        }
        Ok(scopes.into_iter().collect::<Vec<_>>().join(" "))
    }

    /// Goes on if nobody waits for it any more: what the server gave may be the only way to the next
    /// token. The token that nobody waits for is taken back.
    fn issue(&self, wanted: Wanted) -> BoxFuture<'_, Result<Issued, IssuerError>> {
        let (of, (hand, wait)) = (Arc::clone(&self.0), oneshot::channel());
        tokio::spawn(async move {
            let unclaimed = hand.send(of.issue(wanted).await);
            if let Err(Ok(Issued { material, .. })) = unclaimed {
                for token in material.secrets() {
                    of.take_back(token).await.ok();
                }
            }
        });
        Box::pin(async move {
            wait.await.unwrap_or_else(|why| Err(IssuerError::Unavailable(why.to_string())))
        })
    }

    fn revoke(&self, lent: Lent) -> BoxFuture<'_, Result<Revoked, IssuerError>> {
        Box::pin(self.0.revoke(lent))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), IssuerError>> {
        Box::pin(self.0.probe())
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors").finish_non_exhaustive()
    }
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth").field("name", &self.0.name).finish_non_exhaustive()
    }
}
