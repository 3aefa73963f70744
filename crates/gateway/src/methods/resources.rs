//! `resources/list`, `resources/templates/list`, `resources/read`, and subscriptions.
//!
//! A resource keeps its URI, which has no room for a server's name. Which server is meant follows
//! from who lists it; where two servers could be meant, neither is asked, because a server could
//! otherwise take over what another one answers by listing it too.

use std::sync::Arc;

use remit_engine::list::{List, Offer};
use remit_mcp::revision::{Era, Revision};
use remit_mcp::{Raw, RpcError, method};
use remit_model::{Call, Operation, ServerName};
use remit_ports::Discovery;
use serde_json::json;

use super::{Context, Plan, call, member};
use crate::walk::Prepared;

/// What a remit's tool patterns call the resources of a server.
const RESOURCES: &str = "@resources";

impl Context<'_> {
    pub(super) async fn list_resources(&self) -> Result<Plan, RpcError> {
        let list = List { method: method::RESOURCES_LIST, of: |offer| &offer.resources };
        self.list_of("resources", list).await
    }

    pub(super) async fn list_templates(&self) -> Result<Plan, RpcError> {
        let list = List { method: method::TEMPLATES_LIST, of: |offer| &offer.templates };
        self.list_of("resourceTemplates", list).await
    }

    async fn list_of(&self, member: &str, list: List) -> Result<Plan, RpcError> {
        let offers = match self.shown(self.reachable(), list).await {
            Ok(offers) => offers,
            Err(refusal) => return Ok(self.refused(&refusal)),
        };
        let items = offers.iter().flat_map(|(_, offer)| (list.of)(offer)).cloned();
        self.page(member, &items.collect::<Vec<_>>())
    }

    pub(super) fn read_resource(&self) -> Result<Plan, RpcError> {
        let uri = self.text("uri")?;
        let server = self.owner(&uri)?;
        Ok(call(self.governed(server, Operation::ReadResource { uri }, None)))
    }

    pub(super) fn subscribe(&self) -> Result<Plan, RpcError> {
        let uri = self.text("uri")?;
        let server = self.subscribable(&uri)?;
        let operation = Operation::ReadResource { uri: uri.clone() };
        let mut prepared = self.governed(server, operation, None);
        prepared.subscribes = Some(uri);
        Ok(call(prepared))
    }

    /// Ends a subscription. The server is not told: it may be shared, and others may still listen.
    pub(super) fn unsubscribe(&self) -> Result<Plan, RpcError> {
        let uri = self.text("uri")?;
        if let Some(session) = &self.peer.session {
            session.unsubscribe(&uri);
        }
        Ok(self.own("{}"))
    }

    /// The call that subscribes to changes of `uri` on behalf of a stateless client.
    pub(super) fn subscription(&self, uri: &str) -> Result<Prepared, RpcError> {
        let call = Call {
            server: self.subscribable(uri)?,
            operation: Operation::ReadResource { uri: uri.to_owned() },
            method: method::RESOURCES_SUBSCRIBE.to_owned(),
            params: Raw::from(json!({ "uri": uri })).as_str().into(),
        };
        Ok(Prepared { call, form: self.form(), subscribes: None })
    }

    /// The server that `uri` belongs to, if it has sessions. At one without, a subscription is a
    /// stream for as long as it lasts, and none is kept there.
    fn subscribable(&self, uri: &str) -> Result<ServerName, RpcError> {
        let server = self.owner(uri)?;
        let offers = self.gateway.engine.all_offers();
        let era = self.peer.era();
        if offers.get(&server).is_some_and(|offer| !has_sessions(offer, era)) {
            return Err(RpcError::invalid_params(format!(
                "the resource belongs to `{server}`, a server without sessions, whose changes \
                 cannot be subscribed to here; read the resource again instead",
            )));
        }
        Ok(server)
    }

    /// The servers whose resources the caller's remit covers.
    fn reachable(&self) -> Vec<Offer> {
        self.gateway.engine.offers(&self.peer.caller, &self.servers, RESOURCES)
    }

    /// The server that `uri` belongs to. Where no server in reach has it but one outside does, it
    /// is that one: the engine refuses the call and records it.
    pub(super) fn owner(&self, uri: &str) -> Result<ServerName, RpcError> {
        if let Some(server) = &self.peer.server {
            return Ok(server.clone());
        }
        let everyone = self.gateway.engine.all_offers();
        let outside = self.servers.iter().filter_map(|server| {
            everyone.get(server).map(|offer| (server.clone(), Arc::clone(offer)))
        });
        let outside: Vec<Offer> = outside.collect();
        match owners(&self.reachable(), uri).as_slice() {
            [one] => Ok(one.clone()),
            [] => match owners(&outside, uri).as_slice() {
                [one] => Ok(one.clone()),
                _ => Err(RpcError::invalid_params(
                    "no server lists this resource or a template for it; list the resources \
                     first, or use the endpoint of the one server that has it",
                )),
            },
            several => Err(RpcError::invalid_params(format!(
                "more than one server has this resource ({}); use the endpoint of the one that \
                 is meant, e.g. `/mcp/{}`",
                several.iter().map(ServerName::as_str).collect::<Vec<_>>().join(", "),
                several.first().map_or("", ServerName::as_str)
            ))),
        }
    }
}

/// Whether the server of `offer` is spoken to within a session for a client of `client`'s era: a
/// client with a session has one wherever it can, others only where there is nothing else.
pub(super) fn has_sessions(offer: &Discovery, client: Era) -> bool {
    match client {
        Era::Sessions => !offer.sessionless,
        Era::Stateless => {
            Revision::parse(&offer.revision).is_none_or(|revision| revision.era() == Era::Sessions)
        }
    }
}

/// The servers that list `uri`; where none does, those with a template for it.
fn owners(offers: &[(ServerName, Arc<Discovery>)], uri: &str) -> Vec<ServerName> {
    let those = |has: &dyn Fn(&Discovery) -> bool| -> Vec<ServerName> {
        let owners = offers.iter().filter(|(_, offer)| has(offer));
        owners.map(|(server, _)| server.clone()).collect()
    };
    let listed = those(&|offer| {
        offer.resources.iter().any(|item| member(item, "uri").as_deref() == Some(uri))
    });
    if listed.is_empty() {
        those(&|offer| offer.templates.iter().any(|item| template_covers(item, uri)))
    } else {
        listed
    }
}

/// Whether `uri` is a template's own text or begins with what stands before its first variable.
fn template_covers(definition: &str, uri: &str) -> bool {
    member(definition, "uriTemplate").is_some_and(|template| {
        let fixed = template.split('{').next().unwrap_or_default();
        template == uri || (!fixed.is_empty() && uri.starts_with(fixed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(resources: &[&str], templates: &[&str]) -> Arc<Discovery> {
        let resources = resources.iter().map(|uri| json!({ "uri": uri }).to_string());
        let templates = templates.iter().map(|uri| json!({ "uriTemplate": uri }).to_string());
        Arc::new(Discovery {
            resources: resources.collect(),
            templates: templates.collect(),
            ..Discovery::default()
        })
    }

    #[test]
    fn who_lists_a_resource_owns_it_and_templates_come_second() {
        let (one, two): (ServerName, ServerName) = ("one".parse().unwrap(), "two".parse().unwrap());
        let offers = [
            (one, offer(&["note://a", "note://both"], &["file:///{path}"])),
            (two, offer(&["note://both"], &["note://{name}", "{+uri}"])),
        ];
        for (uri, expected) in [
            ("note://a", vec!["one"]),
            ("note://b", vec!["two"]),
            ("note://both", vec!["one", "two"]),
            ("file:///etc/passwd", vec!["one"]),
        ] {
            let found = owners(&offers, uri);
            let found: Vec<&str> = found.iter().map(ServerName::as_str).collect();
            assert_eq!(found, expected, "{uri}");
        }
        assert!(owners(&offers, "http://elsewhere").is_empty());
    }
}
