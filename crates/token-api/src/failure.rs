//! Failures as RFC 6749 section 5.2 has them: a name for programs, a sentence for people.

use std::fmt::Display;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use remit_engine::client::ClientError;
use remit_engine::consent::RedeemError;
use remit_engine::open::OPENING_WINDOW;
use remit_model::{Class, Refusal};
use remit_token::elsewhere::ForeignError;
use remit_token::{AssertionError, NONCE_PERIOD, ProofError};
use serde_json::{Value, json};

use crate::NoClient;

/// The header that says which nonce a proof should hold (RFC 9449 section 8).
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// When to try again what could not be verified because an issuer elsewhere does not answer.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// A failed request.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    why: String,
    later: Option<Duration>,
}

impl Failure {
    /// A request that cannot be answered, `code` in the words of the specification.
    pub(crate) fn new(code: &'static str, why: impl Display) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, why: why.to_string(), later: None }
    }

    /// The parameters do not make a request.
    pub(crate) fn request(why: impl Display) -> Self {
        Self::new("invalid_request", why)
    }

    /// The client is not believed.
    pub(crate) fn client(why: impl Display) -> Self {
        Self::new("invalid_client", why).status(StatusCode::UNAUTHORIZED)
    }

    /// With another status than 400.
    pub(crate) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Something that will be better after `wait`.
    pub(crate) fn later(why: impl Display, wait: Duration) -> Self {
        let later = Some(wait);
        let failure = Self::new("temporarily_unavailable", why);
        Self { status: StatusCode::SERVICE_UNAVAILABLE, later, ..failure }
    }

    /// The same, where who was not believed had nothing but the grant to show.
    pub(crate) fn about_the_grant(self) -> Self {
        match self.code {
            "invalid_client" => {
                Self { status: StatusCode::BAD_REQUEST, code: "invalid_grant", ..self }
            }
            _ => self,
        }
    }

    /// Whether the client was not believed, or a code, a refresh token or an assertion as grant.
    pub(crate) fn is_disbelief(&self) -> bool {
        matches!(self.code, "invalid_client" | "invalid_dpop_proof" | "invalid_grant")
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl From<ClientError> for Failure {
    fn from(why: ClientError) -> Self {
        match &why {
            ClientError::Proof(proof) => proof.clone().into(),
            ClientError::Assertion(AssertionError::Full)
            | ClientError::Foreign(ForeignError::Full) => Self::later(why, NONCE_PERIOD),
            ClientError::NoKeys(_) => Self::later(why, ASK_AGAIN),
            ClientError::Assertion(_)
            | ClientError::Svid(_)
            | ClientError::NoAgent(_)
            | ClientError::Unknown(_)
            | ClientError::Stopped(_)
            | ClientError::Foreign(_)
            | ClientError::Uncertified(_)
            | ClientError::OtherCertificate
            | ClientError::NotFederated
            | ClientError::Several
            | ClientError::Id(_) => Self::client(why),
        }
    }
}

impl From<NoClient> for Failure {
    fn from(why: NoClient) -> Self {
        match why {
            NoClient::Unknown(_) => Self::client(why),
            NoClient::Later(_) => Self::later(why, ASK_AGAIN),
        }
    }
}

impl From<ProofError> for Failure {
    fn from(why: ProofError) -> Self {
        if why == ProofError::Full {
            Self::later(why, NONCE_PERIOD)
        } else {
            Self::new(why.code(), why)
        }
    }
}

impl From<RedeemError> for Failure {
    fn from(why: RedeemError) -> Self {
        match why {
            RedeemError::Refused(refusal) => refusal.into(),
            RedeemError::Proof(why) => why.into(),
            RedeemError::Target => Self::new("invalid_target", why),
            RedeemError::Unproved => Self::client(why),
            _ => Self::new("invalid_grant", why),
        }
    }
}

/// A task that was not opened. Checks of our own are about what was asked for; what is left is the
/// answer of the policies.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let why = format!("{refusal}; {}", refusal.remedy);
        let check = refusal.reasons.first().map_or("", |reason| reason.policy.as_str());
        match (refusal.class, check) {
            (Class::Transient, _) => Self::later(why, OPENING_WINDOW),
            (_, "remit:agent") => Self::new("unauthorized_client", why),
            (_, "remit:task" | "remit:delegation") => Self::new("invalid_grant", why),
            (_, "remit:grant") => Self::new("invalid_dpop_proof", why),
            (_, "remit:open") => Self::new("access_denied", why),
            (_, check) if check.starts_with("remit:") => {
                Self::new("invalid_authorization_details", why)
            }
            _ => Self::new("access_denied", why),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        // RFC 6749 section 5.2 leaves out what could end a quoted string.
        let quotable = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        let why: String = self.why.chars().filter(quotable).collect();
        let mut response =
            document(self.status, &json!({ "error": self.code, "error_description": why }));
        if let Some(wait) = self.later {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}

/// A JSON document that nobody keeps.
pub(crate) fn document(status: StatusCode, body: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    let never = HeaderValue::from_static("no-store");
    (status, [(CONTENT_TYPE, json), (CACHE_CONTROL, never)], body.to_string()).into_response()
}

/// Tells a client which nonce its further proofs should hold.
pub(crate) fn tell(response: &mut Response, nonce: &str) {
    if let Ok(nonce) = HeaderValue::from_str(nonce) {
        response.headers_mut().insert(NONCE, nonce);
    }
}
