//! Believing SVIDs: the bundle for those who verify them elsewhere, and verifying one for a person.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::BASE64;
use remit_engine::{Engine, Trust};
use remit_operator::Failure;
use remit_spiffe::{Authority, SvidError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Where an SVID is verified on the socket of commands.
pub(crate) const VERIFY: &str = "/v1/svids/verify";

/// An SVID that somebody presents.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Presented {
    /// Certificates in DER and base64, the SVID first.
    X509(Vec<String>),
    /// A token, and for whom it has to be meant.
    Jwt {
        /// The token.
        token: String,
        /// The audience.
        audience: String,
    },
}

/// Whose it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Believed {
    /// The SPIFFE ID.
    pub(crate) id: String,
}

#[derive(Clone, Debug)]
struct Bundle {
    authority: watch::Receiver<Arc<Authority>>,
    engine: Arc<Engine>,
}

#[derive(Clone, Debug)]
struct Verifying {
    trust: Trust,
    engine: Arc<Engine>,
}

/// `GET /spiffe/bundle` for the network: nothing in it is secret, and who asks does not matter.
pub(crate) fn public(engine: Arc<Engine>, authority: watch::Receiver<Arc<Authority>>) -> Router {
    Router::new().route("/spiffe/bundle", get(document)).with_state(Bundle { authority, engine })
}

/// `POST /v1/svids/verify` for the socket of commands.
pub(crate) fn door(engine: Arc<Engine>, trust: Trust) -> Router {
    Router::new().route(VERIFY, post(verify)).with_state(Verifying { trust, engine })
}

async fn document(State(bundle): State<Bundle>) -> impl IntoResponse {
    let document = bundle.authority.borrow().bundle(bundle.engine.now());
    ([(header::CONTENT_TYPE, "application/json")], document)
}

async fn verify(
    State(by): State<Verifying>,
    Json(presented): Json<Presented>,
) -> Result<Json<Believed>, Failure> {
    let now = by.engine.now();
    let verified = match presented {
        Presented::X509(chain) => {
            let decoded = chain.iter().map(|it| BASE64.decode(it.as_bytes()));
            let chain: Vec<_> = decoded
                .collect::<Result<_, _>>()
                .map_err(|why| Failure::bad(format!("expected certificates in base64: {why}")))?;
            let chain: Vec<_> = chain.iter().map(Vec::as_slice).collect();
            by.trust.verify_x509(&chain, now).map(|verified| verified.id)
        }
        Presented::Jwt { token, audience } => {
            let ours = Arc::clone(&by.trust.ours.borrow());
            ours.verify_jwt(&token, &audience, now).map(|verified| verified.id)
        }
    };
    let refused = |why: SvidError| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    verified.map(|id| Json(Believed { id: id.to_string() })).map_err(refused)
}
