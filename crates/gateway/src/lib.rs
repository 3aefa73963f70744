//! MCP towards the clients: parse, call one verb of the engine, render.
//!
//! One endpoint serves both eras of the protocol. A request of the stateless era (2026-07-28) says
//! in its `_meta` what it speaks; a client of the session era (2025-11-25 and before) opens a
//! session with `initialize`. [`router`] is the door over Streamable HTTP, [`serve_lines`] the door
//! over newline-delimited JSON, as the stdio transport has it. Behind both stands the same plan of
//! a request: most methods are answered from what the engine lists, the governed ones become one
//! [`remit_engine::Engine::call`].
//!
//! On `/mcp` every server of the caller's remit is offered, tools and prompts as
//! `<server>__<name>`; on `/mcp/{server}` one server is offered under its own names.
//!
//! Between the eras, a server's question (elicitation, roots) is put in the form that its client
//! knows. A stateless client cannot be asked: its request is answered with the question, and goes on
//! when it is repeated with the answer (`parked`). A client with a session is asked what a result
//! of a stateless server wants to know, and the call is made again with its answer (`rounds`).
//! Sampling is refused for everybody.
//!
//! *Absences:* no rule about who may do what lives here, nothing is recorded here, and a token is
//! never logged.

mod answer;
mod calls;
mod gateway;
mod http;
mod lines;
mod listen;
mod methods;
mod names;
mod parked;
mod peer;
mod question;
mod render;
mod rounds;
mod session;
mod sessions;
mod sheets;
mod walk;
mod watch;

pub use gateway::{Config, Gateway};
pub use http::{by_our_names, router};
pub use lines::serve_lines;
