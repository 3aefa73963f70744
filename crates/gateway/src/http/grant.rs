//! Which grant a request came with, how it was shown, and what is told to one without.

use axum::response::Response;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use remit_engine::{Caller, Peer};
use remit_model::Door;
use remit_token::{NONCE_PERIOD, Presented, ProofError, TokenError};
use serde_json::json;

use crate::gateway::Gateway;
use crate::http::reply::{json_body, plain};

/// The header of proofs, and that of the nonce that they should hold (RFC 9449).
const PROOF: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How a client gets in.
const HOW: &str = "open a task with `remit task open` and send its grant as \
    `Authorization: Bearer <grant>`";

/// How it gets in with a proof.
const HOW_BOUND: &str = "open a task with `remit task open --jkt <thumbprint of your key>` and send \
    its grant as `Authorization: DPoP <grant>`, with a new proof in the header `DPoP` each time";

/// The algorithms of proofs, for the challenge.
const ALGORITHMS: &str = "ES256 EdDSA";

/// How a grant was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// Where a request was sent, for what must be for there, and on whose connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// Its method.
    pub(crate) method: &'a Method,
    /// The endpoint as the server names itself.
    pub(crate) url: &'a str,
    /// The client of the connection, if it showed a certificate.
    pub(crate) peer: Option<&'a Peer>,
}

/// Who sent the request, and the nonce that its further proofs should hold. Requests without a
/// valid grant are counted and never logged.
///
/// Errors: the answer, status 401 (RFC 6750 section 3, RFC 9449 section 7.1), or 503 where a proof
/// is good and cannot be remembered.
pub(crate) fn authenticate(
    gateway: &Gateway,
    headers: &HeaderMap,
    target: Target<'_>,
) -> Result<(Caller, Option<String>), Box<Response>> {
    let accepts_bearer = gateway.engine.settings().bearer;
    let challenge = Challenge { gateway, accepts_bearer, url: target.url };
    let refuse = |scheme, code: &str, why: &str| Box::new(challenge.answer(scheme, code, why));
    let Some((scheme, token)) = one(headers, &AUTHORIZATION).and_then(grant) else {
        let scheme = if challenge.accepts_bearer { Scheme::Bearer } else { Scheme::Dpop };
        return Err(refuse(scheme, "invalid_token", challenge.got_none()));
    };
    let proof = one(headers, &PROOF).filter(|_| scheme == Scheme::Dpop);
    if scheme == Scheme::Dpop && proof.is_none() {
        let why = "expected one proof in the header `DPoP` beside a grant that is bound";
        return Err(refuse(scheme, "invalid_dpop_proof", why));
    }
    let (method, url) = (target.method.as_str(), target.url);
    // A grant that comes with a proof is never asked for a certificate.
    let peer = target.peer.filter(|_| proof.is_none());
    let certificate = gateway.engine.certificate(peer);
    let certificate = certificate.as_ref().map_err(|why| *why);
    let shown = Presented { token, proof, certificate, method, url };
    gateway.engine.authenticate(&shown, Door::McpHttp).map_err(|why| match &why {
        TokenError::Proof(ProofError::Full) => Box::new(busy(&why)),
        TokenError::Bound | TokenError::Bearer => {
            refuse(Scheme::Dpop, why.code(), &why.to_string())
        }
        TokenError::Certificate => refuse(Scheme::Bearer, why.code(), &why.to_string()),
        why => refuse(scheme, why.code(), &why.to_string()),
    })
}

/// Tells a client which nonce its further proofs should hold.
pub(crate) fn tell(response: &mut Response, nonce: &str) {
    if let Ok(nonce) = HeaderValue::from_str(nonce) {
        response.headers_mut().insert(NONCE, nonce);
    }
}

/// Where the document about the endpoint is (RFC 9728 section 3.1: between host and path).
fn metadata(gateway: &Gateway, url: &str) -> String {
    let issuer = gateway.engine.realm().issuer();
    let path = url.strip_prefix(issuer).unwrap_or_default();
    format!("{issuer}/.well-known/oauth-protected-resource{path}")
}

/// The value of a header that must stand there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut given = headers.get_all(name).iter();
    match (given.next(), given.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn grant(value: &str) -> Option<(Scheme, &str)> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let known = [Scheme::Bearer, Scheme::Dpop];
    let scheme = known.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.name()))?;
    (!token.is_empty()).then_some((scheme, token))
}

fn busy(why: &TokenError) -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, &why.to_string());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(NONCE_PERIOD.as_secs()));
    response
}

/// What is told to a request without a valid grant.
struct Challenge<'a> {
    gateway: &'a Gateway,
    accepts_bearer: bool,
    url: &'a str,
}

impl Challenge<'_> {
    fn got_none(&self) -> &'static str {
        if self.accepts_bearer {
            "expected one bearer grant, got none"
        } else {
            "expected one grant that is bound to a key, got none"
        }
    }

    /// The answer: what is wrong stands in the challenge of `scheme`, which comes first; the other
    /// one says that it exists.
    fn answer(&self, scheme: Scheme, code: &str, why: &str) -> Response {
        let engine = &self.gateway.engine;
        engine.counters.unauthenticated.add();
        let how = if scheme == Scheme::Bearer { HOW } else { HOW_BOUND };
        let body = json!({ "error": code, "error_description": why, "how": how });
        let mut response = json_body(StatusCode::UNAUTHORIZED, body.to_string());
        let other = match scheme {
            Scheme::Bearer => Some(Scheme::Dpop),
            Scheme::Dpop => self.accepts_bearer.then_some(Scheme::Bearer),
        };
        let error = [("error", code), ("error_description", &format!("{why}; {how}"))];
        let metadata = metadata(self.gateway, self.url);
        let metadata = ("resource_metadata", metadata.as_str());
        let first = header(scheme, &[error.as_slice(), &[metadata]].concat());
        let other = other.map(|other| header(other, &[metadata]));
        for challenge in [Some(first), other].into_iter().flatten() {
            if let Ok(value) = HeaderValue::from_str(&challenge) {
                response.headers_mut().append(WWW_AUTHENTICATE, value);
            }
        }
        tell(&mut response, &engine.proofs().nonce(engine.now()));
        response
    }
}

/// One challenge (RFC 9110 section 11.6.1).
fn header(scheme: Scheme, error: &[(&str, &str)]) -> String {
    let algorithms = [("algs", ALGORITHMS)];
    let own: &[(&str, &str)] = if scheme == Scheme::Dpop { &algorithms } else { &[] };
    let quotable = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let parts = [("realm", "remit")].iter().chain(error).chain(own);
    let parts: Vec<String> = parts
        .map(|(name, value)| {
            format!("{name}=\"{}\"", value.chars().filter(quotable).collect::<String>())
        })
        .collect();
    format!("{} {}", scheme.name(), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_a_header_whatever_the_reason_says() {
        let header = header(Scheme::Bearer, &[("error_description", "a \"quoted\"\r\nreason — π")]);
        assert_eq!(header, "Bearer realm=\"remit\", error_description=\"a quotedreason  \"");
        assert!(HeaderValue::from_str(&header).is_ok());
    }

    #[test]
    fn reads_grants_of_both_schemes() {
        assert_eq!(grant("Bearer abc"), Some((Scheme::Bearer, "abc")));
        assert_eq!(grant("bearer  abc "), Some((Scheme::Bearer, "abc")));
        assert_eq!(grant("dpop abc"), Some((Scheme::Dpop, "abc")));
        for bad in ["abc", "Bearer", "Bearer ", "DPoP ", "Basic abc"] {
            assert_eq!(grant(bad), None, "{bad}");
        }
    }
}
