//! The configured servers, and which connection a call takes.
//!
//! A server that is not `shared` gets a connection for each task, so that tasks cannot meet in its
//! memory, and the connection ends with its task. Asking what a server offers is Remit's own act and
//! takes a connection of its own, except right after a task's server announced a change: then that
//! one is asked, because it is the one that changed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_mcp::{Era, Object, ParamHeaders, Raw, Revision};
use remit_model::{Call, Clock, Digest, LeaseId, Operation, ServerName, TaskId};
use remit_ports::{
    Armed, BoxFuture, Discovery, Done, Lease, Link, ServerStatus, Upstream, UpstreamError,
    UpstreamEvent,
};
use tokio::sync::broadcast;

use crate::config::{Base, ServerConfig, Transport};
use crate::connection::{Connection, Key};
use crate::delivery::Equipment;
use crate::gate::Slot;
use crate::handshake::Spoken;
use crate::health::Health;
use crate::http::Shown;
use crate::listing;
use crate::outward;
use crate::stdio::Executables;
use crate::wire::{Ask, Ended};

/// How many events may wait for a slow reader before it loses the oldest.
const EVENTS: usize = 256;

/// The configured servers.
pub struct Servers {
    pub(crate) base: Base,
    clock: Arc<dyn Clock>,
    configured: BTreeMap<ServerName, Arc<Server>>,
    connections: Mutex<BTreeMap<Key, Arc<Cell>>>,
    /// Those on which what is lent is shown.
    shown: Shown,
    /// What calls are sent with that need nothing.
    nothing: Arc<Equipment>,
    pub(crate) executables: Arc<Executables>,
    pub(crate) events: broadcast::Sender<UpstreamEvent>,
}

/// One place for a connection; whoever holds it is the one who opens it.
type Cell = tokio::sync::Mutex<Option<Arc<Connection>>>;

/// What is known of one server.
pub(crate) struct Server {
    /// Its configuration.
    pub(crate) config: ServerConfig,
    /// How it is doing.
    pub(crate) health: Arc<Health>,
    learnt: Mutex<Learnt>,
    /// What Remit's own messages to it are sent with.
    own: Mutex<Arc<Equipment>>,
    /// The task whose own server announced last that its tools changed.
    pub(crate) drifted: Arc<Mutex<Option<TaskId>>>,
    /// Held while it is asked what it offers.
    asking: tokio::sync::Mutex<()>,
}

/// What was learnt by talking to it.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    /// The revision it speaks.
    spoken: Option<Revision>,
    /// Whether it speaks one of the other era, too: one with sessions.
    both: bool,
    /// The executable that may be started.
    pub(crate) pinned: Option<Digest>,
    mirrored: BTreeMap<String, Arc<ParamHeaders>>,
}

impl Learnt {
    /// In which era to speak to it for a client that has a session or has none; `None` if that has
    /// to be found out. A server that speaks both is spoken to as its client speaks, because no
    /// translation carries everything: its questions to the client, its resource updates.
    pub(crate) fn era(&self, session: bool) -> Option<Era> {
        if self.both && session { Some(Era::Sessions) } else { self.spoken.map(Revision::era) }
    }

    /// What a handshake found; `chosen` if the era was not asked for but chosen by [`Learnt::era`].
    pub(crate) fn learn(&mut self, spoken: &Spoken, chosen: Option<Era>) {
        if self.both && chosen == Some(Era::Sessions) {
            return;
        }
        self.spoken = Some(spoken.revision);
        self.both = spoken.sessions && spoken.revision.era() == Era::Stateless;
    }
}

impl Server {
    fn own(&self) -> Arc<Equipment> {
        Arc::clone(&self.own.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads or changes what was learnt.
    pub(crate) fn learnt<T>(&self, read: impl FnOnce(&mut Learnt) -> T) -> T {
        read(&mut self.learnt.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Servers {
    /// Takes up the configuration. Nothing is started before it is needed.
    pub fn new(
        servers: BTreeMap<ServerName, ServerConfig>,
        base: Base,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        let server = |config: ServerConfig| {
            let secrets = match &config.transport {
                Transport::Stdio(stdio) => stdio.secrets(),
                Transport::Http(_) => Vec::new(),
            };
            let health = Arc::new(Health::new(Arc::clone(&clock), secrets));
            Arc::new(Server {
                config,
                health,
                learnt: Mutex::default(),
                own: Mutex::default(),
                drifted: Arc::default(),
                asking: tokio::sync::Mutex::default(),
            })
        };
        Self {
            configured: servers.into_iter().map(|(name, config)| (name, server(config))).collect(),
            base,
            connections: Mutex::default(),
            shown: Shown::default(),
            nothing: Arc::default(),
            executables: Arc::default(),
            events,
            clock,
        }
    }

    /// What `leases` are to a message to `server`.
    ///
    /// Errors: see [`Equipment::of`] and [`Shown::of`].
    fn equipped(&self, server: &Server, leases: &[Arc<Lease>]) -> Result<Arc<Equipment>, String> {
        if leases.is_empty() {
            return Ok(Arc::clone(&self.nothing));
        }
        let mut equipment = Equipment::of(&server.config.deliveries, leases)?;
        if let (Some(lease), Transport::Http(http)) = (&equipment.shown, &server.config.transport) {
            let way = self.shown.of(lease, http, &server.health);
            equipment.way =
                Some(way.map_err(|why| format!("credential `{}`: {why}", lease.credential))?);
        }
        Ok(Arc::new(equipment))
    }

    fn server(&self, name: &ServerName) -> Result<&Arc<Server>, UpstreamError> {
        self.configured.get(name).ok_or_else(|| UpstreamError::Unknown(name.clone()))
    }

    /// The connection `key`, opened if there is none, the old one ended, or its process was given
    /// something else. A process that is replaced lives on until its last call has ended.
    async fn connection(
        &self,
        key: &Key,
        (link, equipment): (Option<&Link>, &Arc<Equipment>),
    ) -> Result<Arc<Connection>, UpstreamError> {
        let server = self.server(&key.0)?;
        let cell = self.cell(key)?;
        let mut held = cell.lock().await;
        let stdio = matches!(server.config.transport, Transport::Stdio(_));
        let fits = |c: &&Arc<Connection>| {
            c.wire.is_alive() && (!stdio || c.given.leases == equipment.leases)
        };
        if let Some(connection) = held.as_ref().filter(fits) {
            return Ok(Arc::clone(connection));
        }
        *held = None;
        let opened = self.open(key, server, (link, equipment)).await;
        let presentable = |why| server.health.presentable(&equipment.veil.cleaned(why));
        let opened = opened.map_err(|error| error.cleaned(presentable));
        if let Err(error) = &opened {
            server.health.error(&error.to_string());
        }
        let connection = Arc::new(opened?);
        if key.1.is_none() {
            // What it says from here on is Remit's own.
            connection.wire.equip(&server.own());
        }
        if !self.is_throwaway(key) {
            listing::listen(&connection).await;
        }
        *held = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// The place of `key`; places whose connection ended make room for new ones.
    fn cell(&self, key: &Key) -> Result<Arc<Cell>, UpstreamError> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = connections.get(key) {
            return Ok(Arc::clone(cell));
        }
        let max = self.base.limits.connections;
        if connections.len() >= max {
            connections.retain(|_, cell| {
                cell.try_lock().map_or(true, |c| c.as_ref().is_some_and(|c| c.wire.is_alive()))
            });
        }
        if connections.len() >= max {
            let why = format!("{max} connections are open already; close tasks that are done");
            return Err(UpstreamError::Unreachable { server: key.0.clone(), why });
        }
        Ok(Arc::clone(connections.entry(key.clone()).or_default()))
    }

    /// The connection a call takes.
    fn key(&self, call: &Call, task: &TaskId, link: &Link) -> Key {
        let server = self.configured.get(&call.server);
        // A stateless endpoint keeps nothing between requests, so tasks cannot meet there.
        let stateless = server.is_some_and(|server| {
            matches!(server.config.transport, Transport::Http(_))
                && server.learnt(|learnt| learnt.era(link.session)) == Some(Era::Stateless)
        });
        let shared = stateless || server.is_none_or(|server| server.config.shared);
        (call.server.clone(), (!shared).then(|| task.clone()))
    }

    /// Carries `call` to its server. `gate` is opened immediately before the first byte.
    pub(crate) async fn carry(
        &self,
        (call, task): (&Call, &TaskId),
        (link, equipment): (Link, Arc<Equipment>),
        gate: Arc<dyn crate::gate::Gate>,
        within: Duration,
    ) -> Ended {
        let key = self.key(call, task, &link);
        let own = if key.1.is_some() { Arc::clone(&equipment) } else { self.own(call, &equipment) };
        let connection = tokio::select! {
            connection = self.connection(&key, (Some(&link), &own)) => connection,
            () = link.cancelled.cancelled() => return Ended::Unsent("the call was cancelled".to_owned()),
            () = tokio::time::sleep(within) => {
                return Ended::Unsent("the server was not ready in time".to_owned());
            }
        };
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => return Ended::Unsent(error.to_string()),
        };
        if key.1.is_some() && !own.leases.is_empty() {
            connection.wire.equip(&own);
        }
        let Some(given) = Connection::object(&call.params) else {
            return Ended::Unsent("the parameters are no JSON object".to_owned());
        };
        let revision = connection.spoken.revision;
        let params = outward::params(Some(&given), revision, &connection.us, Some(&link));
        let ask = Ask {
            method: call.method.clone(),
            params,
            revision: Some(revision),
            mirrored: self.mirrored(call),
            link: Some(link),
            equipment: Some(equipment),
            gate,
            within,
        };
        connection.wire.ask(ask).await
    }

    /// What a connection for all tasks sends its own messages with: Remit's own, or for want of that
    /// what the call that opens it has.
    fn own(&self, call: &Call, of_call: &Arc<Equipment>) -> Arc<Equipment> {
        let server = self.configured.get(&call.server);
        let own = server.map(|server| server.own()).filter(|own| !own.leases.is_empty());
        own.unwrap_or_else(|| Arc::clone(of_call))
    }

    fn mirrored(&self, call: &Call) -> Option<Arc<ParamHeaders>> {
        let Operation::CallTool { name } = &call.operation else { return None };
        let server = self.configured.get(&call.server)?;
        server.learnt(|learnt| learnt.mirrored.get(name).map(Arc::clone))
    }

    async fn offered(
        &self,
        name: &ServerName,
        leases: Vec<Arc<Lease>>,
    ) -> Result<Discovery, UpstreamError> {
        let server = self.server(name)?;
        let equipment = self.equipped(server, &leases);
        let equipment =
            equipment.map_err(|why| UpstreamError::Unreachable { server: name.clone(), why })?;
        *server.own.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&equipment);
        let limits = self.base.limits;
        let _one_at_a_time = server.asking.lock().await;
        let drifted = server.drifted.lock().unwrap_or_else(PoisonError::into_inner).take();
        let live = drifted.and_then(|task| self.live(&(name.clone(), Some(task))));
        let own = if let Some(connection) = live {
            // A task's, which goes on with what that task is lent.
            connection
        } else {
            let own = self.connection(&(name.clone(), None), (None, &equipment)).await?;
            own.wire.equip(&equipment);
            own
        };
        let veils = [&equipment.veil, &own.given.veil];
        let cleaned = |text: String| veils.into_iter().fold(text, |text, veil| veil.cleaned(text));
        let listed = listing::list(&own, limits).await;
        if self.is_throwaway(&(name.clone(), None)) {
            self.forget(&(name.clone(), None));
        }
        let mut offer = listed.map_err(|why| {
            let why = server.health.presentable(&cleaned(why));
            server.health.error(&why);
            UpstreamError::Protocol { server: name.clone(), why }
        })?;
        offer.rewrite(cleaned);
        offer.executable = server.learnt(|learnt| learnt.pinned);
        if matches!(server.config.transport, Transport::Http(_)) {
            learn_mirrored(name, server, &mut offer);
        }
        Ok(offer)
    }

    /// Whether the connection `key` is only there to ask what a server offers.
    fn is_throwaway(&self, (name, task): &Key) -> bool {
        let stdio = |server: &Arc<Server>| {
            matches!(server.config.transport, Transport::Stdio(_)) && !server.config.shared
        };
        task.is_none() && self.configured.get(name).is_some_and(stdio)
    }

    /// The connection `key` if it is open and nobody is opening it.
    fn live(&self, key: &Key) -> Option<Arc<Connection>> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let held = connections.get(key)?.try_lock().ok()?;
        held.as_ref().filter(|connection| connection.wire.is_alive()).map(Arc::clone)
    }

    fn forget(&self, key: &Key) {
        let cell = self.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        let Some(cell) = cell else { return };
        // Where it is being opened, whoever opens it holds the last reference and drops it.
        if let Ok(held) = cell.try_lock()
            && let Some(connection) = held.as_ref()
        {
            connection.wire.close();
        }
    }
}

/// Remembers what each tool wants mirrored into headers, and leaves out tools whose declarations
/// are invalid, as a client over HTTP must (2026-07-28 *Custom Headers from Tool Parameters*).
fn learn_mirrored(name: &ServerName, server: &Server, offer: &mut Discovery) {
    let mut mirrored = BTreeMap::new();
    offer.tools.retain(|text| {
        let tool = Raw::parse(text).ok().and_then(|raw| Object::parse(&raw).ok());
        let Some(tool) = tool else { return true };
        let title = tool.text("name").unwrap_or_default();
        let Some(schema) = tool.get("inputSchema") else { return true };
        match ParamHeaders::of_schema(&schema) {
            Ok(found) if found.is_empty() => true,
            Ok(found) => {
                mirrored.insert(title, Arc::new(found));
                true
            }
            Err(why) => {
                let why = server.health.presentable(&format!("tool `{title}` is left out: {why}"));
                tracing::warn!(server = %name, "{why}");
                server.health.error(&why);
                false
            }
        }
    });
    server.learnt(|learnt| learnt.mirrored = mirrored);
}

impl Upstream for Servers {
    fn send(&self, armed: Armed, link: Link) -> BoxFuture<'_, Done> {
        Box::pin(async move {
            let Some(call) = armed.call().cloned() else {
                return armed.not_sent("the question is not a call");
            };
            let task = armed.task().clone();
            let within = armed.deadline().since(self.clock.now());
            let server = self.server(&call.server).map_err(|why| why.to_string());
            let equipment = match server.and_then(|it| self.equipped(it, armed.leases())) {
                Ok(equipment) => equipment,
                Err(why) => return armed.not_sent(why),
            };
            let link = Link { veil: equipment.veil.clone(), ..link };
            let slot = Arc::new(Slot::new(armed, Arc::clone(&self.clock)));
            let gate: Arc<Slot> = Arc::clone(&slot);
            let carrying = (link, Arc::clone(&equipment));
            let ended = self.carry((&call, &task), carrying, gate, within).await;
            match slot.finish(ended.veiled(&equipment.veil)) {
                Some(done) => done,
                // INVARIANT: a slot is finished once, here; it yields its call exactly then.
                None => std::future::pending().await,
            }
        })
    }

    fn discover<'a>(
        &'a self,
        server: &'a ServerName,
        leases: Vec<Arc<Lease>>,
    ) -> BoxFuture<'a, Result<Discovery, UpstreamError>> {
        Box::pin(self.offered(server, leases))
    }

    fn pin(&self, server: &ServerName, executable: Digest) {
        if let Some(server) = self.configured.get(server) {
            server.learnt(|learnt| learnt.pinned = Some(executable));
        }
    }

    fn release(&self, task: &TaskId) {
        let ended: Vec<Key> = {
            let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.keys().filter(|(_, of)| of.as_ref() == Some(task)).cloned().collect()
        };
        for key in &ended {
            self.forget(key);
        }
    }

    fn recall(&self, lease: &LeaseId) {
        self.shown.end(lease);
        let ended: Vec<Key> = {
            let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let holds = |cell: &Arc<Cell>| {
                // One that is being opened is given what is lent now.
                let held = cell.try_lock().ok();
                held.is_some_and(|c| c.as_ref().is_some_and(|c| c.given.leases.contains(lease)))
            };
            let holding = connections.iter().filter(|(_, cell)| holds(cell));
            holding.map(|(key, _)| key.clone()).collect()
        };
        for key in &ended {
            self.forget(key);
        }
    }

    fn events(&self) -> broadcast::Receiver<UpstreamEvent> {
        self.events.subscribe()
    }

    fn status(&self) -> Vec<ServerStatus> {
        self.configured.iter().map(|(name, server)| self.report(name, server)).collect()
    }
}

impl Servers {
    fn report(&self, name: &ServerName, server: &Server) -> ServerStatus {
        let alive = {
            let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
            let of_server = connections.iter().filter(|((of, _), _)| of == name);
            // A place that is held is one that is being opened.
            let is_alive = |cell: &Arc<Cell>| {
                cell.try_lock().map_or(true, |c| c.as_ref().is_some_and(|c| c.wire.is_alive()))
            };
            of_server.filter(|(_, cell)| is_alive(cell)).count()
        };
        let (restarts, last_error, stderr) = server.health.report();
        ServerStatus {
            server: name.clone(),
            transport: server.config.transport.name(),
            alive,
            restarts,
            revision: server.learnt(|learnt| learnt.spoken.map(|r| r.to_string())),
            last_error,
            stderr,
        }
    }
}

/// Names the servers, nothing of their configuration.
impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers")
            .field("configured", &self.configured.keys())
            .finish_non_exhaustive()
    }
}
