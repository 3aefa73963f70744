//! What is lent is asked about again when something changed: the policies, or what has entered the task. What
//! may no longer be lent is taken back, as R7 wants of everything that is open.

use remit_model::question::Asked;
use remit_model::{Door, LeaseId, Possession, Question};
use remit_policy::{Verdict, decide};

use crate::frame::Scene;
use crate::{Caller, Engine};

/// How a credential was asked for, and what held when it was asked about last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    pub(crate) door: Door,
    pub(crate) possession: Possession,
    /// The task's epoch, which moves with every stop, label raise and change of policies.
    pub(crate) epoch: u64,
}

impl Engine {
    /// Takes back what may no longer be lent.
    pub(crate) fn reconsider_lent(&self) {
        let asked: Vec<_> = {
            let book = self.lending.book();
            let lines = book.in_use().filter_map(|(out, asking)| {
                let cell = self.cell(out.task.as_ref()?)?;
                (cell.epoch().1 != asking.epoch).then(|| (out.clone(), asking, cell))
            });
            lines.collect()
        };
        let mut forbidden: Vec<LeaseId> = Vec::new();
        for (out, asking, cell) in asked {
            let (world, settings) = (self.world(), self.settings.load());
            let Some(caller) = self.caller(cell.id(), asking.door) else { continue };
            let caller = Caller { possession: asking.possession, ..caller };
            let task = cell.lock();
            let epoch = cell.epoch().1;
            let scene = Scene {
                world: &world,
                settings: &settings,
                caller: &caller,
                task: &task,
                now: self.now(),
            };
            let (credential, kind) = (out.note.credential.clone(), out.note.kind.clone());
            let (server, seconds) =
                (out.note.server.clone(), out.note.until.since(out.since).as_secs());
            let asked = Asked::Lend { credential, kind, server, seconds };
            let verdict = decide(&world.snapshot, scene.lend(asked));
            drop(task);
            if matches!(verdict, Verdict::Permit(_)) {
                self.lending.book().reconsidered(&out.note.id, epoch);
            } else {
                tracing::info!(lease = %out.note.id, "may no longer be lent; it is taken back");
                forbidden.push(out.note.id);
            }
        }
        if !forbidden.is_empty() {
            self.withdraw(|out| forbidden.contains(&out.note.id));
        }
    }
}

impl Asking {
    /// As `question` was asked.
    pub(crate) fn of(question: &Question) -> Self {
        let Question { door, possession, .. } = *question;
        Self { door, possession, epoch: question.task.epoch }
    }
}
