//! Which agents a process is, and which of their tasks it may appear as.

use remit_model::{Agent, Fixed, TaskId, Timestamp, Workload};

use crate::Engine;

/// How many tasks of one agent a process may appear as at a time (R13): each costs a key and a
/// signature at every renewal. Those opened last count.
pub const MAX_RUNS: usize = 32;

/// An agent that a process proved to be.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The agent.
    pub agent: Fixed<Agent>,
    /// Its open tasks that a process of the same user opened, in the order of their opening.
    pub runs: Vec<Run>,
}

/// One task, as an identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// When it was opened.
    pub opened: Timestamp,
    /// Which.
    pub task: TaskId,
    /// When it ends at the latest.
    pub deadline: Timestamp,
}

impl Engine {
    /// Everything that `workload` proved to be, in the order of the agents' names.
    ///
    /// A task belongs to the user whose process opened it: another user's process may be the same
    /// agent and still not appear as that run. A task that an operator opened belongs to no process,
    /// and one that is frozen, closing or closed to nobody any more.
    pub fn identify(&self, workload: &Workload) -> Vec<Identity> {
        let settings = self.settings();
        let fitting = settings.agents.active().filter(|it| it.is(workload, settings.own_uid));
        let mut identities: Vec<_> =
            fitting.map(|agent| Identity { agent: agent.clone(), runs: Vec::new() }).collect();
        if identities.is_empty() {
            return identities;
        }
        for cell in self.cells() {
            let task = cell.lock();
            let charter = &task.charter;
            if !task.is_open() || charter.uid != Some(workload.uid) {
                continue;
            }
            let of = identities.iter_mut().find(|identity| identity.agent.name == charter.agent);
            if let Some(identity) = of {
                let (task, deadline) = (charter.id.clone(), charter.remit.deadline);
                identity.runs.push(Run { opened: charter.opened, task, deadline });
            }
        }
        for identity in &mut identities {
            identity.runs.sort();
            let surplus = identity.runs.len().saturating_sub(MAX_RUNS);
            identity.runs.drain(..surplus);
        }
        identities
    }

    /// Whether a process of user `uid` opened `task`: what happens to it concerns no other user's.
    pub fn was_opened_by(&self, task: &TaskId, uid: u32) -> bool {
        self.cell(task).is_some_and(|cell| cell.lock().charter.uid == Some(uid))
    }

    /// Whether what a process of user `uid` executes has to be read to tell which agent it is.
    pub fn asks_for_digest(&self, uid: u32) -> bool {
        let settings = self.settings();
        settings.agents.active().any(|it| it.runs_as(uid, settings.own_uid) && it.asks_for_digest())
    }
}
