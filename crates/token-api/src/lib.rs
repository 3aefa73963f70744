//! The token endpoint: an agent that no kernel names proves by a signature what it is, asks for a task
//! and gets a grant.
//!
//! OAuth 2.1 as far as machines need it: what a person allowed in the browser is fetched with a code (RFC
//! 6749 section 4.1) and gone on with by refresh tokens, by a public client or one with keys of its own; client
//! credentials (section 4.4) with the client known by `private_key_jwt` (RFC 7523), its JWT-SVID (`spiffe_jwt`)
//! or its X.509-SVID over mutual TLS (`spiffe_x509`); JWT-bearer (RFC 7523) for whom others vouch; token exchange
//! (RFC 8693), by which a task is handed on. The grant is bound to its key (RFC 9449) or certificate (RFC 8705), what is asked for in
//! `authorization_details` of type `remit` (RFC 9396), introspection (RFC 7662) and revocation (RFC
//! 7009) for the same clients, and the documents that let other people's clients find all this (RFC
//! 8414, RFC 9728).
//!
//! *Absences:* no rule about who may open what lives here; nothing is recorded here; no token and no
//! assertion is logged. Requests of nobody are counted, not logged one by one (promise R13).

mod clients;
pub mod details;
mod failure;
mod form;
mod grants;
mod metadata;
mod pick_up;
mod request;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use remit_engine::Engine;
use remit_spiffe::Authority;
use tokio::sync::watch::Receiver;

pub use crate::clients::{Clients, FoundKeys, NoClient};

/// Where a token is asked for, below the issuer.
const TOKEN: &str = "/oauth/token";
/// Where a token is looked at.
const INTROSPECT: &str = "/oauth/introspect";
/// Where a token is given back.
const REVOKE: &str = "/oauth/revoke";
/// The public keys of grants.
const JWKS: &str = "/oauth/jwks";
/// Where a client sends a person; served by the crate of the consent page.
pub const AUTHORIZE: &str = "/oauth/authorize";

/// What the endpoints need.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Who may open what.
    pub engine: Arc<Engine>,
    /// The clients to which people allow something.
    pub clients: Arc<dyn Clients>,
    /// The keys that JWT-SVIDs of clients are verified with, as they are now and from now on.
    pub authority: Receiver<Arc<Authority>>,
    /// Whether the clients of connections are asked for certificates (mutual TLS).
    pub certificates: bool,
}

impl FromRef<Desk> for Arc<Engine> {
    fn from_ref(desk: &Desk) -> Self {
        Self::clone(&desk.engine)
    }
}

/// The endpoints of the token service and the documents about it.
pub fn router(desk: Desk) -> Router {
    let resource = "/.well-known/oauth-protected-resource";
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata::issuer))
        .route(resource, get(metadata::resource))
        .route(&format!("{resource}/mcp"), get(metadata::resource))
        .route(&format!("{resource}/mcp/{{server}}"), get(metadata::server))
        .route(JWKS, get(metadata::keys))
        .route(TOKEN, post(grants::grant))
        .route(INTROSPECT, post(state::introspect))
        .route(REVOKE, post(state::revoke))
        .route("/credentials/{credential}", post(pick_up::pick_up))
        .with_state(desk)
}
