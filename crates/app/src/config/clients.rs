//! The clients that may send a person to the consent page.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_consent::{Client, Introduced, Reach};
use remit_jose::KeySet;
use remit_model::AgentName;
use serde::Deserialize;

use super::jwks::Jwks;
use super::{Config, unique};
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
    /// By which keys it proves to be it, in a file or here; left out, it is a public client.
    jwks_file: Option<PathBuf>,
    jwks: Option<toml::Table>,
    /// Those, once they were read.
    #[serde(skip)]
    keys: Option<Arc<KeySet>>,
}

impl ClientTable {
    /// Reads its keys; files are relative to `base`.
    ///
    /// Errors: as [`Jwks::read`], or it says twice where they are; the text names the client.
    pub(crate) fn read_keys(&mut self, base: &Path) -> Result<(), Fail> {
        let jwks = Jwks::of(self.jwks_file.clone(), self.jwks.clone()).map_err(Fail::new);
        let keys = jwks.and_then(|jwks| jwks.map(|jwks| jwks.read(base)).transpose());
        self.keys = keys.map_err(|why| Fail::new(format!("client `{}`: {why}", self.id)))?;
        Ok(())
    }

    /// The thumbprints of its keys, for whoever looks for a change.
    fn thumbprints(&self) -> String {
        let thumbprints = self.keys.as_ref().map(|keys| keys.thumbprints());
        format!("{} {thumbprints:?}", self.id)
    }

    /// Whether it is to prove who it is.
    fn has_keys(&self) -> bool {
        self.jwks_file.is_some() || self.jwks.is_some()
    }

    /// What the consent page needs of it, once its keys were read.
    ///
    /// Errors: it is neither of both kinds.
    fn client(&self) -> Result<Client, Fail> {
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
                Introduced::Here { name, redirect_uris: uris.clone(), keys: self.keys.clone() }
            }
            None if self.has_keys() => {
                return Err(Fail::new(format!(
                    "client `{id}` has keys and no `redirect_uris`: its document says its keys"
                )));
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

impl Config {
    /// Whether they make sense together with the agents.
    ///
    /// Errors: one of them does not; the text names it.
    pub(super) fn check_clients(&self) -> Result<(), Fail> {
        unique("client", self.clients.iter().map(|client| client.id.as_str()))?;
        for client in &self.clients {
            if !self.agents.iter().any(|agent| agent.name == client.agent) {
                return Err(Fail::new(format!(
                    "client `{}` is `{}`, which is not an [[agent]]",
                    client.id, client.agent
                )));
            }
            // Both sign with it, so nobody could tell whose an assertion is.
            if client.has_keys() && self.agents.iter().any(|agent| agent.name.as_str() == client.id)
            {
                return Err(Fail::new(format!(
                    "client `{}` has keys and the name of an agent: give it another `id`",
                    client.id
                )));
            }
        }
        self.clients().map(drop)
    }

    /// The thumbprints of all keys by which agents and clients prove who they are, for whoever looks for a
    /// change.
    pub(crate) fn thumbprints(&self) -> String {
        let clients = self.clients.iter().map(ClientTable::thumbprints);
        let all: Vec<_> = std::iter::once(self.agents.thumbprints()).chain(clients).collect();
        all.join("\n")
    }

    /// The clients that may send a person to the consent page.
    ///
    /// Errors: one of them is not of the form that its kind needs.
    pub(crate) fn clients(&self) -> Result<Vec<Client>, Fail> {
        self.clients.iter().map(ClientTable::client).collect()
    }
}
