//! The parameters of a request (RFC 6749 appendix B).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode};

use crate::failure::Failure;

/// The most bytes of a request's parameters (R13): an assertion and a proposal with room to spare.
const MAX_FORM: usize = 32 * 1024;

/// How long a client may take to send them (R13).
const READ: Duration = Duration::from_secs(30);

/// The parameters of a request, each of which is given once.
#[derive(Clone, Debug)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads them from a body; those of the query are not looked at.
    ///
    /// Errors: it is not a form, too large, too slow, or names something twice (RFC 6749 section
    /// 3.2 forbids that, and two readers could pick different ones).
    pub(crate) async fn read(request: Request<Body>) -> Result<Self, Failure> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let why = "expected `Content-Type: application/x-www-form-urlencoded`";
            return Err(Failure::request(why).status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        let body = tokio::time::timeout(READ, to_bytes(request.into_body(), MAX_FORM)).await;
        let body = match body {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let why =
                    format!("expected at most {MAX_FORM} bytes of parameters, and all of them");
                return Err(Failure::request(why).status(StatusCode::PAYLOAD_TOO_LARGE));
            }
            Err(_) => {
                let why = "the parameters took too long to arrive; send them again";
                return Err(Failure::request(why).status(StatusCode::REQUEST_TIMEOUT));
            }
        };
        Self::parse(&body)
    }

    fn parse(body: &[u8]) -> Result<Self, Failure> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            // One without a value counts as left out (RFC 6749 section 3.2).
            if value.is_empty() {
                continue;
            }
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Failure::request("a parameter is given twice: give each once"));
            }
        }
        Ok(Self(parameters))
    }

    /// A parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Says itself what a parameter is.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// A parameter that must be there.
    ///
    /// Errors: it is not.
    pub(crate) fn need(&self, name: &str) -> Result<&str, Failure> {
        self.get(name).ok_or_else(|| Failure::request(format!("the parameter `{name}` is missing")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_stands_once() {
        let form = Form::parse(b"a=1&b=%26+%C3%A9&c=&c=3").unwrap();
        assert_eq!((form.get("a"), form.get("b"), form.get("d")), (Some("1"), Some("& é"), None));
        assert_eq!(form.need("c").unwrap(), "3");
        assert!(form.need("d").is_err());
        assert!(Form::parse(b"a=1&a=1").is_err());
    }
}
