//! The method names of MCP, and which member of `params` names the thing a method touches.

/// Session era: opens a session.
pub const INITIALIZE: &str = "initialize";
/// Session era: the client is ready.
pub const INITIALIZED: &str = "notifications/initialized";
/// Session era: are you there?
pub const PING: &str = "ping";
/// Stateless era: what a server speaks and can do.
pub const DISCOVER: &str = "server/discover";
/// Stateless era: a stream of change notifications.
pub const LISTEN: &str = "subscriptions/listen";
/// Stateless era: the first message on such a stream.
pub const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
/// Lists tools.
pub const TOOLS_LIST: &str = "tools/list";
/// Calls a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// Lists resources.
pub const RESOURCES_LIST: &str = "resources/list";
/// Lists resource templates.
pub const TEMPLATES_LIST: &str = "resources/templates/list";
/// Reads a resource.
pub const RESOURCES_READ: &str = "resources/read";
/// Session era: asks to be told when a resource changes.
pub const RESOURCES_SUBSCRIBE: &str = "resources/subscribe";
/// Session era: ends [`RESOURCES_SUBSCRIBE`].
pub const RESOURCES_UNSUBSCRIBE: &str = "resources/unsubscribe";
/// Lists prompts.
pub const PROMPTS_LIST: &str = "prompts/list";
/// Renders a prompt.
pub const PROMPTS_GET: &str = "prompts/get";
/// Completes an argument.
pub const COMPLETE: &str = "completion/complete";
/// Session era: sets the level of `notifications/message`.
pub const SET_LEVEL: &str = "logging/setLevel";
/// Progress of a request.
pub const PROGRESS: &str = "notifications/progress";
/// A log line of a server.
pub const MESSAGE: &str = "notifications/message";
/// A request is no longer wanted.
pub const CANCELLED: &str = "notifications/cancelled";
/// The list of tools changed.
pub const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
/// The list of resources changed.
pub const RESOURCES_CHANGED: &str = "notifications/resources/list_changed";
/// The list of prompts changed.
pub const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";
/// A subscribed resource changed.
pub const RESOURCE_UPDATED: &str = "notifications/resources/updated";
/// A server asks the person behind the client.
pub const ELICIT: &str = "elicitation/create";
/// A server asks for a completion by the client's model.
pub const SAMPLE: &str = "sampling/createMessage";
/// A server asks for the client's roots.
pub const ROOTS_LIST: &str = "roots/list";

/// The member of `params` that names what `method` touches, and that `Mcp-Name` mirrors
/// (Streamable HTTP 2026-07-28, *Standard Request Headers*; `tasks/*` from the tasks extension).
pub fn subject_member(method: &str) -> Option<&'static str> {
    match method {
        TOOLS_CALL | PROMPTS_GET => Some("name"),
        RESOURCES_READ => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// Whether results of `method` must carry `ttlMs` and `cacheScope` (2026-07-28, *Caching*).
pub fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        TOOLS_LIST | PROMPTS_LIST | RESOURCES_LIST | TEMPLATES_LIST | RESOURCES_READ | DISCOVER
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_a_header_mirrors() {
        assert_eq!(subject_member(TOOLS_CALL), Some("name"));
        assert_eq!(subject_member(RESOURCES_READ), Some("uri"));
        assert_eq!(subject_member(TOOLS_LIST), None);
        assert!(is_cacheable(DISCOVER) && !is_cacheable(TOOLS_CALL));
    }
}
