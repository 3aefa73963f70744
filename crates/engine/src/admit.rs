//! How a task comes to be: the policy is asked, the task gets a key, its opening is recorded, and only
//! then is it there. The same for one that somebody opens and for one that is handed on.

use std::sync::Arc;

use remit_model::task::CloseReason;
use remit_model::{
    Agent, Class, Digest, Door, Fixed, Lifecycle, Possession, Refusal, Task, TaskId,
};
use remit_policy::{Permit, Verdict, decide};
use remit_ports::{KeyError, Kind, Pins, Subject};

use crate::frame::Scene;
use crate::open::no;
use crate::{Caller, Change, Engine, draft};

/// A task that may be opened, as it will stand on record.
pub(crate) struct Opening<'a> {
    pub(crate) permit: Permit,
    /// What was in force when the policy was asked.
    pub(crate) pins: Pins,
    /// The entries that caused it.
    pub(crate) parents: Vec<u64>,
    /// The person who opens it, if it is one.
    pub(crate) person: Option<&'a str>,
}

impl Engine {
    /// Makes the task's key, off the event loop: it waits for the disk.
    ///
    /// Errors: it could not be made.
    async fn make_key(&self, task: &TaskId) -> Result<(), Refusal> {
        let (keys, task) = (Arc::clone(&self.ports.keys), task.clone());
        let made = tokio::task::spawn_blocking(move || keys.create(&task)).await;
        let made = made.unwrap_or_else(|why| Err(KeyError::Failed(why.to_string())));
        made.map_err(|why| unrecorded(&why))
    }

    /// Whoever stops an agent or a task ends what is there then. What comes after that ends here.
    fn still_wanted(&self, task: &Task) -> Result<(), Refusal> {
        let agent = &task.charter.agent;
        let lifecycle = self.settings.load().agents.lifecycle(agent);
        let parent = task.parent().and_then(|parent| self.cell(parent));
        let stopped = if lifecycle != Lifecycle::Active {
            format!("agent `{agent}` was {lifecycle}")
        } else if parent.is_some_and(|parent| !parent.lock().is_open()) {
            "the task that this was handed on from was stopped".to_owned()
        } else {
            return Ok(());
        };
        // If it cannot be closed, somebody else did.
        drop(self.close(task.id(), CloseReason::Revoked, "remit"));
        Err(no("agent", format!("{stopped} meanwhile")))
    }

    /// Asks the policy whether `task` may be opened.
    ///
    /// Errors: it may not, or only by a person.
    pub(crate) fn ask_to_open(
        &self,
        task: &Task,
        agent: &Fixed<Agent>,
        possession: Possession,
    ) -> Result<Opening<'static>, Refusal> {
        let (world, settings) = (self.world(), self.settings());
        let caller = Caller {
            agent: agent.clone(),
            task: task.id().clone(),
            door: Door::Internal,
            possession,
            era: None,
        };
        let now = task.charter.opened;
        let scene = Scene { world: &world, settings: &settings, caller: &caller, task, now };
        match decide(&world.snapshot, scene.open()) {
            Verdict::Permit(permit) => {
                Ok(Opening { permit, pins: world.pins, parents: Vec::new(), person: None })
            }
            Verdict::Hold(hold) => {
                let group = hold.group();
                let text = format!(
                    "opening this task needs the approval of group `{group}`; let a person of it \
                     open the task"
                );
                Err(no("open", text))
            }
            Verdict::Deny(denied) => Err(denied.refusal().clone()),
        }
    }

    /// Makes the task's key, records the task, and waits until that is durable.
    ///
    /// Errors: it is not on record, or whoever it is for was stopped meanwhile.
    pub(crate) async fn admit(&self, task: &Task, opening: Opening<'_>) -> Result<(), Refusal> {
        let Opening { permit, pins, parents, person } = opening;
        self.make_key(task.id()).await?;
        let json = permit.question().to_json().map_err(|why| unrecorded(&why))?;
        let text = (Digest::of(json.as_bytes()), json);
        let mut record =
            draft::question(Kind::Task, pins, "opened", (permit.question(), None), text);
        record.clear.actor = person.map(str::to_owned);
        let charter = serde_json::to_string(task.charter.as_ref());
        record.body.insert("charter".to_owned(), charter.map_err(|why| unrecorded(&why))?);
        record.subject =
            Some(Subject { task: task.id().clone(), sequence: 0, epoch: task.account().epoch });
        record.parents = parents;
        let _opening = self.being_opened.read().await;
        let accepted = self.ports.ledger.append(record).map_err(|why| unrecorded(&why))?;
        // Nothing is awaited in between: of a caller who goes away here, the task is on record and
        // must be known, so that it ends. Nobody has a grant for it before it is durable.
        self.tasks.insert(task.clone());
        if let Err(why) = accepted.durable().await {
            self.tasks.remove(task.id());
            return Err(unrecorded(&why));
        }
        self.still_wanted(task)?;
        self.announce(Change::Task(task.id().clone()));
        Ok(())
    }
}

/// What could not be recorded does not happen.
pub(crate) fn unrecorded(why: &dyn std::fmt::Display) -> Refusal {
    let why = why.to_string();
    Refusal::one(Class::Transient, "ledger", why, "see `remit status` for the cause")
}
