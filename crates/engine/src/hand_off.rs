//! Handing on: a task of one agent begets a task of another, with at most its authority and at least
//! its labels (promises R3, R6).
//!
//! What the child may use is used up in the parent first, on record, and what it did not use comes back
//! when it has ended; so however a task is cut up, all of it together is never more than it was. A stop
//! of the parent reaches its children.

use std::sync::Arc;

use remit_model::task::{Ancestor, Charter, Event, MAX_HANDED_ON, MAX_LINEAGE};
use remit_model::{
    Agent, Attestation, Class, Fixed, Refusal, Remit, ServerName, Spent, Task, TaskId, ToolRule,
    ToolScope,
};
use remit_ports::Kind;
use remit_token::Grant;

use crate::admit::{self, Opening};
use crate::call::is_over;
use crate::cell::{CommitError, TaskCell};
use crate::client::Client;
use crate::inherit::Known;
use crate::open::{Holding, Narrowing, bounded, no};
use crate::{Engine, declare, draft};

/// What is to be handed on.
#[derive(Clone, Debug)]
pub struct HandOff {
    /// The grant that was shown for the task to hand on from (`subject_token`).
    pub subject: Grant,
    /// A template of the agent's own that narrows it further.
    pub template: Option<String>,
    /// What the child is for; left out: what its parent is for.
    pub purpose: Option<String>,
    /// The tools that its agent says it needs.
    pub plan: Option<Vec<ToolRule>>,
    /// What narrows it.
    pub narrowing: Narrowing,
}

impl Engine {
    /// The grant that `token` is, whoever it was made for, if it can be used now. To show it is not to
    /// prove to be its holder: it says from which task something is to be handed on, no more.
    pub fn shown(&self, token: &str) -> Option<Grant> {
        self.usable(token).map(|(grant, _)| grant)
    }

    /// Hands a task on to the agent that `to` is, and mints the child's first grant.
    ///
    /// Errors: the task is not open, its agent hands nothing to this one, it may not be handed on
    /// (further), its budget does not suffice, the policy says no, or the record cannot be made.
    pub async fn hand_off(
        &self,
        to: &Client,
        wanted: HandOff,
        holding: &Holding,
    ) -> Result<(Task, String), Refusal> {
        let possession = self.possession(holding)?;
        self.count_opening()?;
        let cell = self.cell(&wanted.subject.task).ok_or_else(gone)?;
        let parent = cell.lock().clone();
        let agent = self.receiver(&parent, to)?;
        let plan = wanted.plan.clone();
        let child = declare::opened(self.child(&parent, to, wanted)?, plan)?;
        let opening = self.ask_to_open(&child, &agent, possession)?;
        let index = self.hand_on(&cell, &child)?;
        let reserved = Reserved { engine: self, cell: &cell, child: child.id() };
        let admitted = self.admit(&child, Opening { parents: vec![index], ..opening }).await;
        drop(reserved);
        admitted?;
        let grant = self.grant(&child, holding)?;
        Ok((child, grant))
    }

    /// The agent that `to` is, if the parent's agent hands anything to it. One may always hand on to
    /// oneself: that only narrows.
    fn receiver(&self, parent: &Task, to: &Client) -> Result<Fixed<Agent>, Refusal> {
        let settings = self.settings.load();
        let giver = &parent.charter.agent;
        let hands_to = settings.agents.get(giver).map_or(&[][..], |agent| &agent.hands_to);
        if *giver != to.agent && !hands_to.contains(&to.agent) {
            let text = format!("`{giver}` hands nothing on to `{}`: see its `hands_to`", to.agent);
            return Err(no("agent", text));
        }
        let agent = settings.agents.get(&to.agent).cloned();
        agent.ok_or_else(|| no("agent", format!("agent `{}` is not there any more", to.agent)))
    }

    fn child(&self, parent: &Task, to: &Client, wanted: HandOff) -> Result<Charter, Refusal> {
        let (now, charter) = (self.now(), &parent.charter);
        let HandOff { subject, template, purpose, narrowing, .. } = wanted;
        let mut remit = handed_on(parent, subject.server.as_ref())?;
        if let Some(name) = &template {
            let settings = self.settings.load();
            let template = settings.templates.get(name);
            let template = template.filter(|template| template.may_open.contains(&to.agent));
            let template = template.ok_or_else(|| {
                no("template", format!("no template `{name}` names `{}` in `may_open`", to.agent))
            })?;
            remit = remit.meet(template.remit(now));
        }
        let mut lineage = charter.lineage.clone();
        lineage.push(Ancestor { agent: charter.agent.clone(), task: charter.id.clone() });
        if lineage.len() > MAX_LINEAGE {
            let text = format!("a task may be handed on {MAX_LINEAGE} times at most");
            return Err(no("delegation", text));
        }
        let Known { workers, label: left } = self.known_of_client(&to.agent, to.process.as_ref());
        let inherited = parent.account().label.clone().join(left);
        Ok(Charter {
            id: TaskId::draw(self.ports.entropy.as_ref()),
            agent: to.agent.clone(),
            template: template.map_or_else(|| Arc::clone(&charter.template), Arc::from),
            purpose_given: purpose
                .as_ref()
                .map_or(charter.purpose_given, |_| !inherited.integrity.is_untrusted()),
            purpose: bounded(purpose.unwrap_or_else(|| charter.purpose.clone()))?,
            declares: charter.declares,
            plan: ToolScope::default(),
            known: charter.known.clone(),
            // A template or a person allowed it to the task that was opened, as often as they say.
            foreseen: Vec::new(),
            remit: narrowing.of(remit, now)?,
            attestation: Attestation { method: to.method, at: now, named: to.named.clone() },
            uid: None,
            on_behalf: charter.on_behalf.clone(),
            consent: None,
            lineage,
            inherited,
            workers,
            unsettled: parent.account().unsettled.clone(),
            opened: now,
        })
    }

    /// Uses up in the parent what `child` may use, on record; the record's index.
    fn hand_on(&self, cell: &TaskCell, child: &Task) -> Result<u64, Refusal> {
        let now = self.now();
        let mut guard = cell.lock();
        let account = guard.account();
        if !guard.is_open() || is_over(&guard, now) {
            return Err(gone());
        }
        let knows = account.label.flows_to(&child.charter.inherited)
            && account.unsettled.is_subset(&child.charter.unsettled);
        if !knows {
            let text = "something has happened in the task meanwhile that its child has to know of";
            return Err(Refusal::one(Class::Transient, "handoff", text, "try again"));
        }
        if account.handed_on.len() >= MAX_HANDED_ON {
            let text = format!("{MAX_HANDED_ON} tasks were handed on from it and have not ended");
            let remedy = "end one of them, or go on with it";
            return Err(Refusal::one(Class::Structural, "handoff", text, remedy));
        }
        let own = guard.charter.remit.budget;
        let budget = own.cost_of(child.charter.remit.budget);
        if let Some((line, limit)) = account.spent.plus(budget).exceeds(own) {
            let text = format!("less than that is left of the budget of {limit} {line}");
            let remedy = "ask for less in `budget`";
            return Err(Refusal::one(Class::Budget, "budget", text, remedy));
        }
        let mut record = draft::note(Kind::Task, self.world().pins, "handed on");
        record.clear.agent = Some(child.charter.agent.to_string());
        record.clear.event = Some(Event::HandedOn { task: child.id().clone(), budget });
        let accepted = cell.commit(&mut guard, self.ports.ledger.as_ref(), record, now);
        accepted.map(|accepted| accepted.index()).map_err(|why| unrecorded(&why))
    }

    /// Takes back what the children of a task that have ended did not use, and ends the task if that
    /// was all it waited for.
    pub(crate) fn take_back(&self, cell: &TaskCell) {
        let children = cell.lock().account().children();
        for child in children {
            let Some(ended) = self.cell(&child) else { continue };
            let used = {
                let ended = ended.lock();
                ended.is_closed().then(|| ended.account().spent)
            };
            if let Some(used) = used {
                self.give_back_of(cell, &child, used);
            }
        }
        self.finish_if_closing(cell);
    }

    /// Takes back everything from children that a crash came before.
    pub(crate) fn take_back_unborn(&self) {
        for cell in self.cells() {
            let children = cell.lock().account().children();
            for child in children.iter().filter(|child| self.cell(child).is_none()) {
                self.give_back_of(&cell, child, Spent::default());
            }
        }
    }

    fn give_back_of(&self, cell: &TaskCell, child: &TaskId, used: Spent) {
        let mut guard = cell.lock();
        if !guard.account().handed_on.contains_key(child) {
            return;
        }
        let mut record = draft::note(Kind::Task, self.world().pins, "given back");
        record.clear.event = Some(Event::GivenBack { task: child.clone(), used });
        if let Err(why) = cell.commit(&mut guard, self.ports.ledger.as_ref(), record, self.now()) {
            tracing::warn!(task = %cell.id(), %child, %why, "what a child did not use is not back yet");
        }
    }
}

/// What a child took along before it was there. Whether it comes to be or not, or whoever asked goes
/// away meanwhile: if it is not there in the end, its parent has it back.
struct Reserved<'a> {
    engine: &'a Engine,
    cell: &'a TaskCell,
    child: &'a TaskId,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if self.engine.cell(self.child).is_none() {
            self.engine.give_back_of(self.cell, self.child, Spent::default());
        }
    }
}

/// The most that can be handed on from `parent`; with a grant for one server, only what is there.
fn handed_on(parent: &Task, server: Option<&ServerName>) -> Result<Remit, Refusal> {
    let own = parent.remit();
    let Some(delegation) = own.delegation.checked_sub(1) else {
        let text = "the task may not be handed on (further): its template or whoever handed it on \
                    says so in `delegation`";
        return Err(no("delegation", text));
    };
    let budget = own.budget.left(parent.account().spent);
    let remit = Remit { delegation, budget, ..own };
    let Some(server) = server else { return Ok(remit) };
    let pattern = format!("{server}/*").parse();
    let pattern = pattern.map_err(|why| no("server", format!("`{server}`: {why}")))?;
    let there = ToolScope::any_of([ToolRule::any_arguments(pattern)]);
    Ok(Remit { tools: remit.tools.meet(there), ..remit })
}

fn gone() -> Refusal {
    no("task", "the task to hand on from is not open")
}

fn unrecorded(why: &CommitError) -> Refusal {
    match why {
        CommitError::State(_) => gone(),
        CommitError::Ledger(why) => admit::unrecorded(why),
    }
}
