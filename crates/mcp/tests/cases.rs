#![cfg(test)]
//! The wire from outside: every case states its input and what must come of it, in files that
//! another implementation could run (`tests/cases/`).

use remit_mcp::{Frame, Limits, Outcome, ParamHeaders, Raw, Request, Revision, headers};
use serde_json::Value;

fn text<'a>(case: &'a Value, member: &str) -> Option<&'a str> {
    case[member].as_str()
}

fn describe(frame: &Frame) -> (&'static str, Option<String>, Option<String>) {
    match frame {
        Frame::Request(r) => {
            ("request", Some(r.id().as_str().to_owned()), Some(r.method().to_owned()))
        }
        Frame::Notification(n) => ("notification", None, Some(n.method().to_owned())),
        Frame::Response(r) => {
            let kind = match r.outcome() {
                Outcome::Result(_) => "result",
                Outcome::Error(_) => "error",
            };
            (kind, r.id().map(|id| id.as_str().to_owned()), None)
        }
    }
}

#[test]
fn frames() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("cases/frames.json")).unwrap();
    for case in &cases {
        let about = text(case, "about").unwrap();
        let bytes = text(case, "bytes").unwrap();
        match Frame::parse(bytes.as_bytes(), Limits { bytes: 200, depth: 8 }) {
            Ok(frame) => {
                let (kind, id, method) = describe(&frame);
                assert_eq!(Some(kind), text(case, "is"), "{about}");
                assert_eq!(id.as_deref(), text(case, "id"), "{about}");
                assert_eq!(method.as_deref(), text(case, "method"), "{about}");
                assert_eq!(frame.raw().as_str(), bytes, "{about}: bytes are kept");
            }
            Err(malformed) => {
                let fault = malformed.to_string();
                let expected = text(case, "fault").unwrap_or_else(|| panic!("{about}: {fault}"));
                assert!(fault.contains(expected), "{about}: {fault}");
                assert_eq!(Some(malformed.rpc_error().code), case["code"].as_i64(), "{about}");
                let id = malformed.id.as_ref().map(remit_mcp::Id::as_str);
                assert_eq!(id, text(case, "reply_to"), "{about}");
            }
        }
    }
}

#[test]
fn bytes_that_are_not_text() {
    let malformed = Frame::parse(b"{\"jsonrpc\":\"2.0\xff\"}", Limits::default()).unwrap_err();
    assert_eq!(malformed.rpc_error().code, -32700);
}

#[test]
fn header_agreement() {
    let file: Value = serde_json::from_str(include_str!("cases/headers.json")).unwrap();
    let mirrored = ParamHeaders::of_schema(&Raw::from(file["schema"].clone())).unwrap();
    assert_eq!(mirrored.declared().len(), 4);
    for case in file["cases"].as_array().unwrap() {
        let about = text(case, "about").unwrap();
        let params = Raw::from(case["params"].clone());
        let method = text(case, "method").unwrap();
        let request = Request::build(&remit_mcp::Id::number(1), method, Some(&params)).unwrap();
        let given: Vec<(&str, &str)> = case["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let result = headers::check(&given, &request, Revision::LATEST, Some(&mirrored));
        match (result, text(case, "mismatch")) {
            (Ok(()), None) => {}
            (Err(error), Some(header)) => {
                assert_eq!((error.code, error.http), (-32020, 400), "{about}");
                assert!(error.message.contains(header), "{about}: {}", error.message);
            }
            (result, expected) => panic!("{about}: {result:?}, expected {expected:?}"),
        }
        let ours = headers::generate(&request, Revision::LATEST, Some(&mirrored)).unwrap();
        let ours: Vec<(&str, &str)> = ours.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let again = headers::check(&ours, &request, Revision::LATEST, Some(&mirrored));
        assert_eq!(again, Ok(()), "{about}: what we generate agrees");
    }
}
