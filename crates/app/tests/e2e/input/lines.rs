//! Rows over the stdio transport, through `remit mcp`: one line in, what comes back, and the
//! connection goes on.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::fill::Names;
use super::{Surprises, rows};
use crate::stand::{PATIENCE, Stand};

/// How long to wait for more than the row expects.
const QUIET: Duration = Duration::from_millis(50);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    about: String,
    line: String,
    /// What comes back, one message a line.
    #[serde(default)]
    answer: String,
}

struct Talk {
    _child: Child,
    input: ChildStdin,
    output: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Talk {
    fn begin(stand: &Stand) -> Self {
        let door = stand.stdio_door("reading");
        let mut child = Command::new(&door[0])
            .args(&door[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, input, output }
    }

    async fn say(&mut self, line: &[u8]) {
        self.input.write_all(line).await.unwrap();
        self.input.write_all(b"\n").await.unwrap();
    }

    /// Everything said until the ping is answered and `expected` lines have come.
    async fn heard(&mut self, expected: usize) -> Vec<String> {
        self.say(br#"{"jsonrpc":"2.0","id":"still there","method":"ping"}"#).await;
        let (mut heard, mut ponged) = (Vec::new(), false);
        loop {
            let wait = if ponged && heard.len() >= expected { QUIET } else { PATIENCE };
            match timeout(wait, self.output.next_line()).await {
                Ok(Ok(Some(line))) if line.contains("still there") => ponged = true,
                Ok(Ok(Some(line))) => heard.push(line),
                Ok(other) => panic!("the connection ended ({other:?}) after {heard:?}"),
                Err(_elapsed) if wait == QUIET => return heard,
                Err(elapsed) => panic!("{elapsed}: silence after {heard:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_has_its_answer_and_the_connection_goes_on() {
    let (stand, notes) = crate::drift::stand().await;
    let names = Names::default();
    let mut talk = Talk::begin(&stand);
    let mut surprises = Surprises::default();
    for row in rows::<Row>(include_str!("../../input/lines.toml")) {
        talk.say(&names.fill(&row.line)).await;
        let heard = talk.heard(row.answer.lines().count()).await;
        surprises.check(&row.about, "answer", &heard.join("\n"), row.answer.trim_end());
    }
    surprises.end();
    assert!(notes.reached().is_empty(), "{:?}", notes.reached());
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"notes__read_note","arguments":{"title":"a"}}}"#;
    talk.say(call.as_bytes()).await;
    assert!(talk.heard(1).await[0].contains("a note"));
    assert_eq!(notes.reached().len(), 1);
    crate::proof::log_is_good(&stand).await;
}
