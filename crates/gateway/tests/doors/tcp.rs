//! Over real connections: what a client sees of an early answer, and what we see of its going.

use std::sync::Arc;
use std::time::Duration;

use remit_gateway::{Config, router};
use remit_testkit::Answer as Scripted;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::bench::{Bench, PATIENCE, Work, eventually};

/// A server on a port of its own; it ends with this.
struct Town {
    bench: Bench,
    address: String,
    server: AbortHandle,
}

impl Drop for Town {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Town {
    async fn up(config: Config) -> Self {
        let bench = Bench::with(config).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = router(Arc::clone(&bench.gateway));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { bench, address, server: server.abort_handle() }
    }

    async fn send(&self, work: &Work, arguments: &serde_json::Value) -> TcpStream {
        let params = json!({"name": "mail__read_mail", "arguments": arguments,
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {}}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let body = body.to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: \
             application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: \
             mail__read_mail\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.address,
            work.token,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may answer and close before it has read the whole body.
        drop(stream.write_all(body.as_bytes()).await);
        stream
    }
}

async fn read(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    // A reset after the answer is the answer all the same.
    drop(read.expect("an answer in time"));
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn an_oversized_body_is_answered_before_the_connection_closes() {
    let town = Town::up(Config { max_body: 64 * 1024, ..Config::default() }).await;
    let work = town.bench.task().await;
    let answer = read(town.send(&work, &json!({"x": "y".repeat(8 << 20)})).await).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = read(town.send(&work, &json!({})).await).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_connection_that_closes_cancels_the_call_before_and_after_its_first_byte() {
    let keep_alive = Duration::from_millis(50);
    let town = Town::up(Config { keep_alive, ..Config::default() }).await;
    let work = town.bench.task().await;
    town.bench.servers.script.set_script(|_| Scripted::Never);
    let stream = town.send(&work, &json!({})).await;
    town.bench.servers.script.written(1).await;
    drop(stream);
    eventually(|| town.bench.engine.counters.unknown.get() == 1).await;

    let mut stream = town.send(&work, &json!({})).await;
    let mut first = [0; 64];
    assert!(stream.read(&mut first).await.unwrap() > 0);
    drop(stream);
    eventually(|| town.bench.engine.counters.unknown.get() == 2).await;
}
