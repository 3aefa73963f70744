//! One JSON-RPC 2.0 message, read strictly and kept byte for byte.
//!
//! Strict, because everything that two readers could read differently is a way around a decision:
//! duplicate names, batches, trailing bytes, ids that are not ids, text that is not UTF-8. What
//! passes is relayed as it came.

use std::fmt;

use crate::edit::Edit;
use crate::error::RpcError;
use crate::object::{Composed, Object, ObjectError};
use crate::raw::{NotJson, Raw};
use crate::scan;

/// How long an id may be, in bytes of its JSON text. Ids are echoed and kept while a request is in
/// flight, so they are bounded (promise R13).
pub const MAX_ID_BYTES: usize = 256;
/// How long a method name may be, in bytes.
pub const MAX_METHOD_BYTES: usize = 128;

/// Bounds on one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of one message.
    pub bytes: usize,
    /// The deepest nesting of arrays and objects.
    pub depth: usize,
}

impl Default for Limits {
    /// 4 MiB and 64 levels.
    fn default() -> Self {
        Self { bytes: 4 << 20, depth: 64 }
    }
}

/// One message.
#[derive(Clone, Debug)]
pub enum Frame {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// The answer to a request.
    Response(Response),
}

/// The id of a request: a string or an integer, as it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(String);

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    id: Id,
    method: String,
    params: Option<Object>,
    message: Object,
}

/// A notification.
#[derive(Clone, Debug)]
pub struct Notification {
    method: String,
    params: Option<Object>,
    message: Object,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    id: Option<Id>,
    outcome: Outcome,
    message: Object,
}

/// What a response says.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The result object.
    Result(Object),
    /// The error.
    Error(RpcError),
}

/// A message that could not be read, and the id to answer to if it could be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The id of the request, if there was a usable one.
    pub id: Option<Id>,
    /// What was wrong.
    pub fault: Fault,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More bytes than allowed.
    #[error("expected a message of at most {limit} bytes, got {got}; send less at once")]
    TooLong {
        /// The limit.
        limit: usize,
        /// What came.
        got: usize,
    },
    /// Nested too deep.
    #[error("expected at most {limit} levels of nesting, got {got}; flatten the message")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// What came.
        got: usize,
    },
    /// Not UTF-8.
    #[error("expected UTF-8 text, got other bytes from position {0}")]
    NotUtf8(usize),
    /// Not JSON, or more than one value.
    #[error(transparent)]
    NotJson(#[from] NotJson),
    /// A JSON-RPC batch.
    #[error(
        "expected one JSON-RPC message, got a batch; MCP dropped batches in 2025-06-18, send each message on its own"
    )]
    Batch,
    /// Not an object, or a name stands twice.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The marker is missing.
    #[error("expected `\"jsonrpc\":\"2.0\"`, got {0}")]
    Version(String),
    /// An id that is neither a string nor an integer.
    #[error(
        "expected an id that is a string or an integer of at most {MAX_ID_BYTES} bytes, got {0}"
    )]
    Id(String),
    /// `method` is not a usable name.
    #[error("expected a method name of at most {MAX_METHOD_BYTES} bytes, got {0}")]
    Method(String),
    /// `params` is not an object.
    #[error("expected `params` to be an object without duplicate names: {0}")]
    Params(ObjectError),
    /// `result` is not an object, or `error` not an error.
    #[error("expected a response with either a `result` object or an `error` object, got {0}")]
    Answer(&'static str),
    /// No method, no result, no error.
    #[error("expected a request, a notification or a response, got an object that is none of them")]
    Shapeless,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for Malformed {}

impl Malformed {
    /// The JSON-RPC error to answer with: −32700 where the text could not be read, else −32600.
    pub fn rpc_error(&self) -> RpcError {
        match self.fault {
            Fault::NotUtf8(_) | Fault::NotJson(_) => RpcError::parse_error(self.to_string()),
            _ => RpcError::invalid_request(self.to_string()),
        }
    }
}

impl Frame {
    /// Reads one message.
    ///
    /// In: the bytes of exactly one message and the bounds on it. Duplicate names are refused at
    /// every depth of a request or notification, and down to the members of `result` in a response.
    ///
    /// Errors: see [`Fault`]; the id is given where a reply can be addressed.
    pub fn parse(bytes: &[u8], limits: Limits) -> Result<Self, Malformed> {
        let raw = read(bytes, limits).map_err(|fault| Malformed { id: None, fault })?;
        let message =
            object(&raw, limits).map_err(|fault| Malformed { id: sole_id(&raw), fault })?;
        let id = message.get("id");
        let usable = id.as_ref().and_then(Id::read);
        assemble(message, id).map_err(|fault| Malformed { id: usable, fault })
    }

    /// The whole message as it was written.
    pub fn raw(&self) -> &Raw {
        match self {
            Self::Request(request) => request.message.raw(),
            Self::Notification(notification) => notification.message.raw(),
            Self::Response(response) => response.message.raw(),
        }
    }
}

fn read(bytes: &[u8], limits: Limits) -> Result<Raw, Fault> {
    if bytes.len() > limits.bytes {
        return Err(Fault::TooLong { limit: limits.bytes, got: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|e| Fault::NotUtf8(e.valid_up_to()))?;
    Ok(Raw::parse(text)?)
}

fn object(raw: &Raw, limits: Limits) -> Result<Object, Fault> {
    let depth = scan::depth(raw.as_str());
    if depth > limits.depth {
        return Err(Fault::TooDeep { limit: limits.depth, got: depth });
    }
    if raw.as_str().starts_with('[') {
        return Err(Fault::Batch);
    }
    Ok(Object::parse(raw)?)
}

/// The id in a message that is no message otherwise, if there is exactly one: without it whoever
/// waits for an answer would wait in vain.
fn sole_id(raw: &Raw) -> Option<Id> {
    let text = raw.as_str();
    let is_id = |span: &scan::Span| {
        text.get(span.key.clone()).and_then(scan::name).is_some_and(|name| name == "id")
    };
    let mut found = scan::members(text)?.into_iter().filter(is_id);
    match (found.next(), found.next()) {
        (Some(span), None) => Id::read(&raw.slice(&span.value)),
        _ => None,
    }
}

fn assemble(message: Object, id: Option<Raw>) -> Result<Frame, Fault> {
    match message.get("jsonrpc") {
        Some(marker) if marker.as_text().as_deref() == Some("2.0") => {}
        other => return Err(Fault::Version(shown(other.as_ref()))),
    }
    match (message.get("method"), message.has("result"), message.has("error")) {
        (Some(method), false, false) => call(message, &method, id),
        (None, true, false) => {
            let result = message.object("result").ok_or(Fault::Answer("another `result`"))?;
            let id = id.ok_or_else(|| Fault::Id("none".to_owned()))?;
            let id = Id::read(&id).ok_or_else(|| Fault::Id(shown(Some(&id))))?;
            Ok(Frame::Response(Response {
                id: Some(id),
                outcome: Outcome::Result(result),
                message,
            }))
        }
        (None, false, true) => {
            let error = message.object("error").and_then(|error| RpcError::read(&error));
            let error = error.ok_or(Fault::Answer("another `error`"))?;
            let id = match id {
                Some(id) if !id.is_null() => {
                    Some(Id::read(&id).ok_or_else(|| Fault::Id(shown(Some(&id))))?)
                }
                _ => None,
            };
            Ok(Frame::Response(Response { id, outcome: Outcome::Error(error), message }))
        }
        (None, true, true) => Err(Fault::Answer("both")),
        (None, false, false) => Err(Fault::Shapeless),
        (Some(_), _, _) => Err(Fault::Answer("a method beside them")),
    }
}

fn call(message: Object, method: &Raw, id: Option<Raw>) -> Result<Frame, Fault> {
    let name = method.as_text().filter(|name| (1..=MAX_METHOD_BYTES).contains(&name.len()));
    let method = name.ok_or_else(|| Fault::Method(shown(Some(method))))?;
    let id = match id {
        Some(id) => Some(Id::read(&id).ok_or_else(|| Fault::Id(shown(Some(&id))))?),
        None => None,
    };
    if let Some(name) = scan::duplicate(message.raw().as_str()) {
        return Err(Fault::Params(ObjectError::Duplicate(name.to_owned())));
    }
    let params = match message.get("params") {
        Some(params) => Some(Object::parse(&params).map_err(Fault::Params)?),
        None => None,
    };
    Ok(match id {
        Some(id) => Frame::Request(Request { id, method, params, message }),
        None => Frame::Notification(Notification { method, params, message }),
    })
}

/// A short excerpt for an error text.
fn shown(raw: Option<&Raw>) -> String {
    raw.map_or_else(
        || "none".to_owned(),
        |raw| format!("`{}`", raw.as_str().chars().take(40).collect::<String>()),
    )
}

// === impl Id ===

impl Id {
    /// An id of our own.
    pub fn number(number: u64) -> Self {
        Self(number.to_string())
    }

    /// The id that `raw` is; `None` for `null`, fractions, exponents, other kinds of value, and
    /// texts longer than [`MAX_ID_BYTES`].
    pub fn read(raw: &Raw) -> Option<Self> {
        let text = raw.as_str();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let fits = text.len() <= MAX_ID_BYTES;
        (fits && (integer || raw.as_text().is_some())).then(|| Self(text.to_owned()))
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a JSON value.
    pub fn raw(&self) -> Raw {
        Raw::trusted(&self.0)
    }

    /// The id as a number, if it is one that fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

// === impl Request ===

impl Request {
    /// Writes a request of our own. `params`, if given, must be an object.
    ///
    /// Errors: it is not, or names something twice.
    pub fn build(id: &Id, method: &str, params: Option<&Raw>) -> Result<Self, ObjectError> {
        let message = envelope(Some(id), method, params).finish();
        let params = params.map(Object::parse).transpose()?;
        Ok(Self { id: id.clone(), method: method.to_owned(), params, message })
    }

    /// The id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The parameters.
    pub fn params(&self) -> Option<&Object> {
        self.params.as_ref()
    }

    /// The member `name` of the parameters, as written.
    pub fn param(&self, name: &str) -> Option<Raw> {
        self.params.as_ref()?.get(name)
    }

    /// The whole message as it was written.
    pub fn raw(&self) -> &Raw {
        self.message.raw()
    }

    /// The message with another id and other parameters, everything else byte for byte.
    pub fn rewritten(&self, id: &Id, params: Option<Raw>) -> Raw {
        Edit::of(&self.message).set("id", id.raw()).put("params", params).finish()
    }
}

// === impl Notification ===

impl Notification {
    /// The text of a notification. `params`, if given, must be an object.
    pub fn text(method: &str, params: Option<&Raw>) -> String {
        envelope(None, method, params).into_text()
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The parameters.
    pub fn params(&self) -> Option<&Object> {
        self.params.as_ref()
    }

    /// The whole message as it was written.
    pub fn raw(&self) -> &Raw {
        self.message.raw()
    }

    /// The message with other parameters, everything else byte for byte.
    pub fn rewritten(&self, params: Raw) -> Raw {
        Edit::of(&self.message).set("params", params).finish()
    }
}

// === impl Response ===

impl Response {
    /// The text of a response with a result.
    pub fn result_text(id: &Id, result: &Raw) -> String {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
    }

    /// The id; `None` only in an error about a message whose id could not be told.
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// What it says.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// What it says, taken out.
    pub fn into_outcome(self) -> Outcome {
        self.outcome
    }

    /// The whole message as it was written.
    pub fn raw(&self) -> &Raw {
        self.message.raw()
    }
}

fn envelope(id: Option<&Id>, method: &str, params: Option<&Raw>) -> Composed {
    let params = params.map(Raw::as_str);
    let mut message = Composed::with_room(params.map_or(0, str::len) + method.len() + 64);
    message.put("jsonrpc", "\"2.0\"");
    if let Some(id) = id {
        message.put("id", id.as_str());
    }
    message.put("method", Raw::string(method).as_str());
    if let Some(params) = params {
        message.put("params", params);
    }
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::raw::BLANKS;

    #[test]
    fn ids_are_strings_or_integers() {
        for good in ["7", "-7", "0", "\"a\"", "\"\""] {
            assert_eq!(Id::read(&Raw::parse(good).unwrap()).unwrap().as_str(), good);
        }
        for bad in ["1.0", "1e3", "null", "true", "[1]", "{}", "-0.5"] {
            assert!(Id::read(&Raw::parse(bad).unwrap()).is_none(), "{bad}");
        }
        let long = format!("\"{}\"", "x".repeat(MAX_ID_BYTES));
        assert!(Id::read(&Raw::parse(&long).unwrap()).is_none());
    }

    #[test]
    fn rewriting_keeps_what_it_does_not_name() {
        let text =
            br#"{"x":1, "id":"c-1","jsonrpc":"2.0","params":{"a":1.0},"method":"tools/call"}"#;
        let Ok(Frame::Request(request)) = Frame::parse(text, Limits::default()) else {
            panic!("a request");
        };
        let sent = request.rewritten(&Id::number(9), Some(Raw::parse("{\"b\":2}").unwrap()));
        assert_eq!(
            sent.as_str(),
            r#"{"x":1, "id":9,"jsonrpc":"2.0","params":{"b":2},"method":"tools/call"}"#
        );
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_bytes(text in "[\\[\\]{}\",:a-z0-9\\\\ \n.-]{0,60}") {
            if let Ok(frame) = Frame::parse(text.as_bytes(), Limits::default()) {
                prop_assert_eq!(frame.raw().as_str(), text.trim_matches(BLANKS));
            }
        }

        #[test]
        fn what_is_built_reads_back(n in any::<u64>(), method in "[a-z/]{1,20}", value in ".{0,20}") {
            let params = Raw::from(serde_json::json!({"v": value}));
            let request = Request::build(&Id::number(n), &method, Some(&params)).unwrap();
            prop_assert_eq!(request.id().as_u64(), Some(n));
            prop_assert_eq!(request.method(), method.as_str());
            prop_assert_eq!(request.params().unwrap().text("v"), Some(value));
            prop_assert_eq!(request.params().unwrap().raw(), &params);
        }
    }
}
