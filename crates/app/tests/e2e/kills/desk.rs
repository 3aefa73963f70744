//! A tool server of our own that writes down every call before it does anything else: what it saw is
//! what happened. It never dies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use serde_json::{Value, json};

use super::draw::Draw;

/// The longest that it works on a call: some calls are always under way.
const WORK: Duration = Duration::from_millis(12);
/// A call whose id starts so is never answered.
pub(crate) const NEVER: &str = "never-";
/// A call whose id starts so is answered with [`BULK`] bytes beside.
pub(crate) const BIG: &str = "big-";
/// See [`BIG`].
pub(crate) const BULK: usize = 2 << 20;

/// What reached the server, by the unique id in the arguments.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<BTreeMap<String, usize>>>);

impl Desk {
    /// Serves it on a free loopback port; gives its endpoint.
    pub(crate) async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/mcp", routing::post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        format!("http://{address}/mcp")
    }

    /// How often each id was seen.
    pub(crate) fn seen(&self) -> BTreeMap<String, usize> {
        self.0.lock().unwrap().clone()
    }

    /// Writes a call down, then works on it.
    async fn call(&self, params: &Value) -> Value {
        let id =
            params["arguments"]["id"].as_str().expect("the desk's tools take an id").to_owned();
        let number = {
            let mut seen = self.0.lock().unwrap();
            *seen.entry(id.clone()).or_default() += 1;
            seen.len() as u64
        };
        if id.starts_with(NEVER) {
            std::future::pending::<()>().await;
        }
        let pause = Draw::new(number, 0).pause(WORK);
        tokio::time::sleep(pause).await;
        let beside = if id.starts_with(BIG) { "x".repeat(BULK) } else { String::new() };
        json!({"content": [{"type": "text", "text": format!("done {id}")},
            {"type": "text", "text": beside}]})
    }
}

fn tool(name: &str, destroys: bool) -> Value {
    json!({"name": name, "description": format!("The tool {name}."),
        "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
        "annotations": {"destructiveHint": destroys}})
}

async fn answer(State(desk): State<Desk>, Json(message): Json<Value>) -> Response {
    let result = match message["method"].as_str().unwrap_or_default() {
        "server/discover" => {
            json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                "ttlMs": 0, "cacheScope": "private"})
        }
        "tools/list" => {
            let tools = [tool("put", false), tool("erase", true)];
            json!({"tools": tools, "ttlMs": 0, "cacheScope": "private"})
        }
        "tools/call" => desk.call(&message["params"]).await,
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            let body = json!({"jsonrpc": "2.0", "id": message["id"], "error": error});
            return (StatusCode::NOT_FOUND, Json(body)).into_response();
        }
    };
    let mut result = result;
    result["resultType"] = json!("complete");
    Json(json!({"jsonrpc": "2.0", "id": message["id"], "result": result})).into_response()
}
