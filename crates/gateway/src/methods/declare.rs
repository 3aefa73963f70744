//! `remit_declare`: the gateway's own tool, by which an agent says which tools it will need before it
//! has read anything from outside. It is offered where the task's template provides for it.

use remit_mcp::{Raw, RpcError};
use remit_model::{ToolPattern, ToolRule};
use serde_json::json;

use super::{Context, Plan};
use crate::names::Names;

/// Its name, on every endpoint.
pub(super) const NAME: &str = "remit_declare";

const DESCRIPTION: &str = "Call this first, with the names of the tools that the task needs as you \
    understand it now. From then on only those can be called. It cannot be done any more once something \
    from outside has been read, and it never allows more than was allowed before.";

impl Context<'_> {
    /// The definition, if this task may declare now.
    pub(super) fn declaring(&self) -> Option<String> {
        if !self.gateway.engine.may_declare(&self.peer.caller.task) {
            return None;
        }
        let names = json!({ "type": "array", "items": { "type": "string" },
            "description": "Names of tools as the list gives them" });
        let definition = json!({
            "name": NAME,
            "description": DESCRIPTION,
            "inputSchema": {
                "type": "object",
                "properties": { "tools": names },
                "required": ["tools"],
            },
            "annotations": { "readOnlyHint": false, "destructiveHint": false, "openWorldHint": false },
        });
        Some(definition.to_string())
    }

    /// Declares what the call names.
    pub(super) async fn declare(&self) -> Result<Plan, RpcError> {
        let names = self.names();
        let planned = self.planned()?;
        let rules = planned.iter().map(|name| self.rule(&names, name));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let count = rules.len();
        let form = self.form();
        Ok(Plan::Answer(match self.gateway.engine.declare(&self.peer.caller.task, rules).await {
            Ok(()) => {
                let text = format!("the task is narrowed to the {count} tools that were named");
                let content = json!({ "content": [{ "type": "text", "text": text }] });
                form.own(&content.to_string())
            }
            Err(refusal) => form.refused(&refusal),
        }))
    }

    fn planned(&self) -> Result<Vec<String>, RpcError> {
        let arguments = self.request.params().and_then(|params| params.object("arguments"));
        let tools = arguments.and_then(|arguments| arguments.get("tools"));
        let names =
            tools.as_ref().map(Raw::as_str).and_then(|text| serde_json::from_str(text).ok());
        names.ok_or_else(|| {
            RpcError::invalid_params("expected `arguments.tools`, a list of names of tools")
        })
    }

    fn rule(&self, names: &Names<'_>, offered: &str) -> Result<ToolRule, RpcError> {
        let (server, name) = super::tools::resolve(self.gateway, names, &self.servers, offered)?;
        let pattern: Result<ToolPattern, _> = format!("{server}/{name}").parse();
        pattern
            .map(ToolRule::any_arguments)
            .map_err(|why| RpcError::invalid_params(why.to_string()))
    }
}
