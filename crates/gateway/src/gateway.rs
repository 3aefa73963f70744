//! What both transports share: the engine, the bounds, the sessions.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use remit_engine::Engine;
use remit_mcp::{Limits, Raw, meta};
use remit_model::{ServerName, TaskId};

use crate::parked::Parked;
use crate::sessions::Sessions;
use crate::sheets::Sheets;

/// Bounds and names that a person may configure.
#[derive(Clone, Debug)]
pub struct Config {
    /// The most bytes of one message.
    pub max_body: usize,
    /// The deepest nesting of one message.
    pub max_depth: usize,
    /// Origins of web pages that may talk to the endpoint, e.g. `https://console.example`. A page
    /// served by the endpoint's own loopback address may always.
    pub allowed_origins: Vec<String>,
    /// Names the endpoint may be addressed by beside the loopback ones, with or without port.
    pub allowed_hosts: Vec<String>,
    /// What stands between a server's name and its tool's on the common endpoint.
    pub separator: String,
    /// After how long without a request a session ends.
    pub session_idle: Duration,
    /// The most sessions of one task.
    pub max_sessions: usize,
    /// The most calls of one task that may be under way.
    pub max_in_flight: usize,
    /// The most change streams of one task that may be open.
    pub max_streams: usize,
    /// How often a quiet stream says that it is alive; a call that takes longer is answered as a
    /// stream.
    pub keep_alive: Duration,
    /// How long a client's user may take to answer a server's question.
    pub question_time: Duration,
    /// How long a client may take to send a whole message.
    pub read_timeout: Duration,
    /// How long a client may leave a message unread.
    pub write_timeout: Duration,
    /// How long a stateless client may keep a list.
    pub list_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_body: 4 << 20,
            max_depth: 64,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            separator: "__".to_owned(),
            session_idle: Duration::from_mins(30),
            max_sessions: 32,
            max_in_flight: 128,
            max_streams: 32,
            keep_alive: Duration::from_secs(15),
            question_time: Duration::from_mins(5),
            read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            list_ttl: Duration::from_secs(5),
        }
    }
}

/// The doors' common part.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) engine: Arc<Engine>,
    pub(crate) config: Config,
    pub(crate) sessions: Sessions,
    pub(crate) sheets: Sheets,
    pub(crate) parked: Arc<Parked>,
    calls: Arc<Gate>,
    streams: Arc<Gate>,
}

impl Gateway {
    /// The doors to `engine`.
    pub fn new(engine: Arc<Engine>, config: Config) -> Arc<Self> {
        let sessions = Sessions::new(config.session_idle, config.max_sessions);
        let parked = Parked::new(config.question_time);
        let calls = Gate::new(config.max_in_flight);
        let streams = Gate::new(config.max_streams);
        let sheets = Sheets::default();
        Arc::new(Self { engine, config, sessions, sheets, parked, calls, streams })
    }

    /// What this program calls itself.
    pub(crate) fn server_info() -> Raw {
        static INFO: LazyLock<Raw> =
            LazyLock::new(|| meta::implementation("remit", env!("CARGO_PKG_VERSION")));
        INFO.clone()
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { bytes: self.config.max_body, depth: self.config.max_depth }
    }

    pub(crate) fn list_ttl_ms(&self) -> u64 {
        u64::try_from(self.config.list_ttl.as_millis()).unwrap_or(u64::MAX)
    }

    /// The servers behind an endpoint: the one it is for, or all.
    pub(crate) fn servers(&self, only: Option<&ServerName>) -> Vec<ServerName> {
        match only {
            Some(server) => vec![server.clone()],
            None => self.engine.settings().servers.keys().cloned().collect(),
        }
    }

    /// Takes a place for one more call of `task`; `None` if there are too many.
    pub(crate) fn enter_call(&self, task: &TaskId) -> Option<Place> {
        self.calls.enter(task)
    }

    /// Takes a place for one more change stream of `task`; `None` if there are too many.
    pub(crate) fn enter_stream(&self, task: &TaskId) -> Option<Place> {
        self.streams.enter(task)
    }
}

/// Counts what is open per task, up to a bound (promise R13).
#[derive(Debug)]
struct Gate {
    most: usize,
    open: Mutex<BTreeMap<TaskId, usize>>,
}

impl Gate {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    fn enter(self: &Arc<Self>, task: &TaskId) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(task.clone()).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { gate: Arc::clone(self), task: task.clone() })
    }
}

/// A place behind a gate, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    task: TaskId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.task) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_full_at_its_bound_and_forgets_tasks_that_left() {
        let gate = Gate::new(2);
        let task: TaskId = "tsk_00000000000000000000000000".parse().unwrap();
        let first = gate.enter(&task).unwrap();
        let second = gate.enter(&task).unwrap();
        assert!(gate.enter(&task).is_none());
        drop(first);
        let third = gate.enter(&task).unwrap();
        drop((second, third));
        assert!(gate.open.lock().unwrap().is_empty());
    }
}
