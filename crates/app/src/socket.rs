//! The Unix socket: the operator's door, and the door of `remit mcp`.
//!
//! The socket is made with mode 0600 unless other user ids may use it; who is at the other end is
//! what the kernel says, not what the peer says.

mod connections;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use remit_engine::open::{Opener, Proposal};
use remit_engine::{Caller, Engine};
use remit_gateway::Gateway;
use remit_model::task::CloseReason;
use remit_model::{Door, ServerName};
use remit_operator::{Failure, Peer};
use serde::Deserialize;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connections::BOUNDS;
pub(crate) use self::connections::{Service, serve};
use crate::fail::Fail;

/// Where `remit mcp` attaches.
pub(crate) const ATTACH: &str = "/v1/attach";
/// The protocol it upgrades to: MCP's stdio transport, one JSON-RPC message a line.
pub(crate) const PROTOCOL: &str = "mcp-lines";

/// Binds the socket; a stale one is replaced, which is safe because the caller owns the state
/// directory's lock. Mode 0600, or 0666 where other user ids are served: the kernel still names
/// each peer, and the directory above decides who gets here.
pub(crate) fn bind(path: &Path, open_to_others: bool) -> Result<UnixListener, Fail> {
    let failed =
        |why: std::io::Error| Fail::new(format!("cannot listen on {}: {why}", path.display()));
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => {}
        Err(why) => return Err(failed(why)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    self::open_to_others(path, open_to_others).map_err(failed)?;
    Ok(listener)
}

/// Lets user ids other than Remit's own reach the socket, or none.
///
/// Errors: there is none, or it is not ours to change.
pub(crate) fn open_to_others(path: &Path, open: bool) -> std::io::Result<()> {
    let mode = if open { 0o666 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// The clients that are attached. Their connections speak another protocol than the listener's, so
/// whoever stops waits for them here.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    all: TaskTracker,
    /// Fires when Remit stops: nothing more is read of them.
    stop: CancellationToken,
    /// Fires when what is under way is no longer waited for.
    over: CancellationToken,
}

impl Attached {
    /// None yet; `stop` tells them that Remit stops.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { all: TaskTracker::new(), stop, over: CancellationToken::new() }
    }

    /// Returns when all have ended, and with them their tasks; to be called once nobody attaches any more.
    pub(crate) async fn ended(&self) {
        self.all.close();
        self.all.wait().await;
    }

    /// Ends those that are left.
    pub(crate) async fn end(&self) {
        self.over.cancel();
        self.ended().await;
    }
}

#[derive(Clone, Debug)]
struct Attachments {
    engine: Arc<Engine>,
    gateway: Arc<Gateway>,
    attached: Attached,
}

/// The operator's routes, the attach route, whose clients are among `attached`, and `more`.
pub(crate) fn service(
    door: remit_operator::Door,
    (gateway, attached): (Arc<Gateway>, Attached),
    more: Router,
) -> Service {
    let attachments = Attachments { engine: Arc::clone(&door.engine), gateway, attached };
    let people = Arc::clone(&door.authority);
    let router = remit_operator::router(door)
        .merge(Router::new().route(ATTACH, post(attach)).with_state(attachments))
        .merge(more)
        .layer(axum::middleware::map_response(remit_operator::in_words));
    Service { router, people, bounds: BOUNDS }
}

impl Attachments {
    /// Serves a client until its connection, its task or Remit ends; the task ends with it.
    async fn serve(self, upgrade: OnUpgrade, caller: Caller, server: Option<ServerName>) {
        let Self { engine, gateway, attached: Attached { stop, over, .. } } = self;
        let task = caller.task.clone();
        let served = async {
            let upgraded = match upgrade.await {
                Ok(upgraded) => TokioIo::new(upgraded),
                Err(why) => {
                    tracing::debug!(%why, "a stdio client left before it was attached");
                    return;
                }
            };
            let stream = tokio::io::split(upgraded);
            let served = remit_gateway::serve_lines(gateway, caller, server, stream, stop);
            if let Err(why) = served.await {
                tracing::debug!(%why, "a stdio client's connection broke");
            }
        };
        tokio::select! {
            () = served => {}
            () = over.cancelled() => {}
        }
        // It may have ended by itself.
        drop(engine.close(&task, CloseReason::Done, "remit mcp"));
    }
}

/// What `remit mcp` asks for. What only a person may say is no part of it, so it is refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    template: String,
    purpose: Option<String>,
    agent: Option<String>,
    server: Option<String>,
}

impl Wanted {
    fn read(self) -> Result<(Proposal, Option<ServerName>), Failure> {
        let agent = self.agent.map(|name| name.parse()).transpose().map_err(Failure::bad)?;
        let server = self.server.map(|name| name.parse()).transpose().map_err(Failure::bad)?;
        let proposal = Proposal {
            template: self.template,
            purpose: self.purpose,
            agent,
            ..Proposal::default()
        };
        Ok((proposal, server))
    }
}

/// Opens a task for the peer and turns the connection into MCP's stdio transport. The task ends
/// with the connection.
async fn attach(
    State(attachments): State<Attachments>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Query(wanted): Query<Wanted>,
    mut request: Request,
) -> Result<Response, Failure> {
    let upgrade = request.headers().get(header::UPGRADE).and_then(|value| value.to_str().ok());
    if upgrade != Some(PROTOCOL) {
        return Err(Failure::bad(format!("expected an upgrade to `{PROTOCOL}`; use `remit mcp`")));
    }
    // `remit mcp` is started anew for each connection; who works on the task is whoever started it.
    let workload = peer.workload(&attachments.engine).await?.as_a_pipe();
    let (proposal, server) = wanted.read()?;
    let configured = attachments.engine.settings();
    if let Some(unknown) = server.as_ref().filter(|name| !configured.servers.contains_key(*name)) {
        let text = format!("no server `{unknown}` is configured; `remit tool list` names them");
        return Err(Failure::missing(text));
    }
    let task = attachments.engine.open(&Opener::Peer(workload), proposal).await?;
    let caller = attachments
        .engine
        .caller(task.id(), Door::McpStdio)
        .ok_or_else(|| Failure::missing("the task ended before it began"))?;
    let upgrade = hyper::upgrade::on(&mut request);
    let all = attachments.attached.all.clone();
    all.spawn(attachments.serve(upgrade, caller, server));
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static(PROTOCOL)),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// The socket's path in a state directory.
pub(crate) fn path(state: &Path) -> PathBuf {
    state.join(crate::client::SOCKET)
}
