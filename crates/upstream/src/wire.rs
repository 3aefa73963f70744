//! What a stdio pipe and an HTTP endpoint have in common: one request goes out and ends somehow.

use std::sync::Arc;
use std::time::Duration;

use remit_mcp::{Outcome, ParamHeaders, Raw, Revision};
use remit_ports::{BoxFuture, Link, Veil};

use crate::delivery::Equipment;
use crate::gate::{Gate, Own};

/// One request.
pub(crate) struct Ask {
    /// The method.
    pub(crate) method: String,
    /// The parameters, without a progress token.
    pub(crate) params: Option<Raw>,
    /// The revision it is written in; `None` while shaking hands in the session era.
    pub(crate) revision: Option<Revision>,
    /// Which arguments an HTTP endpoint wants mirrored.
    pub(crate) mirrored: Option<Arc<ParamHeaders>>,
    /// The client it is for; `None` for requests of our own.
    pub(crate) link: Option<Link>,
    /// What it is sent with; `None`: what the connection has.
    pub(crate) equipment: Option<Arc<Equipment>>,
    /// Opened immediately before the first byte.
    pub(crate) gate: Arc<dyn Gate>,
    /// How long it may take.
    pub(crate) within: Duration,
}

impl Ask {
    /// A request of our own.
    pub(crate) fn own(method: &str, params: Option<Raw>, within: Duration) -> Self {
        Self {
            method: method.to_owned(),
            params,
            revision: None,
            mirrored: None,
            link: None,
            equipment: None,
            gate: Arc::new(Own),
            within,
        }
    }
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The server answered.
    Reply(Outcome),
    /// The server answered with an HTTP status and nothing of MCP; below 500 it did not act.
    Http {
        /// The status.
        status: u16,
        /// In words.
        why: String,
    },
    /// Certainly nothing was written.
    Unsent(String),
    /// No usable answer. If the gate opened, nobody knows what happened.
    Lost(String),
}

impl Ended {
    /// Without what may not be said of it; the answer itself is cut where it is settled.
    pub(crate) fn veiled(self, veil: &Veil) -> Self {
        match self {
            Self::Reply(outcome) => Self::Reply(outcome),
            Self::Http { status, why } => Self::Http { status, why: veil.cleaned(why) },
            Self::Unsent(why) => Self::Unsent(veil.cleaned(why)),
            Self::Lost(why) => Self::Lost(veil.cleaned(why)),
        }
    }

    /// Why there is no answer, in words.
    pub(crate) fn why(self) -> String {
        match self {
            Self::Reply(Outcome::Error(error)) => error.message,
            Self::Reply(Outcome::Result(_)) => "the server answered".to_owned(),
            Self::Http { why, .. } | Self::Unsent(why) | Self::Lost(why) => why,
        }
    }
}

/// A connection to a server.
pub(crate) trait Wire: Send + Sync {
    /// Sends a request and waits for its end. Dropping the future cancels.
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Ended>;
    /// Sends a message that wants no answer; best effort.
    fn tell(&self, message: Raw) -> BoxFuture<'_, ()>;
    /// Starts listening for what the server says outside any request, in the given revision; over
    /// when a call may follow.
    fn listen(self: Arc<Self>, revision: Revision) -> BoxFuture<'static, ()>;
    /// What it sends its own messages with from now on; a process has what it was started with.
    fn equip(&self, _: &Arc<Equipment>) {}
    /// Whether it can still be used.
    fn is_alive(&self) -> bool;
    /// Ends it.
    fn close(&self);
}
