//! Client credentials (RFC 6749 section 4.4): an agent opens a task for itself, or asks for a further
//! grant for one that is open.

use remit_engine::Engine;
use remit_engine::client::Client;
use remit_engine::open::{Holding, Opener, Proposal};
use remit_model::Task;

use super::{Granted, granted_for, resource};
use crate::details::{self, Wanted};
use crate::failure::Failure;
use crate::request::Asked;
use crate::{Desk, TOKEN};

pub(super) const TYPE: &str = "client_credentials";

/// Opens a task for a client and answers with a grant, or with a further grant for a task.
pub(super) async fn granted(desk: &Desk, asked: &Asked) -> Granted {
    if asked.form.get("scope").is_some() {
        let why = "scopes are not used here: say in `authorization_details` what the task is";
        return Err(Failure::new("invalid_scope", why));
    }
    let client = asked.client(desk, TOKEN)?;
    let (engine, form) = (desk.engine.as_ref(), &asked.form);
    let holding = Holding { key: client.key, server: resource(engine, form)? };
    let wanted = form.get("authorization_details");
    let (task, token) = match details::read(wanted, &client.agent, &engine.settings())? {
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
    Ok((granted_for(engine, &task, &token, &holding), client.nonce))
}

async fn open(
    engine: &Engine,
    client: &Client,
    mut proposal: Proposal,
    holding: &Holding,
) -> Result<(Task, String), Failure> {
    proposal.jkt = holding.key;
    let opener = Opener::Client(client.agent.clone(), client.method);
    Ok(engine.open_with_grant(&opener, proposal, holding.server.clone()).await?)
}
