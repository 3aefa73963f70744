//! The authorization server of `e2e/servers/authorization.py`, a person's browser, and a server that says
//! what a test wants.

use std::sync::Arc;

use remit_testkit::peers::{Listening, peer, started};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// An authorization server, which ends when this is dropped.
pub(crate) struct Peer {
    _server: Listening,
    /// What it calls itself.
    pub(crate) url: String,
}

impl Peer {
    /// Started with these arguments, for the client `remit`.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let script = peer("servers/authorization.py");
        let server = started(&[&[&*script, "--client", "remit"], arguments].concat()).await;
        Self { url: server.url.clone(), _server: server }
    }

    /// What its API says to whoever shows `token`: whose it is and with what scope, `None` to nobody.
    pub(crate) async fn api(&self, token: &str) -> Option<(String, String)> {
        let head = format!("Authorization: Bearer {token}\r\n");
        let answer = get(&format!("{}/api", self.url), &head).await;
        let said: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        Some((said["whose"].as_str()?.to_owned(), said["scope"].as_str()?.to_owned()))
    }

    /// The forms that its token endpoint was sent.
    pub(crate) async fn seen(&self) -> Vec<Value> {
        let answer = get(&format!("{}/seen", self.url), "").await;
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Signs `user` in at `address`: the parameters with which the browser is sent back.
    pub(crate) async fn sign_in(&self, address: &str, user: &str) -> Vec<(String, String)> {
        assert!(address.starts_with(&self.url), "{address}");
        let answer = get(&format!("{address}&user={user}"), "").await;
        let back = answer.lines().find_map(|line| line.strip_prefix("Location: "));
        let back = back.unwrap_or_else(|| panic!("{answer}"));
        parameters(back)
    }
}

/// The parameters of an address.
pub(crate) fn parameters(address: &str) -> Vec<(String, String)> {
    let query = address.split_once('?').unwrap().1;
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

async fn get(url: &str, headers: &str) -> String {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("GET /{path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// A server whose answers a test makes up; it ends when this is dropped.
pub(crate) struct Liar {
    listening: JoinHandle<()>,
    /// What it calls itself.
    pub(crate) url: String,
}

impl Liar {
    /// Answers each request, given its path and its body, with what `said` makes of it and its own address.
    pub(crate) async fn start(
        said: impl Fn(&str, &str, &str) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (said, own) = (Arc::new(said), url.clone());
        let listening = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (said, own) = (Arc::clone(&said), own.clone());
                tokio::spawn(async move {
                    let text = request(&mut stream).await;
                    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                    let answer = said(&own, &path, body);
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { listening, url }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// One request, with as much body as it announces.
async fn request(stream: &mut TcpStream) -> String {
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut bytes).await.unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase();
        let length = length.split_once("content-length: ").map_or("0", |(_, rest)| rest);
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        if read == 0 || body.len() >= length {
            return text;
        }
    }
}

/// An answer in JSON.
pub(crate) fn json(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Good metadata of whoever is at `own`.
pub(crate) fn metadata(own: &str) -> String {
    let text = format!(
        r#"{{"issuer":"{own}","token_endpoint":"{own}/token","authorization_endpoint":"{own}/authorize",
            "revocation_endpoint":"{own}/revoke","code_challenge_methods_supported":["S256"]}}"#
    );
    json(200, &text)
}
