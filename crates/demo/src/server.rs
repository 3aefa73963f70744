//! The demo's tool servers as MCP servers, in both lifecycles of the protocol.
//!
//! A server knows nothing of Remit. It speaks MCP over stdio (2026-07-28 and the `initialize`
//! revisions before it), and where a [`Flag`] is given it announces a change of its tools as the
//! revision asks: by `notifications/tools/list_changed` after `initialize`, or on
//! `subscriptions/listen`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
    SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};

use crate::desk::{Arguments, Complaint, Desk, Files, Mail, Payments, Web};
use crate::drift::{Edition, Flag, LOOK_EVERY, in_edition};

/// The four servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DemoServer {
    /// A mailbox that outsiders write to.
    Mail,
    /// A folder of files.
    Files,
    /// A bank account.
    Payments,
    /// Pages and forms.
    Web,
}

impl DemoServer {
    /// All of them, in the order of the story.
    pub const ALL: [Self; 4] = [Self::Mail, Self::Files, Self::Payments, Self::Web];

    /// The server's name, as in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Files => "files",
            Self::Payments => "payments",
            Self::Web => "web",
        }
    }
}

impl fmt::Display for DemoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DemoServer {
    type Err = ServeError;
    fn from_str(text: &str) -> Result<Self, ServeError> {
        Self::ALL
            .into_iter()
            .find(|server| server.name() == text)
            .ok_or_else(|| ServeError::Unknown(text.to_owned()))
    }
}

/// Where a server works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seat {
    /// The directory of the file server; in memory if absent.
    pub directory: Option<PathBuf>,
    /// The flag that changes a tool definition while the web server runs.
    pub drift: Option<Flag>,
}

/// Why a demo server did not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No server of that name.
    #[error("expected one of mail, files, payments or web, got `{0}`")]
    Unknown(String),
    /// The file server's directory cannot be used.
    #[error(
        "cannot use `{path}` as the folder of the file server: {source}; give a writable directory"
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The client did not open the conversation as MCP asks.
    #[error("the client did not open an MCP session on stdin: {0}")]
    Opening(String),
    /// The server's own task ended badly.
    #[error("the server stopped unexpectedly: {0}")]
    Stopped(String),
}

/// Serves `kind` on stdin and stdout until the client closes them.
pub async fn serve(kind: DemoServer, seat: Seat) -> Result<(), ServeError> {
    let running = DeskServer::new(kind, seat)?
        .serve(rmcp::transport::stdio())
        .await
        .map_err(|error| ServeError::Opening(error.to_string()))?;
    running.waiting().await.map_err(|error| ServeError::Stopped(error.to_string()))?;
    Ok(())
}

/// One demo server, ready to be served on any transport.
#[derive(Clone)]
pub struct DeskServer {
    kind: DemoServer,
    desk: Arc<dyn Desk>,
    drift: Option<Flag>,
}

impl fmt::Debug for DeskServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeskServer")
            .field("kind", &self.kind)
            .field("drift", &self.drift)
            .finish_non_exhaustive()
    }
}

impl DeskServer {
    /// The server `kind` at `seat`; an error if the file server's directory cannot be used.
    pub fn new(kind: DemoServer, seat: Seat) -> Result<Self, ServeError> {
        let desk: Arc<dyn Desk> = match (kind, seat.directory) {
            (DemoServer::Mail, _) => Arc::new(Mail::default()),
            (DemoServer::Payments, _) => Arc::new(Payments::default()),
            (DemoServer::Web, _) => Arc::new(Web::default()),
            (DemoServer::Files, None) => Arc::new(Files::in_memory()),
            (DemoServer::Files, Some(path)) => Arc::new(
                Files::in_directory(&path)
                    .map_err(|source| ServeError::Directory { path, source })?,
            ),
        };
        Ok(Self { kind, desk, drift: seat.drift })
    }

    fn edition(&self) -> Edition {
        self.drift.as_ref().map(Flag::edition).unwrap_or_default()
    }

    /// Waits a moment and says whether the edition is another than `seen`, which it updates.
    async fn turned(&self, seen: &mut Edition) -> bool {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = self.edition();
        std::mem::replace(seen, now) != now
    }
}

impl ServerHandler for DeskServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(
                format!("remit-demo-{}", self.kind),
                env!("CARGO_PKG_VERSION"),
            ))
            .with_instructions(self.desk.instructions())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let edition = self.edition();
        let tools = self.desk.tools().into_iter().map(|tool| in_edition(tool, edition)).collect();
        // Not to be kept by anyone: the next edition may come at any moment.
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(0))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let none = JsonObject::new();
        let arguments = Arguments(request.arguments.as_ref().unwrap_or(&none));
        let result = match self.desk.call(&request.name, arguments) {
            Ok(reply) => {
                let mut result = CallToolResult::success(vec![ContentBlock::text(reply.text)]);
                result.structured_content = reply.data;
                result
            }
            Err(Complaint::UnknownTool(name)) => {
                let text = Complaint::UnknownTool(name).to_string();
                return Err(ErrorData::invalid_params(text, None));
            }
            Err(failed @ Complaint::Failed(_)) => {
                CallToolResult::error(vec![ContentBlock::text(failed.to_string())])
            }
        };
        Ok(result.into())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        if self.drift.is_none() {
            return;
        }
        let server = self.clone();
        let mut seen = self.edition();
        tokio::spawn(async move {
            while !context.peer.is_transport_closed() {
                if server.turned(&mut seen).await
                    && context.peer.notify_tool_list_changed().await.is_err()
                {
                    return;
                }
            }
        });
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut seen = self.edition();
        loop {
            let turned = tokio::select! {
                () = context.cancelled() => return Ok(()),
                turned = self.turned(&mut seen) => turned,
            };
            if turned && context.sink().notify_tool_list_changed().await.is_err() {
                return Ok(());
            }
        }
    }
}
