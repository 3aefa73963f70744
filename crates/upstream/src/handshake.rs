//! Finding out what a server speaks.
//!
//! A server of the stateless era answers `server/discover`; anything else, silence included, means
//! sessions (2026-07-28 *Versioning: Backward Compatibility*). What was found is remembered, so
//! that later connections do not ask again.

use std::time::Duration;

use remit_mcp::{
    Edit, Era, Notification, Object, Outcome, Raw, Revision, RpcError, error, meta, method,
};
use remit_ports::Link;
use serde_json::json;

use crate::outward;
use crate::wire::{Ask, Ended, Wire};

/// What a server said about itself when a connection was opened.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    /// The revision both speak.
    pub(crate) revision: Revision,
    /// Whether it speaks one with sessions, too.
    pub(crate) sessions: bool,
    /// What it can do; an object.
    pub(crate) capabilities: Object,
    /// What it calls itself.
    pub(crate) server_info: Option<Raw>,
    /// How it wants to be used: words from outside.
    pub(crate) instructions: Option<String>,
}

/// Why nothing could be agreed on.
#[derive(Debug)]
pub(crate) enum Disagreement {
    /// It did not answer.
    Unreachable(String),
    /// It answered, but not as the protocol says.
    Protocol(String),
}

/// How long things may take, and what is known before.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    /// What an earlier connection found.
    pub(crate) era: Option<Era>,
    /// How long silence is waited out.
    pub(crate) probe: Duration,
    /// How long the handshake may take.
    pub(crate) start: Duration,
    /// What we call ourselves.
    pub(crate) us: &'a Raw,
}

/// Agrees with the server at the other end of `wire` for the client `link`.
pub(crate) async fn shake(
    wire: &dyn Wire,
    link: Option<&Link>,
    plan: Plan<'_>,
) -> Result<Spoken, Disagreement> {
    if plan.era != Some(Era::Sessions)
        && let Some(spoken) = discover(wire, link, plan).await?
    {
        return Ok(spoken);
    }
    initialize(wire, link, plan).await
}

/// `Ok(None)`: the server belongs to the session era.
async fn discover(
    wire: &dyn Wire,
    link: Option<&Link>,
    plan: Plan<'_>,
) -> Result<Option<Spoken>, Disagreement> {
    let meta = outward::request_meta(plan.us, link).inject(Edit::of(&Object::empty()));
    let params = meta::replace(None, Some(meta));
    let ask = || {
        let mut ask = Ask::own(method::DISCOVER, params.clone(), plan.probe);
        ask.revision = Some(Revision::LATEST);
        wire.ask(ask)
    };
    let ended = match ask().await {
        // It refuses the revision and lists it: the client is to ask again (*Versioning*).
        Ended::Reply(Outcome::Error(refused)) if supports_ours(&refused) => ask().await,
        other => other,
    };
    match ended {
        Ended::Reply(Outcome::Result(result)) => Ok(described(&result)),
        Ended::Reply(Outcome::Error(refused)) if refused.code == error::UNSUPPORTED_VERSION => {
            // Should it list revisions with sessions, `initialize` will tell.
            Ok(None)
        }
        Ended::Reply(Outcome::Error(refused)) if refused.is_modern() => {
            Err(Disagreement::Protocol(refused.message))
        }
        Ended::Unsent(why) => Err(Disagreement::Unreachable(why)),
        Ended::Reply(Outcome::Error(_)) | Ended::Http { .. } | Ended::Lost(_) => Ok(None),
    }
}

/// Whether `refused` refuses a revision and names one of the stateless era that we speak.
fn supports_ours(refused: &RpcError) -> bool {
    let data = refused.data.as_ref().and_then(|data| Object::parse(data).ok());
    let supported = data.and_then(|data| revisions(&data, "supported")).unwrap_or_default();
    refused.code == error::UNSUPPORTED_VERSION
        && Revision::best_stateless(supported.iter().map(String::as_str)).is_some()
}

/// The list of revisions in the member `name`.
fn revisions(of: &Object, name: &str) -> Option<Vec<String>> {
    Some(of.get(name)?.elements()?.iter().filter_map(Raw::as_text).collect())
}

fn described(result: &Object) -> Option<Spoken> {
    let supported = revisions(result, "supportedVersions")?;
    let supported = || supported.iter().map(String::as_str);
    let revision = Revision::best_stateless(supported())?;
    let with_sessions = |revision: Revision| revision.era() == Era::Sessions;
    Some(Spoken {
        revision,
        sessions: supported().filter_map(Revision::parse).any(with_sessions),
        capabilities: result.object("capabilities").unwrap_or_else(Object::empty),
        server_info: result.object("_meta").and_then(|meta| meta.get(meta::SERVER_INFO)),
        instructions: result.text("instructions"),
    })
}

async fn initialize(
    wire: &dyn Wire,
    link: Option<&Link>,
    plan: Plan<'_>,
) -> Result<Spoken, Disagreement> {
    let params = json!({
        "protocolVersion": Revision::LATEST_WITH_SESSIONS.as_str(),
        "capabilities": outward::capabilities(link),
        "clientInfo": plan.us,
    });
    let ask = Ask::own(method::INITIALIZE, Some(params.into()), plan.start);
    let result = match wire.ask(ask).await {
        Ended::Reply(Outcome::Result(result)) => result,
        Ended::Reply(Outcome::Error(refused)) => {
            return Err(Disagreement::Protocol(format!(
                "it refused `initialize`: {}",
                refused.message
            )));
        }
        other => return Err(Disagreement::Unreachable(other.why())),
    };
    let version = result.text("protocolVersion").unwrap_or_default();
    let revision = Revision::parse(&version).filter(|revision| revision.era() == Era::Sessions);
    let revision = revision.ok_or_else(|| {
        Disagreement::Protocol(format!("it answered `initialize` with the revision `{version}`"))
    })?;
    if let Ok(initialized) = Raw::parse(&Notification::text(method::INITIALIZED, None)) {
        wire.tell(initialized).await;
    }
    Ok(Spoken {
        revision,
        sessions: true,
        capabilities: result.object("capabilities").unwrap_or_else(Object::empty),
        server_info: result.get("serverInfo"),
        instructions: result.text("instructions"),
    })
}
