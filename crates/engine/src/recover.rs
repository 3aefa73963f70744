//! Starting: the state is the fold over the ledger, from the projection's position on.
//!
//! A permit without an outcome is settled as `unknown` before anything else happens: nobody can
//! say whether the call was made.
//!
//! The projection is written from memory, task by task while they go on working: it names a position
//! of the log, and each task is at least as far as that. What a task had already applied is known by
//! its sequence number and skipped when the log is read on from there. While the record of a stop is owed
//! nothing is written: memory is ahead of the log then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use remit_catalogue::{Catalogue, Change as CatalogueChange};
use remit_model::stored::Change;
use remit_model::task::{Charter, Event, Permitted};
use remit_model::{
    AgentName, Entropy, HoldId, Label, LeaseId, Lifecycle, Standing, Stored, Task, TaskId,
};
use remit_policy::{LoadError, Source};
use remit_ports::{
    Entry, Kind, LeaseOut, LedgerError, Outcome, Projection, Replayed, Room, StoreError,
};
use remit_secrets::Lookout;
use remit_token::{Assertions, Minter, Proofs};
use tokio::sync::broadcast;

use crate::cell::TaskCell;
use crate::consent::{Codes, Renewals};
use crate::erase::{self, forget, is_erasure};
use crate::key::Grants;
use crate::lend::{self, Lending};
use crate::stored::Shelves;
use crate::world::World;
use crate::{Counters, Engine, Held, Ports, Settings, draft};

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policies do not compile, and without policies nothing may start.
    #[error("the policies cannot be loaded: {0}")]
    Policy(#[from] LoadError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger and the projection contradict each other or themselves.
    #[error("entry {index} does not follow from the entries before it: {why}")]
    Inconsistent {
        /// Which entry.
        index: u64,
        /// Why.
        why: String,
    },
}

/// The fold.
#[derive(Default)]
struct Fold {
    position: u64,
    tasks: BTreeMap<TaskId, Task>,
    catalogue: Catalogue,
    open_calls: BTreeMap<u64, TaskId>,
    holds: BTreeMap<HoldId, Held>,
    leases: BTreeMap<LeaseId, LeaseOut>,
    standing: BTreeMap<AgentName, Standing>,
    stored: Stored,
    /// Tasks whose erasure is on record and whose key may still be there.
    erasing: BTreeSet<TaskId>,
    broken: Option<StartError>,
}

impl Fold {
    /// The fold that `projection` saves.
    ///
    /// Errors: its catalogue cannot be read, and an empty one in its place would take every server at
    /// its word again.
    fn from_projection(projection: Projection) -> Result<Self, String> {
        let catalogue = projection.catalogue.ok_or("it has no catalogue")?;
        let catalogue: Catalogue = serde_json::from_str(&catalogue)
            .map_err(|why| format!("its catalogue is not read: {why}"))?;
        let tasks: BTreeMap<_, _> =
            projection.tasks.into_iter().map(|task| (task.id().clone(), task)).collect();
        let holds = projection.holds.into_iter().filter_map(|(hold, index)| {
            let owner = tasks.values().find(|task| task.account().holds.contains_key(&hold))?;
            Some((hold, Held { task: owner.id().clone(), index }))
        });
        Ok(Self {
            position: projection.position,
            holds: holds.collect(),
            leases: projection.leases.into_iter().map(|out| (out.note.id.clone(), out)).collect(),
            standing: projection.standing.into_iter().collect(),
            stored: projection.stored,
            catalogue,
            open_calls: projection.open_calls.into_iter().collect(),
            tasks,
            erasing: projection.erasing.into_iter().collect(),
            broken: None,
        })
    }

    fn visit(&mut self, record: Replayed) {
        let index = record.index;
        if self.broken.is_none()
            && let Err(why) = self.step(record)
        {
            self.broken = Some(StartError::Inconsistent { index, why });
        }
        self.position = index + 1;
    }

    fn step(&mut self, record: Replayed) -> Result<(), String> {
        let Replayed { index, entry, body } = record;
        let field = |name: &str| body.as_ref().and_then(|body| body.get(name));
        if entry.kind == Kind::Catalogue
            && let Some(change) = field("change")
        {
            let change: CatalogueChange =
                serde_json::from_str(change).map_err(|why| why.to_string())?;
            self.catalogue.apply(&change);
        }
        if entry.kind == Kind::Agent {
            return self.stand(&entry);
        }
        if entry.kind == Kind::Lease {
            lend::book::fold(&mut self.leases, &entry)?;
        }
        if let Some(lowered) = &entry.clear.lowered {
            self.stored.apply(index, Change::Lowered(lowered));
        }
        let Some(id) = entry.task.clone() else { return Ok(()) };
        if entry.kind == Kind::Task && entry.clear.what == "opened" {
            // An erased charter belongs to a task that has ended.
            if let Some(charter) = field("charter").filter(|_| !self.tasks.contains_key(&id)) {
                let charter: Charter =
                    serde_json::from_str(charter).map_err(|why| why.to_string())?;
                self.tasks.insert(id, Task::open(charter));
            }
            return Ok(());
        }
        self.keep(index, &id, &entry);
        let erasure = is_erasure(entry.kind, &entry.clear.what);
        if erasure {
            self.erasing.insert(id.clone());
        }
        let mut event = entry.clear.event.unwrap_or(Event::Noted);
        if let (Event::Attested { named, workers, .. }, Some(who)) = (&mut event, field("who")) {
            (*named, *workers) = serde_json::from_str(who).map_err(|why| why.to_string())?;
        }
        if event == Event::Closed {
            self.holds.retain(|_, held| held.task != id);
        }
        let ahead = |task: &Task| task.account().sequence > entry.seq;
        if self.tasks.get(&id).is_none_or(ahead) {
            return Ok(());
        }
        let Some(task) = self.tasks.remove(&id) else { return Ok(()) };
        let mut next = task.apply(&event, entry.wall).map_err(|refused| refused.1.to_string())?;
        if erasure {
            forget(&mut next);
        }
        if next.account().sequence != entry.seq + 1 {
            return Err(format!(
                "it is number {} of its task; expected {}",
                entry.seq,
                next.account().sequence - 1
            ));
        }
        self.tasks.insert(id, next);
        Ok(())
    }

    /// What a record of a task changes beside that task.
    fn keep(&mut self, index: u64, id: &TaskId, entry: &Entry) {
        match entry.kind {
            Kind::Decision => {
                self.open_calls.insert(index, id.clone());
            }
            Kind::Outcome => {
                for parent in &entry.parents {
                    self.open_calls.remove(&parent.index);
                    self.stored.apply(index, Change::Settled(parent.index));
                }
            }
            _ => {}
        }
        match &entry.clear.event {
            Some(Event::Permitted(Permitted { writes: Some(written), .. })) => {
                self.stored.apply(index, Change::Writes(written));
            }
            Some(Event::Held { hold, .. }) => {
                self.holds.insert(hold.clone(), Held { task: id.clone(), index });
            }
            Some(Event::Approved { hold, .. } | Event::Denied { hold }) => {
                self.holds.remove(hold);
            }
            _ => {}
        }
    }

    /// How an agent stands after a record of it. What does not follow upon how it stood is what a
    /// projection knew already.
    fn stand(&mut self, entry: &Entry) -> Result<(), String> {
        let agent = entry.clear.agent.as_deref().ok_or("it names no agent")?;
        let agent: AgentName = agent.parse().map_err(|why| format!("{why}"))?;
        let to =
            Lifecycle::of_word(&entry.clear.what).ok_or("it does not say what became of it")?;
        let stands = self.standing.get(&agent).copied().unwrap_or_default().lifecycle;
        if let Ok(lifecycle) = stands.change(to) {
            self.standing.insert(agent, Standing { lifecycle, since: entry.wall });
        }
        Ok(())
    }
}

impl Engine {
    /// Reads the state back and settles what a crash left open.
    ///
    /// Errors: the policies do not compile, or the ledger cannot be read or contradicts itself.
    pub async fn start(
        ports: Ports,
        settings: Settings,
        sources: Vec<Source>,
        minter: Minter,
    ) -> Result<Arc<Self>, StartError> {
        let fold = replay(&ports)?;
        let erasing = erase::finish(ports.keys.as_ref(), fold.erasing);
        let groups = settings.group_names();
        let agents = settings.agents.standing_as(fold.standing);
        let settings = Settings { agents, ..settings };
        let catalogue = Arc::new(fold.catalogue);
        let world = World::compile(Arc::new(sources), catalogue, &groups)?;
        let engine = Arc::new(Self {
            realm: minter.realm().clone(),
            proofs: Proofs::new(ports.entropy.as_ref()),
            assertions: Assertions::new(minter.realm().issuer(), ports.clock.now()),
            codes: Codes::default(),
            renewals: Renewals::default(),
            grants: ArcSwap::from_pointee(Grants::new(minter, 0)),
            settings: ArcSwap::from_pointee(settings),
            owed: Mutex::default(),
            lookout: ArcSwap::from_pointee(Lookout::new(fingerprints(ports.entropy.as_ref()))),
            world: ArcSwap::from_pointee(world),
            world_writer: tokio::sync::Mutex::new(()),
            offers: ArcSwap::default(),
            tasks: fold.tasks.into_values().collect(),
            holds: Mutex::new(fold.holds),
            open_calls: Mutex::new(fold.open_calls),
            shelves: Shelves::new(fold.stored),
            erasing: Mutex::new(erasing),
            lending: Lending::recovered(fold.leases, ports.clock.now()),
            openings: Mutex::default(),
            being_opened: tokio::sync::RwLock::default(),
            counters: Counters::default(),
            changes: broadcast::channel(256).0,
            ports,
        });
        engine.look_out_as(&engine.settings());
        engine.settle_unknown().await?;
        let record = draft::note(Kind::Policy, engine.world().pins, "in force");
        match engine.ports.ledger.append(record) {
            Ok(accepted) => {
                accepted.durable().await?;
            }
            // Permits are refused until there is room, and carry the digests anyway; a start that
            // failed here would leave nobody to stop what is open.
            Err(why @ LedgerError::NoSpace) => {
                tracing::warn!(%why, "the policies in force are not on record yet");
            }
            Err(why) => return Err(why.into()),
        }
        Ok(engine)
    }

    async fn settle_unknown(&self) -> Result<(), StartError> {
        let open: Vec<_> = std::mem::take(&mut *self.calls_open()).into_iter().collect();
        let mut last = None;
        for (index, task) in open {
            let mut record = draft::note(Kind::Outcome, self.world().pins, "outcome");
            record.parents = vec![index];
            let decision = self.ports.ledger.read(index)?;
            let clear = decision.map(|decision| decision.entry.clear).unwrap_or_default();
            let label = self.brought_by(clear.tool.as_deref());
            record.clear.event = Some(Event::Settled { bytes: 0, unknown: clear.call, label });
            record.clear.outcome = Some(Outcome::Unknown {
                why: "remit stopped before the outcome was known".to_owned(),
            });
            record.room = Room::Ordinary;
            let Some(cell) = self.cell(&task) else { continue };
            let mut guard = cell.lock();
            let ledger = self.ports.ledger.as_ref();
            let commit = || cell.commit(&mut guard, ledger, record, self.now());
            last = Some(
                self.shelves
                    .settle(index, commit)
                    .map_err(|why| StartError::Inconsistent { index, why: why.to_string() })?,
            );
        }
        if let Some(accepted) = last {
            accepted.durable().await?;
        }
        self.take_back_unborn();
        self.follow_standing();
        self.follow_parents();
        for cell in self.cells() {
            self.take_back(&cell);
        }
        Ok(())
    }

    /// What a call of `tool` can have brought that nobody has heard the end of.
    fn brought_by(&self, tool: Option<&str>) -> Label {
        let server = tool.and_then(|tool| tool.split_once('/')?.0.parse().ok());
        server.map_or_else(Label::default, |server| self.shelves.all_of(&server))
    }

    /// Writes the projection: what has changed since it was written last, from memory. Never on a
    /// call's path.
    ///
    /// Errors: the store cannot be written, the ledger does not say what is on disk, or a stop is not
    /// on record yet; the next start replays more.
    pub async fn project(self: &Arc<Self>) -> Result<(), StoreError> {
        // Before the position, so that everything the log holds up to there is in memory.
        let (position, catalogue) = {
            let _openings = self.being_opened.write().await;
            let _writer = self.world_writer.lock().await;
            (self.ports.ledger.status().size, Arc::clone(&self.world().catalogue))
        };
        let engine = Arc::clone(self);
        let saved = tokio::task::spawn_blocking(move || engine.save(position, &catalogue)).await;
        saved.unwrap_or_else(|why| Err(not_written(&why)))
    }

    fn save(&self, position: u64, catalogue: &Catalogue) -> Result<(), StoreError> {
        let catalogue = serde_json::to_string(catalogue).map_err(|why| not_written(&why))?;
        // The position counts for all of them, so none is left out that has moved on.
        let mut changed: Vec<(Arc<TaskCell>, Task)> = Vec::new();
        for cell in self.cells() {
            let unsaved = cell.unsaved().map_err(|why| not_written(&why))?;
            changed.extend(unsaved.map(|task| (cell, task)));
        }
        let tasks = changed.iter().map(|(_, task)| task.clone()).collect();
        let open_calls = self.calls_open().iter().map(|(at, task)| (*at, task.clone())).collect();
        let holds = self.held().iter().map(|(hold, held)| (hold.clone(), held.index)).collect();
        let leases = self.lending.book().out();
        let erasing = self.being_erased().iter().cloned().collect();
        let standing = {
            // Whoever changes it holds this from the record until it is in force.
            let owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
            if !owed.is_empty() {
                return Err(not_written(&"a stop of an agent is not on record yet"));
            }
            self.settings.load().agents.standing().clone().into_iter().collect()
        };
        let stored = self.shelves.all();
        // What was in memory may not have been on disk yet, and the log is the truth. So nothing is read
        // from memory after this.
        self.ports.ledger.sync().map_err(|why| not_written(&why))?;
        let projection = Projection {
            position,
            tasks,
            catalogue: Some(catalogue),
            open_calls,
            holds,
            leases,
            standing,
            stored,
            erasing,
        };
        self.ports.store.save(&projection)?;
        for (cell, task) in &changed {
            cell.saved(task);
        }
        Ok(())
    }
}

/// The key of this process's fingerprints.
fn fingerprints(entropy: &dyn Entropy) -> remit_secrets::Key {
    let mut random = [0; 32];
    entropy.fill(&mut random);
    remit_secrets::Key::new(&random)
}

fn not_written(why: &dyn std::fmt::Display) -> StoreError {
    StoreError { action: "written", why: why.to_string() }
}

/// The newest projection, brought up to the ledger's end; all of the ledger where it is of no use.
fn replay(ports: &Ports) -> Result<Fold, StartError> {
    let why = match saved(ports) {
        Ok(None) => return follow(ports, Fold::default()),
        Ok(Some(fold)) => match follow(ports, fold) {
            // The ledger alone is the truth, and it may be consistent without what was saved.
            Err(why @ StartError::Inconsistent { .. }) => why.to_string(),
            done => return done,
        },
        Err(why) => why,
    };
    tracing::warn!(why, "the projection is of no use; replaying the whole ledger");
    // What it says of tasks must not stand beside what is saved next.
    if let Err(why) = ports.store.set_aside(&why) {
        tracing::warn!(%why, "nothing is saved before that can be done");
    }
    follow(ports, Fold::default())
}

/// The fold that was saved last, if there is one.
///
/// Errors: it is of no use, and why.
fn saved(ports: &Ports) -> Result<Option<Fold>, String> {
    let Some(projection) = ports.store.load().map_err(|why| why.to_string())? else {
        return Ok(None);
    };
    let (position, size) = (projection.position, ports.ledger.status().size);
    if position > size {
        return Err(format!("it covers {position} entries; the ledger has {size}"));
    }
    Fold::from_projection(projection).map(Some)
}

/// `fold`, brought up to the ledger's end.
fn follow(ports: &Ports, mut fold: Fold) -> Result<Fold, StartError> {
    ports.ledger.replay(fold.position, &mut |record| fold.visit(record))?;
    match fold.broken.take() {
        Some(why) => Err(why),
        None => Ok(fold),
    }
}
