//! The SPIFFE Workload API: a process asks on a Unix socket who it is, and gets SVIDs.
//!
//! Nobody authenticates here with anything that could be stolen: the kernel says which process
//! connected, the engine says which agents that is and which tasks it may appear as. What is handed
//! out lives minutes; a stream brings the next one in time, and at once when tasks open or close or
//! keys rotate. A process that is no agent gets `PermissionDenied` and nothing else.
//!
//! The messages are written by hand (`message.rs`) and not generated: they are fourteen small
//! structures of a stable standard, and so nobody needs a protobuf compiler to build Remit. Likewise
//! the methods are one `match` on the path, over `tonic`'s framing and `hyper`'s HTTP/2.
//!
//! *Absences:* no rule lives here, and no key is kept.

mod issue;
mod listen;
mod message;
mod route;
mod watch;

use std::sync::Arc;

use remit_engine::Engine;
use remit_spiffe::Authority;
use tokio::sync::watch::Receiver;

pub use listen::{MAX_CONNECTIONS, MAX_STREAMS, MAX_USERS_CONNECTIONS, serve};

/// What every method needs.
#[derive(Clone, Debug)]
pub struct Door {
    /// Who is which agent.
    pub engine: Arc<Engine>,
    /// The keys, as they are now and from now on. Its sender is dropped when Remit ends, and all
    /// streams end with that.
    pub authority: Receiver<Arc<Authority>>,
}
