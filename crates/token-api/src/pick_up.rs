//! `POST /credentials/{credential}`: a program gets a credential for the task that it runs in, by the
//! JWT-SVID of that run. It is given once, and taken back with the task.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use remit_engine::lend::pick_up::PickUpError;
use remit_model::CredentialName;
use serde_json::json;

use crate::Desk;
use crate::failure::{Failure, document};

/// Hands over what is picked up.
pub(crate) async fn pick_up(
    State(desk): State<Desk>,
    Path(credential): Path<String>,
    headers: HeaderMap,
) -> Response {
    match handed_over(&desk, &credential, &headers).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    }
}

async fn handed_over(
    desk: &Desk,
    credential: &str,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let credential: CredentialName = credential.parse().map_err(Failure::request)?;
    let svid = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let svid = svid.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| {
        desk.engine.counters.unauthenticated.add();
        let why = "expected `Authorization: Bearer` with the JWT-SVID of a run";
        Failure::new("invalid_token", why).status(StatusCode::UNAUTHORIZED)
    })?;
    let authority = Arc::clone(&desk.authority.borrow());
    let lease = desk.engine.pick_up(svid, authority, credential).await;
    let lease = lease.map_err(|why| failure(desk, &why))?;
    let fields: BTreeMap<_, _> = lease.material.fields().collect();
    let body = json!({
        "lease": lease.id,
        "credential": lease.credential,
        "expires_at": lease.until.as_secs(),
        "fields": fields,
    });
    Ok(document(StatusCode::OK, &body))
}

fn failure(desk: &Desk, why: &PickUpError) -> Failure {
    let (code, status) = match why {
        PickUpError::Svid(_) | PickUpError::Assertion(_) | PickUpError::NoRun => {
            desk.engine.counters.unauthenticated.add();
            ("invalid_token", StatusCode::UNAUTHORIZED)
        }
        PickUpError::Refused(refusal) => {
            let why = format!("{refusal}; {}", refusal.remedy);
            return Failure::new("access_denied", why).status(StatusCode::FORBIDDEN);
        }
        PickUpError::NotOpen => ("access_denied", StatusCode::FORBIDDEN),
        PickUpError::Unknown(_) => ("invalid_target", StatusCode::NOT_FOUND),
        PickUpError::Unavailable(..) => {
            ("temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    Failure::new(code, why).status(status)
}
