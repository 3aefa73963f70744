//! The headers of the stateless era: what agrees with a body says what the body says; what we
//! generate for any request is a header block that agrees with it.
//!
//! Input: lines `name: value`, an empty line, the request.

use remit_mcp::{Frame, Limits, ParamHeaders, Raw, Request, Revision, headers, method};

const SCHEMA: &str = r#"{"type":"object","properties":{
    "region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},
    "o":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"B"}}}}}"#;

fn agrees(given: &[(&str, &str)], request: &Request) {
    let one = |name: &str| {
        let mut found = given.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| *value);
        assert!(found.next().is_none(), "`{name}` agreed and stands twice");
        value
    };
    let method = one(headers::METHOD).expect("the method is named");
    assert_eq!(method.trim_matches([' ', '\t']), request.method());
    if let Some(member) = method::subject_member(request.method()) {
        let named = headers::decode("x", one(headers::NAME).expect("the subject is named"));
        assert_eq!(Some(named.unwrap()), request.param(member).and_then(|raw| raw.as_text()));
    }
}

/// One input.
pub(crate) fn hold(text: &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or(("", text));
    let given: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    for (name, value) in &given {
        if let Ok(plain) = headers::decode(name, value) {
            assert_eq!(headers::decode(name, &headers::encode(&plain)).unwrap(), plain);
        }
        assert_eq!(headers::decode(name, &headers::encode(value)).unwrap(), *value);
    }
    let Ok(Frame::Request(request)) = Frame::parse(body.as_bytes(), Limits::default()) else {
        return;
    };
    let mirrored = ParamHeaders::of_schema(&Raw::parse(SCHEMA).unwrap()).unwrap();
    if headers::check(&given, &request, Revision::LATEST, Some(&mirrored)).is_ok() {
        agrees(&given, &request);
    }
    if let Ok(ours) = headers::generate(&request, Revision::LATEST, Some(&mirrored)) {
        assert!(ours.iter().all(|(_, value)| value.bytes().all(|b| (0x20..0x7f).contains(&b))));
        let ours: Vec<_> = ours.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        headers::check(&ours, &request, Revision::LATEST, Some(&mirrored)).expect("ours agree");
    }
}
