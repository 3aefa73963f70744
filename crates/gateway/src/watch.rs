//! What one client should be told outside any call: that a list changed, that a resource changed,
//! that its task no longer takes calls.
//!
//! What changed is found by looking again, not by believing the announcement: a task's own events
//! mostly leave its tools as they are, and a client asks for the whole list after each notice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use remit_engine::Change;
use remit_mcp::{Object, Raw, method};
use remit_model::{Digest, ServerName, ToolId};
use remit_ports::{Discovery, UpstreamEvent};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Interval, MissedTickBehavior};

use crate::gateway::Gateway;
use crate::peer::Peer;

/// The state in which a task takes calls.
const OPEN: &str = "open";

/// What a client should be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Its tools changed.
    Tools,
    /// The resources in its reach changed.
    Resources,
    /// The prompts in its reach changed.
    Prompts,
    /// A resource changed.
    Updated(String),
    /// Its task reached a state in which it takes no calls, for now or for good, or its grant is
    /// believed no more.
    Stopped,
}

/// Watches for one client.
#[derive(Debug)]
pub(crate) struct Watch {
    gateway: Arc<Gateway>,
    peer: Peer,
    changes: broadcast::Receiver<Change>,
    events: Option<broadcast::Receiver<UpstreamEvent>>,
    /// Whatever goes unannounced shows itself at the next tick.
    ticks: Interval,
    seen: View,
    due: VecDeque<Notice>,
}

/// What the client could see when it was last told.
#[derive(Debug)]
struct View {
    state: &'static str,
    tools: Vec<(ToolId, Digest, &'static str)>,
    resources: BTreeMap<ServerName, Arc<Discovery>>,
    prompts: BTreeMap<ServerName, Arc<Discovery>>,
}

impl Watch {
    /// Watches from now on.
    pub(crate) fn new(gateway: &Arc<Gateway>, peer: Peer) -> Self {
        let changes = gateway.engine.changes();
        let events = Some(gateway.engine.ports().upstream.events());
        let mut ticks = tokio::time::interval(gateway.config.keep_alive);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let seen = View::of(gateway, &peer);
        let due = if seen.state == OPEN { VecDeque::new() } else { [Notice::Stopped].into() };
        Self { gateway: Arc::clone(gateway), peer, changes, events, ticks, seen, due }
    }

    /// The next notice. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Notice {
        loop {
            if let Some(notice) = self.due.pop_front() {
                return notice;
            }
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(Change::Task(task)) if task != self.peer.caller.task => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => self.look(),
                    Err(RecvError::Closed) => return Notice::Stopped,
                },
                event = said(&mut self.events) => match event {
                    Ok(event) => self.said(&event),
                    Err(RecvError::Lagged(_)) => self.look(),
                    Err(RecvError::Closed) => self.events = None,
                },
                _ = self.ticks.tick() => self.look(),
            }
        }
    }

    /// Compares what the client can see with what it saw.
    fn look(&mut self) {
        let now = View::of(&self.gateway, &self.peer);
        let before = std::mem::replace(&mut self.seen, now);
        let now = &self.seen;
        if now.state != OPEN {
            if now.state != before.state {
                self.due.push_back(Notice::Stopped);
            }
            return;
        }
        if before.tools != now.tools {
            self.due.push_back(Notice::Tools);
        }
        if differ(&before.resources, &now.resources, |one, other| {
            one.resources == other.resources && one.templates == other.templates
        }) {
            self.due.push_back(Notice::Resources);
        }
        if differ(&before.prompts, &now.prompts, |one, other| one.prompts == other.prompts) {
            self.due.push_back(Notice::Prompts);
        }
    }

    fn said(&mut self, event: &UpstreamEvent) {
        let task = event.task.as_ref();
        if task.is_some_and(|task| *task != self.peer.caller.task) {
            return;
        }
        match event.method.as_str() {
            method::RESOURCE_UPDATED if self.seen.resources.contains_key(&event.server) => {
                let params = Raw::parse(&event.message)
                    .ok()
                    .and_then(|raw| Object::parse(&raw).ok()?.object("params"));
                if let Some(uri) = params.and_then(|params| params.text("uri")) {
                    self.due.push_back(Notice::Updated(uri));
                }
            }
            method::RESOURCES_CHANGED | method::PROMPTS_CHANGED => self.look(),
            _ => {}
        }
    }
}

impl View {
    fn of(gateway: &Gateway, peer: &Peer) -> Self {
        let engine = &gateway.engine;
        let servers = gateway.servers(peer.server.as_ref());
        let cell = engine.cell(&peer.caller.task);
        let believed = cell.filter(|_| engine.still_believes(&peer.caller));
        let state = believed.map_or("unknown", |cell| cell.lock().state.name());
        let tools = engine.tools(&peer.caller, &servers);
        let offers = |what: &str| engine.offers(&peer.caller, &servers, what).into_iter().collect();
        Self {
            state,
            tools: tools
                .into_iter()
                .map(|tool| (tool.id, tool.digest, tool.admission.name()))
                .collect(),
            resources: offers("@resources"),
            prompts: offers("@prompts"),
        }
    }
}

/// Whether any server's offer is not the `same`.
fn differ(
    before: &BTreeMap<ServerName, Arc<Discovery>>,
    now: &BTreeMap<ServerName, Arc<Discovery>>,
    same: impl Fn(&Discovery, &Discovery) -> bool,
) -> bool {
    let stays = |(server, offer): (&ServerName, &Arc<Discovery>)| {
        now.get(server).is_some_and(|other| Arc::ptr_eq(offer, other) || same(offer, other))
    };
    before.len() != now.len() || !before.iter().all(stays)
}

/// The next thing a server says; never, once nothing can come any more.
async fn said(
    events: &mut Option<broadcast::Receiver<UpstreamEvent>>,
) -> Result<UpstreamEvent, RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}
