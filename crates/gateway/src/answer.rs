//! What a request is answered with.

use remit_mcp::revision::Era;
use remit_mcp::{Edit, Id, Object, Raw, RpcError, frame::Response};

/// A code for a missing resource that the stateless era no longer has.
const LEGACY_NOT_FOUND: &str = "-32002";
/// What took its place.
const INVALID_PARAMS: &str = "-32602";

/// The answer to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The result, in the form the client's era wants.
    Result(Raw),
    /// An error of ours.
    Error(RpcError),
    /// The error object of a tool server.
    Relayed(Raw),
}

impl Answer {
    /// A tool server's error, byte for byte but for a code that a stateless client does not know.
    pub(crate) fn relayed(error: Raw, era: Era) -> Self {
        let parsed = Object::parse(&error).ok();
        let legacy = parsed.filter(|error| {
            era == Era::Stateless
                && error.get("code").is_some_and(|code| code.as_str() == LEGACY_NOT_FOUND)
        });
        match (legacy, Raw::parse(INVALID_PARAMS)) {
            (Some(error), Ok(code)) => Self::Relayed(Edit::of(&error).set("code", code).finish()),
            _ => Self::Relayed(error),
        }
    }

    /// The whole response.
    pub(crate) fn text(&self, id: &Id) -> String {
        match self {
            Self::Result(result) => Response::result_text(id, result),
            Self::Error(error) => error.render(Some(id)),
            Self::Relayed(error) => {
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}")
            }
        }
    }

    /// The HTTP status of the response.
    pub(crate) fn status(&self, era: Era) -> u16 {
        match self {
            Self::Result(_) => 200,
            Self::Error(error) => error.status(era),
            Self::Relayed(error) => {
                let error = Object::parse(error).ok().and_then(|error| RpcError::read(&error));
                error.map_or(200, |error| error.status(era))
            }
        }
    }
}

impl From<RpcError> for Answer {
    fn from(error: RpcError) -> Self {
        Self::Error(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_error_keeps_its_bytes_unless_its_code_is_gone() {
        let error = Raw::parse(r#"{"code": -32002, "message":"no  such", "data":1.50}"#).unwrap();
        let id = Id::number(7);
        assert_eq!(
            Answer::relayed(error.clone(), Era::Sessions).text(&id),
            r#"{"jsonrpc":"2.0","id":7,"error":{"code": -32002, "message":"no  such", "data":1.50}}"#
        );
        assert_eq!(
            Answer::relayed(error, Era::Stateless).text(&id),
            r#"{"jsonrpc":"2.0","id":7,"error":{"code": -32602, "message":"no  such", "data":1.50}}"#
        );
    }

    #[test]
    fn a_servers_error_goes_with_the_status_of_its_code() {
        for (code, stateless) in [(-32021, 400), (-32022, 400), (-32601, 404), (-32602, 200)] {
            let error = Raw::parse(&format!(r#"{{"code":{code},"message":"m"}}"#)).unwrap();
            let answer = Answer::relayed(error, Era::Stateless);
            assert_eq!(answer.status(Era::Stateless), stateless, "{code}");
            assert_eq!(answer.status(Era::Sessions), 200, "{code}");
        }
    }
}
