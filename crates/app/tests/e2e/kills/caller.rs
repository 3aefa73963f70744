//! An MCP client that notes what it was told, and takes a broken connection for what it is.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::stand::Grant;

/// What a client was told of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The tool's answer.
    Answer,
    /// A refusal: its class, the first policy or check it names, and the hold if it was parked.
    Refused {
        /// `structural`, `needs_approval`, `budget` or `transient`.
        class: String,
        /// Such as `remit:task`.
        policy: String,
        /// `hld_…`
        hold: Option<String>,
    },
    /// Its grant had run out, which is counted and not recorded.
    Expired,
    /// No answer: the connection broke.
    Broken,
    /// Something else, which R11 does not allow.
    Strange(String),
}

/// One client with one connection at a time.
pub(crate) struct Caller {
    address: String,
    token: String,
    line: Option<SendRequest<Full<Bytes>>>,
}

impl Caller {
    /// A client of the endpoint that `grant` names.
    pub(crate) fn new(grant: &Grant) -> Self {
        let address = grant.endpoint.trim_start_matches("http://").trim_end_matches("/mcp");
        Self { address: address.to_owned(), token: grant.token.clone(), line: None }
    }

    /// Calls `tool` of the desk with a unique `id`.
    pub(crate) async fn call(&mut self, tool: &str, id: &str) -> Told {
        if let Some((status, body)) = self.exchange(&format!("desk__{tool}"), id).await {
            return told(status, &body, id);
        }
        self.line = None;
        Told::Broken
    }

    /// `None` where the connection broke before the whole answer was there.
    async fn exchange(&mut self, name: &str, id: &str) -> Option<(u16, String)> {
        if self.line.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(&self.address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let (line, driver) = handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(driver);
            self.line = Some(line);
        }
        let request = self.request(name, id);
        let line = self.line.as_mut()?;
        line.ready().await.ok()?;
        let response = line.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Where it connects to.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A call as it goes over the wire.
    pub(crate) fn text(&self, tool: &str, id: &str) -> String {
        let request = self.request(&format!("desk__{tool}"), id);
        let lines = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
        let body = Self::body(&format!("desk__{tool}"), id);
        let head: String = lines.collect();
        format!("POST /mcp HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
    }

    fn body(name: &str, id: &str) -> String {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}});
        let params = json!({"name": name, "arguments": {"id": id}, "_meta": meta});
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
    }

    fn request(&self, name: &str, id: &str) -> http::Request<Full<Bytes>> {
        http::Request::post("/mcp")
            .header("host", &self.address)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", name)
            .body(Full::new(Bytes::from(Self::body(name, id))))
            .unwrap()
    }
}

fn told(status: u16, body: &str, id: &str) -> Told {
    let strange = || Told::Strange(format!("status {status}: {body}"));
    // A stream carries the answer as its only event here: the desk says nothing beside it.
    let json = body.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(body);
    let Ok(message) = serde_json::from_str::<Value>(json) else { return strange() };
    let description = message["error_description"].as_str().unwrap_or_default();
    if status == 401 && description.starts_with("the token ran out") {
        return Told::Expired;
    }
    let result = &message["result"];
    if result["isError"] == true {
        let refusal = crate::peers::refusal_of(result);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let policy = text(&refusal["reasons"][0]["policy"]).unwrap_or_default();
        let class = text(&refusal["class"]).unwrap_or_default();
        return Told::Refused { class, policy, hold: text(&refusal["hold"]) };
    }
    match result["content"][0]["text"].as_str() {
        Some(text) if text == format!("done {id}") => Told::Answer,
        _ => strange(),
    }
}

impl Told {
    /// Whether it says what became of a call that was permitted.
    pub(crate) fn follows_a_permit(&self) -> bool {
        const AFTER: [&str; 4] =
            ["remit:not-sent", "remit:stopped", "remit:unknown-outcome", "remit:unsettled"];
        matches!(self, Self::Refused { policy, hold: None, .. } if AFTER.contains(&policy.as_str()))
    }

    /// Whether it is a refusal that is a record of its own. Those that limits give are counted
    /// only.
    pub(crate) fn is_recorded_refusal(&self) -> bool {
        const COUNTED: [&str; 4] =
            ["remit:throttled", "remit:in-flight", "remit:ledger", "remit:moved"];
        let Self::Refused { policy, .. } = self else { return false };
        !self.follows_a_permit() && !COUNTED.contains(&policy.as_str())
    }
}
