//! JWT-bearer (RFC 7523 section 2.1): the assertion is itself the grant.
//!
//! A workload's token, or a JWT-SVID, says who the agent is, so no client is authenticated beside it (the
//! MCP profile for workload identity federation). An ID-JAG says for which person a client may act, and
//! which client that is, which therefore proves to be it.

use remit_engine::Engine;
use remit_engine::elsewhere::Behalf;

use super::Granted;
use super::client_credentials::{Who, granted_to};
use crate::failure::Failure;
use crate::request::Asked;
use crate::{Desk, TOKEN};

pub(super) const TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What an ID-JAG is called where a server says that it takes them.
pub(crate) const ID_JAG: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// Opens a task for whoever the assertion names, and answers with a grant, or with a further grant.
pub(super) async fn granted(desk: &Desk, asked: &Asked) -> Granted {
    let assertion = asked.form.need("assertion")?;
    // A client that proves to be one comes with an ID-JAG, and nobody else does.
    if !asked.names_a_client() {
        let client = asked.workload(desk, TOKEN, assertion).await?;
        return granted_to(desk, asked, Who { client, on_behalf: None }).await;
    }
    let client = asked.client(desk, TOKEN).await?;
    let Behalf { person, resources, details } = asked.person(desk, &client, assertion).await?;
    let narrowed = asked.narrowed(one_resource(&desk.engine, asked, resources)?, details)?;
    granted_to(desk, &narrowed, Who { client, on_behalf: Some(person) }).await
}

/// The resource that the grant is for, where the ID-JAG says for which it may be: one of those. Where it
/// says nothing, what the client asks for.
fn one_resource(
    engine: &Engine,
    asked: &Asked,
    allowed: Option<Vec<String>>,
) -> Result<Option<String>, Failure> {
    let wanted = asked.form.get("resource");
    let Some(allowed) = allowed else { return Ok(wanted.map(str::to_owned)) };
    let all = engine.realm().audience();
    let covers = |one: &String, wanted: &str| one == wanted || one == all;
    match (wanted, allowed.as_slice()) {
        (Some(wanted), allowed) if allowed.iter().any(|one| covers(one, wanted)) => {
            Ok(Some(wanted.to_owned()))
        }
        (None, [one]) => Ok(Some(one.clone())),
        _ => Err(Failure::new(
            "invalid_target",
            "expected as `resource` one that the ID-JAG is for: name one of those, or ask its issuer",
        )),
    }
}
