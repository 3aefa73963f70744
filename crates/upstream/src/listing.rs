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
/// The most bytes of all pages of all lists, of which every definition is kept: room for 256 tools
/// of the longest that the catalogue takes, where usual ones have 1 KiB.
const MAX_LISTED: usize = 16 << 20;

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
    let mut lists = Lists { connection, limits, room: MAX_LISTED };
    if has("tools") {
        offer.tools = lists.pages(method::TOOLS_LIST, "tools").await?;
    }
    if has("resources") {
        offer.resources = lists.lenient(method::RESOURCES_LIST, "resources").await;
        offer.templates = lists.lenient(method::TEMPLATES_LIST, "resourceTemplates").await;
    }
    if has("prompts") {
        offer.prompts = lists.lenient(method::PROMPTS_LIST, "prompts").await;
    }
    Ok(offer)
}

/// The lists of one server, asked for one after the other.
struct Lists<'a> {
    connection: &'a Connection,
    limits: Limits,
    /// How many bytes the pages to come may have.
    room: usize,
}

impl Lists<'_> {
    async fn lenient(&mut self, method: &str, member: &str) -> Vec<String> {
        match self.pages(method, member).await {
            Ok(found) => found,
            Err(why) => {
                let server = &self.connection.server;
                tracing::debug!(%server, method, why, "a list is left empty");
                Vec::new()
            }
        }
    }

    async fn pages(&mut self, method: &str, member: &str) -> Result<Vec<String>, String> {
        let Self { connection, limits, .. } = *self;
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
                Ended::Reply(Outcome::Error(refused))
                    if refused.code == error::METHOD_NOT_FOUND =>
                {
                    return Ok(found);
                }
                other => return Err(format!("`{method}` failed: {}", other.why())),
            };
            self.room = self.room.checked_sub(page.raw().as_str().len()).ok_or_else(|| {
                format!(
                    "`{method}` gave too much: expected at most {MAX_LISTED} bytes in all lists \
                 together, got more; let the server offer less or shorter definitions"
                )
            })?;
            let items = page.get(member).and_then(|raw| raw.elements());
            let items = items.ok_or_else(|| format!("`{method}` gave no list `{member}`"))?;
            if found.len() + items.len() > limits.definitions {
                return Err(format!(
                    "`{method}` gave more than {} definitions",
                    limits.definitions
                ));
            }
            found.extend(items.iter().map(ToString::to_string));
            let next = page.get("nextCursor").filter(|next| !next.is_null());
            if next.is_none() || next == cursor {
                return Ok(found);
            }
            cursor = next;
        }
        Err(format!("`{method}` has more than {MAX_PAGES} pages"))
    }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use remit_ports::BoxFuture;

    use super::*;
    use crate::connection::Given;
    use crate::handshake::Spoken;
    use crate::wire::Wire;

    /// How long each definition is.
    const LENGTH: usize = 1 << 20;

    /// A server with one definition a page. Its lists of tools and resources have so many pages, the
    /// others never end.
    #[derive(Default)]
    struct Endless {
        tools: usize,
        resources: usize,
        asked: AtomicUsize,
    }

    impl Wire for Endless {
        fn ask(&self, ask: Ask) -> BoxFuture<'_, Ended> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let params = ask.params.and_then(|raw| Object::parse(&raw).ok());
            let at = params.and_then(|params| params.get("cursor"));
            let at = at.map_or(0, |at| at.as_str().parse().unwrap()) + 1;
            let (member, last) = match ask.method.as_str() {
                method::TOOLS_LIST => ("tools", self.tools),
                method::RESOURCES_LIST => ("resources", self.resources),
                method::TEMPLATES_LIST => ("resourceTemplates", usize::MAX),
                _ => ("prompts", usize::MAX),
            };
            let next = if at < last { format!(r#","nextCursor":{at}"#) } else { String::new() };
            let page = format!(r#"{{"{member}":["{}"]{next}}}"#, "x".repeat(LENGTH));
            let page = Object::parse(&Raw::parse(&page).unwrap()).unwrap();
            Box::pin(std::future::ready(Ended::Reply(Outcome::Result(page))))
        }
        fn tell(&self, _: Raw) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }
        fn listen(self: Arc<Self>, _: Revision) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }
        fn is_alive(&self) -> bool {
            true
        }
        fn close(&self) {}
    }

    async fn listed(wire: &Arc<Endless>) -> Result<Discovery, String> {
        let wire: Arc<dyn Wire> = Arc::<Endless>::clone(wire);
        let capabilities = Raw::parse(r#"{"tools":{},"resources":{},"prompts":{}}"#).unwrap();
        let spoken = Spoken {
            revision: Revision::V2025_11_25,
            sessions: true,
            capabilities: Object::parse(&capabilities).unwrap(),
            server_info: None,
            instructions: None,
        };
        let (server, us) = ("t".parse().unwrap(), outward::implementation("9.9"));
        list(&Connection { server, wire, spoken, us, given: Given::default() }, Limits::default())
            .await
    }

    #[tokio::test]
    async fn tools_that_are_too_much_are_an_error_in_words() {
        let server = Arc::new(Endless { tools: usize::MAX, ..Endless::default() });
        let why = listed(&server).await.unwrap_err();
        assert!(why.contains("`tools/list` gave too much"), "{why}");
        assert_eq!(server.asked.load(Ordering::SeqCst), MAX_LISTED / LENGTH);
    }

    #[tokio::test]
    async fn all_lists_share_one_bound_and_those_beyond_it_are_left_empty() {
        let server = Arc::new(Endless { tools: 7, resources: 7, ..Endless::default() });
        let offer = listed(&server).await.unwrap();
        assert_eq!((offer.tools.len(), offer.resources.len()), (7, 7));
        assert_eq!((offer.templates.len(), offer.prompts.len()), (0, 0));
        assert!(server.asked.load(Ordering::SeqCst) < 20);
    }
}
