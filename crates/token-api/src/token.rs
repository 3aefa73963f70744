//! `POST /oauth/token`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use remit_engine::Engine;
use remit_engine::client::Client;
use remit_engine::open::{Holding, Opener};
use remit_model::{ServerName, Task};
use serde_json::json;

use crate::details::{self, Wanted};
use crate::failure::{Failure, document};
use crate::form::Form;
use crate::request::{answer, believed};
use crate::{Desk, TOKEN};

/// The one grant type there is.
const GRANT_TYPE: &str = "client_credentials";

/// Opens a task for a client and answers with a grant, or with a further grant for a task.
pub(crate) async fn grant(State(desk): State<Desk>, request: Request<Body>) -> Response {
    let answered = granted(&desk, request).await;
    answer(&desk.engine, answered)
}

async fn granted(
    desk: &Desk,
    request: Request<Body>,
) -> Result<(Response, Option<String>), Failure> {
    let (client, form) = believed(desk, TOKEN, request).await?;
    let engine = desk.engine.as_ref();
    if form.need("grant_type")? != GRANT_TYPE {
        let why = format!("expected the grant type `{GRANT_TYPE}`, the only one there is");
        return Err(Failure::new("unsupported_grant_type", why));
    }
    if form.get("scope").is_some() {
        let why = "scopes are not used here: say in `authorization_details` what the task is";
        return Err(Failure::new("invalid_scope", why));
    }
    let server = resource(engine, &form)?;
    let holding = Holding { key: client.key, server };
    let details = form.get("authorization_details");
    let (task, token) = match details::read(details, &client.agent, &engine.settings())? {
        Wanted::Task(proposal) => open(engine, &client, *proposal, &holding).await?,
        Wanted::Further(task) => {
            let task = engine.open_task(&task, &client.agent).ok_or_else(|| {
                let why = format!("no open task `{task}` of `{}` is known", client.agent);
                Failure::new("invalid_authorization_details", why)
            })?;
            let token = engine.grant(&task, &holding)?;
            (task, token)
        }
    };
    let body = json!({
        "access_token": token,
        "token_type": holding.token_type(),
        "expires_in": engine.grant_lives(&task).as_secs(),
        "authorization_details": details::granted(&task),
    });
    Ok((document(StatusCode::OK, &body), client.nonce))
}

async fn open(
    engine: &Engine,
    client: &Client,
    mut proposal: remit_engine::open::Proposal,
    holding: &Holding,
) -> Result<(Task, String), Failure> {
    proposal.jkt = holding.key;
    let opener = Opener::Client(client.agent.clone(), client.method);
    Ok(engine.open_with_grant(&opener, proposal, holding.server.clone()).await?)
}

/// The one server that the grant is for, or all (RFC 8707).
fn resource(engine: &Engine, form: &Form) -> Result<Option<ServerName>, Failure> {
    let Some(resource) = form.get("resource") else { return Ok(None) };
    let realm = engine.minter().realm();
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
