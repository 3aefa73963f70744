//! The issuer of `e2e/servers/issuer.py`.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::peers::{peer, python};
use crate::stand::PATIENCE;
use crate::wire::exchange;

/// An issuer, which ends when this is dropped.
pub(super) struct Issuer {
    _child: Child,
    /// What it calls itself.
    pub(super) url: String,
    control: String,
}

impl Issuer {
    /// Started with these arguments.
    pub(super) async fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(python())
            .arg(peer("servers/issuer.py"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = async || {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            line.expect("the issuer starts in time").unwrap().expect("the issuer starts")
        };
        let (url, control) = (line().await, line().await);
        Self { _child: child, url, control }
    }

    /// Tells it what to do.
    pub(super) async fn control(&self, wanted: Value) -> Value {
        let address = self.control.strip_prefix("http://").unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: {address}\r\n");
        let answer = exchange(address, &head, &wanted.to_string()).await;
        serde_json::from_str(&answer.body).unwrap_or_else(|why| panic!("{why}: {}", answer.body))
    }

    /// A token with these claims under its own key.
    pub(super) async fn sign(&self, claims: &Value) -> String {
        let said = self.control(json!({ "sign": claims })).await;
        said["token"].as_str().unwrap().to_owned()
    }

    /// How often its keys were asked for.
    pub(super) async fn asked(&self) -> u64 {
        self.control(json!({})).await["seen"]["/keys"].as_u64().unwrap_or(0)
    }
}
