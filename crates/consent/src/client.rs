//! Clients: those that a person put into the configuration, and those that a document of their own
//! introduces where the configuration says which agent they are.

mod document;
mod keys;

use std::sync::{Arc, PoisonError, RwLock};

use remit_jose::KeySet;
use remit_model::{AgentName, Timestamp};
use remit_token_api::{FoundKeys, NoClient};

pub use self::document::{Document, Documents, Fetched, MAX_DOCUMENT, Reach};
use self::document::{Introduction, Shelf, split};
pub use self::keys::Proves;
use crate::text::{MAX_NAME, tame};
use crate::{RedirectError, check_redirect, redirect};

/// The longest client id (R13).
const MAX_ID: usize = 512;

/// A client as the configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id. Of one that a document introduces, the document's address, or the beginning of such
    /// addresses followed by `*`.
    pub id: String,
    /// The agent that it is.
    pub agent: AgentName,
    /// How it is known.
    pub introduced: Introduced,
}

/// How a client is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introduced {
    /// By the configuration.
    Here {
        /// Its name.
        name: String,
        /// Where its answers may go.
        redirect_uris: Vec<String>,
        /// By what it proves to be it; `None` of a public one.
        keys: Option<Arc<KeySet>>,
    },
    /// By the document at its id (draft-ietf-oauth-client-id-metadata-document).
    ByDocument(Reach),
}

/// What is wrong with a client of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// No id that could be asked with.
    #[error("expected as `id` a name of up to {MAX_ID} visible characters, got `{0}`")]
    Id(String),
    /// Not the address of a document.
    #[error(
        "expected as `id` the address of a client's document like `https://app.example/client.json`, or \
         the beginning of such addresses like `https://app.example/*`, got `{0}`"
    )]
    Address(String),
    /// Documents on private addresses, and not one.
    #[error(
        "a document on private addresses is named in full: expected an `id` without `*`, got `{0}`"
    )]
    Reach(String),
    /// Nowhere for its answers.
    #[error("client `{0}` needs `redirect_uris`")]
    NoRedirect(String),
    /// Nowhere good for its answers.
    #[error("client `{0}`: {1}")]
    Redirect(String, RedirectError),
}

impl Client {
    /// Whether it can be asked for.
    ///
    /// Errors: its id or an address is not of the form that its kind needs.
    pub fn check(&self) -> Result<(), ClientIdError> {
        let id = &self.id;
        match &self.introduced {
            Introduced::Here { redirect_uris, .. } => {
                let visible = |b: u8| b.is_ascii_graphic();
                if !(1..=MAX_ID).contains(&id.len()) || !id.bytes().all(visible) {
                    return Err(ClientIdError::Id(id.clone()));
                }
                if redirect_uris.is_empty() {
                    return Err(ClientIdError::NoRedirect(id.clone()));
                }
                let wrong = |why| ClientIdError::Redirect(id.clone(), why);
                redirect_uris.iter().try_for_each(|uri| check_redirect(uri).map_err(wrong))
            }
            Introduced::ByDocument(reach) => {
                let (prefix, open) =
                    id.strip_suffix('*').map_or((id.as_str(), false), |p| (p, true));
                let whole = if open { prefix.ends_with('/') } else { split(id).is_some() };
                if !whole || split(&format!("{prefix}x")).is_none() {
                    return Err(ClientIdError::Address(id.clone()));
                }
                if open && *reach == Reach::Private {
                    return Err(ClientIdError::Reach(id.clone()));
                }
                Ok(())
            }
        }
    }

    fn is_meant_by(&self, id: &str) -> bool {
        match (&self.introduced, self.id.strip_suffix('*')) {
            (Introduced::ByDocument(_), Some(prefix)) => id.starts_with(prefix),
            _ => self.id == id,
        }
    }
}

/// A client that asks.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its id.
    pub(crate) id: String,
    /// Its name, in its own words.
    pub(crate) name: String,
    /// The host that vouches for it; `None` where the configuration does.
    pub(crate) host: Option<String>,
    /// The agent that it is.
    pub(crate) agent: AgentName,
    /// By what it proves to be it; `None` of a public one.
    pub(crate) keys: Option<Arc<KeySet>>,
    redirect_uris: Vec<String>,
}

impl Known {
    /// Whether its answers may go to `address`.
    pub(crate) fn may_be_answered_at(&self, address: &str) -> bool {
        self.redirect_uris.iter().any(|registered| redirect::is_met(registered, address))
    }
}

/// Every client that may ask.
#[derive(Debug)]
pub struct Clients {
    list: RwLock<Arc<Vec<Client>>>,
    shelf: Shelf,
}

impl Clients {
    /// None yet; documents are brought by `documents`.
    pub fn new(documents: Box<dyn Documents>) -> Self {
        Self { list: RwLock::default(), shelf: Shelf::new(documents) }
    }

    /// Puts `clients` in the place of those there were. Documents are fetched anew.
    pub fn configure(&self, clients: Vec<Client>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if **list != clients {
            *list = Arc::new(clients);
            self.shelf.clear();
        }
    }

    /// The client with this id.
    ///
    /// Errors: nobody configured it, or its document does not introduce it.
    pub(crate) async fn find(&self, id: &str, now: Timestamp) -> Result<Known, NoClient> {
        let list = Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner));
        let fitting = list.iter().filter(|client| client.is_meant_by(id));
        // The one that names most of it.
        let client = fitting.max_by_key(|client| client.id.len()).ok_or_else(|| unknown(id))?;
        let (host, introduction) = match &client.introduced {
            Introduced::Here { name, redirect_uris, keys } => {
                let (name, redirect_uris) = (name.clone(), redirect_uris.clone());
                (None, Introduction { name, redirect_uris, keys: keys.clone() })
            }
            Introduced::ByDocument(reach) => {
                let (host, _) = split(id).ok_or_else(|| unknown(id))?;
                let fetched = self.shelf.fetch(id, *reach, now).await.map_err(NoClient::Later)?;
                (Some(host.to_owned()), fetched)
            }
        };
        let Introduction { name, redirect_uris, keys } = introduction;
        let (id, agent) = (id.to_owned(), client.agent.clone());
        Ok(Known { id, name: tame(&name, MAX_NAME), host, agent, keys, redirect_uris })
    }
}

impl remit_token_api::Clients for Clients {
    fn keys<'a>(&'a self, id: &'a str, now: Timestamp) -> FoundKeys<'a> {
        Box::pin(async move { Ok(self.find(id, now).await?.keys) })
    }
}

/// What to configure for a client that nobody did.
fn unknown(id: &str) -> NoClient {
    let id = tame(id, MAX_NAME);
    NoClient::Unknown(if split(&id).is_some() {
        format!(
            "No agent is configured for the client {id}. Whoever runs this server can say which one it \
             is, with a table [[client]] that has this address as `id` and an `agent`."
        )
    } else {
        format!(
            "No client {id} is configured. Whoever runs this server can add it, with a table [[client]] \
             that has this `id`, a `name`, `redirect_uris` and an `agent`."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: &str, introduced: Introduced) -> Client {
        Client { id: id.to_owned(), agent: "bot".parse().unwrap(), introduced }
    }

    #[test]
    fn ids_and_addresses_are_of_the_form_that_is_asked_with() {
        let public = || Introduced::ByDocument(Reach::Public);
        for good in ["https://app.example/client.json", "https://app.example/*", "https://a.b/c/*"]
        {
            assert_eq!(client(good, public()).check(), Ok(()), "{good}");
        }
        for bad in [
            "*",
            "https://*",
            "https://app.example*",
            "https://app.example",
            "https://app.example/",
            "https://*.example/*",
            "https://app.example/c*",
            "http://app.example/client.json",
            "https://app.example/a/../b",
            "https://user@app.example/c",
            "https://app.example/c?d",
            "https://app.example/c#d",
        ] {
            assert!(client(bad, public()).check().is_err(), "{bad}");
        }
        let private = |id| client(id, Introduced::ByDocument(Reach::Private)).check();
        assert!(private("https://10.0.0.1/c").is_ok() && private("https://10.0.0.1/*").is_err());
        let here = |uris: &[&str]| Introduced::Here {
            name: "Desk".to_owned(),
            redirect_uris: uris.iter().map(|&uri| uri.to_owned()).collect(),
            keys: None,
        };
        assert!(client("desk", here(&["http://127.0.0.1/cb"])).check().is_ok());
        assert!(client("desk", here(&[])).check().is_err());
        assert!(client("", here(&["http://127.0.0.1/cb"])).check().is_err());
        assert!(client("desk", here(&["http://desk.example/cb"])).check().is_err());
    }

    #[test]
    fn a_pattern_means_addresses_below_it_and_no_other_host() {
        let pattern = client("https://app.example/*", Introduced::ByDocument(Reach::Public));
        assert!(pattern.is_meant_by("https://app.example/client.json"));
        for other in ["https://app.example.evil/x", "https://app.examplex/", "app.example/x"] {
            assert!(!pattern.is_meant_by(other), "{other}");
        }
    }
}
