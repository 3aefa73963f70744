//! MCP towards the tool servers: the adapter behind the port `Upstream`.
//!
//! A configured server is a child process that speaks over its standard streams (`stdio`) or a
//! Streamable HTTP endpoint (`http`). Both are a `Wire`: something that carries one request and
//! says how that ended. What is the same for both lives beside them: finding out which era a server
//! speaks (`handshake`), rewriting `_meta` on the way out (`outward`), judging what a server says on
//! its own (`inward`), listing what it offers (`listing`).
//!
//! **One record, at most one send.** A recorded call travels with a `Gate`, opened immediately
//! before its first byte is written. Where the gate never opened, nothing was sent; where it opened
//! and no answer came, nobody knows, and that is what the outcome says. Nothing here repeats a call.
//!
//! **A server is an outsider.** Its lines are bounded, its requests are refused unless the client
//! can and may answer them, its process gets a scrubbed environment and a pinned executable, and it
//! ends with the task it ran for.
//!
//! **What is lent goes with the call it was lent for** (`delivery`): into its request, or into the process
//! of its task. What comes back is cut before anybody sees it.
//!
//! *Absences:* no decision is made here, no record written; the engine is not known here.

mod config;
mod connection;
mod delivery;
mod gate;
mod handshake;
mod health;
mod http;
mod inward;
mod listing;
mod opening;
mod outward;
mod servers;
mod stdio;
mod table;
#[cfg(test)]
mod tests;
mod wire;

pub use config::{BadServer, Base, HttpServer, Limits, ServerConfig, StdioServer, Transport};
pub use delivery::{BadTemplate, Delivery, Place, Signs, Template};
pub use servers::Servers;
