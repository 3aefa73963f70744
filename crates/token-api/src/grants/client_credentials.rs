//! Client credentials (RFC 6749 section 4.4): an agent opens a task for itself, or asks for a further
//! grant for one that is open.

use remit_engine::Engine;
use remit_engine::client::Client;
use remit_engine::open::{Holding, Opener, Proposal, Vouched};
use remit_engine::renew::Successor;
use remit_model::{Named, Task};

use super::{Granted, granted_for, resource, without_scopes};
use crate::details::{self, Wanted};
use crate::failure::Failure;
use crate::request::Asked;
use crate::{Desk, TOKEN};

pub(super) const TYPE: &str = "client_credentials";

/// For whom a task is opened.
pub(super) struct Who {
    /// The agent.
    pub(super) client: Client,
    /// The person on whose behalf it acts.
    pub(super) on_behalf: Option<Named>,
}

/// Opens a task for a client and answers with a grant, or with a further grant for a task.
pub(super) async fn granted(desk: &Desk, asked: &Asked) -> Granted {
    let client = asked.client(desk, TOKEN).await?;
    granted_to(desk, asked, Who { client, on_behalf: None }).await
}

/// The same for somebody who is known already.
pub(super) async fn granted_to(desk: &Desk, asked: &Asked, who: Who) -> Granted {
    without_scopes(&asked.form)?;
    let (engine, form, client) = (desk.engine.as_ref(), &asked.form, &who.client);
    let holding =
        Holding { binding: client.binding, server: resource(engine, form.get("resource"))? };
    let wanted = form.get("authorization_details");
    let (task, token) = match details::read(wanted, &client.agent, &engine.settings())? {
        Wanted::Task(proposal) => open(engine, &who, *proposal, &holding).await?,
        Wanted::Further(task) => {
            let open = engine.goes_on(&task, &client.agent, who.on_behalf.as_ref());
            let task = open.ok_or_else(|| {
                let why = format!(
                    "no open task `{task}` of `{}` is known, on behalf of the same person if of any",
                    client.agent
                );
                Failure::new("invalid_authorization_details", why)
            })?;
            let token = engine.grant_anew(&task, Successor::Client(client), &holding).await?;
            (task, token)
        }
    };
    Ok((granted_for(engine, &task, (&token, &holding), []), who.client.nonce))
}

async fn open(
    engine: &Engine,
    who: &Who,
    proposal: Proposal,
    holding: &Holding,
) -> Result<(Task, String), Failure> {
    let Client { agent, method, named, process, .. } = who.client.clone();
    let on_behalf = who.on_behalf.clone();
    let opener = Opener::Client(Box::new(Vouched { agent, method, named, on_behalf, process }));
    Ok(engine.open_with_grant(&opener, proposal, holding).await?)
}
