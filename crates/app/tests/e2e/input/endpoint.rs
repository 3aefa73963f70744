//! Rows over HTTP: the MCP endpoint, and the operator's door on the socket.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::json;
use tokio::net::{TcpStream, UnixStream};

use super::answer::{Response, exchange};
use super::fill::Names;
use super::token::{self, Forged};
use super::{Surprises, rows};
use crate::peers::Changing;
use crate::stand::{PATIENCE, Plan, Stand};

/// One row. What it leaves out is as in a good `tools/call` of the stateless era.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Row {
    about: String,
    /// The request line.
    start: Option<String>,
    /// Header lines replaced; an empty value leaves the header out.
    headers: BTreeMap<String, String>,
    /// Header lines added, as they stand.
    also: Vec<String>,
    token: Option<Forged>,
    /// The JSON-RPC method.
    method: Option<String>,
    /// Its parameters.
    params: Option<String>,
    /// The whole body instead.
    body: Option<String>,
    /// The whole request instead.
    raw: Option<String>,
    /// The statuses of what comes back, one for each response.
    status: Vec<u16>,
    /// Headers of the last response.
    says: BTreeMap<String, String>,
    /// The body of the last response.
    answer: String,
    /// Whether the call reaches the server after all.
    reaches: bool,
}

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
const GOOD: &str = r#"{"name":"notes__read_note","arguments":{"title":"good"},"_meta":<<meta>>}"#;
const MEANT: &str = r#"{"name":"notes__read_note","arguments":{"title":"bad"},"_meta":<<meta>>}"#;

/// A Remit in front of a server that writes down what reaches it.
struct Door {
    stand: Stand,
    notes: Changing,
    names: Names,
}

impl Door {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tool = crate::drift::read_note("Reads a note.");
        let notes = Changing::new(folder.path(), &json!([tool]));
        let command = notes.command();
        let plan = Plan::new()
            .stdio("notes", &command.iter().map(String::as_str).collect::<Vec<_>>(), "")
            .template("reading", &["notes/*"], "");
        let state = folder.path().join("state");
        let stand = Stand::up(&plan, folder, state).await;
        let grant = stand.open("reading").await;
        let names = Names::default().with("host", stand.address()).with("meta", META);
        let names = token::parts(names, &grant.token);
        Self { stand, notes, names }
    }

    fn request(&self, row: &Row, params: &str) -> Vec<u8> {
        if let Some(raw) = &row.raw {
            return self.names.fill(raw);
        }
        let method = row.method.as_deref().unwrap_or("tools/call");
        let params = row.params.as_deref().unwrap_or(params);
        let usual = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let body = self.names.fill(row.body.as_deref().unwrap_or(&usual));
        let token = match &row.token {
            Some(forged) => forged.make(&self.names, self.stand.state()),
            None => self.names.get("token").to_owned(),
        };
        let mut lines = vec![
            ("Host", "<<host>>".to_owned()),
            ("Authorization", format!("Bearer {token}")),
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("MCP-Protocol-Version", "2026-07-28".to_owned()),
            ("Mcp-Method", method.to_owned()),
            ("Mcp-Name", "notes__read_note".to_owned()),
            ("Connection", "close".to_owned()),
            ("Content-Length", body.len().to_string()),
        ];
        for (name, value) in &row.headers {
            lines.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            if !value.is_empty() {
                lines.push((name, value.clone()));
            }
        }
        let start = row.start.as_deref().unwrap_or("POST /mcp HTTP/1.1");
        let lines = lines.iter().map(|(name, value)| format!("{name}: {value}"));
        let lines: Vec<String> = lines.chain(row.also.iter().cloned()).collect();
        let head = lines.join("<<crlf>>");
        let mut bytes = self.names.fill(&format!("{start}<<crlf>>{head}<<crlf>><<crlf>>"));
        bytes.extend(body);
        bytes
    }

    async fn send(&self, row: &Row, params: &str) -> Vec<Response> {
        let stream = TcpStream::connect(self.stand.address()).await.unwrap();
        exchange(stream, &self.request(row, params), PATIENCE).await
    }

    /// One good call; it must be answered.
    async fn still_serves(&self, about: &str) {
        let answers = self.send(&Row::default(), GOOD).await;
        let [answer] = answers.as_slice() else { panic!("after `{about}`: {answers:?}") };
        assert_eq!(answer.status, 200, "after `{about}`: {}", answer.body);
        assert!(answer.body.contains("a note"), "after `{about}`: {}", answer.body);
    }

    /// Runs a table.
    async fn hold(&self, table: &str) {
        let mut surprises = Surprises::default();
        for row in rows::<Row>(table) {
            let before = self.notes.reached().len();
            let answers = self.send(&row, MEANT).await;
            self.compare(&mut surprises, &row, &answers);
            self.still_serves(&row.about).await;
            let reached = self.notes.reached().len() - before;
            let (came, expected) =
                (reached.to_string(), (1 + usize::from(row.reaches)).to_string());
            surprises.check(&row.about, "calls that reached the server", &came, &expected);
        }
        surprises.end();
        crate::proof::log_is_good(&self.stand).await;
        assert!(!self.stand.log().contains("panicked"), "{}", self.stand.log());
    }

    fn compare(&self, surprises: &mut Surprises, row: &Row, answers: &[Response]) {
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let (came, expected) = (format!("{statuses:?}"), format!("{:?}", row.status));
        surprises.check(&row.about, "status", &came, &expected);
        let last = answers.last();
        let body = last.map_or("", |answer| answer.body.as_str());
        surprises.check(
            &row.about,
            "answer",
            &self.names.blank(body.trim_end()),
            row.answer.trim_end(),
        );
        for (name, value) in &row.says {
            let came = last.map_or("", |answer| answer.header(name));
            surprises.check(&row.about, name, &self.names.blank(came), value);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages() {
    Door::open().await.hold(include_str!("../../input/messages.toml")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers() {
    Door::open().await.hold(include_str!("../../input/headers.toml")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens() {
    Door::open().await.hold(include_str!("../../input/tokens.toml")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn framing() {
    Door::open().await.hold(include_str!("../../input/framing.toml")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions() {
    let mut door = Door::open().await;
    let open = Row {
        headers: [("MCP-Protocol-Version", ""), ("Mcp-Method", ""), ("Mcp-Name", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        method: Some("initialize".to_owned()),
        params: Some(
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}"#
                .to_owned(),
        ),
        ..Row::default()
    };
    let opened = door.send(&open, GOOD).await;
    let session = opened[0].header("mcp-session-id").to_owned();
    assert!(!session.is_empty(), "{opened:?}");
    door.names = door.names.with("session", &session);
    door.hold(include_str!("../../input/sessions.toml")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_door() {
    let door = Door::open().await;
    let mut surprises = Surprises::default();
    for row in rows::<Row>(include_str!("../../input/operator.toml")) {
        let body = door.names.fill(row.body.as_deref().unwrap_or_default());
        let mut head = format!("{}<<crlf>>", row.start.as_deref().unwrap_or_default());
        if !row.headers.contains_key("Content-Type") {
            head.push_str("Content-Type: application/json<<crlf>>");
        }
        for (name, value) in row.headers.iter().filter(|(_, value)| !value.is_empty()) {
            write!(head, "{name}: {value}<<crlf>>").unwrap();
        }
        let length = body.len();
        write!(
            head,
            "Host: remit<<crlf>>Connection: close<<crlf>>Content-Length: {length}<<crlf>><<crlf>>"
        )
        .unwrap();
        let mut bytes = door.names.fill(&head);
        bytes.extend(body);
        let socket = UnixStream::connect(door.stand.state().join("remit.sock")).await.unwrap();
        let answers = exchange(socket, &bytes, PATIENCE).await;
        door.compare(&mut surprises, &row, &answers);
        door.still_serves(&row.about).await;
    }
    surprises.end();
    crate::proof::log_is_good(&door.stand).await;
}
