//! What is done about each method: an answer at once, or a governed call.

mod about;
mod completion;
mod declare;
mod prompts;
mod resources;
mod tools;

use std::sync::Arc;

use remit_engine::list::{List, Offer};
use remit_mcp::revision::Era;
use remit_mcp::{Edit, Object, Raw, Request, RpcError, meta, method};
use remit_model::{Call, Operation, Refusal, ServerName};

pub(crate) use about::opening;
pub(crate) use tools::called;

use crate::answer::Answer;
use crate::gateway::Gateway;
use crate::names::Names;
use crate::peer::{Peer, is_level};
use crate::render::Form;
use crate::walk::Prepared;

/// What is to be done about a request.
#[derive(Debug)]
pub(crate) enum Plan {
    /// This is the answer.
    Answer(Answer),
    /// The engine decides.
    Call(Box<Prepared>),
}

/// A request together with who sent it and where.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    gateway: &'a Arc<Gateway>,
    peer: &'a Peer,
    request: &'a Request,
    servers: Vec<ServerName>,
}

/// Says what is to be done about `request`; `initialize` and `subscriptions/listen` are the
/// transports' own.
pub(crate) async fn plan(gateway: &Arc<Gateway>, peer: &Peer, request: &Request) -> Plan {
    let servers = gateway.servers(peer.server.as_ref());
    let context = Context { gateway, peer, request, servers };
    context.plan().await.unwrap_or_else(|error| Plan::Answer(error.into()))
}

/// The call that subscribes `peer` to changes of `uri`.
///
/// Errors: −32602 where no server has it or more than one could.
pub(crate) fn subscription(
    gateway: &Arc<Gateway>,
    peer: &Peer,
    request: &Request,
    uri: &str,
) -> Result<Prepared, RpcError> {
    let servers = gateway.servers(peer.server.as_ref());
    Context { gateway, peer, request, servers }.subscription(uri)
}

impl Context<'_> {
    async fn plan(&self) -> Result<Plan, RpcError> {
        match (self.request.method(), self.peer.era()) {
            (method::TOOLS_LIST, _) => self.list_tools(),
            (method::TOOLS_CALL, _) => self.call_tool().await,
            (method::RESOURCES_LIST, _) => self.list_resources().await,
            (method::TEMPLATES_LIST, _) => self.list_templates().await,
            (method::RESOURCES_READ, _) => self.read_resource(),
            (method::PROMPTS_LIST, _) => self.list_prompts().await,
            (method::PROMPTS_GET, _) => self.get_prompt(),
            (method::COMPLETE, _) => self.complete(),
            (method::DISCOVER, Era::Stateless) => Ok(self.discover()),
            (method::PING, Era::Sessions) => Ok(self.own("{}")),
            (method::SET_LEVEL, Era::Sessions) => self.set_level(),
            (method::RESOURCES_SUBSCRIBE, Era::Sessions) => self.subscribe(),
            (method::RESOURCES_UNSUBSCRIBE, Era::Sessions) => self.unsubscribe(),
            (method::INITIALIZE, Era::Sessions) => {
                Err(RpcError::invalid_request("the session is initialized already; use it"))
            }
            (other, _) => Err(RpcError::method_not_found(other)),
        }
    }

    fn set_level(&self) -> Result<Plan, RpcError> {
        let level = self.text("level")?;
        if !is_level(&level) {
            return Err(RpcError::invalid_params(
                "expected `level` to be a syslog level from `debug` to `emergency`",
            ));
        }
        if let Some(session) = &self.peer.session {
            session.set_log_level(level);
        }
        Ok(self.own("{}"))
    }

    fn form(&self) -> Form {
        Form {
            peer: self.peer.clone(),
            method: self.request.method().to_owned(),
            declares_output: false,
            ttl_ms: self.gateway.list_ttl_ms(),
        }
    }

    fn own(&self, result: &str) -> Plan {
        Plan::Answer(self.form().own(result))
    }

    fn refused(&self, refusal: &Refusal) -> Plan {
        Plan::Answer(self.form().refused(refusal))
    }

    /// Those of `offers` whose list the caller may be shown, which its task has taken in then.
    async fn shown(&self, offers: Vec<Offer>, list: List) -> Result<Vec<Offer>, Refusal> {
        let shown = self.gateway.engine.show(&self.peer.caller, list, &offers).await?;
        Ok(if shown { offers } else { Vec::new() })
    }

    /// A list as one page. Lists are bounded by what their servers may offer, so there is no
    /// cursor of ours a client could know.
    fn page(&self, member: &str, items: &[String]) -> Result<Plan, RpcError> {
        if self.request.param("cursor").is_some_and(|cursor| !cursor.is_null()) {
            return Err(RpcError::invalid_params(
                "expected no `cursor`, because every list is given as one page",
            ));
        }
        Ok(self.own(&format!("{{\"{member}\":[{}]}}", items.join(","))))
    }

    fn names(&self) -> Names<'_> {
        Names::new(self.peer.server.as_ref(), &self.gateway.config.separator)
    }

    /// The string member `name` of the parameters.
    fn text(&self, name: &str) -> Result<String, RpcError> {
        self.request.param(name).and_then(|raw| raw.as_text()).ok_or_else(|| {
            RpcError::invalid_params(format!("expected a string `{name}` in `params`"))
        })
    }

    /// A governed call with the client's own parameters, but for `changed` members and the keys of
    /// the stateless era.
    fn governed(&self, server: ServerName, operation: Operation, changed: Change) -> Prepared {
        let empty = Object::empty();
        let params = self.request.params().unwrap_or(&empty);
        // A task of the protocol's own would go on beyond the answer, where no stop reaches it;
        // a server that is not asked for one answers the call itself (2025-11-25 *Tasks*).
        let mut edit = Edit::of(params).remove("task");
        if let Some((name, value)) = changed
            && params.get(name).as_ref() != Some(&value)
        {
            edit = edit.set(name, value);
        }
        let given = params.object("_meta");
        let meta = given.as_ref().and_then(meta::strip);
        // A server without sessions says nothing unless each request says how much it may.
        let meta = match self.peer.level() {
            Some(level) => Some(meta::with_level(meta, &level)),
            None => meta,
        };
        if given.is_some() || meta.is_some() {
            edit = edit.put("_meta", meta);
        }
        let method = self.request.method().to_owned();
        let call = Call { server, operation, method, params: edit.finish().as_str().into() };
        Prepared { call, form: self.form(), subscribes: None }
    }
}

/// A member of the parameters and its new value.
type Change = Option<(&'static str, Raw)>;

fn call(prepared: Prepared) -> Plan {
    Plan::Call(Box::new(prepared))
}

/// The string member `name` of a definition, which is the text of a JSON object.
fn member(definition: &str, name: &str) -> Option<String> {
    Object::parse(&Raw::parse(definition).ok()?).ok()?.text(name)
}
