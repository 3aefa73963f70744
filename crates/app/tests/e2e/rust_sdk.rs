//! The Rust SDK (`rmcp`) as a client: takes the steps that the programs in `e2e/clients` take, and
//! writes the same lines, in a task of the tests' own process.
#![expect(deprecated, reason = "log messages are deprecated in MCP 2026-07-28, not gone from it")]

use std::time::Duration;

use rmcp::model::{
    ClientConfig, ClientRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion,
    ResourceUpdatedNotificationParam, SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService, ServiceError};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Where the server is.
pub(crate) enum Where {
    /// A URL and a bearer token.
    Url(String, String),
    /// A command line.
    Command(Vec<String>),
}

/// Connects in `revision`, takes every step it reads, writes what it sees; whether the session held.
pub(crate) async fn drive(
    revision: &'static str,
    place: Where,
    steps: impl AsyncRead + Send + Unpin + 'static,
    mut out: impl AsyncWrite + Send + Unpin + 'static,
) -> bool {
    let (seen, mut lines) = mpsc::unbounded_channel::<Value>();
    let writer = tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            out.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        }
    });
    let held = match converse(revision, place, steps, &seen).await {
        Ok(()) => true,
        Err(why) => {
            seen.send(json!({ "broken": why })).unwrap();
            false
        }
    };
    drop(seen);
    writer.await.unwrap();
    held
}

async fn converse(
    revision: &'static str,
    place: Where,
    steps: impl AsyncRead + Send + Unpin + 'static,
    seen: &mpsc::UnboundedSender<Value>,
) -> Result<(), String> {
    let version: ProtocolVersion = of(json!(revision));
    let info: ClientConfig = of(json!({
        "protocolVersion": revision,
        "capabilities": {"elicitation": {"form": {}}},
        "clientInfo": {"name": "rust-sdk", "version": "3.11.0"},
    }));
    let ear = Ear { info, seen: seen.clone() };
    let lifecycle = if version == ProtocolVersion::V_2026_07_28 {
        ClientLifecycleMode::Discover { preferred_versions: vec![version] }
    } else {
        ClientLifecycleMode::Initialize
    };
    let session = match place {
        Where::Url(url, token) => {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
            let transport = StreamableHttpClientTransport::with_client(http, config);
            ear.serve_with_lifecycle(transport, lifecycle).await
        }
        Where::Command(words) => {
            let mut command = tokio::process::Command::new(&words[0]);
            command.args(&words[1..]);
            let transport = TokioChildProcess::new(command).unwrap();
            ear.serve_with_lifecycle(transport, lifecycle).await
        }
    };
    let mut session = session.map_err(|error| error.to_string())?;
    let server = session.peer_info().map(|info| json!(*info)).unwrap_or_default();
    seen.send(json!({"method": "connect", "result": server})).unwrap();
    let mut steps = BufReader::new(steps).lines();
    while let Some(line) = steps.next_line().await.unwrap() {
        let step: Value = serde_json::from_str(&line).unwrap();
        if step["do"] == "parallel" {
            let all = step["steps"].as_array().unwrap();
            let all = all.iter().map(|one| perform(&session, one, seen));
            futures_util::future::try_join_all(all).await?;
        } else {
            perform(&session, &step, seen).await?;
        }
    }
    session.close().await.map_err(|error| error.to_string())?;
    Ok(())
}

/// Takes one step and writes its line. Errors: the session broke.
async fn perform(
    session: &RunningService<RoleClient, Ear>,
    step: &Value,
    seen: &mpsc::UnboundedSender<Value>,
) -> Result<(), String> {
    let patience = step["cancel_after_ms"].as_u64().map_or(Duration::MAX, Duration::from_millis);
    let mut line = json!({"method": step["do"]});
    match timeout(patience, request(session, step)).await {
        Err(_) => line["cancelled"] = json!(true),
        Ok(Ok(result)) => line["result"] = result,
        Ok(Err(ServiceError::McpError(error))) => line["error"] = json!(error),
        Ok(Err(broken)) => return Err(broken.to_string()),
    }
    seen.send(line).unwrap();
    Ok(())
}

async fn request(
    session: &RunningService<RoleClient, Ear>,
    step: &Value,
) -> Result<Value, ServiceError> {
    let arguments = step.get("arguments").cloned().unwrap_or_else(|| json!({}));
    let name = &step["name"];
    let method = step["do"].as_str().unwrap();
    let params = match method {
        "tools/call" => {
            let params = of(json!({"name": name, "arguments": arguments}));
            return session.call_tool(params).await.map(to);
        }
        "resources/read" => {
            return session.read_resource(of(json!({"uri": step["uri"]}))).await.map(to);
        }
        "prompts/get" => {
            let params = of(json!({"name": name, "arguments": arguments}));
            return session.get_prompt(params).await.map(to);
        }
        "subscriptions/listen" => return listen(session, step).await,
        "completion/complete" => {
            json!({"ref": {"type": "ref/prompt", "name": name}, "argument": step["argument"]})
        }
        "resources/subscribe" => json!({"uri": step["uri"]}),
        "logging/setLevel" => json!({"level": step["level"]}),
        _ => json!({}),
    };
    let request: ClientRequest = of(json!({"method": method, "params": params}));
    session.send_request(request).await.map(to)
}

async fn listen(
    session: &RunningService<RoleClient, Ear>,
    step: &Value,
) -> Result<Value, ServiceError> {
    let mut filter = SubscriptionFilter::default();
    filter.tools_list_changed = Some(true);
    let mut subscription = session.listen(filter).await?;
    let wanted = step["events"].as_u64().unwrap_or(1);
    let mut events = Vec::new();
    let end = sleep(Duration::from_millis(step["for_ms"].as_u64().unwrap_or(5000)));
    tokio::pin!(end);
    while events.len() as u64 != wanted {
        tokio::select! {
            next = subscription.next() => match next? {
                Some(_) => events.push("ToolsListChanged"),
                None => break,
            },
            () = &mut end => break,
        }
    }
    subscription.cancel().await?;
    Ok(json!({ "events": events }))
}

/// Hears what the server says on its own.
struct Ear {
    info: ClientConfig,
    seen: mpsc::UnboundedSender<Value>,
}

impl Ear {
    fn heard(&self, method: &str, params: impl Serialize) {
        // The test may have ended already.
        let _ = self.seen.send(json!({"notification": method, "params": params}));
    }
}

impl ClientHandler for Ear {
    fn get_info(&self) -> ClientConfig {
        self.info.clone()
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let _ = self.seen.send(json!({"asked": "elicitation/create", "params": request}));
        Ok(ElicitResult::new(ElicitationAction::Decline))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.heard("notifications/progress", params);
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.heard("notifications/message", params);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.heard("notifications/resources/updated", params);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.heard("notifications/tools/list_changed", json!({}));
    }
}

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn to(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}
