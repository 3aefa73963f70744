//! What a browser sends: parameters of the address and of a form.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::Request;
use http::header::CONTENT_TYPE;

/// The most bytes of a form of somebody who is signed in (R13): a check box for each of the tools there
/// can be.
pub(crate) const MAX_FORM: usize = 512 * 1024;
/// The most bytes of anybody's (R13): a passphrase.
pub(crate) const MAX_SIGN_IN: usize = 4 * 1024;
/// How long a browser may take to send them (R13).
const READ: Duration = Duration::from_secs(30);

/// Names and values, in order. A name may stand more than once, as check boxes do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the parameters of an address.
    pub(crate) fn query(query: Option<&str>) -> Self {
        Self::parse(query.unwrap_or_default().as_bytes())
    }

    /// Reads a form of at most `most` bytes that was sent.
    ///
    /// Errors: it is none, too large or too slow.
    pub(crate) async fn body(request: Request<Body>, most: usize) -> Result<Self, &'static str> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        if !kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err("expected a form, as the page sends it");
        }
        let body = tokio::time::timeout(READ, to_bytes(request.into_body(), most)).await;
        let body = body.map_err(|_| "the form took too long to arrive: send it again")?;
        Ok(Self::parse(&body.map_err(|_| "the form is too large")?))
    }

    fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The value of a field that stands once; of one that is empty, nothing.
    ///
    /// Errors: it stands twice, so two readers could pick different ones.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, String> {
        let mut named = self.all(name);
        match (named.next(), named.next()) {
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
            _ => Err(format!("the parameter `{name}` is given twice: give it once")),
        }
    }

    /// All values of a field.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
