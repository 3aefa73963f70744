//! Labels of what servers hold.

use remit_model::{Ceiling, Label, ServerName};
use serde::{Deserialize, Serialize};

/// `GET /v1/stored`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Labelled {
    /// In which server.
    pub server: ServerName,
    /// Where.
    pub place: Place,
    /// What it carries.
    pub label: Label,
    /// The newest decision that left any of it there.
    pub decision: u64,
}

/// Where something is in a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Nobody knows.
    Anywhere,
    /// At this path.
    Path(String),
    /// At a path that was erased from the log.
    Erased,
}

/// `POST /v1/stored/{server}/lower`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lower {
    /// What stands at this path and in it; all of the server without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What it carries at most.
    pub to: Ceiling,
    /// Why, for the record.
    pub reason: String,
}

/// What whoever reads there takes on from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Left {
    /// That.
    pub label: Label,
}
