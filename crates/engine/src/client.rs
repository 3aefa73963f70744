//! Knowing an agent by what it signed, where no kernel names it: the callers of the token endpoint.

use std::sync::Arc;

use remit_jose::Thumbprint;
use remit_model::agent::AttestationMethod;
use remit_model::task::CloseReason;
use remit_model::{AgentName, Lifecycle, Task, Timestamp};
use remit_spiffe::{Authority, SvidError, agent_of};
use remit_token::{Assertion, AssertionError, Grant, ProofError, Request};

use crate::Engine;
use crate::contain::{ContainError, InForce};

/// By what a client is to be known.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// What it signed with its registered key (RFC 7523).
    Assertion(&'a str),
    /// Its JWT-SVID (draft-ietf-oauth-spiffe-client-auth), and the keys that sign SVIDs now.
    Svid(&'a str, &'a Authority),
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
    /// How it proved to be that.
    pub method: AttestationMethod,
    /// The key that it proved to have.
    pub key: Option<Thumbprint>,
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
    /// It is a JWT-SVID of something else than an agent.
    #[error(
        "the JWT-SVID is not an agent's: expected `spiffe://DOMAIN/agent/NAME`, fetch that one; one \
         of a run or of anything else proves no client"
    )]
    NoAgent,
    /// It is a JWT-SVID of an agent that is not there, or not any more.
    #[error("the JWT-SVID's agent is not in the configuration: add an [[agent]] of its name")]
    Unknown,
    /// It is an agent that may not act.
    #[error("the agent is {0}: an operator can say more (`remit agent show`)")]
    Stopped(Lifecycle),
    /// Its proof is not believed.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// It names itself in two ways.
    #[error("`client_id` is not whom the assertion names: leave it out, or name the agent")]
    Id,
}

impl Engine {
    /// Believes a client: its credential, and the proof beside it. Both are checked before either is
    /// used up, the proof first, because a client that lacks only the nonce asks again.
    ///
    /// Errors: one of them is not believed.
    pub fn client(&self, shown: &Signed<'_>) -> Result<Client, ClientError> {
        let now = self.now();
        let request = Request { method: "POST", url: shown.url, token: None };
        let proof = shown.proof.map(|proof| self.proofs.check(proof, &request, now)).transpose()?;
        let (assertion, id, method) = match shown.credential {
            Credential::Assertion(text) => {
                let assertion = self.signed(text, now)?;
                let id = assertion.client().to_string();
                (assertion, id, AttestationMethod::PrivateKeyJwt)
            }
            Credential::Svid(text, authority) => {
                let (assertion, id) = self.named(text, authority, now)?;
                (assertion, id, AttestationMethod::JwtSvid)
            }
        };
        let is_it = |name: &str| name == id || name == assertion.client().as_str();
        if shown.client_id.is_some_and(|name| !is_it(name)) {
            return Err(ClientError::Id);
        }
        self.acts(assertion.client())?;
        let agent = self.assertions.spend(assertion, now)?;
        let spent = proof.map(|proof| self.proofs.spend(&proof, now)).transpose()?;
        let key = spent.as_ref().map(|spent| spent.key);
        Ok(Client { agent, method, key, nonce: spent.and_then(|spent| spent.nonce) })
    }

    /// Whether there is such an agent, and it may act.
    fn acts(&self, agent: &AgentName) -> Result<(), ClientError> {
        let settings = self.settings.load();
        match settings.agents.find(agent) {
            Some(found) if found.standing.lifecycle != Lifecycle::Active => {
                Err(ClientError::Stopped(found.standing.lifecycle))
            }
            Some(found) if found.agent.is_some() => Ok(()),
            _ => Err(ClientError::Unknown),
        }
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
        self.acts(&agent)?;
        let lifetime = self.settings.load().svid_lifetime;
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
