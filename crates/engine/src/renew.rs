//! Going on with a task: its agent proves itself anew and gets a further grant.
//!
//! What policies are told of that agent is its newest proof, so that one which did not renew it can be
//! seen to have lapsed; and whoever goes on with a task works on it, so that what enters it is
//! remembered of them (promise R6). Both are on record before the grant is made. A proof that lapses is a
//! signal, raised with the first call that comes too late for it.

use std::sync::MutexGuard;
use std::time::Duration;

use remit_model::agent::AttestationMethod;
use remit_model::task::Event;
use remit_model::{Attestation, Refusal, Task, Timestamp, Workload};
use remit_ports::Kind;

use crate::cell::{CommitError, TaskCell};
use crate::client::Client;
use crate::inherit::{Known, Workers, clients};
use crate::open::{Holding, Opener, no};
use crate::{Change, Engine, admit, draft};

/// For how long a proof stands for later ones that say the same (R13): each other one leaves a record.
pub const STANDS: Duration = Duration::from_secs(10);
/// How many are known one by one to have worked on a task since it was opened (R13).
pub const MAX_WORKERS: usize = 64;

/// Who goes on with a task.
#[derive(Clone, Copy, Debug)]
pub enum Successor<'a> {
    /// A client of the token endpoint.
    Client(&'a Client),
    /// A process, by what the kernel says of it.
    Peer(&'a Workload),
    /// Somebody whom an operator gives a grant for it. Nothing is proved of the agent by that.
    Anyone,
}

impl Engine {
    /// A further grant for `task`, for whoever goes on with it.
    ///
    /// Errors: as [`Self::grant`], it cannot be recorded, there were too many just now, or too many have
    /// worked on the task.
    pub async fn grant_anew(
        &self,
        task: &Task,
        successor: Successor<'_>,
        holding: &Holding,
    ) -> Result<String, Refusal> {
        self.possession(holding)?;
        self.go_on(task, successor).await?;
        self.grant(task, holding)
    }

    async fn go_on(&self, task: &Task, successor: Successor<'_>) -> Result<(), Refusal> {
        let cell = self.cell(task.id()).ok_or_else(|| no("task", "there is no such task"))?;
        let workers = self.workers_of(task, successor);
        let mut record = draft::note(Kind::Task, self.world().pins, "attested");
        let accepted = {
            let mut guard = cell.lock();
            let before = guard.attestation();
            let proof = self.proof_of(successor).unwrap_or_else(|| before.clone());
            let known: Workers = guard.workers().copied().collect();
            let stands = before.says_as(&proof) && proof.at.since(before.at) < STANDS;
            let due = guard.has_lapsed() && proof.at > before.at;
            if stands && !due && workers.is_subset(&known) {
                return Ok(());
            }
            self.count_opening()?;
            let workers: Workers = workers.difference(&known).copied().collect();
            if guard.account().workers.len() + workers.len() > MAX_WORKERS {
                let text = format!("more than {MAX_WORKERS} have worked on the task: open another");
                return Err(no("task", text));
            }
            let Attestation { method, at, named } = proof;
            let who = serde_json::to_string(&(&named, &workers));
            record.body.insert("who".to_owned(), who.map_err(|why| admit::unrecorded(&why))?);
            record.clear.event =
                Some(Event::Attested { method, at, named, workers: workers.clone() });
            let ledger = self.ports.ledger.as_ref();
            let committed = cell.commit(&mut guard, ledger, record, self.now());
            let accepted = committed.map_err(|why| no("task", why.to_string()))?;
            self.tasks.worked(task.id(), &workers);
            accepted
        };
        accepted.durable().await.map_err(|why| admit::unrecorded(&why))?;
        self.announce(Change::Task(task.id().clone()));
        Ok(())
    }

    /// Says, once of each proof, that by `now` the task's agent has not renewed it in time.
    ///
    /// Errors: that is not on record, and the task does not know.
    pub(crate) fn lapse(
        &self,
        (cell, task): (&TaskCell, &mut MutexGuard<'_, Task>),
        (now, within): (Timestamp, Duration),
    ) -> Result<(), CommitError> {
        let proof = task.attestation();
        if task.has_lapsed() || !task.is_open() || now.since(proof.at) <= within {
            return Ok(());
        }
        let (method, at) = (proof.method, proof.at);
        tracing::warn!(task = %cell.id(), agent = %cell.agent(), %method, %at, "a proof has lapsed");
        self.signal((cell, task), ("lapsed", Event::Lapsed { at }), None)?;
        self.counters.proofs_lapsed.add();
        Ok(())
    }

    fn workers_of(&self, task: &Task, successor: Successor<'_>) -> Workers {
        let agent = &task.charter.agent;
        match successor {
            Successor::Client(client) => {
                self.known_of_client(agent, client.process.as_ref()).workers
            }
            Successor::Peer(workload) => {
                let Known { workers, .. } = self.known_of(&Opener::Peer(workload.clone()), agent);
                workers
            }
            Successor::Anyone => Workers::from([clients(agent)]),
        }
    }

    /// What it proved, if it did.
    fn proof_of(&self, successor: Successor<'_>) -> Option<Attestation> {
        let at = self.now();
        match successor {
            Successor::Client(Client { method, named, .. }) => {
                Some(Attestation { method: *method, at, named: named.clone() })
            }
            Successor::Peer(_) => Some(Attestation::own(AttestationMethod::UnixPeer, at)),
            Successor::Anyone => None,
        }
    }
}
