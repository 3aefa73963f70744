//! Tool servers that answer from a script.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use remit_mcp::{Object, Raw};
use remit_model::{Call, Digest, LeaseId, ServerName, TaskId, Timestamp};
use remit_ports::{
    Armed, BoxFuture, Discovery, Done, Lease, Link, Outbound, Reply, ServerStatus, ToClient,
    Upstream, UpstreamError, UpstreamEvent,
};
use serde_json::value::RawValue;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::fault::lock;

/// What a server does with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Answers with this JSON as `result`.
    Result(String),
    /// Answers with this JSON as `error`.
    Error(String),
    /// Cannot be reached: nothing is written.
    NotSent(String),
    /// Takes the call and dies.
    Unknown(String),
    /// Takes the call and says nothing until it is cancelled.
    Never,
}

impl Answer {
    /// A tool result with one text.
    pub fn text(text: &str) -> Self {
        Self::Result(serde_json::json!({"content": [{"type": "text", "text": text}]}).to_string())
    }

    /// A tool result that says it failed.
    pub fn failed(text: &str) -> Self {
        let content = serde_json::json!([{"type": "text", "text": text}]);
        Self::Result(serde_json::json!({"content": content, "isError": true}).to_string())
    }
}

/// A call that was written to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The index of its decision.
    pub decision: u64,
    /// The task it was made in.
    pub task: TaskId,
    /// The call.
    pub call: Call,
    /// The credentials it was sent with.
    pub leases: Vec<LeaseId>,
}

type Script = Box<dyn Fn(&Call) -> Answer + Send + Sync>;

/// Servers that answer by a function and remember what reached them. Two gates can be closed:
/// before a call is spent and written, and before its answer comes back.
pub struct ScriptedUpstream {
    script: Mutex<Script>,
    offers: Mutex<BTreeMap<ServerName, Discovery>>,
    notifications: Mutex<Vec<String>>,
    sent: Mutex<Vec<Sent>>,
    pinned: Mutex<BTreeMap<ServerName, Digest>>,
    released: Mutex<Vec<TaskId>>,
    recalled: Mutex<Vec<LeaseId>>,
    arrivals: watch::Sender<usize>,
    writes: watch::Sender<usize>,
    write_gate: watch::Sender<bool>,
    answer_gate: watch::Sender<bool>,
    events: broadcast::Sender<UpstreamEvent>,
}

impl fmt::Debug for ScriptedUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScriptedUpstream({} sent)", lock(&self.sent).len())
    }
}

impl Default for ScriptedUpstream {
    /// Answers every call with the text `ok`.
    fn default() -> Self {
        Self::new(|_| Answer::text("ok"))
    }
}

impl ScriptedUpstream {
    /// Servers that answer by `script`.
    pub fn new(script: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            script: Mutex::new(Box::new(script)),
            offers: Mutex::default(),
            notifications: Mutex::default(),
            sent: Mutex::default(),
            pinned: Mutex::default(),
            released: Mutex::default(),
            recalled: Mutex::default(),
            arrivals: watch::Sender::new(0),
            writes: watch::Sender::new(0),
            write_gate: watch::Sender::new(true),
            answer_gate: watch::Sender::new(true),
            events: broadcast::Sender::new(64),
        }
    }

    /// Answers by `script` from now on.
    pub fn set_script(&self, script: impl Fn(&Call) -> Answer + Send + Sync + 'static) {
        *lock(&self.script) = Box::new(script);
    }

    /// `server` offers this from now on. A server without an offer is not configured.
    pub fn offer(&self, server: &ServerName, offer: Discovery) {
        lock(&self.offers).insert(server.clone(), offer);
    }

    /// Each call's client hears these notifications before the answer, as far as its channel has
    /// room.
    pub fn set_notifications(&self, notifications: Vec<String>) {
        *lock(&self.notifications) = notifications;
    }

    /// Opens or closes the gate before calls are spent and written.
    pub fn set_write_gate(&self, open: bool) {
        self.write_gate.send_replace(open);
    }

    /// Opens or closes the gate before answers come back.
    pub fn set_answer_gate(&self, open: bool) {
        self.answer_gate.send_replace(open);
    }

    /// Waits until `count` calls in all have arrived, written or not.
    pub async fn arrived(&self, count: usize) {
        // INVARIANT: the sender lives in self, so the wait cannot fail.
        drop(self.arrivals.subscribe().wait_for(|arrived| *arrived >= count).await);
    }

    /// Waits until `count` calls in all were written.
    pub async fn written(&self, count: usize) {
        // INVARIANT: as in `arrived`.
        drop(self.writes.subscribe().wait_for(|written| *written >= count).await);
    }

    /// What was written, in order.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.sent).clone()
    }

    /// The executables that were pinned.
    pub fn pinned(&self) -> BTreeMap<ServerName, Digest> {
        lock(&self.pinned).clone()
    }

    /// The tasks that were released, in order.
    pub fn released(&self) -> Vec<TaskId> {
        lock(&self.released).clone()
    }

    /// The leases whose processes were ended, in order.
    pub fn recalled(&self) -> Vec<LeaseId> {
        lock(&self.recalled).clone()
    }

    /// A server says something outside any call.
    pub fn emit(&self, event: UpstreamEvent) {
        // Nobody listening is not an error.
        drop(self.events.send(event));
    }

    async fn serve(&self, armed: Armed, link: Link) -> Done {
        self.arrivals.send_modify(|arrived| *arrived += 1);
        let open = pass(&self.write_gate, &link.cancelled).await;
        let answer = armed.call().map(|call| (lock(&self.script))(call));
        if let Some(Answer::NotSent(why)) = answer {
            return armed.not_sent(why);
        }
        let (decision, task) = (armed.decision(), armed.task().clone());
        let leases = armed.leases().iter().map(|lease| lease.id.clone()).collect();
        // Time stands still for these servers: what it does to calls is for real ones to show.
        let outbound = match armed.spend(Timestamp(0)) {
            Ok(outbound) => outbound,
            Err(done) => return done,
        };
        let (Some(call), Some(answer), true) = (outbound.call().cloned(), answer, open) else {
            return outbound.not_sent("given up before anything was written");
        };
        lock(&self.sent).push(Sent { decision, task, call, leases });
        self.writes.send_modify(|written| *written += 1);
        self.notify(&link);
        if !pass(&self.answer_gate, &link.cancelled).await {
            return outbound.unknown("given up while the server worked");
        }
        if answer == Answer::Never {
            link.cancelled.cancelled().await;
        }
        finish(outbound, answer)
    }

    fn notify(&self, link: &Link) {
        for notification in lock(&self.notifications).iter() {
            let raw = RawValue::from_string(notification.clone()).ok();
            // A full or closed channel drops notifications, as the port says.
            raw.map(|raw| link.to_client.try_send(ToClient::Notification(raw)).ok());
        }
    }
}

/// Waits at a gate; false if the call was cancelled meanwhile.
async fn pass(gate: &watch::Sender<bool>, cancelled: &CancellationToken) -> bool {
    let mut gate = gate.subscribe();
    tokio::select! {
        biased;
        passed = gate.wait_for(|open| *open) => passed.is_ok(),
        () = cancelled.cancelled() => false,
    }
}

fn finish(outbound: Outbound, answer: Answer) -> Done {
    match answer {
        Answer::Result(json) => {
            let result = Raw::parse(&json).map(|raw| Object::parse(&raw));
            match result {
                Ok(Ok(result)) => {
                    let failed = result.get("isError").is_some_and(|flag| flag.as_str() == "true");
                    outbound.answered(Reply::Result(result), failed)
                }
                _ => outbound.unknown("the script's result is not a JSON object"),
            }
        }
        Answer::Error(json) => match Raw::parse(&json) {
            Ok(raw) => outbound.answered(Reply::Error(raw), true),
            Err(why) => outbound.unknown(format!("the script's error is not JSON: {why}")),
        },
        Answer::NotSent(why) => outbound.not_sent(why),
        Answer::Unknown(why) => outbound.unknown(why),
        Answer::Never => outbound.unknown("cancelled while the server said nothing"),
    }
}

impl Upstream for ScriptedUpstream {
    fn send(&self, armed: Armed, link: Link) -> BoxFuture<'_, Done> {
        Box::pin(self.serve(armed, link))
    }

    fn discover<'a>(
        &'a self,
        server: &'a ServerName,
        _: Vec<Arc<Lease>>,
    ) -> BoxFuture<'a, Result<Discovery, UpstreamError>> {
        let offer = lock(&self.offers).get(server).cloned();
        Box::pin(async move { offer.ok_or_else(|| UpstreamError::Unknown(server.clone())) })
    }

    fn pin(&self, server: &ServerName, executable: Digest) {
        lock(&self.pinned).insert(server.clone(), executable);
    }

    fn recall(&self, lease: &LeaseId) {
        lock(&self.recalled).push(lease.clone());
    }

    fn release(&self, task: &TaskId) {
        lock(&self.released).push(task.clone());
    }

    fn events(&self) -> broadcast::Receiver<UpstreamEvent> {
        self.events.subscribe()
    }

    fn status(&self) -> Vec<ServerStatus> {
        let offers = lock(&self.offers);
        let status = |(server, offer): (&ServerName, &Discovery)| ServerStatus {
            server: server.clone(),
            transport: "stdio",
            alive: 1,
            restarts: 0,
            revision: Some(offer.revision.clone()),
            last_error: None,
            stderr: Vec::new(),
        };
        offers.iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests;
