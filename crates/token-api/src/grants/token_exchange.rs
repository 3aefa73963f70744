//! Token exchange (RFC 8693): an agent shows another's grant and gets one for a child of its task, with
//! at most what that allows. The client is the actor; there is no impersonation, and no other token
//! comes out of it than a grant.

use remit_engine::Engine;
use remit_engine::hand_off::HandOff;
use remit_engine::open::Holding;
use remit_model::ServerName;
use remit_token::Grant;
use serde_json::json;

use super::{Granted, granted_for, resource, without_scopes};
use crate::details;
use crate::failure::Failure;
use crate::form::Form;
use crate::request::Asked;
use crate::{Desk, TOKEN};

pub(super) const TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The one kind of token that goes in and comes out (RFC 8693 section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Hands a task on to the client.
pub(super) async fn granted(desk: &Desk, asked: &Asked) -> Granted {
    without_scopes(&asked.form)?;
    let client = asked.client(desk, TOKEN).await?;
    let (engine, form) = (desk.engine.as_ref(), &asked.form);
    only_access_tokens(form)?;
    let subject = engine.shown(form.need("subject_token")?).ok_or_else(|| {
        let why = "the `subject_token` is no grant of this issuer for a task that is open";
        Failure::new("invalid_grant", why)
    })?;
    let server = narrowed(engine, form, &subject)?;
    let holding = Holding { binding: client.binding, server };
    let details::Narrowed { template, purpose, plan, narrowing } =
        details::narrowing(form.get("authorization_details"))?;
    let wanted = HandOff { subject, template, purpose, plan, narrowing };
    let (task, token) = engine.hand_off(&client, wanted, &holding).await?;
    let more = [("issued_token_type", json!(ACCESS_TOKEN))];
    Ok((granted_for(engine, &task, (&token, &holding), more), client.nonce))
}

fn only_access_tokens(form: &Form) -> Result<(), Failure> {
    if form.need("subject_token_type")? != ACCESS_TOKEN {
        let why = format!("expected the `subject_token_type` `{ACCESS_TOKEN}`");
        return Err(Failure::request(why));
    }
    if form.get("requested_token_type").is_some_and(|kind| kind != ACCESS_TOKEN) {
        let why = format!("expected the `requested_token_type` `{ACCESS_TOKEN}`, or none");
        return Err(Failure::request(why));
    }
    if form.get("actor_token").is_some() || form.get("actor_token_type").is_some() {
        let why = "the actor is the client that asks: leave `actor_token` out";
        return Err(Failure::request(why));
    }
    Ok(())
}

/// The one server that the grant is for, or all: no more than the subject's is for. A resource may also
/// be named as `audience`.
fn narrowed(engine: &Engine, form: &Form, subject: &Grant) -> Result<Option<ServerName>, Failure> {
    let asked = [form.get("resource"), form.get("audience")];
    let mut servers = Vec::new();
    for name in asked.into_iter().flatten() {
        servers.push(resource(engine, Some(name))?);
    }
    servers.dedup();
    match (servers.as_slice(), &subject.server) {
        ([_, _, ..], _) => {
            Err(Failure::new("invalid_target", "`resource` and `audience` name different targets"))
        }
        ([], of_subject) => Ok(of_subject.clone()),
        ([asked], None) => Ok(asked.clone()),
        ([asked], of_subject) if asked == of_subject => Ok(asked.clone()),
        ([_], Some(server)) => {
            let why = format!("the `subject_token` is for the server `{server}` alone");
            Err(Failure::new("invalid_target", why))
        }
    }
}
