//! One open connection to a server: the wire and what was agreed on it.

use std::sync::Arc;

use remit_mcp::{Object, Raw};
use remit_model::{LeaseId, ServerName, TaskId};
use remit_ports::Veil;

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
    /// What we call ourselves, as the server was told.
    pub(crate) us: Raw,
    /// What its process was started with.
    pub(crate) given: Given,
}

/// What a process was given when it started; taken away when the connection ends.
#[derive(Default)]
pub(crate) struct Given {
    /// The leases.
    pub(crate) leases: Vec<LeaseId>,
    /// The folder of its files.
    pub(crate) _files: Option<tempfile::TempDir>,
    /// What it may not say.
    pub(crate) veil: Veil,
}

impl Connection {
    /// The arguments of a call, as far as they are an object.
    pub(crate) fn object(text: &str) -> Option<Object> {
        Object::parse(&Raw::parse(text).ok()?).ok()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.wire.close();
    }
}
