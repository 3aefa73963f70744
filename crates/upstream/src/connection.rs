//! One open connection to a server: the wire and what was agreed on it.

use std::sync::Arc;

use remit_mcp::Object;
use remit_model::{ServerName, TaskId};

use crate::handshake::Spoken;
use crate::wire::Wire;

/// Which connection: of a server, for one task or for all.
pub(crate) type Key = (ServerName, Option<TaskId>);

/// An open connection.
pub(crate) struct Connection {
    /// To whom.
    pub(crate) server: ServerName,
    /// What carries messages.
    pub(crate) wire: Arc<dyn Wire>,
    /// What was agreed.
    pub(crate) spoken: Spoken,
    /// Our version, as the server was told.
    pub(crate) version: String,
}

impl Connection {
    /// The arguments of a call, as far as they are an object.
    pub(crate) fn object(text: &str) -> Option<Object> {
        Object::parse(&remit_mcp::Raw::parse(text).ok()?).ok()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.wire.close();
    }
}
