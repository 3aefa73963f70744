//! Knowing an agent by what others say of it, and the person on whose behalf it acts.

use std::collections::BTreeSet;
use std::time::Duration;

use remit_model::agent::AttestationMethod;
use remit_model::{AgentName, IssuerName, Named, Task, TaskId, Voucher};
use remit_spiffe::{SpiffeId, verify_foreign};
use remit_token::elsewhere::{Asserted, Claims, Expected, ForeignError, IdJag, Issuer, Vouched};

use crate::Engine;
use crate::client::{Client, ClientError, Evidence, Known};

/// The longest that a JWT-SVID of another trust domain may be good in all: as long as any of ours.
pub const MAX_FOREIGN_SVID: Duration = Duration::from_hours(1);

/// Whom others vouch for, as a person configured it.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// Issuers whose tokens are believed, each with another `iss`.
    pub issuers: Vec<Issuer>,
    /// Trust domains that are federated with ours.
    pub domains: Vec<Domain>,
    /// Which of those whom they vouch for are agents.
    pub agents: Vec<(AgentName, Rule)>,
}

/// A trust domain whose JWT-SVIDs are believed.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Whether each of its JWT-SVIDs may be used once only.
    pub once: bool,
}

/// Which of those that others vouch for is an agent.
#[derive(Clone, Debug)]
pub enum Rule {
    /// Whoever these claims of a token of that issuer's fit.
    Claims(IssuerName, Claims),
    /// Who has this SPIFFE ID in another trust domain.
    Svid(SpiffeId),
}

/// A person on whose behalf a client acts, and what narrows that.
#[derive(Clone, Debug)]
pub struct Behalf {
    /// Who.
    pub person: Named,
    /// The resources that it is for, if the issuer says so.
    pub resources: Option<Vec<String>>,
    /// What it is for, as JSON, if the issuer says so.
    pub details: Option<String>,
}

impl Elsewhere {
    fn issuer(&self, url: &str) -> Result<&Issuer, ForeignError> {
        self.issuers.iter().find(|it| it.url == url).ok_or(ForeignError::Issuer)
    }

    /// The agents that are known by this ID of another trust domain.
    pub(crate) fn known_by(&self, svid: &SpiffeId) -> Vec<AgentName> {
        let is_it = |rule: &Rule| matches!(rule, Rule::Svid(id) if id == svid);
        let fitting = self.agents.iter().filter(|(_, rule)| is_it(rule));
        fitting.map(|(agent, _)| agent.clone()).collect()
    }

    /// The one agent that `is_it` says somebody is; `named` chooses among several.
    fn agent(
        &self,
        named: Option<&str>,
        is_it: impl Fn(&Rule) -> bool,
    ) -> Result<AgentName, ForeignError> {
        let fitting = self.agents.iter().filter(|(_, rule)| is_it(rule)).map(|(agent, _)| agent);
        let fitting: BTreeSet<_> =
            fitting.filter(|agent| named.is_none_or(|named| named == agent.as_str())).collect();
        match (fitting.first(), fitting.len()) {
            (Some(agent), 1) => Ok((*agent).clone()),
            (None, _) => Err(ForeignError::NoAgent),
            _ => Err(ForeignError::Several),
        }
    }
}

/// The trust domain of `text`, if it is a SPIFFE ID.
pub(crate) fn domain_of(text: &str) -> Option<String> {
    SpiffeId::new(text).ok().map(|id| id.trust_domain().as_str().to_owned())
}

impl Engine {
    /// Whether `text` says that it is a JWT-SVID of a trust domain that is federated with ours.
    pub(crate) fn is_of_a_federated_domain(&self, text: &str) -> bool {
        let asserted = Asserted::read(text).ok();
        let domain = asserted.and_then(|it| domain_of(&it.unverified("sub")?));
        let settings = self.settings.load();
        domain.is_some_and(|name| settings.elsewhere.domains.iter().any(|it| it.name == name))
    }

    /// Believes a workload by a token of an issuer's, or of another trust domain's. `named` chooses where
    /// more than one agent comes into question.
    pub(crate) async fn known_elsewhere(
        &self,
        (text, asserted): (&str, &Asserted<'_>),
        named: Option<&str>,
    ) -> Result<Known, ClientError> {
        let settings = self.settings();
        let claim = |name| asserted.unverified(name).unwrap_or_default();
        if let Ok(issuer) = settings.elsewhere.issuer(&claim("iss")) {
            let voucher = Voucher::Issuer(issuer.name.clone());
            let keys = self.ports.elsewhere.keys(&voucher, asserted.key_id()).await?;
            let ours = self.realm.issuer();
            let vouched = asserted.workload(issuer, &keys, ours, self.now())?;
            let is_it = |rule: &Rule| match rule {
                Rule::Claims(name, claims) => *name == issuer.name && claims.fit(&vouched.claims),
                Rule::Svid(_) => false,
            };
            let agent = settings.elsewhere.agent(named, is_it)?;
            let (id, method) = (agent.to_string(), AttestationMethod::Oidc);
            return Ok(Known { agent, id, method, evidence: Evidence::Vouched(vouched) });
        }
        let name = domain_of(&claim("sub")).ok_or(ForeignError::Issuer)?;
        let domain = settings.elsewhere.domains.iter().find(|domain| domain.name == name);
        let domain = domain.ok_or(ForeignError::Issuer)?;
        let voucher = Voucher::Domain(domain.name.clone());
        let keys = self.ports.elsewhere.keys(&voucher, asserted.key_id()).await?;
        let (ours, now) = (self.realm.issuer(), self.now());
        let svid = verify_foreign(text, (&domain.name, &keys), ours, now)?;
        let issuer = svid.id.trust_domain().id_string();
        let whom = Named { issuer, subject: svid.id.to_string() };
        let expected =
            Expected { audience: ours.to_owned(), lifetime: MAX_FOREIGN_SVID, once: domain.once };
        let vouched = Vouched::read(whom, svid.claims, &expected, now)?;
        let is_it = |rule: &Rule| matches!(rule, Rule::Svid(id) if *id == svid.id);
        // A client may call itself by the SPIFFE ID, which chooses nothing.
        let named = named.filter(|named| *named != vouched.named.subject);
        let agent = settings.elsewhere.agent(named, is_it)?;
        let (id, method) = (vouched.named.subject.clone(), AttestationMethod::FederatedJwtSvid);
        Ok(Known { agent, id, method, evidence: Evidence::Vouched(vouched) })
    }

    /// The person on whose behalf `client` may act by the ID-JAG `text`, which is used up.
    ///
    /// Errors: it is none of a trusted issuer's, was given to somebody else, or is not good now.
    pub async fn on_behalf(&self, client: &Client, text: &str) -> Result<Behalf, ClientError> {
        let asserted = Asserted::read(text).map_err(ForeignError::from)?;
        if !asserted.is_id_jag() {
            return Err(ForeignError::NoPerson.into());
        }
        let settings = self.settings();
        let issuer = settings.elsewhere.issuer(&asserted.unverified("iss").unwrap_or_default())?;
        let voucher = Voucher::Issuer(issuer.name.clone());
        let keys = self.ports.elsewhere.keys(&voucher, asserted.key_id()).await?;
        let (ours, now) = (self.realm.issuer(), self.now());
        let names = [client.agent.as_str(), client.id.as_str()];
        let IdJag { vouched, resources, details } =
            asserted.person((issuer, &keys), &names, ours, now)?;
        vouched.check_bound(client.binding.key())?;
        self.assertions.spend_vouched(&vouched, now)?;
        Ok(Behalf { person: vouched.named, resources, details })
    }

    /// The task that `agent` may go on with, on behalf of the same person as it was opened for, if any.
    pub fn goes_on(
        &self,
        task: &TaskId,
        agent: &AgentName,
        on_behalf: Option<&Named>,
    ) -> Option<Task> {
        self.open_task(task, agent).filter(|task| task.charter.on_behalf.as_ref() == on_behalf)
    }
}
