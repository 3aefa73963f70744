//! How Remit is: for the CLI, for a browser, for a supervisor.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};

use crate::{Door, wire};

fn count<T>(
    items: impl Iterator<Item = T>,
    name: impl Fn(&T) -> &'static str,
) -> BTreeMap<String, usize> {
    items.fold(BTreeMap::new(), |mut counts, item| {
        *counts.entry(name(&item).to_owned()).or_default() += 1;
        counts
    })
}

fn status(door: &Door) -> wire::Status {
    let (engine, world) = (&door.engine, door.engine.world());
    let ledger = engine.ports().ledger.status();
    let servers = engine.ports().upstream.status().into_iter().map(|server| wire::Server {
        name: server.server.to_string(),
        transport: server.transport.to_owned(),
        alive: server.alive,
        restarts: server.restarts,
        revision: server.revision,
        last_error: server.last_error,
        stderr: server.stderr,
    });
    wire::Status {
        setup: door.setup.borrow().clone(),
        endpoint: door.endpoint.clone(),
        origin: ledger.origin,
        entries: ledger.size,
        published: ledger.published,
        refusing: ledger.refusing.map(|why| why.to_string()),
        tasks: count(engine.cells().iter(), |cell| cell.lock().state.name()),
        holds: engine.holds_waiting(),
        tools: count(world.catalogue.tools(), |tool| tool.admission.name()),
        policy: world.pins.policy.to_string(),
        policy_refused: world.refused.clone().or_else(|| world.unfit.clone()),
        servers: servers.collect(),
        witnesses: door.witnesses.status(),
        secrets: door.secrets.status(),
    }
}

/// `GET /v1/status`
pub(crate) async fn json(State(door): State<Door>) -> Json<wire::Status> {
    Json(status(&door))
}

/// `GET /healthz`: the process answers.
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: permits can be recorded.
pub(crate) async fn ready(State(door): State<Door>) -> (StatusCode, String) {
    match door.engine.ports().ledger.status().refusing {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// `GET /`: whether it is protected and why, and nothing that is not anybody's business.
pub(crate) async fn page(State(door): State<Door>) -> impl IntoResponse {
    let status = status(&door);
    let protection = &status.setup.protection;
    let recording = status.refusing.as_deref().unwrap_or("every permit is recorded first");
    let body = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Remit: {title}</title>\
         <style>body{{font:16px/1.5 system-ui;max-width:44em;margin:3em auto;padding:0 1em}}\
         .unprotected{{background:#fff3cd;border-left:4px solid #b8860b;padding:.5em 1em}}\
         .protected{{background:#e6f4ea;border-left:4px solid #2e7d32;padding:.5em 1em}}\
         dt{{font-weight:600}}</style><h1>Remit {version}</h1>\
         <p class={title}><strong>{title}</strong>: {why}</p>\
         <dl><dt>MCP endpoint</dt><dd><code>{endpoint}</code></dd>\
         <dt>Ledger</dt><dd>{entries} entries, {published} under a signed checkpoint; {recording}</dd>\
         </dl><p>Tasks, holds and tools: <code>remit status</code>. Counters: <a href=/metrics>/metrics</a>.</p>",
        title = escape(protection),
        version = escape(&status.setup.version),
        why = escape(&status.setup.protection_why),
        endpoint = escape(&status.endpoint),
        entries = status.entries,
        published = status.published,
        recording = escape(recording),
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(body))
}
