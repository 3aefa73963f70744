//! The agent of the demo: a real MCP client that obeys everything it reads.
//!
//! It talks to Remit as any client does, over Streamable HTTP with a bearer token, and learns
//! nothing but what MCP tells it. Each call becomes a [`StepOutcome`], and what Remit made of the
//! call is read from the outcome alone ([`StepOutcome::verdict`]).

use std::collections::BTreeSet;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation,
    JsonObject, ProtocolVersion, Tool,
};
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::orders::{self, Order};

/// How long the agent waits for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the agent could not work at all.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The endpoint did not open an MCP session.
    #[error("cannot open an MCP session at {url}: {text}")]
    Connect {
        /// The endpoint.
        url: String,
        /// What went wrong.
        text: String,
    },
    /// The tools could not be listed.
    #[error("cannot list the tools: {0}")]
    List(String),
}

/// One reason of a [`Refusal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The policy or check that decided.
    pub policy: String,
    /// Why, in words.
    pub text: String,
    /// The controls it serves.
    #[serde(default)]
    pub controls: Vec<String>,
}

/// What the structured content of a refused or held call says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind of refusal.
    pub class: RefusalClass,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What to do next.
    pub remedy: String,
    /// The held call, where a person can let it pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
}

/// The classes of refusal (promise R11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalClass {
    /// Refused every time.
    Structural,
    /// A person must approve.
    NeedsApproval,
    /// The budget or the time is used up.
    Budget,
    /// Not now.
    Transient,
}

impl RefusalClass {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Structural => "structural",
            Self::NeedsApproval => "needs_approval",
            Self::Budget => "budget",
            Self::Transient => "transient",
        }
    }
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// The tool, as the endpoint names it.
    pub tool: String,
    /// The arguments, exactly as sent.
    pub arguments: JsonObject,
    /// The text of the result, or what the endpoint said instead of a result.
    pub text: String,
    /// Whether the result is an error; true as well if there was no result.
    pub is_error: bool,
    /// The structured content of the result.
    pub structured: Option<Value>,
    /// Whether there was a result at all.
    pub answered: bool,
}

/// What Remit made of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It went through, and the tool answered.
    Permitted,
    /// It went through, and the tool itself complained.
    Failed,
    /// It waits for a person: the hold's id.
    Held(String, Refusal),
    /// It was refused.
    Refused(Refusal),
    /// No result: the endpoint turned the client away.
    TurnedAway,
}

impl StepOutcome {
    /// What Remit made of the call.
    pub fn verdict(&self) -> Verdict {
        if !self.answered {
            return Verdict::TurnedAway;
        }
        if !self.is_error {
            return Verdict::Permitted;
        }
        let refusal = self.structured.as_ref().and_then(|value| Refusal::deserialize(value).ok());
        match refusal {
            None => Verdict::Failed,
            Some(refusal) => match (refusal.class, refusal.hold.clone()) {
                (RefusalClass::NeedsApproval, Some(hold)) => Verdict::Held(hold, refusal),
                _ => Verdict::Refused(refusal),
            },
        }
    }

    /// The tool as `server/tool`.
    pub fn tool_id(&self) -> String {
        self.tool.replacen("__", "/", 1)
    }
}

/// A scripted agent on a real MCP client.
#[derive(Debug)]
pub struct Agent {
    client: RunningService<RoleClient, ClientConfig>,
}

impl Agent {
    /// Connects to the MCP endpoint at `url` with `token`; prefers revision 2026-07-28 and falls
    /// back to `initialize`.
    pub async fn connect(url: &str, token: &str) -> Result<Self, AgentError> {
        let refuse = |text: String| AgentError::Connect { url: url.to_owned(), text };
        // The endpoint is this machine's own: no proxy from the environment may stand between.
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        let transport = StreamableHttpClientTransport::with_client(
            http,
            StreamableHttpClientTransportConfig::with_uri(url).auth_header(token),
        );
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        };
        let client = ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("remit-demo-agent", env!("CARGO_PKG_VERSION")),
        )
        .serve_with_lifecycle(transport, lifecycle)
        .await
        .map_err(|error| refuse(error.to_string()))?;
        Ok(Self { client })
    }

    /// The tools that the endpoint shows this agent.
    pub async fn tools(&self) -> Result<Vec<Tool>, AgentError> {
        self.client.list_all_tools().await.map_err(|error| AgentError::List(error.to_string()))
    }

    /// The orders that the agent finds in the descriptions of its tools.
    pub async fn orders_in_tools(&self) -> Result<Vec<Order>, AgentError> {
        let tools = self.tools().await?;
        let texts: BTreeSet<&str> =
            tools.iter().filter_map(|tool| tool.description.as_deref()).collect();
        Ok(texts.into_iter().flat_map(orders::found_in).collect())
    }

    /// Calls one tool; `arguments` is an object. Whatever happens becomes the outcome.
    pub async fn call(&self, tool: &str, arguments: Value) -> StepOutcome {
        let arguments = match arguments {
            Value::Object(members) => members,
            _ => JsonObject::new(),
        };
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments.clone());
        let answer = tokio::time::timeout(PATIENCE, self.client.call_tool(request)).await;
        let (result, turned_away) = match answer {
            Ok(Ok(result)) => (result, None),
            Ok(Err(error)) => (CallToolResult::default(), Some(explain(&error))),
            Err(_) => {
                let text = format!("no answer within {} s", PATIENCE.as_secs());
                (CallToolResult::default(), Some(text))
            }
        };
        let answered = turned_away.is_none();
        StepOutcome {
            tool: tool.to_owned(),
            arguments,
            is_error: !answered || result.is_error.unwrap_or(false),
            text: turned_away.unwrap_or_else(|| text_of(&result)),
            structured: result.structured_content,
            answered,
        }
    }

    /// Makes the very same call again.
    pub async fn repeat(&self, outcome: &StepOutcome) -> StepOutcome {
        self.call(&outcome.tool, Value::Object(outcome.arguments.clone())).await
    }

    /// Carries out an order, wherever it came from; stops at the first call that fails.
    pub async fn obey(&self, order: &Order) -> Vec<StepOutcome> {
        match order {
            Order::Pay { amount, account, reference } => {
                let arguments =
                    json!({ "account": account, "amount": amount, "reference": reference });
                vec![self.call("payments__transfer", arguments).await]
            }
            Order::Send { file, to } => {
                self.with_file(
                    file,
                    "mail__send_message",
                    |text| json!({ "to": to, "subject": file, "body": text }),
                )
                .await
            }
            Order::Post { file, url } => {
                self.with_file(
                    file,
                    "web__post_form",
                    |text| json!({ "url": url, "fields": { "file": text } }),
                )
                .await
            }
        }
    }

    async fn with_file(
        &self,
        file: &str,
        tool: &str,
        arguments: impl FnOnce(&str) -> Value,
    ) -> Vec<StepOutcome> {
        let read = self.call("files__read_file", json!({ "path": file })).await;
        if read.is_error {
            return vec![read];
        }
        let then = self.call(tool, arguments(&read.text)).await;
        vec![read, then]
    }
}

fn text_of(result: &CallToolResult) -> String {
    let texts: Vec<&str> =
        result.content.iter().filter_map(|block| Some(block.as_text()?.text.as_str())).collect();
    texts.join("\n")
}

/// The endpoint's challenge if it sent one (RFC 6750 §3), else the client's own words.
fn explain(error: &ServiceError) -> String {
    error.auth_challenge().map_or_else(
        || error.to_string(),
        |challenge| format!("401 Unauthorized, WWW-Authenticate: {challenge}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(is_error: bool, structured: Value) -> StepOutcome {
        StepOutcome {
            tool: "mail__send_message".into(),
            arguments: JsonObject::new(),
            text: String::new(),
            is_error,
            structured: Some(structured),
            answered: true,
        }
    }

    fn refusal(class: &str) -> Value {
        json!({ "class": class, "reasons": [{ "policy": "p", "text": "t" }], "remedy": "r" })
    }

    #[test]
    fn verdicts_are_read_from_the_result_alone() {
        assert_eq!(outcome(false, refusal("budget")).verdict(), Verdict::Permitted);
        assert_eq!(outcome(true, json!({ "class": "elegant" })).verdict(), Verdict::Failed);
        let refused = outcome(true, refusal("budget")).verdict();
        assert!(matches!(&refused, Verdict::Refused(r) if r.class == RefusalClass::Budget));
        let mut held = refusal("needs_approval");
        held["hold"] = json!("hld_1");
        let held = outcome(true, held).verdict();
        assert!(matches!(&held, Verdict::Held(id, _) if id == "hld_1"));
        let unheld = outcome(true, refusal("needs_approval")).verdict();
        assert!(matches!(unheld, Verdict::Refused(_)));
        let away = StepOutcome { answered: false, ..outcome(true, Value::Null) };
        assert_eq!(away.verdict(), Verdict::TurnedAway);
        assert_eq!(away.tool_id(), "mail/send_message");
    }
}
