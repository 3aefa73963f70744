//! The clients that may send a person to the consent page.

use remit_consent::{Client, Introduced, Reach};
use remit_model::AgentName;
use serde::Deserialize;

use crate::fail::Fail;

/// A `[[client]]` table. With `redirect_uris` it introduces the client; without, a document at the
/// address `id` does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientTable {
    pub(crate) id: String,
    /// The agent that it is.
    pub(crate) agent: AgentName,
    /// What people are told it is; left out: its id.
    name: Option<String>,
    /// Where its answers may go.
    redirect_uris: Option<Vec<String>>,
    /// Fetch its document even from loopback and private addresses: whoever controls what the name of
    /// its host means makes this server send a request there.
    #[serde(default)]
    fetch_from_private_addresses: bool,
}

impl ClientTable {
    /// What the consent page needs of it.
    ///
    /// Errors: it is neither of both kinds.
    pub(crate) fn client(&self) -> Result<Client, Fail> {
        let (id, agent) = (self.id.clone(), self.agent.clone());
        let introduced = match &self.redirect_uris {
            Some(_) if self.fetch_from_private_addresses => {
                return Err(Fail::new(format!(
                    "client `{id}` has `redirect_uris`, so no document of it is fetched: leave out \
                     `fetch_from_private_addresses`"
                )));
            }
            Some(uris) => {
                let name = self.name.clone().unwrap_or_else(|| id.clone());
                Introduced::Here { name, redirect_uris: uris.clone() }
            }
            None if self.name.is_some() => {
                return Err(Fail::new(format!(
                    "client `{id}` has a `name` and no `redirect_uris`: its document says its name"
                )));
            }
            None if self.fetch_from_private_addresses => Introduced::ByDocument(Reach::Private),
            None => Introduced::ByDocument(Reach::Public),
        };
        let client = Client { id, agent, introduced };
        client.check().map_err(|why| Fail::new(format!("[[client]]: {why}")))?;
        Ok(client)
    }
}
