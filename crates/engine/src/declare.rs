//! What an agent says it needs, before it has read anything that an outsider could have written.
//!
//! A plan that precedes the contamination is worth something: whatever is read later cannot add a tool
//! to it. It only narrows what a template or a person allowed (promises R3, R5).

use remit_model::scope::ToolRule;
use remit_model::task::{Charter, Event};
use remit_model::{Refusal, Task, TaskId, ToolScope};
use remit_ports::Kind;

use crate::open::no;
use crate::{Change, Engine, admit, draft};

/// How many tools a plan may name (R13).
pub const MAX_PLANNED: usize = 256;

impl Engine {
    /// Whether the template of `task` provides for declaring a plan.
    pub fn declares(&self, task: &TaskId) -> bool {
        self.cell(task).is_some_and(|cell| cell.lock().charter.declares)
    }

    /// Whether the agent of `task` is to be offered to declare one now.
    pub fn may_declare(&self, task: &TaskId) -> bool {
        self.cell(task).is_some_and(|cell| {
            let task = cell.lock();
            task.charter.declares && is_early(&task)
        })
    }

    /// Narrows `task` to the tools of `plan`, on record.
    ///
    /// Errors: no such task, its template does not provide for it, it is sealed or narrowed too often already, or it cannot be
    /// recorded; nothing has changed then.
    pub async fn declare(&self, task: &TaskId, plan: Vec<ToolRule>) -> Result<(), Refusal> {
        let cell = self.cell(task).ok_or_else(|| no("task", "there is no such task"))?;
        let plan = scope(plan)?;
        let mut record = draft::note(Kind::Task, self.world().pins, "declared");
        record.clear.event = Some(Event::Declared { plan: plan.clone() });
        let accepted = {
            let mut guard = cell.lock();
            may_narrow(&guard, &plan)?;
            let ledger = self.ports.ledger.as_ref();
            let committed = cell.commit(&mut guard, ledger, record, self.now());
            committed.map_err(|why| no("task", why.to_string()))?
        };
        accepted.durable().await.map_err(|why| admit::unrecorded(&why))?;
        self.announce(Change::Task(task.clone()));
        self.announce(Change::Tools);
        Ok(())
    }
}

/// Before anything from outside has entered.
fn is_early(task: &Task) -> bool {
    task.is_open() && !task.account().sealed
}

/// The task as it is opened with `charter` by somebody who says at once which tools it needs, if they do.
///
/// Errors: as when it is said later.
pub(crate) fn opened(charter: Charter, plan: Option<Vec<ToolRule>>) -> Result<Task, Refusal> {
    let Some(plan) = plan else { return Ok(Task::open(charter)) };
    let plan = scope(plan)?;
    may_narrow(&Task::open(charter.clone()), &plan)?;
    Ok(Task::open(Charter { plan, ..charter }))
}

fn scope(plan: Vec<ToolRule>) -> Result<ToolScope, Refusal> {
    if plan.len() > MAX_PLANNED {
        let text = format!("expected at most {MAX_PLANNED} tools, got {}", plan.len());
        return Err(no("plan", text));
    }
    Ok(ToolScope::any_of(plan))
}

fn may_narrow(task: &Task, plan: &ToolScope) -> Result<(), Refusal> {
    if !task.charter.declares {
        return Err(no("plan", "the template of this task does not provide for declaring a plan"));
    }
    if !is_early(task) {
        let text = "something from outside has reached the task, so what it is to do can be declared no more";
        return Err(no("sealed", text));
    }
    if task.remit().tools.meet(plan.clone()).is_oversized() {
        return Err(no("remit", "the tool rules are more than a remit may hold"));
    }
    Ok(())
}
