//! Failures as JSON: a status and one sentence.

use std::fmt::Display;

use axum::Json;
use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use remit_engine::approve::ApproveError;
use remit_engine::contain::ContainError;
use remit_engine::discover::DiscoverError;
use remit_engine::erase::EraseError;
use remit_engine::lifecycle::StandingError;
use remit_engine::lower::LowerError;
use remit_engine::prompt::PromptError;
use remit_model::{Class, Refusal};
use remit_ports::LedgerError;

use crate::wire;

/// The content type of a failure.
const JSON: &str = "application/json";

/// The most bytes of a refusal that is put into words; a bound on what is read back.
const MAX_WORDS: usize = 4096;

/// How axum begins what it says of a request that does not fit, and how we do.
const BEGINNINGS: [(&str, &str); 6] = [
    ("Failed to deserialize the JSON body into the target type: ", "the body does not fit: "),
    ("Failed to parse the request body as JSON: ", "the body is not JSON: "),
    ("Failed to buffer the request body: ", "the body cannot be read: "),
    ("Failed to deserialize query string: ", "the query does not fit: "),
    ("Invalid URL: ", "the path cannot be read: "),
    ("Expected request with ", "expected "),
];

/// Says every refusal as JSON, also those that the router or an extractor makes on its own.
pub async fn in_words(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == JSON);
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let words = to_bytes(response.into_body(), MAX_WORDS).await.unwrap_or_default();
    let words = match (String::from_utf8_lossy(&words), status) {
        (words, _) if !words.is_empty() => {
            let known = BEGINNINGS
                .iter()
                .find_map(|(theirs, ours)| Some(format!("{ours}{}", words.strip_prefix(theirs)?)));
            known.unwrap_or_else(|| words.into_owned())
        }
        (_, StatusCode::METHOD_NOT_ALLOWED) => "expected another method at this path".to_owned(),
        _ => "nothing is served at this path".to_owned(),
    };
    Failure::new(status, words).into_response()
}

/// A failed request.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    body: wire::Failure,
}

impl Failure {
    /// A failure with `status` that says `error`.
    pub fn new(status: StatusCode, error: impl Display) -> Self {
        Self { status, body: wire::Failure { error: error.to_string(), refusal: None } }
    }

    /// Nothing of that name.
    pub fn missing(error: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// A request that cannot be read.
    pub fn bad(error: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.class {
            Class::Transient => StatusCode::SERVICE_UNAVAILABLE,
            Class::Structural | Class::NeedsApproval | Class::Budget => StatusCode::FORBIDDEN,
        };
        let error = refusal.to_string();
        Self { status, body: wire::Failure { error, refusal: Some(refusal) } }
    }
}

impl From<LedgerError> for Failure {
    fn from(why: LedgerError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }
}

impl From<ContainError> for Failure {
    fn from(why: ContainError) -> Self {
        match why {
            ContainError::NoTask(_) => Self::missing(why),
            ContainError::State(_) | ContainError::Parent => Self::new(StatusCode::CONFLICT, why),
            ContainError::Ledger(why) => why.into(),
        }
    }
}

impl From<StandingError> for Failure {
    fn from(why: StandingError) -> Self {
        match why {
            StandingError::NoAgent(_) => Self::missing(why),
            StandingError::State(..) => Self::new(StatusCode::CONFLICT, why),
            StandingError::Reason => Self::bad(why),
            StandingError::Ledger(why) => why.into(),
        }
    }
}

impl From<LowerError> for Failure {
    fn from(why: LowerError) -> Self {
        match why {
            LowerError::Nowhere | LowerError::Reason(_) | LowerError::Path(_) => Self::bad(why),
            LowerError::Nothing(_) => Self::new(StatusCode::CONFLICT, why),
            LowerError::Ledger(why) => why.into(),
        }
    }
}

impl From<PromptError> for Failure {
    fn from(why: PromptError) -> Self {
        match why {
            PromptError::TooLong(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, why),
            PromptError::Contain(why) => why.into(),
        }
    }
}

impl From<ApproveError> for Failure {
    fn from(why: ApproveError) -> Self {
        match why {
            ApproveError::NoHold(_) => Self::missing(why),
            ApproveError::NotMember { .. } => Self::new(StatusCode::FORBIDDEN, why),
            ApproveError::Unreadable(_) | ApproveError::Drifted(_) | ApproveError::State(_) => {
                Self::new(StatusCode::CONFLICT, why)
            }
            ApproveError::Ledger(why) => why.into(),
        }
    }
}

impl From<DiscoverError> for Failure {
    fn from(why: DiscoverError) -> Self {
        match why {
            DiscoverError::Ledger(why) => why.into(),
            DiscoverError::Upstream(why) => Self::new(StatusCode::BAD_GATEWAY, why),
            why @ (DiscoverError::Admit(_) | DiscoverError::Policy(_)) => {
                Self::new(StatusCode::CONFLICT, why)
            }
        }
    }
}

impl From<EraseError> for Failure {
    fn from(why: EraseError) -> Self {
        match why {
            EraseError::NoTask(_) => Self::missing(why),
            EraseError::NotClosed(_) => Self::new(StatusCode::CONFLICT, why),
            EraseError::Ledger(why) => why.into(),
            EraseError::Key(why) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, why),
        }
    }
}
