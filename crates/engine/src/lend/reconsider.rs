//! What is lent is asked about again when something changed: the policies, what has entered the task, or
//! that it stands still. What may not stay lent is taken back, as R7 wants of everything that is open.
//!
//! While a task stands still the question is another one, `keepLent`, and no policy of the pack answers it:
//! whoever holds a credential could go on using it, so it goes back unless somebody said that a session
//! which is open there is worth more.

use std::collections::BTreeSet;

use remit_model::question::{Asked, Loan};
use remit_model::{Door, LeaseId, Possession, Question};
use remit_policy::{Verdict, decide};
use remit_ports::{LeaseEvent, LeaseOut};

use super::asked_with;
use crate::cell::TaskCell;
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
            if self.stays_lent(&cell, &out, asking).is_none() {
                tracing::info!(lease = %out.note.id, "may no longer be lent; it is taken back");
                forbidden.push(out.note.id);
            }
        }
        if !forbidden.is_empty() {
            self.withdraw(|out| forbidden.contains(&out.note.id));
        }
    }

    /// Takes back what is lent within the task of `cell`, which stands still, but for what a policy says is
    /// to stay, once that is on record.
    pub(crate) fn take_back_unless_kept(&self, cell: &TaskCell) {
        let of_task = |out: &LeaseOut| out.task.as_ref() == Some(cell.id());
        let in_use: Vec<_> = {
            let book = self.lending.book();
            let own = book.in_use().filter(|(out, _)| of_task(out));
            own.map(|(out, asking)| (out.clone(), asking)).collect()
        };
        let keep = |(out, asking): (LeaseOut, Asking)| {
            let question = self.stays_lent(cell, &out, asking)?;
            let body = asked_with(Some(&question));
            match self.note_lease(Some(cell), LeaseEvent::Kept, &out, (None, &body)) {
                Ok(_) => Some(out.note.id),
                Err(why) => {
                    tracing::warn!(lease = %out.note.id, %why, "it goes back, since keeping it is not on record");
                    None
                }
            }
        };
        let kept: BTreeSet<LeaseId> = in_use.into_iter().filter_map(keep).collect();
        if kept.is_empty() {
            self.take_back_from(cell.id());
        } else {
            self.withdraw(|out| of_task(out) && !kept.contains(&out.note.id));
        }
    }

    /// The question that permits `out` to stay lent, as things stand now.
    fn stays_lent(&self, cell: &TaskCell, out: &LeaseOut, asking: Asking) -> Option<Question> {
        let (world, settings) = (self.world(), self.settings.load());
        let caller = self.caller(cell.id(), asking.door)?;
        let caller = Caller { possession: asking.possession, ..caller };
        let (credential, kind) = (out.note.credential.clone(), out.note.kind.clone());
        let (server, seconds) =
            (out.note.server.clone(), out.note.until.since(out.since).as_secs());
        let loan = Loan { credential, kind, server, seconds };
        let task = cell.lock();
        let epoch = cell.epoch().1;
        let scene = Scene {
            world: &world,
            settings: &settings,
            caller: &caller,
            task: &task,
            now: self.now(),
        };
        let asked = if task.is_open() { Asked::Lend } else { Asked::KeepLent };
        let verdict = decide(&world.snapshot, scene.lend(asked, loan));
        drop(task);
        let Verdict::Permit(permit) = verdict else { return None };
        self.lending.book().reconsidered(&out.note.id, epoch);
        Some(permit.into_question())
    }
}

impl Asking {
    /// As `question` was asked.
    pub(crate) fn of(question: &Question) -> Self {
        let Question { door, possession, .. } = *question;
        Self { door, possession, epoch: question.task.epoch }
    }
}
