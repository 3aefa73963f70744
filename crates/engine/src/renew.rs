//! Going on with a task: its agent proves itself anew and gets a further grant.
//!
//! What policies are told of that agent is its newest proof, so that one which did not renew it can be
//! seen to have lapsed; and whoever goes on with a task works on it, so that what enters it is
//! remembered of them (promise R6). Both are on record before the grant is made. A proof that lapses is a
//! signal when it does, whether anybody calls in the task or not; a call that comes sooner than the next look
//! at all tasks raises it itself, so that what is decided of it knows.

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
/// Of how many tasks one look says that a proof has lapsed (R13): many may have while nobody looked, and calls
/// need the ledger, too.
pub const LAPSES_AT_ONCE: usize = 256;

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

    /// Looks at the proofs of all tasks. What is too much for one look, or is not taken by the ledger, is said
    /// at a later one.
    pub(crate) fn look_at_proofs(&self) {
        let at = (self.now(), self.settings.load().renewed_within);
        let cells = self.cells();
        let told = cells.iter().map(|cell| self.lapse((cell, &mut cell.lock()), at));
        let due = told.filter(|told| !matches!(told, Ok(false)));
        for why in due.take(LAPSES_AT_ONCE).filter_map(Result::err) {
            tracing::debug!(%why, "that a proof has lapsed is not on record yet");
        }
    }

    /// Says, once of each proof, that by `now` the task's agent has not renewed it in time. The value tells
    /// whether there was that to say.
    ///
    /// Errors: that is not on record, and the task does not know.
    pub(crate) fn lapse(
        &self,
        (cell, task): (&TaskCell, &mut MutexGuard<'_, Task>),
        (now, within): (Timestamp, Duration),
    ) -> Result<bool, CommitError> {
        let proof = task.attestation();
        if task.has_lapsed() || !task.is_open() || now.since(proof.at) <= within {
            return Ok(false);
        }
        let (method, at) = (proof.method, proof.at);
        self.signal((cell, task), ("lapsed", Event::Lapsed { at }), None)?;
        tracing::warn!(task = %cell.id(), agent = %cell.agent(), %method, %at, "a proof has lapsed");
        self.counters.proofs_lapsed.add();
        Ok(true)
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
