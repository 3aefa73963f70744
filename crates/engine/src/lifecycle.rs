//! Suspending, resuming and retiring an agent.
//!
//! A stop acts first and is recorded then, as for tasks (promise R2): from the moment the registry has
//! it, nobody is that agent any more, and then its tasks end one by one. Resuming is the other way
//! round: nothing is resumed that the ledger has not taken.

use std::sync::PoisonError;

use remit_model::task::CloseReason;
use remit_model::{AgentName, Lifecycle, LifecycleError, Standing, TaskId};
use remit_ports::{Accepted, Draft, Kind, Ledger, LedgerError, Room};

use crate::contain::InForce;
use crate::{Change, Engine, Settings, draft};

/// The longest reason that is kept, in bytes (R13).
pub const MAX_REASON: usize = 1024;

/// Why an agent stands as it did.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// There is none of this name.
    #[error("no agent `{0}` is registered; `remit agent list` shows those there are")]
    NoAgent(AgentName),
    /// It does not follow from how it stands.
    #[error("agent `{0}`: {1}")]
    State(AgentName, LifecycleError),
    /// The reason is too long.
    #[error("expected a reason of at most {MAX_REASON} bytes")]
    Reason,
    /// It was not resumed, because that could not be recorded.
    #[error("nothing was resumed: {0}")]
    Ledger(#[from] LedgerError),
}

/// A change of how an agent stands.
#[derive(Clone, Copy, Debug)]
pub struct ToStand<'a> {
    /// Which agent.
    pub agent: &'a AgentName,
    /// What it is to be.
    pub lifecycle: Lifecycle,
    /// Who wants it.
    pub actor: &'a str,
    /// Why; kept encrypted.
    pub reason: Option<&'a str>,
}

impl Engine {
    /// Changes how an agent stands. Suspended or retired it is nobody at once, and its tasks, which
    /// are named beside the change, end.
    ///
    /// Errors: there is no such agent, it is there already or retired, or it was to be resumed and
    /// that cannot be recorded.
    pub fn stand(&self, change: ToStand<'_>) -> Result<(InForce, Vec<TaskId>), StandingError> {
        if change.reason.is_some_and(|reason| reason.len() > MAX_REASON) {
            return Err(StandingError::Reason);
        }
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = self.settings();
        let found = settings.agents.find(change.agent);
        let found = found.ok_or_else(|| StandingError::NoAgent(change.agent.clone()))?;
        let lifecycle = found
            .standing
            .lifecycle
            .change(change.lifecycle)
            .map_err(|why| StandingError::State(change.agent.clone(), why))?;
        let record = self.record_of(&change);
        let ledger = self.ports.ledger.as_ref();
        let accepted = if lifecycle == Lifecycle::Active {
            let accepted = append(ledger, &mut owed, &record)?;
            self.put(change.agent, lifecycle);
            Ok(accepted)
        } else {
            self.put(change.agent, lifecycle);
            append(ledger, &mut owed, &record).inspect_err(|why| {
                self.counters.unrecorded_stops.add();
                tracing::error!(agent = %change.agent, %why, "a stop took effect but is not on record");
                owed.push(record);
            })
        };
        drop(owed);
        let in_force = InForce(accepted);
        if lifecycle == Lifecycle::Active {
            return Ok((in_force, Vec::new()));
        }
        let (ended, last) = self.end_tasks(|agent| agent == change.agent, change.actor);
        Ok((in_force.and(last), ended))
    }

    /// Records the stops of agents that could not be recorded when they were made, and ends the tasks
    /// of agents that do not stand as active: a crash may have come between the two.
    pub(crate) fn follow_standing(&self) {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        // It is tried again in a moment.
        drop(catch_up(self.ports.ledger.as_ref(), &mut owed));
        drop(owed);
        let settings = self.settings.load();
        let stopped = |agent: &AgentName| settings.agents.lifecycle(agent) != Lifecycle::Active;
        self.end_tasks(stopped, "remit");
    }

    fn put(&self, agent: &AgentName, lifecycle: Lifecycle) {
        let standing = Standing { lifecycle, since: self.now() };
        self.settings.rcu(|settings| Settings {
            agents: settings.agents.with(agent, standing),
            ..Settings::clone(settings)
        });
        self.announce(Change::Agents);
    }

    /// Ends the tasks of some agents: which, and when the last of that is on record.
    fn end_tasks(
        &self,
        whose: impl Fn(&AgentName) -> bool,
        actor: &str,
    ) -> (Vec<TaskId>, Option<InForce>) {
        let (mut ended, mut last) = (Vec::new(), None);
        for cell in self.cells() {
            if !whose(cell.agent()) || cell.lock().is_closed() {
                continue;
            }
            // One that has ended already is no failure.
            if let Ok(closing) = self.close(cell.id(), CloseReason::Revoked, actor) {
                ended.push(cell.id().clone());
                last = Some(closing);
            }
        }
        (ended, last)
    }

    fn record_of(&self, change: &ToStand<'_>) -> Draft {
        let mut record = draft::note(Kind::Agent, self.world().pins, change.lifecycle.word());
        record.clear.agent = Some(change.agent.to_string());
        record.clear.actor = Some(change.actor.to_owned());
        if let Some(reason) = change.reason {
            let reason = serde_json::to_string(reason).unwrap_or_default();
            record.body.insert("reason".to_owned(), reason);
        }
        if change.lifecycle != Lifecycle::Active {
            record.room = Room::Restriction;
        }
        record
    }
}

/// Appends `record` after everything that is owed: the order is what a start makes of them.
fn append(
    ledger: &dyn Ledger,
    owed: &mut Vec<Draft>,
    record: &Draft,
) -> Result<Accepted, LedgerError> {
    catch_up(ledger, owed)?;
    ledger.append(record.clone())
}

fn catch_up(ledger: &dyn Ledger, owed: &mut Vec<Draft>) -> Result<(), LedgerError> {
    while let Some(record) = owed.first() {
        ledger.append(record.clone())?;
        owed.remove(0);
    }
    Ok(())
}
