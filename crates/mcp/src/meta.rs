//! Request metadata of the stateless era: what a request says about itself in `params._meta`.
//!
//! MCP 2026-07-28 *General fields*. `clientInfo` is what a client calls itself: display only.

use crate::edit::Edit;
use crate::error::RpcError;
use crate::object::Object;
use crate::raw::Raw;
use crate::revision::{Era, Revision};

/// The revision of this request.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client calls itself.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// What the client can do.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The least level of log messages wanted.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Which `subscriptions/listen` a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// What a server calls itself, in results.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Names the request that progress belongs to; both eras.
pub const PROGRESS_TOKEN: &str = "progressToken";

/// The keys that only the stateless era has in a request.
const REQUEST_KEYS: [&str; 4] = [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL];

/// What a request of the stateless era says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMeta {
    /// The revision.
    pub revision: Revision,
    /// What the client can do: an object.
    pub capabilities: Raw,
    /// What the client calls itself.
    pub client_info: Option<Raw>,
    /// The least level of log messages wanted; without it the server sends none.
    pub log_level: Option<String>,
}

impl RequestMeta {
    /// Reads the metadata of a request with these `params`; `None` if it carries no modern key,
    /// which means that it belongs to a session.
    ///
    /// Errors: −32602 where a required key is missing or of the wrong kind, −32022 where the
    /// revision is unknown or belongs to the session era.
    pub fn read(params: Option<&Object>) -> Result<Option<Self>, RpcError> {
        let Some(meta) = params.and_then(|params| params.get("_meta")) else { return Ok(None) };
        let meta =
            Object::parse(&meta).map_err(|e| RpcError::invalid_meta(format!("`_meta`: {e}")))?;
        if !REQUEST_KEYS.iter().any(|key| meta.has(key)) {
            return Ok(None);
        }
        let version = meta.text(PROTOCOL_VERSION).ok_or_else(|| {
            RpcError::invalid_meta(format!("expected a string `{PROTOCOL_VERSION}` in `_meta`"))
        })?;
        let revision = Revision::parse(&version)
            .filter(|revision| revision.era() == Era::Stateless)
            .ok_or_else(|| RpcError::unsupported_version(&version))?;
        let capabilities =
            meta.get(CLIENT_CAPABILITIES).filter(Raw::is_object).ok_or_else(|| {
                RpcError::invalid_meta(format!(
                    "expected an object `{CLIENT_CAPABILITIES}` in `_meta`, `{{}}` if there are none"
                ))
            })?;
        let client_info = meta.get(CLIENT_INFO);
        if client_info.as_ref().is_some_and(|info| !info.is_object()) {
            return Err(RpcError::invalid_meta(format!("expected an object `{CLIENT_INFO}`")));
        }
        let log_level = meta.text(LOG_LEVEL);
        Ok(Some(Self { revision, capabilities, client_info, log_level }))
    }

    /// The protocol version that a request with these `params` states, known or not.
    pub fn stated_version(params: Option<&Object>) -> Option<String> {
        params?.object("_meta")?.text(PROTOCOL_VERSION)
    }

    /// The `_meta` of a request to a stateless server: as `given`, with our keys set.
    pub fn inject(self, given: Edit<'_>) -> Raw {
        given
            .set(PROTOCOL_VERSION, Raw::string(self.revision.as_str()))
            .put(CLIENT_INFO, self.client_info)
            .set(CLIENT_CAPABILITIES, self.capabilities)
            .put(LOG_LEVEL, self.log_level.as_deref().map(Raw::string))
            .finish()
    }
}

/// The `_meta` of a request to a server with sessions: without the keys of the stateless era;
/// `None` if nothing is left.
pub fn strip(given: &Object) -> Option<Raw> {
    let edit = REQUEST_KEYS.iter().fold(Edit::of(given), |edit, key| edit.remove(key));
    let stripped = edit.finish();
    let left = given.names().any(|name| !REQUEST_KEYS.contains(&name));
    left.then_some(stripped)
}

/// A `_meta`, if there is one, that asks for log messages of `level` and above.
pub fn with_level(given: Option<Raw>, level: &str) -> Raw {
    let given = given.and_then(|raw| Object::parse(&raw).ok()).unwrap_or_else(Object::empty);
    Edit::of(&given).set(LOG_LEVEL, Raw::string(level)).finish()
}

/// `params` with another `_meta`, or without one.
pub fn replace(params: Option<&Object>, meta: Option<Raw>) -> Option<Raw> {
    match (params, meta) {
        (Some(params), meta) => Some(Edit::of(params).put("_meta", meta).finish()),
        (None, Some(meta)) => Some(Edit::of(&Object::empty()).set("_meta", meta).finish()),
        (None, None) => None,
    }
}

/// An `Implementation` object.
pub fn implementation(name: &str, version: &str) -> Raw {
    let (name, version) = (Raw::string(name), Raw::string(version));
    Raw::trusted(&format!("{{\"name\":{name},\"version\":{version}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        Object::parse(&Raw::parse(text).unwrap()).unwrap()
    }

    fn params(meta: &str) -> Object {
        object(&format!("{{\"_meta\":{meta}}}"))
    }

    #[test]
    fn a_request_without_modern_keys_belongs_to_a_session() {
        assert_eq!(RequestMeta::read(None), Ok(None));
        assert_eq!(RequestMeta::read(Some(&params("{\"progressToken\":1}"))), Ok(None));
    }

    #[test]
    fn required_keys_are_required() {
        let bad = format!("{{\"{CLIENT_CAPABILITIES}\":{{}}}}");
        assert_eq!(RequestMeta::read(Some(&params(&bad))).unwrap_err().code, -32602);
        let bad = format!("{{\"{PROTOCOL_VERSION}\":\"2026-07-28\"}}");
        let error = RequestMeta::read(Some(&params(&bad))).unwrap_err();
        assert_eq!((error.code, error.http), (-32602, 400));
        for version in ["2025-11-25", "2030-01-01"] {
            let bad = format!("{{\"{PROTOCOL_VERSION}\":\"{version}\"}}");
            assert_eq!(RequestMeta::read(Some(&params(&bad))).unwrap_err().code, -32022);
        }
        assert_eq!(RequestMeta::read(Some(&params("7"))).unwrap_err().code, -32602);
    }

    #[test]
    fn injecting_then_reading_and_stripping_round_trips() {
        let meta = RequestMeta {
            revision: Revision::LATEST,
            capabilities: Raw::parse("{\"elicitation\":{}}").unwrap(),
            client_info: Some(implementation("remit", "1")),
            log_level: None,
        };
        let given = object(r#"{"traceparent":"00-1","progressToken": 7}"#);
        let injected = object(meta.clone().inject(Edit::of(&given)).as_str());
        let read = RequestMeta::read(Some(&params(injected.raw().as_str()))).unwrap().unwrap();
        assert_eq!(read, meta);
        assert_eq!(strip(&injected).unwrap().as_str(), given.raw().as_str());
        let alone = meta.inject(Edit::of(&Object::empty()));
        assert_eq!(strip(&object(alone.as_str())), None);
    }
}
