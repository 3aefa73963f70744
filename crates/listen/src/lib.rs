//! Accepting connections: the one loop behind every listener, how many each user may have, and how long
//! one may leave unread what is written to it.
//!
//! A listener outlives what goes wrong with a connection, and a shortage of file descriptors, which
//! ends when connections do. It stops by letting go of its address first, so that nobody is accepted
//! whom nobody will serve, and then waits for what is under way.
//!
//! *Absences:* no protocol, and no bound of its own: what a connection may cost is said where it is served.

mod limited;
mod users;

use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use limited::{Limited, limited};
pub use users::{Place, Users};

/// How long to wait after no connection could be accepted, which says that file descriptors ran out.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection, served until it ends.
pub type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where connections come from.
pub trait Accept: Send + Sync {
    /// The next one that may be served. Dropped when the listener stops.
    ///
    /// Errors: none can be accepted right now.
    fn accept(&self) -> impl Future<Output = io::Result<Connection>> + Send;
}

/// Serves what `listener` accepts, each connection by a task of its own, until `stop` fires and all of
/// them have ended; `whose` says in the log whose connections they are.
pub async fn serve(listener: impl Accept, whose: &str, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok(connection) => {
                failing = false;
                connections.spawn(connection);
            }
            Err(why) => {
                // Once, not at every try.
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%why, "no further connections of {whose} can be accepted");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
