//! Knowing an agent by what it signed, where no kernel names it: the callers of the token endpoint.

use std::sync::Arc;

use remit_jose::Thumbprint;
use remit_model::agent::AttestationMethod;
use remit_model::task::CloseReason;
use remit_model::{AgentName, Named, Task, Timestamp};
use remit_ports::NoKeys;
use remit_spiffe::{Authority, SvidError, agent_of};
use remit_token::elsewhere::{Asserted, ForeignError};
use remit_token::{Assertion, AssertionError, Grant, Proof, ProofError, Request};

use crate::contain::{ContainError, InForce};
use crate::{Engine, elsewhere};

/// By what a client is to be known.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// What it signed with its registered key (RFC 7523).
    Assertion(&'a str),
    /// Its JWT-SVID (draft-ietf-oauth-spiffe-client-auth), and the keys that sign our SVIDs now.
    Svid(&'a str, &'a Authority),
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
    /// What it signed with the key that a grant is to be bound to, if it is to be bound.
    pub proof: Option<&'a str>,
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
    /// The key that it proved to have.
    pub key: Option<Thumbprint>,
    /// The nonce that its further proofs should hold, where that is another.
    pub nonce: Option<String>,
}

/// What a client showed, before it is used up.
enum Shown {
    Ours(Assertion, String, AttestationMethod),
    Elsewhere(elsewhere::Known),
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
    /// It is a JWT-SVID of something else than an agent.
    #[error(
        "the JWT-SVID is not an agent's: expected `spiffe://DOMAIN/agent/NAME`, fetch that one; one \
         of a run or of anything else proves no client"
    )]
    NoAgent,
    /// It is a JWT-SVID of an agent that is not there, or not any more.
    #[error("the JWT-SVID's agent is not in the configuration: add an [[agent]] of its name")]
    Unknown,
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
    #[error("`client_id` is not whom the assertion names: leave it out, or name the agent")]
    Id,
}

impl Engine {
    /// Believes a client: its credential, and the proof beside it. Both are checked before either is
    /// used up, the proof first, because a client that lacks only the nonce asks again.
    ///
    /// Errors: one of them is not believed.
    pub async fn client(&self, shown: &Signed<'_>) -> Result<Client, ClientError> {
        let request = Request { method: "POST", url: shown.url, token: None };
        let check = |proof| self.proofs.check(proof, &request, self.now());
        let proof = shown.proof.map(check).transpose()?;
        let known = self.recognise(shown).await?;
        let now = self.now();
        let (agent, id, method, named) = match known {
            Shown::Ours(assertion, id, method) => {
                let is_it = |name: &str| name == id || name == assertion.client().as_str();
                if shown.client_id.is_some_and(|name| !is_it(name)) {
                    return Err(ClientError::Id);
                }
                (self.assertions.spend(assertion, now)?, id, method, None)
            }
            Shown::Elsewhere(elsewhere::Known { agent, method, vouched }) => {
                vouched.check_bound(proof.as_ref().map(Proof::key))?;
                self.assertions.spend_vouched(&vouched, now)?;
                let id = match method {
                    AttestationMethod::FederatedJwtSvid => vouched.named.subject.clone(),
                    _ => agent.to_string(),
                };
                (agent, id, method, Some(vouched.named))
            }
        };
        let spent = proof.map(|proof| self.proofs.spend(&proof, now)).transpose()?;
        let key = spent.as_ref().map(|spent| spent.key);
        let nonce = spent.and_then(|spent| spent.nonce);
        Ok(Client { agent, id, method, named, key, nonce })
    }

    async fn recognise(&self, shown: &Signed<'_>) -> Result<Shown, ClientError> {
        let (text, authority) = match shown.credential {
            Credential::Assertion(text) => {
                let assertion = self.signed(text, self.now())?;
                let id = assertion.client().to_string();
                return Ok(Shown::Ours(assertion, id, AttestationMethod::PrivateKeyJwt));
            }
            Credential::Svid(text, authority) => {
                if !self.is_of_a_federated_domain(text) {
                    return self.ours(text, authority);
                }
                (text, authority)
            }
            Credential::Workload(text, authority) => (text, authority),
        };
        let asserted = Asserted::read(text).map_err(ForeignError::from)?;
        let domain = asserted.unverified("sub").and_then(|sub| elsewhere::domain_of(&sub));
        if domain.as_deref() == Some(authority.domain().as_str()) {
            return self.ours(text, authority);
        }
        let known = self.known_elsewhere((text, &asserted), shown.client_id).await?;
        Ok(Shown::Elsewhere(known))
    }

    fn ours(&self, text: &str, authority: &Authority) -> Result<Shown, ClientError> {
        let (assertion, id) = self.named(text, authority, self.now())?;
        Ok(Shown::Ours(assertion, id, AttestationMethod::JwtSvid))
    }

    /// An assertion that a client signed itself.
    fn signed(&self, text: &str, now: Timestamp) -> Result<Assertion, ClientError> {
        let settings = self.settings.load();
        let keys = |agent: &AgentName| settings.client_keys.get(agent).map(Arc::clone);
        Ok(self.assertions.check(text, &keys, now)?)
    }

    /// A JWT-SVID as assertion, and its SPIFFE ID. An agent's alone: a run could open tasks that its
    /// own end would not end.
    fn named(
        &self,
        text: &str,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<(Assertion, String), ClientError> {
        let svid = authority.verify_jwt(text, self.minter.realm().issuer(), now)?;
        let agent = agent_of(&svid.id).ok_or(ClientError::NoAgent)?;
        let settings = self.settings.load();
        if !settings.agents.contains_key(&agent) {
            return Err(ClientError::Unknown);
        }
        let lifetime = settings.svid_lifetime;
        let assertion = self.assertions.check_svid(agent, &svid.claims, lifetime, now)?;
        Ok((assertion, svid.id.to_string()))
    }

    /// What `token` says and the task it is for, if it can be used now and is one of `agent`'s.
    pub fn in_use(&self, token: &str, agent: &AgentName) -> Option<(Grant, Task)> {
        let (grant, _) = self.verifier.verify_once(token, self.now()).ok()?;
        if grant.agent != *agent || grant.key.is_none() && !self.settings.load().bearer {
            return None;
        }
        let task = self.open_task(&grant.task, agent)?;
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
    /// Errors: it is another agent's.
    pub fn give_back(&self, token: &str, agent: &AgentName) -> Result<Option<InForce>, NotYours> {
        let Ok((grant, _)) = self.verifier.verify_once(token, self.now()) else { return Ok(None) };
        if grant.agent != *agent {
            return Err(NotYours);
        }
        match self.close(&grant.task, CloseReason::Done, agent.as_str()) {
            Ok(closing) => Ok(Some(closing)),
            Err(ContainError::NoTask(_) | ContainError::State(_) | ContainError::Ledger(_)) => {
                Ok(None)
            }
        }
    }
}

/// A grant of somebody else's was to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token was given to another client, which alone can give it back")]
pub struct NotYours;
