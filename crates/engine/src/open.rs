//! Opening a task: a template, an agent that may open it, a purpose, and what narrows it.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use remit_jose::Thumbprint;
use remit_model::agent::AttestationMethod;
use remit_model::task::{Charter, Consented};
use remit_model::{
    Agent, AgentName, Attestation, Budget, Class, Descent, Fixed, Foreseen, Lifecycle, Named,
    Possession, Refusal, Remit, ServerName, Task, TaskId, Tick, Timestamp, ToolRule, ToolScope,
    Workload,
};
use remit_token::{Binding, Terms};
use serde::Deserialize;

use crate::admit::Opening;
use crate::inherit::Known;
use crate::{Engine, Settings, Template, declare};

/// Who opens a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opener {
    /// An authenticated operator.
    Operator(String),
    /// A process, by what the kernel says of it.
    Peer(Workload),
    /// A client of the token endpoint.
    Client(Box<Vouched>),
    /// A person who said in a browser what an agent's client is to do, and which client.
    Person(AgentName, Consented),
}

impl Opener {
    /// The person, if it is one.
    fn person(&self) -> Option<&str> {
        match self {
            Self::Operator(name) => Some(name),
            Self::Person(_, consented) => Some(&consented.by),
            Self::Peer(_) | Self::Client(_) => None,
        }
    }
}

/// An agent that proved to be it at the token endpoint, and who else has a say in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The agent.
    pub agent: AgentName,
    /// How it proved to be that.
    pub method: AttestationMethod,
    /// As whom, where somebody else vouched for it.
    pub named: Option<Named>,
    /// The person on whose behalf it acts, as an issuer elsewhere names them.
    pub on_behalf: Option<Named>,
    /// Which process it is, where our own Workload API says so.
    pub process: Option<Descent>,
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
    /// Facts about the person for whom it is done, which count as given; only a person may state them.
    pub known: Vec<String>,
    /// Flows that the template offers, which are to be in force; only a person may switch them on.
    pub foresee: Vec<Tick>,
    /// Only these tools.
    pub tools: Option<Vec<ToolRule>>,
    /// The tools that the agent says it needs, where the template provides for that.
    #[serde(skip)]
    pub plan: Option<Vec<ToolRule>>,
    /// At most this much.
    pub budget: Option<Budget>,
    /// At most this long, in seconds.
    pub seconds: Option<u64>,
    /// At the operator's socket, the key that the grant is bound to; left out: to none. It need not be
    /// proved to name one: a grant for a key that one does not hold is worth nothing.
    pub jkt: Option<Thumbprint>,
    /// Within this, whatever the template says by now: what a person was shown and allowed.
    #[serde(skip)]
    pub within: Option<Remit>,
    /// With these flows in force, else not at all: those that a person was shown and allowed.
    #[serde(skip)]
    pub shown: Option<Vec<Foreseen>>,
}

/// What narrows what there is to begin with.
#[derive(Clone, Debug, Default)]
pub struct Narrowing {
    /// Only these tools.
    pub tools: Option<Vec<ToolRule>>,
    /// At most this much.
    pub budget: Option<Budget>,
    /// At most this long, in seconds.
    pub seconds: Option<u64>,
}

/// Whose a grant is to be.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    /// What its holder has to show with it.
    pub binding: Binding,
    /// The one server whose endpoint takes it; `None` for all.
    pub server: Option<ServerName>,
}

/// How many tasks peers may open in each [`OPENING_WINDOW`] (R13): each leaves a record and a key.
pub const OPENINGS_PER_WINDOW: u32 = 100;
/// See [`OPENINGS_PER_WINDOW`].
pub const OPENING_WINDOW: Duration = Duration::from_secs(10);
/// How many facts about a person a task may be given, and how long each may be, in bytes (R13).
pub const MAX_KNOWN: usize = 64;
/// See [`MAX_KNOWN`].
pub const MAX_FACT: usize = 256;
/// How long a purpose may be, in bytes (R13).
pub const MAX_PURPOSE: usize = 4096;

impl Narrowing {
    /// `remit`, narrowed at `now`.
    ///
    /// Errors: it ends at once, or it is more than a remit may hold.
    pub(crate) fn of(self, mut remit: Remit, now: Timestamp) -> Result<Remit, Refusal> {
        if let Some(tools) = self.tools {
            remit.tools = remit.tools.meet(ToolScope::any_of(tools));
        }
        if let Some(budget) = self.budget {
            remit.budget = remit.budget.meet(budget);
        }
        if self.seconds == Some(0) {
            return Err(no("deadline", "expected a time of at least one second"));
        }
        if let Some(seconds) = self.seconds {
            remit.deadline = remit.deadline.min(now.after(Duration::from_secs(seconds)));
        }
        if remit.tools.is_oversized() {
            return Err(no("remit", "the tool rules are more than a remit may hold"));
        }
        Ok(remit)
    }
}

impl Holding {
    /// For all servers, bound to `key` if there is one.
    pub fn by_key(key: Option<Thumbprint>) -> Self {
        Self { binding: key.map_or(Binding::Nothing, Binding::Key), server: None }
    }

    /// How such a grant is sent: `DPoP` or `Bearer` (RFC 6749 section 7.1).
    pub fn token_type(&self) -> &'static str {
        self.binding.token_type()
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

    /// Opens a task on record and mints its first grant.
    ///
    /// Errors: as [`Self::open`], and the grant is to be bound to nothing where only bound ones are
    /// accepted.
    pub async fn open_with_grant(
        &self,
        opener: &Opener,
        proposal: Proposal,
        holding: &Holding,
    ) -> Result<(Task, String), Refusal> {
        let possession = self.possession(holding)?;
        let task = self.open_for(opener, proposal, possession).await?;
        let grant = self.grant(&task, holding)?;
        Ok((task, grant))
    }

    async fn open_for(
        &self,
        opener: &Opener,
        proposal: Proposal,
        possession: Possession,
    ) -> Result<Task, Refusal> {
        if opener.person().is_none() {
            self.count_opening()?;
        }
        let (task, agent) = self.draw_up(opener, proposal)?;
        let opening = self.ask_to_open(&task, &agent, possession)?;
        self.admit(&task, Opening { person: opener.person(), ..opening }).await?;
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
        self.ask_to_open(&task, &agent, possession)?;
        Ok(task)
    }

    /// The task as it would be opened now.
    fn draw_up(
        &self,
        opener: &Opener,
        mut proposal: Proposal,
    ) -> Result<(Task, Fixed<Agent>), Refusal> {
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
        let plan = proposal.plan.take();
        let task = declare::opened(self.charter(opener, &template, &agent, proposal)?, plan)?;
        Ok((task, agent))
    }

    /// Mints a further grant for an open task.
    ///
    /// Errors: the task is not open, the grant is to be bound to nothing where only bound ones are
    /// accepted, or the token cannot be signed.
    pub fn grant(&self, task: &Task, holding: &Holding) -> Result<String, Refusal> {
        if !task.is_open() {
            return Err(no("task", format!("the task is {}", task.state.name())));
        }
        self.possession(holding)?;
        let lifetime = self.settings.load().grant_lifetime;
        let terms = Terms { lifetime, binding: holding.binding, server: holding.server.clone() };
        let entropy = self.ports.entropy.as_ref();
        let minted = self.grants.load().minter.mint(&task.charter, &terms, self.now(), entropy);
        minted.map(|(token, _)| token).map_err(|why| no("grant", why.to_string()))
    }

    /// How long a grant that is made now for `task` can be used: no longer than the task.
    pub fn grant_lives(&self, task: &Task) -> Duration {
        let left = task.charter.remit.deadline.since(self.now());
        self.settings.load().grant_lifetime.min(left)
    }

    /// What whoever uses such a grant will show.
    pub(crate) fn possession(&self, holding: &Holding) -> Result<Possession, Refusal> {
        let possession = holding.binding.possession();
        if possession == Possession::Bearer && !self.settings.load().bearer {
            return Err(Refusal::one(
                Class::Structural,
                "grant",
                "grants that are bound to no key are not accepted here",
                "name the thumbprint of a key of the workload's as `jkt` (`remit task open --jkt`), \
                 or set `bearer` in [listen]",
            ));
        }
        Ok(possession)
    }

    /// Counts an opening by somebody who is not an operator.
    ///
    /// Errors: there were too many just now.
    pub(crate) fn count_opening(&self) -> Result<(), Refusal> {
        let now = self.now();
        let mut window = self.openings.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(window.0) >= OPENING_WINDOW {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        if window.1 <= OPENINGS_PER_WINDOW {
            return Ok(());
        }
        Err(Refusal::one(
            Class::Transient,
            "openings",
            "too many tasks were opened or gone on with in a short time",
            "wait ten seconds, or go on with a task that is open",
        ))
    }

    fn opening_agent(
        &self,
        opener: &Opener,
        template: &Template,
        wanted: Option<&AgentName>,
    ) -> Result<Fixed<Agent>, Refusal> {
        let settings = self.settings.load();
        let fits = |agent: &Agent| match opener {
            Opener::Operator(_) => true,
            Opener::Peer(workload) => agent.is(workload, settings.own_uid),
            Opener::Client(client) => agent.name == client.agent,
            Opener::Person(name, _) => agent.name == *name,
        };
        let mut fitting = template
            .may_open
            .iter()
            .filter(|name| wanted.is_none_or(|wanted| wanted == *name))
            .filter_map(|name| settings.agents.get(name))
            .filter(|agent| fits(agent));
        match (fitting.next(), fitting.next()) {
            (Some(agent), None) => Ok(agent.clone()),
            (Some(_), Some(_)) => Err(no(
                "agent",
                "more than one agent may open this template; name one with --agent",
            )),
            (None, _) if let Some((name, lifecycle)) = stopped(&settings, template, wanted) => {
                let text = format!("agent `{name}` is {lifecycle}, so nothing is opened for it");
                Err(no("agent", text))
            }
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
        let foreseen = foreseen(opener, template, &proposal)?;
        let Proposal { purpose, known, tools, budget, seconds, within, .. } = proposal;
        let within = within.unwrap_or_default();
        let remit = template.remit(now).meet(within);
        let remit = Narrowing { tools, budget, seconds }.of(remit, now)?;
        let Known { workers, label: inherited } = self.known_of(opener, &agent.name);
        // Who opens a task without being a person, after having read what an outsider wrote, may have its words from there.
        let purpose_given = purpose.is_none() || !inherited.integrity.is_untrusted();
        let purpose = purpose.or_else(|| template.purpose.clone()).ok_or_else(|| {
            no("purpose", "a purpose is needed: say with --purpose what the task is for")
        })?;
        let purpose = bounded(purpose)?;
        let known = facts(opener, template, known)?;
        let (method, uid, consent) = match opener {
            Opener::Operator(_) => (AttestationMethod::Operator, None, None),
            Opener::Peer(workload) => (AttestationMethod::UnixPeer, Some(workload.uid), None),
            Opener::Client(client) => (client.method, None, None),
            Opener::Person(_, by) => (AttestationMethod::Consent, None, Some(by.clone())),
        };
        let (named, on_behalf) = match opener {
            Opener::Client(client) => (client.named.clone(), client.on_behalf.clone()),
            _ => (None, None),
        };
        Ok(Charter {
            id: TaskId::draw(self.ports.entropy.as_ref()),
            agent: agent.name.clone(),
            template: template.name.as_str().into(),
            purpose,
            purpose_given,
            declares: template.declare,
            plan: ToolScope::default(),
            known,
            foreseen,
            remit,
            attestation: Attestation { method, at: now, named },
            uid,
            lineage: Vec::new(),
            workers,
            unsettled: BTreeSet::new(),
            inherited,
            on_behalf,
            consent,
            opened: now,
        })
    }
}

/// The agent that would come into question, were it active.
fn stopped<'a>(
    settings: &Settings,
    template: &'a Template,
    wanted: Option<&AgentName>,
) -> Option<(&'a AgentName, Lifecycle)> {
    let mut asked = template.may_open.iter().filter(|name| wanted.is_none_or(|it| it == *name));
    let (Some(name), None) = (asked.next(), asked.next()) else { return None };
    let lifecycle = settings.agents.lifecycle(name);
    (lifecycle != Lifecycle::Active).then_some((name, lifecycle))
}

/// What is known of the person for whom a task is done, beside what its template knows.
fn facts(
    opener: &Opener,
    template: &Template,
    stated: Vec<String>,
) -> Result<Vec<String>, Refusal> {
    if !stated.is_empty() && opener.person().is_none() {
        return Err(no("known", "only a person may state facts that count as given"));
    }
    let known: Vec<String> = template.known.iter().cloned().chain(stated).collect();
    if known.len() > MAX_KNOWN || known.iter().any(|fact| fact.len() > MAX_FACT) {
        let text = format!("expected at most {MAX_KNOWN} facts of at most {MAX_FACT} bytes");
        return Err(no("known", text));
    }
    Ok(known)
}

/// The flows that are in force: what the template foresees, and what of its offers a person ticked.
fn foreseen(
    opener: &Opener,
    template: &Template,
    proposal: &Proposal,
) -> Result<Vec<Foreseen>, Refusal> {
    if !proposal.foresee.is_empty() && opener.person().is_none() {
        return Err(Refusal::one(
            Class::Structural,
            "foresee",
            "only a person may switch on a flow that the template offers",
            "let an operator open the task (`remit task open --foresee`, with the passphrase), or a \
             person tick it on the consent page",
        ));
    }
    let flows = template.foreseen.with(&proposal.foresee);
    let flows = flows.map_err(|why| no("foresee", why.to_string()))?;
    if proposal.shown.as_ref().is_some_and(|shown| *shown != flows) {
        let name = &template.name;
        let text = format!("the flows of template `{name}` are not those that a person was shown");
        let remedy = "send the person to authorize again";
        return Err(Refusal::one(Class::Structural, "foresee", text, remedy));
    }
    Ok(flows)
}

/// A purpose, if it is not too long.
pub(crate) fn bounded(purpose: String) -> Result<String, Refusal> {
    if purpose.len() > MAX_PURPOSE {
        return Err(no("purpose", format!("the purpose is longer than {MAX_PURPOSE} bytes")));
    }
    Ok(purpose)
}

pub(crate) fn no(check: &str, text: impl Into<String>) -> Refusal {
    Refusal::one(Class::Structural, check, text, "change the request, or ask the operator")
}
