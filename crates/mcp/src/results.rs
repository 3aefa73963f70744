//! Results translated between the eras.
//!
//! A client of one era may talk to a server of the other through us; what the eras require of a
//! result differs in `resultType`, `ttlMs`, `cacheScope` and the server's name in `_meta`.

use crate::edit::Edit;
use crate::meta::SERVER_INFO;
use crate::method;
use crate::object::Object;
use crate::raw::Raw;

/// What a result is (2026-07-28 *Responses*); a result that does not say is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// The answer.
    Complete,
    /// The server wants input first (*Multi Round-Trip Requests*).
    InputRequired,
    /// What an extension defines, e.g. `task`.
    Other(String),
}

impl ResultType {
    /// The type that `result` says it has.
    pub fn of(result: &Object) -> Self {
        match result.text("resultType").as_deref() {
            None | Some("complete") => Self::Complete,
            Some("input_required") => Self::InputRequired,
            Some(other) => Self::Other(other.to_owned()),
        }
    }
}

/// The result of `method` for a client of the stateless era.
///
/// Adds what is missing: `resultType`, our `server_info`, and for cacheable methods `ttlMs`. The
/// cache scope is always `private`, because what is listed depends on who asks.
pub fn for_stateless(method: &str, result: &Object, ttl_ms: u64, server_info: &Raw) -> Raw {
    let meta = result.object("_meta").unwrap_or_else(Object::empty);
    let meta = Edit::of(&meta).set(SERVER_INFO, server_info.clone()).finish();
    let edit = Edit::of(result).default("resultType", Raw::string("complete")).set("_meta", meta);
    if !method::is_cacheable(method) {
        return edit.finish();
    }
    let theirs = result.get("ttlMs").and_then(|ttl| ttl.as_str().parse().ok());
    let ttl = theirs.map_or(ttl_ms, |theirs: u64| theirs.min(ttl_ms));
    edit.set("ttlMs", Raw::from(ttl)).set("cacheScope", Raw::string("private")).finish()
}

/// The result of `method` for a client with a session: without what only the stateless era knows.
///
/// The result must be complete: one that wants input has no form in the session era.
pub fn for_session(method: &str, result: &Object) -> Raw {
    let mut edit = Edit::of(result).remove("resultType");
    if method::is_cacheable(method) {
        edit = edit.remove("ttlMs").remove("cacheScope");
    }
    if let Some(meta) = result.object("_meta").filter(|meta| meta.has(SERVER_INFO)) {
        let only = meta.names().count() == 1;
        let left = (!only).then(|| Edit::of(&meta).remove(SERVER_INFO).finish());
        edit = edit.put("_meta", left);
    }
    edit.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta;

    fn object(text: &str) -> Object {
        Object::parse(&Raw::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn stateless_results_say_what_is_required() {
        let ours = meta::implementation("remit", "1");
        let list = object(r#"{"tools":[ {"x":1.0} ],"ttlMs":900000,"cacheScope":"public"}"#);
        let out = object(for_stateless("tools/list", &list, 5000, &ours).as_str());
        assert_eq!(out.get("ttlMs").unwrap().as_str(), "5000");
        assert_eq!(out.text("cacheScope").as_deref(), Some("private"));
        assert_eq!(out.text("resultType").as_deref(), Some("complete"));
        assert_eq!(out.get("tools"), list.get("tools"));
        assert_eq!(out.object("_meta").unwrap().get(SERVER_INFO), Some(ours.clone()));

        let call = object(r#"{"content":[],"resultType":"input_required","_meta":{"a":1}}"#);
        let out = object(for_stateless("tools/call", &call, 5000, &ours).as_str());
        assert_eq!(ResultType::of(&out), ResultType::InputRequired);
        assert!(!out.has("ttlMs"));
        assert!(out.object("_meta").unwrap().has("a"));
    }

    #[test]
    fn session_results_carry_nothing_new() {
        let text = r#"{"resultType":"complete","tools":[],"ttlMs":1,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#;
        assert_eq!(for_session("tools/list", &object(text)).as_str(), r#"{"tools":[]}"#);
        let text =
            r#"{"content":[],"ttlMs":1,"_meta":{"io.modelcontextprotocol/serverInfo":{},"k":1}}"#;
        assert_eq!(
            for_session("tools/call", &object(text)).as_str(),
            r#"{"content":[],"ttlMs":1,"_meta":{"k":1}}"#
        );
    }

    #[test]
    fn there_and_back_again_is_identity_for_a_plain_result() {
        let plain = object(r#"{"content":[{"type":"text","text":"x"}],"isError":false}"#);
        let there = for_stateless("tools/call", &plain, 1, &meta::implementation("a", "b"));
        assert_eq!(
            for_session("tools/call", &object(there.as_str())).as_str(),
            plain.raw().as_str()
        );
    }
}
