//! The tool server behind everything that is measured: stateless MCP (2026-07-28) on hyper, one
//! tool that returns as many bytes as it is asked for, and a count of its calls.
//!
//! It does as little as a server can, so that a difference between two rows of a table belongs to
//! what stands before it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fail::Fail;
use crate::service;

/// The tool's name.
pub(crate) const TOOL: &str = "read_note";
/// The largest result, in bytes.
pub(crate) const MAX_RESULT: usize = 64 << 10;

const DISCOVERED: &str = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"},"resultType":"complete"}"#;
const LISTED: &str = r#"{"tools":[{"name":"read_note","description":"Reads a note of the given length.","inputSchema":{"type":"object","properties":{"id":{"type":"string"},"bytes":{"type":"integer"}},"required":["id","bytes"]},"annotations":{"readOnlyHint":true}}],"resultType":"complete","ttlMs":60000,"cacheScope":"private"}"#;

/// What is read of a request.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: &'a str,
    #[serde(default, borrow)]
    params: Params<'a>,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(default, borrow)]
    arguments: Arguments<'a>,
}

#[derive(Default, Deserialize)]
struct Arguments<'a> {
    #[serde(default)]
    id: &'a str,
    #[serde(default)]
    bytes: usize,
}

/// Serves on `address` until the process ends; says where on standard output.
///
/// Errors: the address is taken.
pub(crate) async fn run(address: SocketAddr) -> Result<(), Fail> {
    let calls = Arc::new(AtomicU64::new(0));
    service::serve(address, move |request| answer(request, Arc::clone(&calls))).await
}

async fn answer(
    request: Request<Incoming>,
    calls: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() == Method::GET {
        return Ok(json(format!("{{\"calls\":{}}}", calls.load(Ordering::Relaxed)).into()));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let Ok(asked) = serde_json::from_slice::<Asked<'_>>(&body) else {
        return Ok(service::empty(StatusCode::BAD_REQUEST));
    };
    let Some(id) = asked.id else { return Ok(service::empty(StatusCode::ACCEPTED)) };
    let result = match asked.method {
        "tools/call" => {
            let call = calls.fetch_add(1, Ordering::Relaxed);
            return Ok(json(note(id.get(), &asked.params.arguments, call)));
        }
        "server/discover" => DISCOVERED,
        "tools/list" => LISTED,
        _ => {
            let error = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32601,\"message\":\"no such method\"}}}}"
            );
            return Ok(json(error.into()));
        }
    };
    Ok(json(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into()))
}

/// What people write, as far as a program can: words, and here and there an address, an amount, a date. A
/// gateway that reads what it hands on must be measured with something to read.
static PROSE: LazyLock<String> = LazyLock::new(|| {
    const WORDS: &str = "the meeting about our next order moved from monday to thursday because most \
        people who answered cannot come before noon please look through both offers again compare \
        what they ask for storage and transport then write down which one you would take and why";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let (mut text, mut state) = (String::new(), 1_usize);
    while text.len() < 2 * MAX_RESULT {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        let (pick, number) = (state >> 8, state >> 16);
        // INVARIANT: writing into a string does not fail.
        let _: std::fmt::Result = match pick % 64 {
            0 => write!(text, "person{}@office{}.example ", number % 500, number % 7),
            1 => write!(text, "{}.{:02} ", number % 2_000, number % 100),
            2 => write!(text, "2026-{:02}-{:02} ", number % 12 + 1, number % 28 + 1),
            3..=6 => write!(text, "{}. ", words.get(pick % words.len()).unwrap_or(&"")),
            _ => write!(text, "{} ", words.get(pick % words.len()).unwrap_or(&"")),
        };
    }
    text
});

/// The answer with the note of that id, cut to as many bytes as are asked for. It begins with the number of
/// the `call`: no two answers are the same, or a gateway could know them by their hash.
fn note(id: &str, asked: &Arguments<'_>, call: u64) -> Bytes {
    const BEFORE: &[u8] =
        br#","result":{"resultType":"complete","content":[{"type":"text","text":""#;
    let bytes = asked.bytes.min(MAX_RESULT);
    let from = asked.id.bytes().fold(0, |sum, byte| (sum * 31 + usize::from(byte)) % MAX_RESULT);
    let mut number = format!("{call:010} ");
    number.truncate(bytes);
    let text = PROSE.get(from + number.len()..from + bytes).unwrap_or_default();
    let mut answer = Vec::with_capacity(bytes.saturating_add(id.len()).saturating_add(128));
    answer.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    answer.extend_from_slice(id.as_bytes());
    answer.extend_from_slice(BEFORE);
    answer.extend_from_slice(number.as_bytes());
    answer.extend_from_slice(text.as_bytes());
    answer.extend_from_slice(br#""}]}}"#);
    answer.into()
}

fn json(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_as_long_as_asked_and_valid() {
        let text = |id, bytes, call| {
            let note = note("7", &Arguments { id, bytes }, call);
            let note: serde_json::Value = serde_json::from_slice(&note).unwrap();
            assert_eq!(note["id"], 7);
            note["result"]["content"][0]["text"].as_str().unwrap().to_owned()
        };
        for bytes in [0, 4, 1024, MAX_RESULT] {
            assert_eq!(text("note-1", bytes, 3).len(), bytes);
        }
        assert_ne!(text("note-1", 1024, 3), text("note-2", 1024, 3));
        assert_ne!(text("note-1", 1024, 3), text("note-1", 1024, 4));
        for fixed in [DISCOVERED, LISTED] {
            serde_json::from_str::<serde_json::Value>(fixed).unwrap();
        }
        assert!(LISTED.contains(TOOL));
    }
}
