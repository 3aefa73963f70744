//! JSON-RPC messages: what passes keeps its bytes, says to us what it says to another parser, and
//! can be rewritten; the answer to what does not pass is itself a message.

use remit_mcp::{Frame, Id, Limits, Outcome, Raw};
use serde_json::Value;

fn parse(bytes: &[u8]) -> Result<Frame, remit_mcp::Malformed> {
    Frame::parse(bytes, Limits::default())
}

/// The id, the method, and the name of the kind.
fn shape(frame: &Frame) -> (Option<String>, Option<&str>, &'static str) {
    let text = |id: &Id| id.as_str().to_owned();
    match frame {
        Frame::Request(request) => (Some(text(request.id())), Some(request.method()), "request"),
        Frame::Notification(told) => (None, Some(told.method()), "notification"),
        Frame::Response(response) => match response.outcome() {
            Outcome::Result(_) => (response.id().map(text), None, "result"),
            Outcome::Error(_) => (response.id().map(text), None, "error"),
        },
    }
}

/// Another parser sees the same members, unless it cannot hold a number or a lone surrogate.
fn agrees(bytes: &[u8], params: Option<&Raw>, method: &str) {
    let Ok(theirs) = serde_json::from_slice::<Value>(bytes) else { return };
    assert_eq!(theirs["method"].as_str(), Some(method));
    let ours = params.map(|raw| serde_json::from_str::<Value>(raw.as_str()).unwrap());
    assert_eq!(theirs.get("params").cloned(), ours);
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let frame = match parse(data) {
        Ok(frame) => frame,
        Err(malformed) => {
            let answer = malformed.rpc_error().render(malformed.id.as_ref());
            let answer = parse(answer.as_bytes()).expect("the answer is a message");
            assert_eq!(shape(&answer).2, "error");
            return;
        }
    };
    assert_eq!(frame.raw().as_str().as_bytes(), data.trim_ascii(), "bytes are kept");
    let line = frame.raw().to_line();
    assert!(!line.contains(['\n', '\r']));
    let again = parse(line.as_bytes()).expect("the same message on one line");
    assert_eq!(shape(&again), shape(&frame));
    match &frame {
        Frame::Request(request) => {
            let params = request.params().map(|params| params.raw().clone());
            agrees(data, params.as_ref(), request.method());
            let sent = request.rewritten(&Id::number(9), params.clone());
            let Ok(Frame::Request(sent)) = parse(sent.as_str().as_bytes()) else {
                panic!("a rewritten request is a request")
            };
            assert_eq!(sent.id(), &Id::number(9));
            assert_eq!(sent.method(), request.method());
            assert_eq!(sent.params().map(|params| params.raw().clone()), params);
        }
        Frame::Notification(told) => {
            agrees(data, told.params().map(remit_mcp::Object::raw), told.method());
        }
        Frame::Response(_) => {}
    }
}
