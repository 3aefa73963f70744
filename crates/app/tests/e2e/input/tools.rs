//! Rows about tool servers: definitions that nobody should give, and answers that nobody should
//! make. What is wrong with one is said, the others are served, and the session goes on.

use std::fmt::Write as _;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fill::Names;
use super::{Surprises, rows};
use crate::peers::{Client, peer, python};
use crate::stand::{Plan, Stand};
use crate::wire::Request;

/// A server's answer to `tools/list`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    about: String,
    /// What stands between the brackets.
    tools: String,
    /// The tools that are in the catalogue then, each with its state and what looked odd.
    known: String,
    /// What the operator reads about the others.
    #[serde(default)]
    log: String,
}

/// A server's answer to a call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    about: String,
    /// What the server writes; ID is the id of the call.
    bytes: String,
    /// The client's answer.
    #[serde(rename = "answer")]
    told: String,
}

const SAY: &str = r#"{"name":"read_bytes","description":"Reads bytes.","inputSchema":{"type":"object","properties":{"bytes":{"type":"string"}}},"annotations":{"readOnlyHint":true,"openWorldHint":false}}"#;

/// What the template says besides, and how long an answer may take that never comes.
const PATIENT: &str = "ceiling = \"restricted\"\n[limits]\ncall = \"5s\"";

/// A stand with one server for each of the listings.
async fn stand(listings: &[Vec<u8>]) -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = Plan::new();
    for (number, tools) in listings.iter().enumerate() {
        let file = folder.path().join(format!("{number}.tools"));
        std::fs::write(&file, tools).unwrap();
        let command = [python(), peer("servers/verbatim.py"), file.to_str().unwrap().to_owned()];
        let command = command.each_ref().map(String::as_str);
        plan = plan.stdio(&format!("s{number}"), &command, "");
    }
    let plan = plan.template("reading", &["*"], PATIENT);
    let state = folder.path().join("state");
    Stand::up(&plan, folder, state).await
}

/// What the catalogue knows of a server.
fn known(tools: &Value, server: &str) -> String {
    let mut text = String::new();
    for tool in tools.as_array().unwrap().iter().filter(|tool| tool["id"]["server"] == server) {
        let state = tool["admission"]["state"].as_str().unwrap();
        let flags: Vec<&str> =
            tool["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        writeln!(text, "{} {state} {}", tool["id"]["name"], flags.join("; ")).unwrap();
    }
    text.trim_end().to_owned()
}

/// What the log says about definitions of a server, each thing once: it is asked again and again.
fn logged(log: &str, server: &str) -> String {
    let about = format!("server={server} ");
    let said = log.lines().filter_map(|line| line.split_once(&about)).map(|(_, said)| said);
    let mut said: Vec<&str> = said.filter(|said| !said.starts_with("changes=")).collect();
    said.dedup();
    said.join("\n")
}

async fn compared(stand: &Stand, rows: &[Listing]) -> Surprises {
    let tools = stand.ask(&["tool", "list"]).await;
    let mut surprises = Surprises::default();
    for (number, row) in rows.iter().enumerate() {
        let server = format!("s{number}");
        surprises.check(&row.about, "known", &known(&tools, &server), row.known.trim());
        surprises.check(&row.about, "log", &logged(&stand.log(), &server), row.log.trim());
    }
    surprises
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions() {
    let rows: Vec<Listing> = rows(include_str!("../../input/definitions.toml"));
    let names = Names::default();
    let mut listings: Vec<Vec<u8>> = rows.iter().map(|row| names.fill(&row.tools)).collect();
    listings.push(SAY.as_bytes().to_vec());
    let stand = stand(&listings).await;
    // The servers start at their own pace.
    let mut surprises = compared(&stand, &rows).await;
    for _ in 0..100 {
        if surprises.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        surprises = compared(&stand, &rows).await;
    }
    surprises.end();
    let mut talk = Client::TypeScriptOld.connect(&stand.open("reading").await).await;
    let bytes =
        r#"{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"hello"}]}}"#;
    let bytes = json!({"bytes": BASE64.encode(bytes.as_bytes())});
    assert_eq!(talk.text(&format!("s{}__read_bytes", rows.len()), &bytes).await, "hello");
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers() {
    let stand = stand(&[SAY.as_bytes().to_vec()]).await;
    let token = stand.open("reading").await.token;
    let names = Names::default();
    let mut surprises = Surprises::default();
    for row in rows::<Answer>(include_str!("../../input/answers.toml")) {
        let arguments = json!({"bytes": BASE64.encode(&names.fill(&row.bytes))});
        let call = json!({"name": "s0__read_bytes", "arguments": arguments});
        let came = Request::new(stand.address(), &token, "tools/call", call);
        let came = came.send(stand.address()).await;
        assert_eq!(came.status, 200, "{}: {}", row.about, came.body);
        surprises.check(&row.about, "answer", &came.body, row.told.trim_end());
    }
    surprises.end();
    crate::proof::log_is_good(&stand).await;
}
