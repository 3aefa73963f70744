//! Results of upstreams: translated for either era they stay JSON, keep the server's own members,
//! and say what that era requires and nothing that only the other one knows.
//!
//! Input: a line with the method, then the result.

use remit_mcp::results::{ResultType, for_session, for_stateless};
use remit_mcp::{Object, Raw, meta, method};

use crate::input::cut_text;

/// Members that the eras differ in.
const OURS: [&str; 4] = ["resultType", "ttlMs", "cacheScope", "_meta"];
/// How long a stateless client may keep a list, at most.
const TTL: u64 = 5_000;

fn object(text: &str) -> Option<Object> {
    Object::parse(&Raw::parse(text).ok()?).ok()
}

fn theirs(object: &Object) -> Vec<(String, Raw)> {
    let members = object.members().filter(|(name, _)| !OURS.contains(name));
    members.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// One input.
pub(crate) fn hold(data: &[u8]) {
    let Some((name, text)) = cut_text(data) else { return };
    let Some(result) = object(text) else { return };
    let info = meta::implementation("remit", "1");
    let stateless = for_stateless(name, &result, TTL, &info);
    let stateless = object(stateless.as_str()).expect("an object");
    assert_eq!(theirs(&stateless), theirs(&result));
    assert_eq!(ResultType::of(&stateless), ResultType::of(&result));
    assert!(stateless.has("resultType"));
    let named = stateless.object("_meta").and_then(|inner| inner.get(meta::SERVER_INFO));
    assert_eq!(named, Some(info));
    if method::is_cacheable(name) {
        let ttl: u64 = stateless.get("ttlMs").unwrap().as_str().parse().expect("a number");
        assert!(ttl <= TTL);
        assert_eq!(stateless.text("cacheScope").as_deref(), Some("private"));
    }
    let session = for_session(name, &result);
    let session = object(session.as_str()).expect("an object");
    assert_eq!(theirs(&session), theirs(&result));
    assert!(!session.has("resultType"));
    assert!(session.object("_meta").is_none_or(|inner| !inner.has(meta::SERVER_INFO)));
}
