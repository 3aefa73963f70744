//! What a tool server says in the middle of a call: progress, log messages, questions to its client.
//!
//! A model may be shown all of it, so it is treated as the result is: other people's secrets are cut out of it,
//! and the task knows it before the client does (promises R5, R12).

use remit_ports::{Link, ToClient};
use remit_provenance::Source;
use remit_secrets::Finding;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::Engine;
use crate::cell::TaskCell;
use crate::lookout::note;

/// Between a server and the client of one call.
pub(crate) struct Relay {
    from_server: mpsc::Receiver<ToClient>,
    to_client: mpsc::Sender<ToClient>,
    /// As what the task knows it; what nobody can place is not passed on.
    source: Option<Source>,
    /// What was cut out of it, each secret once.
    found: Vec<Finding>,
}

impl Relay {
    /// Between the client of `link` and the server, which gets the link that is returned.
    pub(crate) fn on(link: Link, source: Option<Source>) -> (Self, Link) {
        let (to_relay, from_server) = mpsc::channel(link.to_client.max_capacity());
        let relay = Self { from_server, to_client: link.to_client, source, found: Vec::new() };
        (relay, Link { to_client: to_relay, ..link })
    }

    /// What the server says next, if it can still say something. Dropping the future loses nothing.
    pub(crate) async fn heard(&mut self) -> Option<ToClient> {
        self.from_server.recv().await
    }

    /// Passes on what the server said. A client that is slow, or gone, does not hold the server up.
    pub(crate) fn pass_on(&mut self, engine: &Engine, cell: &TaskCell, said: ToClient) {
        let Some(source) = &self.source else { return };
        let mut taken_in = |raw: Box<RawValue>| {
            let cut = engine.cut(raw.get());
            let text = cut.as_ref().map_or(raw.get(), |cut| &cut.text);
            cell.memory().overhear(source, text);
            match cut {
                Some(cut) => {
                    note(&mut self.found, cut.found);
                    // INVARIANT: cut within its strings, it is JSON as before.
                    RawValue::from_string(cut.text).unwrap_or_default()
                }
                None => raw,
            }
        };
        let said = match said {
            ToClient::Notification(raw) => ToClient::Notification(taken_in(raw)),
            ToClient::Request { method, params, answer } => {
                ToClient::Request { method, params: params.map(taken_in), answer }
            }
        };
        // A question that is dropped is refused.
        drop(self.to_client.try_send(said));
    }

    /// The same for what it said before its answer; what was cut from all of it.
    pub(crate) fn end(mut self, engine: &Engine, cell: &TaskCell) -> Vec<Finding> {
        while let Ok(said) = self.from_server.try_recv() {
            self.pass_on(engine, cell, said);
        }
        self.found
    }
}
