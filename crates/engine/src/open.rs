//! Opening a task: a template, an agent that may open it, a purpose, and what narrows it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use remit_model::agent::AttestationMethod;
use remit_model::task::Charter;
use remit_model::{
    Agent, AgentName, Attestation, Budget, Class, Door, Refusal, Task, TaskId, ToolRule, ToolScope,
    Workload,
};
use remit_policy::{Verdict, decide};
use remit_ports::{KeyError, Kind, Subject};
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
}

/// How many tasks peers may open in each [`OPENING_WINDOW`] (R13): each leaves a record and a key.
pub const OPENINGS_PER_WINDOW: u32 = 100;
/// See [`OPENINGS_PER_WINDOW`].
pub const OPENING_WINDOW: Duration = Duration::from_secs(10);
/// How long a purpose may be, in bytes (R13).
pub const MAX_PURPOSE: usize = 4096;

impl Engine {
    /// Opens a task on record and mints its first grant.
    ///
    /// Errors: no such template, the agent may not open it, the policy says no, or the record
    /// cannot be made; the refusal says which and what to do.
    pub async fn open(
        &self,
        opener: &Opener,
        proposal: Proposal,
    ) -> Result<(Task, String), Refusal> {
        if matches!(opener, Opener::Peer(_)) && !self.may_open_another() {
            return Err(Refusal::one(
                Class::Transient,
                "openings",
                "too many tasks were opened in a short time",
                "wait ten seconds, or go on with a task that is open",
            ));
        }
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
        self.admit(&task, &agent).await?;
        let grant = self.grant(&task)?;
        self.announce(Change::Task(task.id().clone()));
        Ok((task, grant))
    }

    /// Mints a further grant for an open task.
    ///
    /// Errors: the task is not open, or the token cannot be signed.
    pub fn grant(&self, task: &Task) -> Result<String, Refusal> {
        if !task.is_open() {
            return Err(no("task", format!("the task is {}", task.state.name())));
        }
        let lifetime = self.settings.load().grant_lifetime;
        let entropy = self.ports.entropy.as_ref();
        let minted = self.minter.mint(&task.charter, lifetime, self.now(), entropy);
        minted.map(|(token, _)| token).map_err(|why| no("grant", why.to_string()))
    }

    /// Counts an opening by a peer; whether there is room for it.
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
        if remit.tools.is_oversized() {
            return Err(no("remit", "the tool rules are more than a remit may hold"));
        }
        let purpose = proposal.purpose.or_else(|| template.purpose.clone()).ok_or_else(|| {
            no("purpose", "a purpose is needed: say with --purpose what the task is for")
        })?;
        if purpose.len() > MAX_PURPOSE {
            return Err(no("purpose", format!("the purpose is longer than {MAX_PURPOSE} bytes")));
        }
        let (method, uid) = match opener {
            Opener::Operator(_) => (AttestationMethod::Operator, None),
            Opener::Peer(workload) => (AttestationMethod::UnixPeer, Some(workload.uid)),
        };
        Ok(Charter {
            id: TaskId::draw(self.ports.entropy.as_ref()),
            agent: agent.name.clone(),
            template: template.name.clone(),
            purpose,
            remit,
            attestation: Attestation { method, at: now },
            uid,
            opened: now,
        })
    }

    /// Asks the policy, makes the task's key, records the task and waits until that is durable.
    async fn admit(&self, task: &Task, agent: &Arc<Agent>) -> Result<(), Refusal> {
        let (world, settings) = (self.world(), self.settings());
        let caller = Caller {
            agent: Arc::clone(agent),
            task: task.id().clone(),
            attestation: task.charter.attestation.clone(),
            door: Door::Internal,
        };
        let now = task.charter.opened;
        let scene = Scene { world: &world, settings: &settings, caller: &caller, task, now };
        let permit = match decide(&world.snapshot, scene.open()) {
            Verdict::Permit(permit) => permit,
            Verdict::Hold(hold) => {
                return Err(no(
                    "open",
                    format!(
                        "opening this task needs the approval of group `{}`; let a person of it open the task",
                        hold.group()
                    ),
                ));
            }
            Verdict::Deny(denied) => return Err(denied.refusal().clone()),
        };
        let failed = |why: String| {
            Refusal::one(Class::Transient, "ledger", why, "see `remit status` for the cause")
        };
        self.make_key(task.id()).await.map_err(|why| failed(why.to_string()))?;
        let json = permit.question().to_json().map_err(|why| failed(why.to_string()))?;
        let mut record = draft::question(Kind::Task, world.pins, "opened", permit.question(), json);
        let charter = serde_json::to_string(task.charter.as_ref());
        record.body.insert("charter".to_owned(), charter.map_err(|why| failed(why.to_string()))?);
        record.subject =
            Some(Subject { task: task.id().clone(), sequence: 0, epoch: task.account().epoch });
        let _opening = self.being_opened.read().await;
        let accepted = self.ports.ledger.append(record).map_err(|why| failed(why.to_string()))?;
        accepted.durable().await.map_err(|why| failed(why.to_string()))?;
        self.insert(task.clone());
        Ok(())
    }
}

fn no(check: &str, text: impl Into<String>) -> Refusal {
    Refusal::one(Class::Structural, check, text, "change the request, or ask the operator")
}
