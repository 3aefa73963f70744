//! `initialize` and `server/discover`: what is spoken here and what is offered.

use std::sync::Arc;

use remit_engine::Caller;
use remit_mcp::revision::{Era, Revision};
use remit_mcp::{Object, Raw, Request, RpcError};
use remit_model::ServerName;
use serde_json::{Map, Value, json};

use super::resources::has_sessions;
use super::{Context, Plan};
use crate::gateway::Gateway;
use crate::session::Opening;

/// What we tell the model. The words of tool servers are not relayed here: they would stand where
/// only the operator's belong.
const INSTRUCTIONS: &str = "Calls go through Remit, which permits them within the task you were \
    given. A refused call is answered with its class and what to do: `structural` is refused every \
    time, so choose another way; `needs_approval` waits for a person, so say so and send the \
    identical call again once it is approved; `budget` means the task's allowance is used up; \
    `transient` may work later. Do not try to work around a refusal.";

/// Reads an `initialize`: what both sides speak, and the result to answer with.
///
/// Errors: −32602 without a protocol version and capabilities.
pub(crate) fn opening(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    server: Option<&ServerName>,
    request: &Request,
) -> Result<(Opening, Raw), RpcError> {
    let asked = request.param("protocolVersion").and_then(|raw| raw.as_text());
    let asked = asked.ok_or_else(|| {
        RpcError::invalid_params("expected a string `protocolVersion` in `params`")
    })?;
    let capabilities = request
        .param("capabilities")
        .filter(Raw::is_object)
        .ok_or_else(|| RpcError::invalid_params("expected an object `capabilities` in `params`"))?;
    let revision = Revision::for_initialize(&asked);
    let servers = gateway.servers(server);
    let result = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": capabilities_of(gateway, caller, &servers, Era::Sessions),
        "serverInfo": Gateway::server_info(),
        "instructions": INSTRUCTIONS,
    });
    Ok((Opening { revision, capabilities }, result.into()))
}

impl Context<'_> {
    pub(super) fn discover(&self) -> Plan {
        let versions: Vec<&str> = Revision::ALL.iter().rev().map(|known| known.as_str()).collect();
        let (gateway, caller) = (self.gateway, &self.peer.caller);
        let result = json!({
            "supportedVersions": versions,
            "capabilities": capabilities_of(gateway, caller, &self.servers, Era::Stateless),
            "instructions": INSTRUCTIONS,
        });
        self.own(&result.to_string())
    }
}

/// Tools always; the rest where a server of the caller's remit has it.
fn capabilities_of(gateway: &Gateway, caller: &Caller, servers: &[ServerName], era: Era) -> Value {
    let (mut resources, mut subscribe, mut logging) = (false, false, false);
    for (_, offer) in gateway.engine.offers(caller, servers, "@resources") {
        let declared = declared(&offer.capabilities);
        resources |= declared.has("resources") || !offer.resources.is_empty();
        subscribe |= has_sessions(&offer, era)
            && declared
                .object("resources")
                .and_then(|resources| resources.get("subscribe"))
                .is_some_and(|flag| flag.as_str() == "true");
    }
    let (mut prompts, mut completions) = (false, false);
    for (_, offer) in gateway.engine.offers(caller, servers, "@prompts") {
        let declared = declared(&offer.capabilities);
        prompts |= declared.has("prompts") || !offer.prompts.is_empty();
        completions |= declared.has("completions");
    }
    for server in servers {
        logging |= gateway
            .engine
            .all_offers()
            .get(server)
            .is_some_and(|offer| declared(&offer.capabilities).has("logging"));
    }
    let mut capabilities = Map::new();
    capabilities.insert("tools".to_owned(), json!({ "listChanged": true }));
    if resources {
        let resources = json!({ "listChanged": true, "subscribe": subscribe });
        capabilities.insert("resources".to_owned(), resources);
    }
    if prompts {
        capabilities.insert("prompts".to_owned(), json!({ "listChanged": true }));
    }
    if completions {
        capabilities.insert("completions".to_owned(), json!({}));
    }
    if logging && era == Era::Sessions {
        capabilities.insert("logging".to_owned(), json!({}));
    }
    Value::Object(capabilities)
}

fn declared(capabilities: &str) -> Object {
    Raw::parse(capabilities)
        .ok()
        .and_then(|raw| Object::parse(&raw).ok())
        .unwrap_or_else(Object::empty)
}
