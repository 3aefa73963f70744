//! The client of the client scenarios: an agent on `rmcp` that lists the tools and calls them.
//!
//! It does the same directly and through Remit; there it is what a coding agent is, the client of
//! `remit mcp` on standard input and output. The suite tells it the rest in the environment.

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, Implementation, JsonObject, ProtocolVersion, Tool,
};
use rmcp::service::{RequestContext, RunningService};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, ErrorData, RoleClient};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Failure;
use crate::stand::Stand;

/// What the suite wants called, if it says so.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default, rename = "toolCalls")]
    calls: Vec<CallToolRequestParams>,
}

/// Plays the scenario at `url`, through a Remit of its own or directly.
///
/// Errors: no session, or the tools cannot be listed. What becomes of the calls is the suite's
/// business, which sees them arrive.
pub(crate) async fn run(url: &str, through: bool) -> Result<(), Failure> {
    if !through {
        let transport = StreamableHttpClientTransport::from_uri(url);
        let session = Agent.serve_with_lifecycle(transport, lifecycle()).await;
        return play(session.map_err(|error| format!("no session at {url}: {error}"))?).await;
    }
    let stand = Stand::up(url).await?;
    let transport = TokioChildProcess::new(stand.stdio_door());
    let transport = transport.map_err(|error| format!("cannot start `remit mcp`: {error}"))?;
    let session = Agent.serve_with_lifecycle(transport, lifecycle()).await;
    play(session.map_err(|error| format!("no session with `remit mcp`: {error}"))?).await
}

async fn play(session: RunningService<RoleClient, Agent>) -> Result<(), Failure> {
    let tools = session.list_all_tools().await;
    let tools = tools.map_err(|error| format!("cannot list the tools: {error}"))?;
    let wanted: Wanted = serde_json::from_str(&told("MCP_CONFORMANCE_CONTEXT")).unwrap_or_default();
    let calls = if wanted.calls.is_empty() {
        tools.iter().map(|tool| call_of(tool, &tools)).collect()
    } else {
        wanted.calls
    };
    for call in calls {
        // A scenario may refuse or break a call on purpose; the next one is made all the same.
        drop(session.call_tool(call).await);
    }
    session.cancel().await.map_err(|error| error.to_string())?;
    Ok(())
}

/// A call of `tool` with a value for each argument that it requires. Where it takes an object, that
/// is the input schema of the first tool, so that a scenario sees what became of it.
fn call_of(tool: &Tool, all: &[Tool]) -> CallToolRequestParams {
    let schema = |name: &str| tool.input_schema.get(name).cloned().unwrap_or_default();
    let required = schema("required");
    let properties = schema("properties");
    let first = all.first().map(|tool| Value::Object((*tool.input_schema).clone()));
    let names = required.as_array().into_iter().flatten().filter_map(Value::as_str);
    let arguments = names.map(|name| {
        let kind = properties.get(name).and_then(|property| property.get("type"));
        let value = match kind.and_then(Value::as_str) {
            Some("number" | "integer") => json!(1),
            Some("boolean") => json!(true),
            Some("object") => first.clone().unwrap_or_default(),
            _ => json!("test"),
        };
        (name.to_owned(), value)
    });
    CallToolRequestParams::new(tool.name.clone()).with_arguments(arguments.collect::<JsonObject>())
}

/// How to begin: as the revision under test has it.
fn lifecycle() -> ClientLifecycleMode {
    if told("MCP_CONFORMANCE_PROTOCOL_VERSION") == ProtocolVersion::V_2026_07_28.as_str() {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        return ClientLifecycleMode::Auto { preferred_versions, legacy_version: None };
    }
    ClientLifecycleMode::Initialize
}

#[expect(clippy::disallowed_methods, reason = "the suite speaks to its client by environment")]
fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// The client: it answers every question with the defaults that the question names.
#[derive(Clone, Debug)]
struct Agent;

impl ClientHandler for Agent {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("agent", env!("CARGO_PKG_VERSION")))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(defaults(&request)))
    }
}

/// The default of each property that has one.
fn defaults(request: &ElicitRequestParams) -> Value {
    let request = serde_json::to_value(request).unwrap_or_default();
    let properties = request.pointer("/requestedSchema/properties").and_then(Value::as_object);
    let defaults = properties
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
    Value::Object(defaults.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(schema: &Value) -> Tool {
        serde_json::from_value(json!({ "name": "t", "inputSchema": schema })).unwrap()
    }

    #[test]
    fn a_call_gives_what_is_required_and_nothing_else() {
        let properties = json!({
            "n": { "type": "integer" }, "s": { "type": "string" },
            "o": { "type": "object" }, "more": { "type": "string" },
        });
        let schema =
            json!({ "type": "object", "properties": properties, "required": ["n", "s", "o"] });
        let all = [tool(&json!({ "type": "object" })), tool(&schema)];
        let call = call_of(&all[1], &all);
        let expected = json!({ "n": 1, "s": "test", "o": { "type": "object" } });
        assert_eq!(Value::Object(call.arguments.unwrap()), expected);
    }

    #[test]
    fn questions_are_answered_with_their_defaults() {
        let request: ElicitRequestParams = serde_json::from_value(json!({
            "mode": "form", "message": "?",
            "requestedSchema": { "type": "object", "properties": {
                "a": { "type": "boolean", "default": true }, "b": { "type": "string" },
            } },
        }))
        .unwrap();
        assert_eq!(defaults(&request), json!({ "a": true }));
    }
}
