//! The port through which a person connects an account of theirs elsewhere: they follow an address, sign in
//! at the authorization server, and come back with a code.
//!
//! *Obligations of an implementation.* Whoever comes back is the browser that went, for the credential that
//! it went for, with the answer of the server that it was sent to; each step is taken once and within a
//! bounded time. No error text holds a secret or a word of what a browser brought.

use std::fmt;

use remit_model::{CredentialName, Named, Secret, Timestamp};

use crate::{BoxFuture, IssuerError};

/// Where people begin to connect accounts, below this server's own address; a ticket follows.
pub const CONNECT: &str = "/oauth/connect/";
/// Where authorization servers send them back, likewise; the credential's name follows, so that no server
/// can answer for another (RFC 9700 section 4.4.2.2).
pub const CALLBACK: &str = "/oauth/callback/";

/// A connection that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The address that the person is to follow; good once, and as good as a password until then.
    pub address: String,
    /// Until when.
    pub ends: Timestamp,
}

/// What a person is asked before they are sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The credential.
    pub credential: CredentialName,
    /// In whose tasks it will be used; `None`: for what Remit itself asks.
    pub person: Option<Named>,
    /// Where they sign in: scheme, host and port.
    pub server: String,
    /// What is asked for.
    pub scopes: Vec<String>,
}

/// A person who is sent on.
#[derive(Debug)]
pub struct SentOn {
    /// Where to.
    pub address: String,
    /// What their browser is to bring back besides.
    pub browser: Secret,
}

/// What a browser brought back. Nothing of it is believed yet, and none of it printed.
#[derive(Clone, Default)]
pub struct BroughtBack {
    /// The credential that the path named.
    pub credential: String,
    /// What the browser was given to keep.
    pub browser: String,
    /// `state`
    pub state: String,
    /// `code`
    pub code: Option<String>,
    /// `error`
    pub error: Option<String>,
    /// `iss` (RFC 9207)
    pub iss: Option<String>,
}

impl fmt::Debug for BroughtBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroughtBack").finish_non_exhaustive()
    }
}

/// Why nothing was connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// There is no such credential.
    #[error("there is no credential `{0}` that people connect: see the [[credential]] tables")]
    Unknown(String),
    /// What was brought is not that of a connection under way.
    #[error("this was used already, took too long, or is not for this browser: begin again")]
    Stale,
    /// Another server than the one that was asked answered.
    #[error("the answer is not of the authorization server that was asked: nothing was connected")]
    Another,
    /// The server refused.
    #[error("the authorization server answered `{0}`: nothing was connected")]
    Denied(&'static str),
    /// Somebody else signed in.
    #[error("somebody else signed in than the one who was to: nothing was connected")]
    SomebodyElse,
    /// It failed.
    #[error(transparent)]
    Failed(#[from] IssuerError),
}

/// Connects accounts of people.
pub trait Connections: fmt::Debug + Send + Sync {
    /// Begins for `person`: what the person does next has this outcome alone.
    ///
    /// Errors: people do not connect that credential, or its server does not answer.
    fn begin<'a>(
        &'a self,
        credential: &'a str,
        person: Option<Named>,
    ) -> BoxFuture<'a, Result<Begun, ConnectError>>;
    /// What is asked of whoever holds `ticket`, which stays good.
    fn asked(&self, ticket: &str) -> Option<Connection>;
    /// Sends whoever holds `ticket` on, which is used up.
    fn send(&self, ticket: &str) -> Option<SentOn>;
    /// Ends it with what came back.
    ///
    /// Errors: it was not what it had to be; it is over all the same.
    fn end(&self, brought: BroughtBack) -> BoxFuture<'_, Result<Connection, ConnectError>>;
}
