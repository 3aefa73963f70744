//! Knowing an agent by what it signed, where no kernel names it: the callers of the token endpoint.
//! And what the grants that it asks for are bound to.
//!
//! A DPoP proof counts before a certificate: a client makes one for this very request because it
//! wants a grant that is bound to its key (RFC 9449 section 5), while a certificate may be there only to
//! say who it is. Without a proof, a certificate binds, whatever the client is known by (RFC 8705
//! section 3). A grant is never bound to both.

use std::sync::Arc;

use remit_model::agent::AttestationMethod;
use remit_model::task::CloseReason;
use remit_model::{AgentName, Descent, Lifecycle, Named, Task, Timestamp};
use remit_ports::NoKeys;
use remit_spiffe::{Authority, SvidError, agent_of};
use remit_token::elsewhere::{Asserted, ForeignError, Vouched};
use remit_token::{
    Assertion, AssertionError, Binding, Certificate, Grant, Proof, ProofError, Request, Uncertified,
};

use crate::contain::{ContainError, InForce};
use crate::{Engine, elsewhere};

/// By what a client is to be known.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// What it signed with its registered key (RFC 7523).
    Assertion(&'a str),
    /// Its JWT-SVID (draft-ietf-oauth-spiffe-client-auth), and the keys that sign our SVIDs now.
    Svid(&'a str, &'a Authority),
    /// The X.509-SVID of its connection (the same draft; RFC 8705 section 2.1).
    Certificate,
    /// What an issuer elsewhere says of it, or a JWT-SVID, as a grant of its own (RFC 7523 section 2.1).
    Workload(&'a str, &'a Authority),
}

/// What a client shows of itself.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The id that it says it has, if it does.
    pub client_id: Option<&'a str>,
    /// What says who it is.
    pub credential: Credential<'a>,
    /// What it signed with the key that a grant is to be bound to, if it is to be bound to one.
    pub proof: Option<&'a str>,
    /// The certificate of its connection.
    pub certificate: Result<&'a Certificate, Uncertified>,
    /// The request's URL as the server names itself.
    pub url: &'a str,
}

/// A client that was believed.
#[derive(Clone, Debug)]
pub struct Client {
    /// The agent.
    pub agent: AgentName,
    /// What it is called where it is known: the agent's name, or its SPIFFE ID.
    pub id: String,
    /// How it proved to be that.
    pub method: AttestationMethod,
    /// As whom, where somebody else vouched for it.
    pub named: Option<Named>,
    /// Which process it is, where our own Workload API says so.
    pub process: Option<Descent>,
    /// What its grants are bound to: something that it proved to have.
    pub binding: Binding,
    /// The nonce that its further proofs should hold, where that is another.
    pub nonce: Option<String>,
}

/// Why a client was not believed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// It is not known by its assertion.
    #[error(transparent)]
    Assertion(#[from] AssertionError),
    /// Its JWT-SVID is not believed.
    #[error(transparent)]
    Svid(#[from] SvidError),
    /// It is an SVID of something else than an agent.
    #[error(
        "the {0} is not an agent's: expected `spiffe://DOMAIN/agent/NAME`, fetch that one; one of a run \
         or of anything else proves no client"
    )]
    NoAgent(&'static str),
    /// It is an X.509-SVID of another trust domain's, of nobody who is an agent here.
    #[error(
        "the X.509-SVID is good, but no agent is known by its SPIFFE ID: compare it with `federated` of \
         the [[agent]] tables, and `client_id` with their names"
    )]
    NotFederated,
    /// It is one of more than one agent.
    #[error("more than one agent is known by the X.509-SVID: name one of them as `client_id`")]
    Several,
    /// It is an SVID of an agent that is not there, or not any more.
    #[error("the {0}'s agent is not in the configuration: add an [[agent]] of its name")]
    Unknown(&'static str),
    /// It is an agent that may not act.
    #[error("the agent is {0}: an operator can say more (`remit agent show`)")]
    Stopped(Lifecycle),
    /// Its connection has no certificate that counts.
    #[error(transparent)]
    Uncertified(#[from] Uncertified),
    /// Its connection has a certificate to which its grants cannot be bound.
    #[error(
        "the certificate of this connection is not the client's: connect with its own or with none, \
         or send a DPoP proof"
    )]
    OtherCertificate,
    /// Its proof is not believed.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// What somebody else says of it is not believed.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
    /// The keys of whoever vouches for it cannot be had.
    #[error(transparent)]
    NoKeys(#[from] NoKeys),
    /// It names itself in two ways.
    #[error("`client_id` is not whom the {0} names: expected the agent's SPIFFE ID or its name")]
    Id(&'static str),
}

/// Whose grants may be looked at and given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// All of an agent's.
    Agent(AgentName),
    /// Those for what people allowed the client of this id.
    Client(String),
}

impl Owner {
    fn has(&self, task: &Task) -> bool {
        match self {
            Self::Agent(agent) => task.charter.agent == *agent,
            Self::Client(id) => task.charter.consent.as_ref().is_some_and(|by| by.client == *id),
        }
    }

    /// Who ends a task that is given back, for the record.
    fn name(&self) -> &str {
        match self {
            Self::Agent(agent) => agent.as_str(),
            Self::Client(id) => id,
        }
    }
}

/// A client by its credential, which is not used up yet.
pub(crate) struct Known {
    pub(crate) agent: AgentName,
    /// The id that it has beside its name.
    pub(crate) id: String,
    pub(crate) method: AttestationMethod,
    pub(crate) evidence: Evidence,
}

/// What a client is known by.
pub(crate) enum Evidence {
    /// The certificate of its connection, and as whom where another trust domain vouches for it.
    Certificate(Option<Named>),
    /// An assertion of its own: good for one request.
    Assertion(Assertion),
    /// An SVID of ours as one, and which process it says it was issued to.
    Svid(Assertion, Option<Descent>),
    /// What somebody else says of it.
    Vouched(Vouched),
}

impl Evidence {
    fn in_words(&self) -> &'static str {
        match self {
            Self::Certificate(_) => "certificate",
            Self::Assertion(_) | Self::Svid(..) | Self::Vouched(_) => "assertion",
        }
    }
}

impl Engine {
    /// Believes a client: its credential, and what its grants are to be bound to. All of it is checked
    /// before any is used up, the proof first, because a client that lacks only the nonce asks again.
    ///
    /// Errors: one of them is not believed.
    pub async fn client(&self, shown: &Signed<'_>) -> Result<Client, ClientError> {
        let request = Request { method: "POST", url: shown.url, token: None };
        let check = |proof| self.proofs.check(proof, &request, self.now());
        let proof = shown.proof.map(check).transpose()?;
        let known = self.recognise(shown).await?;
        let binding = bound(proof.as_ref(), shown.certificate, &known.agent)?;
        let now = self.now();
        let (named, process) = match known.evidence {
            Evidence::Certificate(named) => (named, None),
            Evidence::Assertion(assertion) => {
                self.assertions.spend(assertion, now)?;
                (None, None)
            }
            Evidence::Svid(assertion, process) => {
                self.assertions.spend(assertion, now)?;
                (None, process)
            }
            Evidence::Vouched(vouched) => {
                vouched.check_bound(proof.as_ref().map(Proof::key))?;
                self.assertions.spend_vouched(&vouched, now)?;
                (Some(vouched.named), None)
            }
        };
        let spent = proof.map(|proof| self.proofs.spend(&proof, now)).transpose()?;
        let nonce = spent.and_then(|spent| spent.nonce);
        let Known { agent, id, method, .. } = known;
        Ok(Client { agent, id, method, named, process, binding, nonce })
    }

    async fn recognise(&self, shown: &Signed<'_>) -> Result<Known, ClientError> {
        let known = match shown.credential {
            Credential::Assertion(text) => self.signed(text, self.now())?,
            Credential::Certificate => self.connected(shown.certificate?, shown.client_id)?,
            Credential::Svid(text, authority) if !self.is_of_a_federated_domain(text) => {
                self.named(text, authority, self.now())?
            }
            Credential::Svid(text, authority) | Credential::Workload(text, authority) => {
                let asserted = Asserted::read(text).map_err(ForeignError::from)?;
                let domain = asserted.unverified("sub").and_then(|sub| elsewhere::domain_of(&sub));
                if domain.as_deref() != Some(authority.domain().as_str()) {
                    let known = self.known_elsewhere((text, &asserted), shown.client_id).await?;
                    self.acts(&known.agent, "token")?;
                    return Ok(known);
                }
                self.named(text, authority, self.now())?
            }
        };
        let is_it = |name: &str| name == known.id || name == known.agent.as_str();
        if shown.client_id.is_some_and(|name| !is_it(name)) {
            return Err(ClientError::Id(known.evidence.in_words()));
        }
        Ok(known)
    }

    /// Whether there is such an agent, and it may act.
    fn acts(&self, agent: &AgentName, shown: &'static str) -> Result<(), ClientError> {
        let settings = self.settings.load();
        match settings.agents.find(agent) {
            Some(found) if found.standing.lifecycle != Lifecycle::Active => {
                Err(ClientError::Stopped(found.standing.lifecycle))
            }
            Some(found) if found.agent.is_some() => Ok(()),
            _ => Err(ClientError::Unknown(shown)),
        }
    }

    /// Whether `name` is an agent's whose keys are registered.
    pub fn knows_by_key(&self, name: &str) -> bool {
        let settings = self.settings.load();
        name.parse().is_ok_and(|agent: AgentName| settings.client_keys.contains_key(&agent))
    }

    /// By an assertion that it signed itself.
    fn signed(&self, text: &str, now: Timestamp) -> Result<Known, ClientError> {
        let settings = self.settings.load();
        let agent = |name: &str| name.parse::<AgentName>().ok();
        let keys = |name: &str| settings.client_keys.get(&agent(name)?).map(Arc::clone);
        let assertion = self.assertions.check(text, &keys, now)?;
        let agent = agent(assertion.client()).ok_or(AssertionError::Unknown)?;
        let method = AttestationMethod::PrivateKeyJwt;
        self.acts(&agent, "assertion")?;
        Ok(Known { id: agent.to_string(), agent, method, evidence: Evidence::Assertion(assertion) })
    }

    /// By a JWT-SVID as assertion. An agent's alone: a run could open tasks that its own end would not
    /// end.
    fn named(
        &self,
        text: &str,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<Known, ClientError> {
        let svid = authority.verify_jwt(text, self.realm.issuer(), now)?;
        let agent = agent_of(&svid.id).ok_or(ClientError::NoAgent("JWT-SVID"))?;
        self.acts(&agent, "JWT-SVID")?;
        let lifetime = self.settings.load().svid_lifetime;
        let assertion = self.assertions.check_svid(agent.as_str(), &svid.claims, lifetime, now)?;
        let (id, method) = (svid.id.to_string(), AttestationMethod::JwtSvid);
        let evidence = Evidence::Svid(assertion, svid.process());
        Ok(Known { agent, id, method, evidence })
    }

    /// By the X.509-SVID of its connection, likewise an agent's alone. `named` chooses where more than one
    /// agent is known by it.
    fn connected(
        &self,
        certificate: &Certificate,
        named: Option<&str>,
    ) -> Result<Known, ClientError> {
        let id = certificate.id.clone();
        let chosen = |agent: &&AgentName| {
            let name = named.filter(|named| *named != id);
            name.is_none_or(|name| name == agent.as_str())
        };
        let foreign = certificate.named.is_some();
        let mut agents = certificate.agents.iter().filter(|agent| !foreign || chosen(agent));
        let agent = match (agents.next(), agents.next()) {
            (Some(agent), None) => agent.clone(),
            (Some(_), Some(_)) => return Err(ClientError::Several),
            (None, _) if foreign => return Err(ClientError::NotFederated),
            (None, _) => return Err(ClientError::NoAgent("X.509-SVID")),
        };
        self.acts(&agent, "X.509-SVID")?;
        let method = if foreign {
            AttestationMethod::FederatedX509Svid
        } else {
            AttestationMethod::X509Svid
        };
        let evidence = Evidence::Certificate(certificate.named.clone());
        Ok(Known { agent, id, method, evidence })
    }

    /// What `token` says and the task it is for, if it can be used now and is one of `owner`'s.
    pub fn in_use(&self, token: &str, owner: &Owner) -> Option<(Grant, Task)> {
        self.usable(token).filter(|(_, task)| owner.has(task))
    }

    /// The same, whoever it was made for.
    pub(crate) fn usable(&self, token: &str) -> Option<(Grant, Task)> {
        let (grant, _) = self.grants.load().verifier.verify_once(token, self.now()).ok()?;
        if grant.binding == Binding::Nothing && !self.settings.load().bearer {
            return None;
        }
        let task = self.open_task(&grant.task, &grant.agent)?;
        Some((grant, task))
    }

    /// The task, if it is open and one of `agent`'s.
    pub fn open_task(&self, task: &remit_model::TaskId, agent: &AgentName) -> Option<Task> {
        let cell = self.cell(task)?;
        let task = cell.lock().clone();
        (task.is_open() && task.charter.agent == *agent).then_some(task)
    }

    /// Gives `token` back: its task ends, and with it every grant for it. A token that is none of
    /// ours, has run out, or whose task has ended has nothing to give back.
    ///
    /// Errors: it is another's.
    pub fn give_back(&self, token: &str, owner: &Owner) -> Result<Option<InForce>, NotYours> {
        let Ok((grant, _)) = self.grants.load().verifier.verify_once(token, self.now()) else {
            return Ok(None);
        };
        let Some(cell) = self.cell(&grant.task) else { return Ok(None) };
        if !owner.has(&cell.lock()) {
            return Err(NotYours);
        }
        match self.close(&grant.task, CloseReason::Done, owner.name()) {
            Ok(closing) => Ok(Some(closing)),
            Err(
                ContainError::NoTask(_)
                | ContainError::State(_)
                | ContainError::Parent
                | ContainError::Ledger(_),
            ) => Ok(None),
        }
    }
}

/// What the grants of `agent` are bound to, which shows these.
fn bound(
    proof: Option<&Proof>,
    certificate: Result<&Certificate, Uncertified>,
    agent: &AgentName,
) -> Result<Binding, ClientError> {
    if let Some(proof) = proof {
        return Ok(Binding::Key(proof.key()));
    }
    match certificate {
        Ok(own) if own.agents.contains(agent) => Ok(Binding::Certificate(own.thumbprint)),
        Ok(_) => Err(ClientError::OtherCertificate),
        Err(Uncertified::None) => Ok(Binding::Nothing),
        Err(lapsed) => Err(lapsed.into()),
    }
}

/// A grant of somebody else's was to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token was given to another client, which alone can give it back")]
pub struct NotYours;
