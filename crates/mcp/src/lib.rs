//! The Model Context Protocol on the wire: bytes to values and back.
//!
//! A gateway that decides about calls must read a few members of each message and relay the rest
//! unchanged: typed models drop what they do not know, and a second serialiser changes what a
//! digest was taken over. So a [`Frame`] keeps the bytes it was read from, [`Object`] finds members
//! inside them, and [`Edit`] rewrites single members while every other byte stays where it was.
//!
//! In scope: JSON-RPC 2.0 framing, newline framing (stdio), server-sent events (Streamable HTTP),
//! the revisions 2024-11-05 to 2026-07-28 and what differs between the two eras ([`Era`]), the
//! agreement of HTTP headers with the body, error and refusal bodies.
//!
//! Out of scope: what a call means, who may make it, and how it travels.
//!
//! *Absences:* no I/O, no async, no clock, nothing else of this workspace.

mod buffer;
pub mod edit;
pub mod error;
pub mod frame;
pub mod headers;
pub mod line;
pub mod meta;
pub mod method;
pub mod object;
pub mod param_headers;
pub mod raw;
pub mod refusal;
pub mod results;
pub mod revision;
mod scan;
pub mod sse;

pub use edit::Edit;
pub use error::RpcError;
pub use frame::{Frame, Id, Limits, Malformed, Notification, Outcome, Request, Response};
pub use object::Object;
pub use param_headers::ParamHeaders;
pub use raw::Raw;
pub use refusal::Refused;
pub use revision::{Era, Revision};
