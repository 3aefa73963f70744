//! Who is at the other end of a request, and what may be sent there.

use std::sync::Arc;

use remit_engine::Caller;
use remit_mcp::frame::Notification;
use remit_mcp::revision::{Era, Revision};
use remit_mcp::{Object, Raw, method};
use remit_model::ServerName;
use remit_ports::ToClient;
use serde_json::json;

use crate::session::Session;
use crate::watch::Notice;

/// The levels of log messages, from chatty to urgent.
const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// A client, as one of its requests shows it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Who it proved to be.
    pub(crate) caller: Caller,
    /// The one server of the endpoint it uses; `None` for all.
    pub(crate) server: Option<ServerName>,
    /// What it speaks.
    pub(crate) revision: Revision,
    /// What it says it can do.
    pub(crate) capabilities: Option<Raw>,
    /// The least level of log messages it wants, in the stateless era.
    pub(crate) log_level: Option<String>,
    /// Its session, in the session era.
    pub(crate) session: Option<Arc<Session>>,
}

impl Peer {
    /// The client of `session`, which was shown to be the caller's.
    pub(crate) fn of_session(
        caller: Caller,
        server: Option<ServerName>,
        session: &Arc<Session>,
    ) -> Self {
        Self {
            caller,
            server,
            revision: session.revision,
            capabilities: Some(session.capabilities.clone()),
            log_level: None,
            session: Some(Arc::clone(session)),
        }
    }

    /// Its era.
    pub(crate) fn era(&self) -> Era {
        self.revision.era()
    }

    /// The text to send for what a tool server says while a call is open; `None` if the client
    /// does not want it or cannot be asked. Dropping a server's request refuses it.
    pub(crate) fn outgoing(&self, message: ToClient) -> Option<String> {
        match message {
            ToClient::Notification(raw) => {
                let raw = Raw::parse(raw.get()).ok()?;
                let notification = Object::parse(&raw).ok()?;
                self.wants(&notification).then(|| raw.as_str().to_owned())
            }
            ToClient::Request { method, params, answer } => {
                let session = self.session.as_ref().filter(|_| self.declares(&method))?;
                let params = params.and_then(|raw| Raw::parse(raw.get()).ok());
                session.ask(&method, params.as_ref(), answer)
            }
        }
    }

    /// Whether it says that it can answer the request `method` of a server.
    pub(crate) fn declares(&self, method: &str) -> bool {
        let declared = self.capabilities.as_ref().and_then(|raw| Object::parse(raw).ok());
        needed_capability(method)
            .is_some_and(|needed| declared.is_some_and(|declared| declared.has(needed)))
    }

    /// Whether it declared anything, and so perhaps that it answers questions.
    pub(crate) fn may_answer_questions(&self) -> bool {
        self.capabilities.as_ref().is_some_and(|raw| raw.as_str() != "{}")
    }

    /// The least level of log messages it wants, if it said one.
    pub(crate) fn level(&self) -> Option<String> {
        match &self.session {
            Some(session) => session.log_level(),
            None => self.log_level.clone(),
        }
    }

    fn wants(&self, notification: &Object) -> bool {
        if notification.text("method").as_deref() != Some(method::MESSAGE) {
            return true;
        }
        let level = notification.object("params").and_then(|params| params.text("level"));
        match (&self.session, &self.log_level) {
            (Some(session), _) => {
                session.log_level().is_none_or(|least| at_least(level.as_deref(), &least))
            }
            (None, Some(least)) => at_least(level.as_deref(), least),
            (None, None) => false,
        }
    }
}

/// Whether `text` is a level of log messages.
pub(crate) fn is_level(text: &str) -> bool {
    LEVELS.contains(&text)
}

fn at_least(level: Option<&str>, least: &str) -> bool {
    let rank = |name: &str| LEVELS.iter().position(|level| *level == name);
    level.and_then(rank) >= rank(least)
}

/// What a client must have declared before a server may ask this of it; `None` for what no server
/// may ask, sampling among it.
fn needed_capability(asked: &str) -> Option<&'static str> {
    match asked {
        method::ELICIT => Some("elicitation"),
        method::ROOTS_LIST => Some("roots"),
        _ => None,
    }
}

/// What a client with a session is told.
pub(crate) fn told(session: &Session, notice: Notice) -> Option<String> {
    match notice {
        Notice::Tools => Some(bare(method::TOOLS_CHANGED)),
        Notice::Resources => Some(bare(method::RESOURCES_CHANGED)),
        Notice::Prompts => Some(bare(method::PROMPTS_CHANGED)),
        Notice::Updated(uri) if session.is_subscribed(&uri) => {
            let params = json!({ "uri": uri }).into();
            Some(Notification::text(method::RESOURCE_UPDATED, Some(&params)))
        }
        Notice::Updated(_) | Notice::Stopped => None,
    }
}

fn bare(method: &str) -> String {
    Notification::text(method, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_an_unknown_one_is_the_lowest() {
        assert!(at_least(Some("error"), "warning") && at_least(Some("warning"), "warning"));
        assert!(!at_least(Some("info"), "warning") && !at_least(Some("loud"), "debug"));
        assert!(!at_least(None, "debug"));
        assert!(is_level("notice") && !is_level("trace"));
    }

    #[test]
    fn sampling_is_never_asked() {
        assert_eq!(needed_capability(method::ELICIT), Some("elicitation"));
        assert_eq!(needed_capability(method::SAMPLE), None);
    }
}
