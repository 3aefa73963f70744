//! JSON-RPC errors: codes, bodies, and the HTTP status each goes with.
//!
//! MCP 2026-07-28 *Error Codes* and *Streamable HTTP*. Codes −32000 to −32019 are legacy and never
//! made here; −32020 to −32022 belong to the protocol; our own lie outside −32768 to −32000.

use serde_json::json;

use crate::frame::Id;
use crate::object::Object;
use crate::raw::Raw;
use crate::revision::{Era, Revision};

/// The text was not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// Not a message.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Bad parameters; in the stateless era also an unknown tool, prompt or resource.
pub const INVALID_PARAMS: i64 = -32602;
/// The server failed.
pub const INTERNAL_ERROR: i64 = -32603;
/// A header does not agree with the body.
pub const HEADER_MISMATCH: i64 = -32020;
/// The client did not declare a capability that is needed.
pub const MISSING_CAPABILITY: i64 = -32021;
/// The revision asked for is not spoken.
pub const UNSUPPORTED_VERSION: i64 = -32022;

/// A JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// What kind.
    pub code: i64,
    /// In words.
    pub message: String,
    /// Anything more.
    pub data: Option<Raw>,
    /// The HTTP status it goes with in the stateless era.
    pub http: u16,
}

impl RpcError {
    /// An error with a code of ours and status 200.
    pub fn new(code: i64, message: impl Into<String>, data: Option<Raw>) -> Self {
        Self { code, message: message.into(), data, http: 200 }
    }

    fn with(code: i64, http: u16, message: String) -> Self {
        Self { code, message, data: None, http }
    }

    /// −32700, status 400.
    pub fn parse_error(message: impl Into<String>) -> Self {
        Self::with(PARSE_ERROR, 400, message.into())
    }

    /// −32600, status 400.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::with(INVALID_REQUEST, 400, message.into())
    }

    /// −32601, status 404.
    pub fn method_not_found(method: &str) -> Self {
        Self::with(METHOD_NOT_FOUND, 404, format!("method `{method}` is not supported here"))
    }

    /// −32602, status 200: the call itself is wrong.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::with(INVALID_PARAMS, 200, message.into())
    }

    /// −32602, status 400: the request metadata in `_meta` is missing or wrong.
    pub fn invalid_meta(message: impl Into<String>) -> Self {
        Self::with(INVALID_PARAMS, 400, message.into())
    }

    /// −32603, status 200.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::with(INTERNAL_ERROR, 200, message.into())
    }

    /// −32020, status 400.
    pub fn header_mismatch(message: impl Into<String>) -> Self {
        Self::with(HEADER_MISMATCH, 400, format!("header mismatch: {}", message.into()))
    }

    /// −32021, status 400; `required` is a `ClientCapabilities` object.
    pub fn missing_capability(message: impl Into<String>, required: &Raw) -> Self {
        let data = json!({ "requiredCapabilities": required });
        Self { data: Some(data.into()), ..Self::with(MISSING_CAPABILITY, 400, message.into()) }
    }

    /// −32022, status 400, naming every revision spoken here.
    pub fn unsupported_version(requested: &str) -> Self {
        let supported: Vec<_> = Revision::ALL.iter().rev().map(|r| r.as_str()).collect();
        let message = format!(
            "unsupported protocol version `{requested}`; use one of {}",
            supported.join(", ")
        );
        let data = json!({ "supported": supported, "requested": requested });
        Self { data: Some(data.into()), ..Self::with(UNSUPPORTED_VERSION, 400, message) }
    }

    /// Reads the `error` member of a response; `None` without an integer code and a message.
    pub fn read(error: &Object) -> Option<Self> {
        let code = error.get("code")?.as_str().parse().ok()?;
        let error = Self::new(code, error.text("message")?, error.get("data"));
        Some(Self { http: fixed_status(code).unwrap_or(error.http), ..error })
    }

    /// Whether only a server of the stateless era answers like this (*Versioning: Backward
    /// Compatibility*).
    pub fn is_modern(&self) -> bool {
        matches!(self.code, HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION)
    }

    /// The HTTP status of a reply with this error. In the session era an error is the content of a
    /// good reply, unless the message could not be read at all.
    pub fn status(&self, era: Era) -> u16 {
        match (era, self.code) {
            (Era::Sessions, PARSE_ERROR | INVALID_REQUEST) => 400,
            (Era::Sessions, _) => 200,
            (Era::Stateless, _) => self.http,
        }
    }

    /// The error object.
    pub fn to_raw(&self) -> Raw {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(data), Some(members)) = (&self.data, error.as_object_mut()) {
            members.insert("data".to_owned(), json!(data));
        }
        error.into()
    }

    /// The whole response. Without an id the member is left out, as MCP has it since 2025-11-25.
    pub fn render(&self, id: Option<&Id>) -> String {
        let id = id.map_or_else(String::new, |id| format!("\"id\":{id},"));
        format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{}}}", self.to_raw())
    }
}

/// The status that always goes with `code`, where the specification fixes one.
fn fixed_status(code: i64) -> Option<u16> {
    match code {
        HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION => Some(400),
        METHOD_NOT_FOUND => Some(404),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, Limits, Outcome};

    #[test]
    fn statuses_follow_the_era() {
        let unknown = RpcError::method_not_found("x/y");
        assert_eq!((unknown.status(Era::Stateless), unknown.status(Era::Sessions)), (404, 200));
        let unread = RpcError::parse_error("x");
        assert_eq!((unread.status(Era::Stateless), unread.status(Era::Sessions)), (400, 400));
        assert_eq!(RpcError::invalid_meta("x").status(Era::Stateless), 400);
    }

    #[test]
    fn reads_back_what_it_renders() {
        let error = RpcError::unsupported_version("1900-01-01");
        let text = error.render(Some(&Id::number(3)));
        let Ok(Frame::Response(response)) = Frame::parse(text.as_bytes(), Limits::default()) else {
            panic!("a response: {text}");
        };
        assert_eq!(response.id(), Some(&Id::number(3)));
        let Outcome::Error(read) = response.into_outcome() else { panic!("an error") };
        assert_eq!((read.code, read.is_modern(), read.http), (UNSUPPORTED_VERSION, true, 400));
        assert!(read.data.unwrap().as_str().contains("\"2026-07-28\""));
        assert!(!error.render(None).contains("\"id\""));
    }

    #[test]
    fn data_keeps_its_bytes() {
        let text = r#"{"code":-5,"message":"m","data":{"n":1.50}}"#;
        let object = Object::parse(&Raw::parse(text).unwrap()).unwrap();
        let error = RpcError::read(&object).unwrap();
        assert_eq!(error.data.unwrap().as_str(), "{\"n\":1.50}");
    }
}
