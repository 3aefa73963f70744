//! The witness protocol (C2SP tlog-witness), both ends: whoever cosigns the checkpoints of other
//! people's logs, and whoever asks for it.
//!
//! A log can be believed as far as somebody else has seen it. A witness keeps, for each log it
//! knows, the newest checkpoint it cosigned, and cosigns another only if that extends it: a log
//! that forks or shrinks gets no further cosignature, and has signed the proof against itself.
//!
//! Reading order: [`signed()`] and [`judge()`] (what may be cosigned, pure), `shelf` (what was, on disk),
//! [`Witness`] (one after the other), [`http`] (the surface), [`Exchange`] (the other end, pure).
//!
//! *Absences:* it knows nothing of what a log records, and needs no key of the log's; the asking
//! end speaks no HTTP, and neither end reads a clock.

mod exchange;
pub mod http;
mod judge;
mod shelf;
mod witness;

pub use exchange::{Answer, Exchange, Step};
pub use judge::{Refused, Signed, judge, signed};
pub use witness::Witness;
