//! `POST /oauth/token`: the grant types, one file each.

mod authorization_code;
mod client_credentials;
mod jwt_bearer;
mod refresh_token;
mod token_exchange;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use remit_engine::Engine;
use remit_engine::consent::{Redeemed, Wants};
use remit_engine::open::Holding;
use remit_model::{ServerName, Task};
use remit_token::Proof;
use serde_json::{Value, json};

use crate::Desk;
use crate::details;
use crate::failure::{Failure, document};
use crate::form::Form;
use crate::request::{Asked, answer};

/// The grant types there are, for the metadata.
pub(crate) const TYPES: [&str; 5] = [
    authorization_code::TYPE,
    client_credentials::TYPE,
    jwt_bearer::TYPE,
    refresh_token::TYPE,
    token_exchange::TYPE,
];

pub(crate) use jwt_bearer::ID_JAG;

/// What a request is answered with, and the nonce for the client's next proof.
type Granted = Result<(Response, Option<String>), Failure>;

/// Answers a request for a token by its grant type.
pub(crate) async fn grant(State(desk): State<Desk>, request: Request<Body>) -> Response {
    let answered = granted(&desk, request).await;
    answer(&desk.engine, answered)
}

async fn granted(desk: &Desk, request: Request<Body>) -> Granted {
    let asked = Asked::read(request).await?;
    match asked.form.need("grant_type")? {
        client_credentials::TYPE => client_credentials::granted(desk, &asked).await,
        authorization_code::TYPE => authorization_code::granted(desk, &asked).await,
        jwt_bearer::TYPE => jwt_bearer::granted(desk, &asked).await,
        refresh_token::TYPE => refresh_token::granted(desk, &asked).await,
        token_exchange::TYPE => token_exchange::granted(desk, &asked).await,
        _ => {
            let types = TYPES.map(|it| format!("`{it}`")).join(" or ");
            let why = format!("expected the grant type {types}");
            Err(Failure::new("unsupported_grant_type", why))
        }
    }
}

/// Scopes grant nothing here, so nobody who asks for some is to think that he has them.
fn without_scopes(form: &Form) -> Result<(), Failure> {
    if form.get("scope").is_none() {
        return Ok(());
    }
    let why = "scopes are not used here: say in `authorization_details` what the task is";
    Err(Failure::new("invalid_scope", why))
}

/// The answer with a grant for `task` (RFC 6749 section 5.1), what was granted (RFC 9396), and what the
/// grant type has to say besides.
fn granted_for(
    engine: &Engine,
    task: &Task,
    (token, holding): (&str, &Holding),
    more: impl IntoIterator<Item = (&'static str, Value)>,
) -> Response {
    let mut body = json!({
        "access_token": token,
        "token_type": holding.token_type(),
        "expires_in": engine.grant_lives(task).as_secs(),
        "authorization_details": details::granted(task),
    });
    if let Value::Object(members) = &mut body {
        members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    document(StatusCode::OK, &body)
}

/// The answer to a client that a person allowed to be an agent.
fn redeemed(engine: &Engine, redeemed: &Redeemed) -> Response {
    let refresh = redeemed.refresh.as_ref().map(|refresh| ("refresh_token", json!(refresh)));
    granted_for(engine, &redeemed.task, (&redeemed.token, &redeemed.holding), refresh)
}

/// What a client that a person allowed something wants a grant for. Its scopes are passed over (RFC 6749 section 3.3): SDKs send
/// some unasked, and what it may do is what a person said.
fn wants(engine: &Engine, form: &Form, proof: Option<Proof>) -> Result<Wants, Failure> {
    let resource = form.get("resource").map(|it| resource(engine, Some(it))).transpose()?;
    Ok(Wants { proof, resource })
}

/// The one server that the grant is for, or all (RFC 8707).
fn resource(engine: &Engine, resource: Option<&str>) -> Result<Option<ServerName>, Failure> {
    let Some(resource) = resource else { return Ok(None) };
    let realm = engine.realm();
    let known = |server: &ServerName| engine.settings().servers.contains_key(server);
    match realm.part(resource) {
        Some(None) => Ok(None),
        Some(Some(server)) if known(&server) => Ok(Some(server)),
        _ => Err(Failure::new(
            "invalid_target",
            format!(
                "expected the resource `{}`, or that and the name of a server after a `/`",
                realm.audience()
            ),
        )),
    }
}
