//! `POST /oauth/introspect` and `POST /oauth/revoke`, for clients that prove at the token endpoint who
//! they are. A client is told of its own grants only: whether another's is good is not its business
//! (RFC 7662 section 4).

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::failure::{Failure, document};
use crate::request::{Asked, answer};
use crate::{Desk, INTROSPECT, REVOKE, details};

/// When to try again what could not be written down.
const RETRY: Duration = Duration::from_secs(10);

/// What a grant says and whether it can be used now (RFC 7662).
pub(crate) async fn introspect(State(desk): State<Desk>, request: Request<Body>) -> Response {
    let answered = look(&desk, request).await;
    answer(&desk.engine, answered)
}

async fn look(desk: &Desk, request: Request<Body>) -> Result<(Response, Option<String>), Failure> {
    let asked = Asked::read(request).await?;
    let (owner, nonce) = asked.owner(desk, INTROSPECT).await?;
    let found = desk.engine.in_use(asked.form.need("token")?, &owner);
    let Some((grant, task)) = found else {
        return Ok((document(StatusCode::OK, &json!({ "active": false })), nonce));
    };
    let realm = desk.engine.realm();
    let mut body = json!({
        "active": true,
        "iss": realm.issuer(),
        "aud": realm.resource(grant.server.as_ref()),
        "sub": grant.subject,
        "client_id": grant.agent,
        "jti": grant.id,
        "exp": grant.expires.as_secs(),
        "token_type": grant.binding.token_type(),
        "task": grant.task,
        "authorization_details": details::granted(&task),
    });
    if let (Some(act), Value::Object(members)) = (acting(&grant.actors), &mut body) {
        members.insert("act".to_owned(), act);
    }
    if let (Some(cnf), Value::Object(members)) = (grant.binding.confirmation(), &mut body) {
        members.insert("cnf".to_owned(), json!(cnf));
    }
    Ok((document(StatusCode::OK, &body), nonce))
}

/// Who acts, and within, who did before (RFC 8693 section 4.1).
fn acting(actors: &[String]) -> Option<Value> {
    let (now, before) = actors.split_first()?;
    let mut act = json!({ "sub": now });
    if let (Some(before), Value::Object(members)) = (acting(before), &mut act) {
        members.insert("act".to_owned(), before);
    }
    Some(act)
}

/// Ends the task of a grant that its client gives back (RFC 7009), and with it every grant for it.
pub(crate) async fn revoke(State(desk): State<Desk>, request: Request<Body>) -> Response {
    let answered = end(&desk, request).await;
    answer(&desk.engine, answered)
}

async fn end(desk: &Desk, request: Request<Body>) -> Result<(Response, Option<String>), Failure> {
    let asked = Asked::read(request).await?;
    let (owner, nonce) = asked.owner(desk, REVOKE).await?;
    let given_back = desk
        .engine
        .give_back(asked.form.need("token")?, &owner)
        .map_err(|why| Failure::new("unauthorized_client", why))?;
    if let Some(closing) = given_back
        && let Err(why) = closing.recorded().await
    {
        return Err(Failure::later(format!("it took effect and is not on record: {why}"), RETRY));
    }
    Ok((document(StatusCode::OK, &json!({})), nonce))
}
