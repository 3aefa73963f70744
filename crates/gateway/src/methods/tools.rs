//! `tools/list` and `tools/call`.

use std::sync::Arc;

use remit_mcp::{Edit, Raw, Request, RpcError, method};
use remit_model::{Admission, Operation, ServerName, Tool, ToolId};
use serde_json::json;

use super::{Context, Plan, call, declare};
use crate::gateway::Gateway;
use crate::names::Names;
use crate::sheets::{Sheet, object};

/// What the model reads of a tool that waits for its owner, instead of the server's own words.
const QUARANTINED: &str = "This tool is new or has changed since it was last admitted, so its \
    description is withheld. Calls of it are held until the owner of its server has looked at it.";

impl Context<'_> {
    pub(super) fn list_tools(&self) -> Result<Plan, RpcError> {
        let names = self.names();
        let tools = self.gateway.engine.tools(&self.peer.caller, &self.servers);
        let own = self.declaring();
        let hidden = own.as_ref().map(|_| declare::NAME);
        let shown = tools.iter().filter_map(|tool| shown(tool, &names, hidden));
        let shown: Vec<String> = own.into_iter().chain(shown).collect();
        self.page("tools", &shown)
    }

    pub(super) async fn call_tool(&self) -> Result<Plan, RpcError> {
        let offered = self.text("name")?;
        if offered == declare::NAME && self.gateway.engine.declares(&self.peer.caller.task) {
            return self.declare().await;
        }
        let (server, name) = resolve(self.gateway, &self.names(), &self.servers, &offered)?;
        let tool = ToolId::new(&server, &name);
        let sheet = self.gateway.sheets.of(&self.gateway.engine.world(), &tool);
        let change = Some(("name", Raw::string(&name)));
        let mut prepared = self.governed(server, Operation::CallTool { name }, change);
        prepared.form.declares_output = sheet.declares_output;
        Ok(call(prepared))
    }
}

/// What has to be observed of the tool that `request` calls; `None` for every other request.
pub(crate) fn called(
    gateway: &Arc<Gateway>,
    server: Option<&ServerName>,
    request: &Request,
) -> Option<Arc<Sheet>> {
    if request.method() != method::TOOLS_CALL {
        return None;
    }
    let offered = request.param("name")?.as_text()?;
    let names = Names::new(server, &gateway.config.separator);
    let (server, name) = resolve(gateway, &names, &gateway.servers(server), &offered).ok()?;
    Some(gateway.sheets.of(&gateway.engine.world(), &ToolId::new(&server, &name)))
}

pub(super) fn resolve(
    gateway: &Gateway,
    names: &Names<'_>,
    servers: &[ServerName],
    offered: &str,
) -> Result<(ServerName, String), RpcError> {
    let world = gateway.engine.world();
    let known =
        |server: &ServerName, name: &str| world.catalogue.get(&ToolId::new(server, name)).is_some();
    names.read(offered, servers, known)
}

/// The definition as the client is shown it: with its offered name, every other byte the server's; not
/// if that name is `hidden`.
fn shown(tool: &Tool, names: &Names<'_>, hidden: Option<&str>) -> Option<String> {
    let name = names.write(&tool.id.server, &tool.id.name);
    if hidden == Some(name.as_str()) {
        return None;
    }
    if matches!(tool.admission, Admission::Quarantined { .. }) {
        let stub = json!({
            "name": name,
            "description": QUARANTINED,
            "inputSchema": { "type": "object" },
        });
        return Some(stub.to_string());
    }
    let definition = object(&tool.definition)?;
    if definition.text("name").as_ref() == Some(&name) {
        return Some(tool.definition.clone());
    }
    Some(Edit::of(&definition).set("name", Raw::string(&name)).finish().to_string())
}
