//! The authorization endpoint and its page, where a person says what an agent's client is to do.
//!
//! A client of which nobody knows more than its redirect address (RFC 6749, PKCE), or that has keys of its
//! own, sends a person's browser here. Whoever knows the operator's passphrase chooses a template that the agent may open,
//! states the purpose, narrows tools and limits, reads in plain words what that allows, and allows or
//! denies exactly what stands there. The client gets a code for it (`remit_engine::consent`).
//!
//! The passphrase may be typed here because what it is typed for, opening a task for an agent, is less
//! than what it is good for on the command line; the session that it makes is good for this page alone.
//!
//! Beside it are the pages on which a person connects an account elsewhere ([`Connect`]).
//!
//! *Absences:* no rule about who may open what lives here, and nothing is recorded here. No script: what
//! the page shows was computed by the server. Before somebody has signed in, a request leaves nothing behind.

mod ask;
mod choice;
mod client;
mod connect;
mod flow;
mod flows;
mod form;
mod offer;
mod origin;
mod page;
mod redirect;
mod session;
mod text;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use remit_engine::Engine;
use remit_operator::Authority;
use remit_token_api::AUTHORIZE;

pub use crate::client::{
    Client, ClientIdError, Clients, Document, Documents, Fetched, Introduced, MAX_DOCUMENT, Proves,
    Reach,
};
pub use crate::connect::{Connect, connect};
pub use crate::redirect::{RedirectError, check as check_redirect};
use crate::session::Sessions;

/// Where the page's form goes, below the issuer.
const DECIDE: &str = "/oauth/consent";

/// What the page needs.
#[derive(Clone, Debug)]
pub struct Door {
    engine: Arc<Engine>,
    people: Arc<Authority>,
    clients: Arc<Clients>,
    sessions: Arc<Sessions>,
}

impl Door {
    /// The page for tasks of `engine`, for people who are operators to `people`, on behalf of `clients`.
    pub fn new(engine: Arc<Engine>, people: Arc<Authority>, clients: Arc<Clients>) -> Self {
        Self { engine, people, clients, sessions: Arc::default() }
    }

    /// Whether people come here over TLS, as the server names itself.
    pub fn is_secure(&self) -> bool {
        self.engine.realm().issuer().starts_with("https:")
    }
}

/// The endpoint and its page. Whoever serves it checks `Host` first (DNS rebinding).
pub fn router(door: Door) -> Router {
    Router::new()
        .route(AUTHORIZE, get(flow::begin).post(flow::sign_in))
        .route(DECIDE, post(flow::decide))
        .with_state(door)
}
