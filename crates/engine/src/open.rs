//! Opening a task: a template, an agent that may open it, a purpose, and what narrows it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use remit_jose::Thumbprint;
use remit_model::agent::AttestationMethod;
use remit_model::task::{Charter, Consented};
use remit_model::{
    Agent, AgentName, Attestation, Budget, Class, Digest, Door, Possession, Refusal, Remit,
    ServerName, Task, TaskId, ToolRule, ToolScope, Workload,
};
use remit_policy::{Permit, Verdict, decide};
use remit_ports::{KeyError, Kind, Pins, Subject};
use remit_token::Terms;
use serde::Deserialize;

use crate::frame::Scene;
use crate::{Caller, Change, Engine, Template, draft};

/// Who opens a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opener {
    /// An authenticated operator.
    Operator(String),
    /// A process, by what the kernel says of it.
    Peer(Workload),
    /// An agent that proved to be it at the token endpoint, and how.
    Client(AgentName, AttestationMethod),
    /// A person who said in a browser what an agent's client is to do, and which client.
    Person(AgentName, Consented),
}

impl Opener {
    /// The person, if it is one.
    fn person(&self) -> Option<&str> {
        match self {
            Self::Operator(name) => Some(name),
            Self::Person(_, consented) => Some(&consented.by),
            Self::Peer(_) | Self::Client(..) => None,
        }
    }
}

/// What is asked for. Everything beside the template can only narrow it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proposal {
    /// The template's name.
    pub template: String,
    /// The agent; may be left out where only one comes into question.
    pub agent: Option<AgentName>,
    /// What the task is for.
    pub purpose: Option<String>,
    /// Only these tools.
    pub tools: Option<Vec<ToolRule>>,
    /// At most this much.
    pub budget: Option<Budget>,
    /// At most this long, in seconds.
    pub seconds: Option<u64>,
    /// The key that the grant is bound to; left out: to none. It need not be proved to name one: a
    /// grant for a key that one does not hold is worth nothing.
    pub jkt: Option<Thumbprint>,
    /// Within this, whatever the template says by now: what a person was shown and allowed.
    #[serde(skip)]
    pub within: Option<Remit>,
}

/// Whose a grant is to be.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    /// The key that its holder must prove to have; `None` for a bearer token.
    pub key: Option<Thumbprint>,
    /// The one server whose endpoint takes it; `None` for all.
    pub server: Option<ServerName>,
}

/// How many tasks peers may open in each [`OPENING_WINDOW`] (R13): each leaves a record and a key.
pub const OPENINGS_PER_WINDOW: u32 = 100;
/// See [`OPENINGS_PER_WINDOW`].
pub const OPENING_WINDOW: Duration = Duration::from_secs(10);
/// How long a purpose may be, in bytes (R13).
pub const MAX_PURPOSE: usize = 4096;

impl Holding {
    /// How such a grant is sent: `DPoP` or `Bearer` (RFC 6749 section 7.1).
    pub fn token_type(&self) -> &'static str {
        if self.key.is_some() { "DPoP" } else { "Bearer" }
    }
}

impl Engine {
    /// Opens a task on record, for a caller that holds no grant because its connection names it.
    ///
    /// Errors: no such template, the agent may not open it, the policy says no, or the record
    /// cannot be made; the refusal says which and what to do.
    pub async fn open(&self, opener: &Opener, proposal: Proposal) -> Result<Task, Refusal> {
        self.open_for(opener, proposal, Possession::Connection).await
    }

    /// Opens a task on record and mints its first grant, bound to the key that the proposal names,
    /// for the endpoint of `server` alone if one is named.
    ///
    /// Errors: as [`Self::open`], and no key is named where only bound grants are accepted.
    pub async fn open_with_grant(
        &self,
        opener: &Opener,
        proposal: Proposal,
        server: Option<ServerName>,
    ) -> Result<(Task, String), Refusal> {
        let holding = Holding { key: proposal.jkt, server };
        let possession = self.possession(&holding)?;
        let task = self.open_for(opener, proposal, possession).await?;
        let grant = self.grant(&task, &holding)?;
        Ok((task, grant))
    }

    async fn open_for(
        &self,
        opener: &Opener,
        proposal: Proposal,
        possession: Possession,
    ) -> Result<Task, Refusal> {
        if opener.person().is_none() && !self.may_open_another() {
            return Err(Refusal::one(
                Class::Transient,
                "openings",
                "too many tasks were opened in a short time",
                "wait ten seconds, or go on with a task that is open",
            ));
        }
        let (task, agent) = self.draw_up(opener, proposal)?;
        let permit = self.may_be_opened(&task, &agent, possession)?;
        self.admit(&task, permit, opener.person()).await?;
        self.announce(Change::Task(task.id().clone()));
        Ok(task)
    }

    /// What [`Self::open_with_grant`] would open now, without opening it: for a person who is to
    /// allow exactly that.
    ///
    /// Errors: as there.
    pub fn preview(&self, opener: &Opener, proposal: Proposal) -> Result<Task, Refusal> {
        // A client shows what it holds only when it comes for its grant.
        let bearer = proposal.jkt.is_none() && self.settings.load().bearer;
        let possession = if bearer { Possession::Bearer } else { Possession::Dpop };
        let (task, agent) = self.draw_up(opener, proposal)?;
        self.may_be_opened(&task, &agent, possession)?;
        Ok(task)
    }

    /// The task as it would be opened now.
    fn draw_up(&self, opener: &Opener, proposal: Proposal) -> Result<(Task, Arc<Agent>), Refusal> {
        let settings = self.settings();
        let template = settings.templates.get(&proposal.template).cloned().ok_or_else(|| {
            let known: Vec<_> = settings.templates.keys().map(String::as_str).collect();
            no(
                "template",
                format!(
                    "there is no template `{}`; there are: {}",
                    proposal.template,
                    known.join(", ")
                ),
            )
        })?;
        let agent = self.opening_agent(opener, &template, proposal.agent.as_ref())?;
        let task = Task::open(self.charter(opener, &template, &agent, proposal)?);
        Ok((task, agent))
    }

    /// Mints a further grant for an open task.
    ///
    /// Errors: the task is not open, no key is named where only bound grants are accepted, or the
    /// token cannot be signed.
    pub fn grant(&self, task: &Task, holding: &Holding) -> Result<String, Refusal> {
        if !task.is_open() {
            return Err(no("task", format!("the task is {}", task.state.name())));
        }
        self.possession(holding)?;
        let lifetime = self.settings.load().grant_lifetime;
        let terms = Terms { lifetime, key: holding.key, server: holding.server.clone() };
        let entropy = self.ports.entropy.as_ref();
        let minted = self.minter.mint(&task.charter, &terms, self.now(), entropy);
        minted.map(|(token, _)| token).map_err(|why| no("grant", why.to_string()))
    }

    /// How long a grant that is made now for `task` can be used: no longer than the task.
    pub fn grant_lives(&self, task: &Task) -> Duration {
        let left = task.charter.remit.deadline.since(self.now());
        self.settings.load().grant_lifetime.min(left)
    }

    /// What whoever uses such a grant will show.
    fn possession(&self, holding: &Holding) -> Result<Possession, Refusal> {
        match holding.key {
            Some(_) => Ok(Possession::Dpop),
            None if self.settings.load().bearer => Ok(Possession::Bearer),
            None => Err(Refusal::one(
                Class::Structural,
                "grant",
                "grants that are bound to no key are not accepted here",
                "name the thumbprint of a key of the workload's as `jkt` (`remit task open --jkt`), \
                 or set `bearer` in [listen]",
            )),
        }
    }

    /// Counts an opening by somebody who is not an operator; whether there is room for it.
    fn may_open_another(&self) -> bool {
        let now = self.now();
        let mut window = self.openings.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.0) >= OPENING_WINDOW {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        window.1 <= OPENINGS_PER_WINDOW
    }

    /// Makes the task's key, off the event loop: it waits for the disk.
    async fn make_key(&self, task: &TaskId) -> Result<(), KeyError> {
        let (keys, task) = (Arc::clone(&self.ports.keys), task.clone());
        let made = tokio::task::spawn_blocking(move || keys.create(&task)).await;
        made.unwrap_or_else(|why| Err(KeyError::Failed(why.to_string())))
    }

    fn opening_agent(
        &self,
        opener: &Opener,
        template: &Template,
        wanted: Option<&AgentName>,
    ) -> Result<Arc<Agent>, Refusal> {
        let settings = self.settings.load();
        let fits = |agent: &Agent| match opener {
            Opener::Operator(_) => true,
            Opener::Peer(workload) => agent.is(workload, settings.own_uid),
            Opener::Client(name, _) | Opener::Person(name, _) => agent.name == *name,
        };
        let mut fitting = template
            .may_open
            .iter()
            .filter(|name| wanted.is_none_or(|wanted| wanted == *name))
            .filter_map(|name| settings.agents.get(name))
            .filter(|agent| fits(agent));
        match (fitting.next(), fitting.next()) {
            (Some(agent), None) => Ok(Arc::clone(agent)),
            (Some(_), Some(_)) => Err(no(
                "agent",
                "more than one agent may open this template; name one with --agent",
            )),
            (None, _) => Err(no(
                "agent",
                format!(
                    "nobody that this caller proved to be may open template `{}`; its `may_open` names: {}",
                    template.name,
                    template.may_open.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ")
                ),
            )),
        }
    }

    fn charter(
        &self,
        opener: &Opener,
        template: &Template,
        agent: &Agent,
        proposal: Proposal,
    ) -> Result<Charter, Refusal> {
        let now = self.now();
        let mut remit = template.remit(now);
        if let Some(tools) = proposal.tools {
            remit.tools = remit.tools.meet(ToolScope::any_of(tools));
        }
        if let Some(budget) = proposal.budget {
            remit.budget = remit.budget.meet(budget);
        }
        if proposal.seconds == Some(0) {
            return Err(no("deadline", "expected a time of at least one second"));
        }
        if let Some(seconds) = proposal.seconds {
            let ends = now.after(Duration::from_secs(seconds));
            remit.deadline = remit.deadline.min(ends);
        }
        if let Some(within) = proposal.within {
            remit = remit.meet(within);
        }
        if remit.tools.is_oversized() {
            return Err(no("remit", "the tool rules are more than a remit may hold"));
        }
        let purpose = proposal.purpose.or_else(|| template.purpose.clone()).ok_or_else(|| {
            no("purpose", "a purpose is needed: say with --purpose what the task is for")
        })?;
        if purpose.len() > MAX_PURPOSE {
            return Err(no("purpose", format!("the purpose is longer than {MAX_PURPOSE} bytes")));
        }
        let (method, uid, consent) = match opener {
            Opener::Operator(_) => (AttestationMethod::Operator, None, None),
            Opener::Peer(workload) => (AttestationMethod::UnixPeer, Some(workload.uid), None),
            Opener::Client(_, method) => (*method, None, None),
            Opener::Person(_, by) => (AttestationMethod::Consent, None, Some(by.clone())),
        };
        Ok(Charter {
            id: TaskId::draw(self.ports.entropy.as_ref()),
            agent: agent.name.clone(),
            template: template.name.clone(),
            purpose,
            remit,
            attestation: Attestation { method, at: now },
            uid,
            consent,
            opened: now,
        })
    }

    /// Asks the policy. Beside the permit, which policy that was.
    fn may_be_opened(
        &self,
        task: &Task,
        agent: &Arc<Agent>,
        possession: Possession,
    ) -> Result<(Permit, Pins), Refusal> {
        let (world, settings) = (self.world(), self.settings());
        let caller = Caller {
            agent: Arc::clone(agent),
            task: task.id().clone(),
            attestation: task.charter.attestation.clone(),
            door: Door::Internal,
            possession,
        };
        let now = task.charter.opened;
        let scene = Scene { world: &world, settings: &settings, caller: &caller, task, now };
        match decide(&world.snapshot, scene.open()) {
            Verdict::Permit(permit) => Ok((permit, world.pins)),
            Verdict::Hold(hold) => Err(no(
                "open",
                format!(
                    "opening this task needs the approval of group `{}`; let a person of it open the task",
                    hold.group()
                ),
            )),
            Verdict::Deny(denied) => Err(denied.refusal().clone()),
        }
    }

    /// Makes the task's key, records the task with the `person` who opened it, and waits until that
    /// is durable.
    async fn admit(
        &self,
        task: &Task,
        (permit, pins): (Permit, Pins),
        person: Option<&str>,
    ) -> Result<(), Refusal> {
        let failed = |why: String| {
            Refusal::one(Class::Transient, "ledger", why, "see `remit status` for the cause")
        };
        self.make_key(task.id()).await.map_err(|why| failed(why.to_string()))?;
        let json = permit.question().to_json().map_err(|why| failed(why.to_string()))?;
        let text = (Digest::of(json.as_bytes()), json);
        let mut record = draft::question(Kind::Task, pins, "opened", permit.question(), text);
        record.clear.actor = person.map(str::to_owned);
        let charter = serde_json::to_string(task.charter.as_ref());
        record.body.insert("charter".to_owned(), charter.map_err(|why| failed(why.to_string()))?);
        record.subject =
            Some(Subject { task: task.id().clone(), sequence: 0, epoch: task.account().epoch });
        let _opening = self.being_opened.read().await;
        let accepted = self.ports.ledger.append(record).map_err(|why| failed(why.to_string()))?;
        // Nothing is awaited in between: of a caller who goes away here, the task is on record and
        // must be known, so that it ends. Nobody has a grant for it before it is durable.
        self.insert(task.clone());
        accepted.durable().await.map(drop).map_err(|why| {
            self.forget(task.id());
            failed(why.to_string())
        })
    }

    /// Takes back what was not opened after all.
    fn forget(&self, task: &TaskId) {
        self.tasks.write().unwrap_or_else(PoisonError::into_inner).remove(task);
    }
}

fn no(check: &str, text: impl Into<String>) -> Refusal {
    Refusal::one(Class::Structural, check, text, "change the request, or ask the operator")
}
