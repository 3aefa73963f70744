//! What a server offers: all pages of all lists, every definition byte for byte.

use std::sync::Arc;
use std::time::Duration;

use remit_mcp::{Edit, Era, Object, Outcome, Raw, Revision, error, method};
use remit_ports::Discovery;
use serde_json::json;

use crate::config::Limits;
use crate::connection::Connection;
use crate::outward;
use crate::wire::{Ask, Ended};

/// The most pages of one list.
const MAX_PAGES: usize = 200;

/// A year: a subscription is open as long as its connection.
const FOREVER: Duration = Duration::from_hours(365 * 24);

/// Lists everything `connection`'s server says it has.
///
/// Errors: the tools could not be listed, in words. A server that fails on resources or prompts
/// offers none.
pub(crate) async fn list(connection: &Connection, limits: Limits) -> Result<Discovery, String> {
    let spoken = &connection.spoken;
    let mut offer = Discovery {
        capabilities: spoken.capabilities.raw().as_str().to_owned(),
        instructions: spoken.instructions.clone(),
        server_info: spoken.server_info.as_ref().map(ToString::to_string),
        revision: spoken.revision.to_string(),
        sessionless: spoken.revision.era() == Era::Stateless && !spoken.sessions,
        ..Discovery::default()
    };
    let has = |name| spoken.capabilities.has(name);
    if has("tools") {
        offer.tools = pages(connection, method::TOOLS_LIST, "tools", limits).await?;
    }
    if has("resources") {
        offer.resources = lenient(connection, method::RESOURCES_LIST, "resources", limits).await;
        offer.templates =
            lenient(connection, method::TEMPLATES_LIST, "resourceTemplates", limits).await;
    }
    if has("prompts") {
        offer.prompts = lenient(connection, method::PROMPTS_LIST, "prompts", limits).await;
    }
    Ok(offer)
}

async fn lenient(
    connection: &Connection,
    method: &str,
    member: &str,
    limits: Limits,
) -> Vec<String> {
    match pages(connection, method, member, limits).await {
        Ok(found) => found,
        Err(why) => {
            tracing::debug!(server = %connection.server, method, why, "a list is left empty");
            Vec::new()
        }
    }
}

async fn pages(
    connection: &Connection,
    method: &str,
    member: &str,
    limits: Limits,
) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut cursor: Option<Raw> = None;
    for _ in 0..MAX_PAGES {
        let given = Edit::of(&Object::empty()).put("cursor", cursor.clone()).finish();
        let given = cursor.is_some().then(|| Object::parse(&given).ok()).flatten();
        let revision = connection.spoken.revision;
        let params = outward::params(given.as_ref(), revision, &connection.us, None);
        let mut ask = Ask::own(method, params, limits.listing);
        ask.revision = Some(revision);
        let page = match connection.wire.ask(ask).await {
            Ended::Reply(Outcome::Result(page)) => page,
            Ended::Reply(Outcome::Error(refused)) if refused.code == error::METHOD_NOT_FOUND => {
                return Ok(found);
            }
            other => return Err(format!("`{method}` failed: {}", other.why())),
        };
        let items = page.get(member).and_then(|raw| raw.elements());
        let items = items.ok_or_else(|| format!("`{method}` gave no list `{member}`"))?;
        found.extend(items.iter().map(ToString::to_string));
        if found.len() > limits.definitions {
            return Err(format!("`{method}` gave more than {} definitions", limits.definitions));
        }
        let next = page.get("nextCursor").filter(|next| !next.is_null());
        if next.is_none() || next == cursor {
            return Ok(found);
        }
        cursor = next;
    }
    Err(format!("`{method}` has more than {MAX_PAGES} pages"))
}

/// The request that opens a stream of change notifications at a stateless server.
pub(crate) fn subscription(revision: Revision) -> Ask {
    let filter = json!({
        "toolsListChanged": true,
        "promptsListChanged": true,
        "resourcesListChanged": true,
    });
    let given = Edit::of(&Object::empty()).set("notifications", filter.into()).finish();
    let given = Object::parse(&given).ok();
    let us = outward::implementation(env!("CARGO_PKG_VERSION"));
    let params = outward::params(given.as_ref(), revision, &us, None);
    let mut ask = Ask::own(method::LISTEN, params, FOREVER);
    ask.revision = Some(revision);
    ask
}

/// Starts listening for changes where the server says that it announces them.
pub(crate) async fn listen(connection: &Connection) {
    let announces = |name| {
        let listed = connection.spoken.capabilities.object(name);
        listed.and_then(|c| c.get("listChanged")).is_some_and(|flag| flag.as_str() == "true")
    };
    let wanted = ["tools", "prompts", "resources"].into_iter().any(announces);
    if wanted || connection.spoken.revision.era() == Era::Sessions {
        Arc::clone(&connection.wire).listen(connection.spoken.revision).await;
    }
}
