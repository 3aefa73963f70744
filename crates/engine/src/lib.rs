//! The verbs: one file for each thing Remit does.
//!
//! [`call`] is the walk of a governed call; everything else exists so that its answer is right:
//! tasks are [`open`]ed, [`contain`]ed and [`approve`]d, agents have a [`lifecycle`], the catalogue
//! is [`discover`]ed, settings and policies are [`reload`]ed, and after a crash all of it is [`recover`]ed from the ledger.
//!
//! *Absences:* no verb knows an adapter or a wire format; a surface parses, calls one verb and
//! renders. No lock is held across a wait.

mod admit;
mod answered;
pub mod approve;
pub mod call;
pub mod cell;
pub mod client;
pub mod consent;
pub mod contain;
pub mod counters;
pub mod declare;
pub mod discover;
mod draft;
pub mod elsewhere;
pub mod erase;
mod extent;
mod frame;
pub mod hand_off;
pub mod identify;
mod inherit;
pub mod key;
mod knowledge;
pub mod lend;
pub mod lifecycle;
pub mod list;
mod lookout;
pub mod lower;
pub mod open;
pub mod peer;
pub mod prompt;
pub mod recover;
pub mod registry;
mod relay;
pub mod reload;
pub mod renew;
pub mod settings;
mod signal;
mod stored;
mod tasks;
mod walking;
pub mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use remit_model::{
    Agent, Clock, Door, Entropy, Fixed, HoldId, Possession, ServerName, TaskId, Timestamp,
};
use remit_ports::{BodyKeys, Discovery, Draft, ForeignKeys, Issuers, Ledger, Store, Upstream};
use remit_secrets::Lookout;
use remit_token::{Assertions, Certificate, Presented, Proofs, Realm, TokenError, Uncertified};
use tokio::sync::broadcast;

use crate::consent::{Codes, Renewals};
use crate::tasks::Tasks;

pub use crate::cell::TaskCell;
pub use crate::counters::Counters;
pub use crate::elsewhere::Elsewhere;
pub use crate::peer::{Peer, Trust};
pub use crate::registry::Registry;
pub use crate::settings::{Settings, Template};
pub use crate::walking::Walking;
pub use crate::world::World;

/// What the engine needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The log.
    pub ledger: Arc<dyn Ledger>,
    /// The keys of record bodies.
    pub keys: Arc<dyn BodyKeys>,
    /// The projection.
    pub store: Arc<dyn Store>,
    /// The tool servers.
    pub upstream: Arc<dyn Upstream>,
    /// The keys of those elsewhere who vouch.
    pub elsewhere: Arc<dyn ForeignKeys>,
    /// Those who issue what is lent.
    pub issuers: Arc<Issuers>,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}

/// A caller that proved to hold a grant for a task.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The agent.
    pub agent: Fixed<Agent>,
    /// The task.
    pub task: TaskId,
    /// How it came in.
    pub door: Door,
    /// What it showed that nobody could have copied.
    pub possession: Possession,
    /// How often keys of grants had been taken back when it showed its grant, if it showed one.
    pub(crate) era: Option<u64>,
}

/// What changed, for open streams and views.
#[derive(Clone, Debug)]
pub enum Change {
    /// The tools of a server, or what may be done with them.
    Tools,
    /// A task's state.
    Task(TaskId),
    /// Who is which agent.
    Agents,
    /// Keys of grants were taken back.
    Grants,
}

/// Everything the verbs share. Each field says who writes it.
#[derive(Debug)]
pub struct Engine {
    pub(crate) ports: Ports,
    pub(crate) realm: Realm,
    /// What makes grants and believes them. Written by `key`; read at each call.
    pub(crate) grants: ArcSwap<key::Grants>,
    /// Proofs of possession that were used. Written by `authenticate` and `client`.
    pub(crate) proofs: Proofs,
    /// Assertions of clients that were used. Written by `client`.
    pub(crate) assertions: Assertions,
    /// What persons allowed and clients have not come for yet. Written by `consent`.
    pub(crate) codes: Codes,
    /// By what clients get further grants for what they were allowed. Written by `consent`.
    pub(crate) renewals: Renewals,
    /// Written by `reload` while it holds `world_writer`, and by `lifecycle`; read at each call.
    pub(crate) settings: ArcSwap<Settings>,
    /// Records of agents' stops that the ledger did not take yet, in order. Held by `lifecycle`
    /// while it changes how an agent stands.
    pub(crate) owed: Mutex<Vec<Draft>>,
    /// Written by `discover` and `reload` while they hold `world_writer`; read at each call.
    pub(crate) world: ArcSwap<World>,
    pub(crate) world_writer: tokio::sync::Mutex<()>,
    /// What each server offers. Written by `discover`.
    pub(crate) offers: ArcSwap<BTreeMap<ServerName, Arc<Discovery>>>,
    /// Written by `admit`, `renew` and `recover`.
    pub(crate) tasks: Tasks,
    /// Held calls and the index of the record that holds them. Written by `call` and `approve`.
    pub(crate) holds: Mutex<BTreeMap<HoldId, Held>>,
    /// Permits on record whose outcome is not. Written by `call`.
    pub(crate) open_calls: Mutex<BTreeMap<u64, TaskId>>,
    /// The labels of what servers hold. Written by `call` and `lower`.
    pub(crate) shelves: stored::Shelves,
    /// Tasks whose erasure is on record and whose key may still be there. Written by `erase`, together
    /// with the record.
    pub(crate) erasing: Mutex<BTreeSet<TaskId>>,
    /// What is lent. Written by `lend`.
    pub(crate) lending: lend::Lending,
    /// What finds other people's secrets. Written by `lookout`; read at each call.
    pub(crate) lookout: ArcSwap<Lookout>,
    /// Since when, and how many tasks peers opened. Written by `open`.
    pub(crate) openings: Mutex<(Timestamp, u32)>,
    /// Shared by each `open` from its record until the task is in `tasks`; `recover` takes it alone
    /// to name a position of the log up to which every task is there.
    pub(crate) being_opened: tokio::sync::RwLock<()>,
    /// Written wherever something is worth counting.
    pub counters: Counters,
    pub(crate) changes: broadcast::Sender<Change>,
}

/// A held call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The task it was made in.
    pub task: TaskId,
    /// The index of the record that holds it.
    pub index: u64,
}

impl Engine {
    /// Believes a request that came with a grant: the token's signature, type, audience and times,
    /// and what it is bound to. What can change while the grant lives (the task's state) is checked
    /// at every call. Beside the caller, the nonce that its further proofs should hold.
    ///
    /// Errors: the token is not a grant of ours, it has run out, it is shown without what it is bound
    /// to, or it is bound to nothing and that is not accepted here.
    pub fn authenticate(
        &self,
        shown: &Presented<'_>,
        door: Door,
    ) -> Result<(Caller, Option<String>), TokenError> {
        let now = self.ports.clock.now();
        let grants = self.grants.load();
        let holder = grants.verifier.authenticate(shown, &self.proofs, now)?;
        if holder.possession == Possession::Bearer && !self.settings.load().bearer {
            return Err(TokenError::Bearer);
        }
        let caller = self.caller(&holder.grant.task, door).ok_or(TokenError::UnknownTask)?;
        let (possession, era) = (holder.possession, Some(grants.era));
        Ok((Caller { possession, era, ..caller }, holder.nonce))
    }

    /// The client certificate of a connection whose other end is `peer`, as it stands now.
    ///
    /// Errors: it has none, or one that counts no more.
    pub fn certificate(&self, peer: Option<&Peer>) -> Result<Certificate, Uncertified> {
        let peer = peer.ok_or(Uncertified::None)?;
        peer.certificate(|id| self.settings.load().elsewhere.known_by(id), self.now())
    }

    /// The caller that works on `task`; `None` if there is no such task or its agent is no longer
    /// registered. One that was stopped is still told so: its task has ended, and a refusal says it. For surfaces that know the peer of the connection.
    pub fn caller(&self, task: &TaskId, door: Door) -> Option<Caller> {
        let cell = self.cell(task)?;
        let agent = self.settings.load().agents.find(cell.agent())?.agent.cloned()?;
        let possession = Possession::Connection;
        Some(Caller { agent, task: task.clone(), door, possession, era: None })
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Policy set and catalogue in force.
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// The outside.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// What knows proofs of possession, for its nonces and its size.
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// The names in every grant.
    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// What changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// One task.
    pub fn cell(&self, task: &TaskId) -> Option<Arc<TaskCell>> {
        self.tasks.get(task)
    }

    /// All tasks in memory.
    pub fn cells(&self) -> Vec<Arc<TaskCell>> {
        self.tasks.all()
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, BTreeMap<HoldId, Held>> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls_open(&self) -> MutexGuard<'_, BTreeMap<u64, TaskId>> {
        self.open_calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn being_erased(&self) -> MutexGuard<'_, BTreeSet<TaskId>> {
        self.erasing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn announce(&self, change: Change) {
        // Nobody listening is not an error.
        drop(self.changes.send(change));
    }
}
