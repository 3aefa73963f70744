//! The last check before a byte is written, and what a call is worth afterwards.
//!
//! A recorded call waits in a [`Slot`] while a process is started or a connection opened. The wire
//! opens the slot's gate immediately before the first byte: that spends the [`Armed`]. Whatever
//! happens then, [`Slot::finish`] knows whether anything can have been sent.

use std::sync::{Arc, Mutex, PoisonError};

use remit_mcp::{Object, Outcome};
use remit_model::Clock;
use remit_ports::{Armed, Done, Outbound, Reply};

use crate::wire::Ended;

/// Asked immediately before the first byte of a message.
pub(crate) trait Gate: Send + Sync {
    /// Whether the message may be written. May be asked again only if nothing was written.
    fn open(&self) -> bool;
}

/// The gate of messages that are Remit's own.
#[derive(Debug)]
pub(crate) struct Own;

impl Gate for Own {
    fn open(&self) -> bool {
        true
    }
}

/// A recorded call on its way.
pub(crate) struct Slot {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum State {
    Waiting(Armed),
    Open(Outbound),
    Stopped(Done),
    Over,
}

impl Slot {
    /// `clock` tells whether the call's time is over when its gate is asked.
    pub(crate) fn new(armed: Armed, clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::new(State::Waiting(armed)), clock }
    }

    /// Settles what became of the call; `None` only if it was settled before. The gate stays shut
    /// from here on.
    pub(crate) fn finish(&self, ended: Ended) -> Option<Done> {
        let state = std::mem::replace(
            &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner),
            State::Over,
        );
        match state {
            State::Over => None,
            State::Stopped(done) => Some(done),
            State::Waiting(armed) => Some(armed.not_sent(ended.why())),
            State::Open(outbound) => Some(settle(outbound, ended)),
        }
    }
}

impl Gate for Slot {
    fn open(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match std::mem::replace(&mut *state, State::Over) {
            State::Waiting(armed) => match armed.spend(self.clock.now()) {
                Ok(outbound) => State::Open(outbound),
                Err(done) => State::Stopped(done),
            },
            other => other,
        };
        matches!(*state, State::Open(_))
    }
}

fn settle(outbound: Outbound, ended: Ended) -> Done {
    match ended {
        Ended::Reply(Outcome::Result(result)) => {
            let failed = says_failed(&result);
            outbound.answered(Reply::Result(result), failed)
        }
        Ended::Reply(Outcome::Error(error)) => {
            outbound.answered(Reply::Error(error.to_raw()), true)
        }
        Ended::Unsent(why) => outbound.not_sent(why),
        Ended::Http { status, why } if status < 500 => outbound.not_sent(why),
        Ended::Http { why, .. } | Ended::Lost(why) => outbound.unknown(why),
    }
}

/// Whether a result says that the tool failed.
fn says_failed(result: &Object) -> bool {
    result.get("isError").is_some_and(|flag| flag.as_str() == "true")
}
