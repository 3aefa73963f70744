//! `[spiffe]`: a Workload API elsewhere, SPIRE's above all, as the source of trust in place of our own
//! keys of SVIDs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use remit_federation::WorkloadSource;
use remit_spiffe::trust_domain;
use serde::Deserialize;

use super::Config;
use crate::environment;
use crate::fail::Fail;

/// Where SVIDs come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Spiffe {
    /// The socket, as `SPIFFE_ENDPOINT_SOCKET` names it; left out: Remit issues SVIDs itself.
    pub(crate) source: Option<String>,
    /// The trust domains whose SVIDs are believed as that Workload API says.
    pub(crate) trust_domains: Vec<String>,
    /// The user that may listen there, beside root and Remit's own.
    pub(crate) uid: Option<u32>,
}

impl Config {
    /// The Workload API that SVIDs come from, if Remit does not issue them itself.
    ///
    /// Errors: it is not named as it should be.
    pub(crate) fn source(&self) -> Result<Option<WorkloadSource>, Fail> {
        self.spiffe.source(&self.trust_domain, environment::own_uid())
    }
}

impl Spiffe {
    /// The same, for a Remit of the trust domain `ours` that runs as `own_uid`.
    ///
    /// Errors: it is none, names no trust domain, or claims ours.
    fn source(&self, ours: &str, own_uid: u32) -> Result<Option<WorkloadSource>, Fail> {
        let said = |why: String| Fail::new(format!("[spiffe]: {why}"));
        let Some(source) = &self.source else {
            if *self == Self::default() {
                return Ok(None);
            }
            return Err(said(
                "expected a `source`, without which the rest says nothing".to_owned(),
            ));
        };
        let socket =
            source.strip_prefix("unix://").map(Path::new).filter(|path| path.is_absolute());
        let socket = socket.map(PathBuf::from).ok_or_else(|| {
            said(format!(
                "expected a `source` like `unix:///run/spire/sockets/agent.sock`, got `{source}`"
            ))
        })?;
        let mut domains = BTreeSet::new();
        for name in &self.trust_domains {
            if name == ours {
                return Err(said(format!(
                    "`{ours}` is our own trust domain, in which the runs of agents are named: give it \
                     another name with `trust_domain`, since nobody else may vouch for it"
                )));
            }
            if !domains.insert(trust_domain(name).map_err(|why| said(why.to_string()))?) {
                return Err(said(format!("`{name}` stands twice in `trust_domains`")));
            }
        }
        if domains.is_empty() {
            return Err(said(
                "expected `trust_domains`, such as [\"example.org\"]: the ones whose SVIDs \
                             are believed as its `source` says"
                    .to_owned(),
            ));
        }
        let uids = [0, own_uid].into_iter().chain(self.uid).collect();
        Ok(Some(WorkloadSource { socket, uids, domains, ours: trust_domain(ours)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: &str = "source = \"unix:///run/agent.sock\"\n";

    fn read(text: &str) -> Result<Option<WorkloadSource>, String> {
        let spiffe: Spiffe = toml::from_str(text).map_err(|why| why.to_string())?;
        spiffe.source("remit.local", 7).map_err(|why| why.to_string())
    }

    #[test]
    fn a_source_is_a_socket_and_the_trust_domains_it_is_believed_about() {
        assert_eq!(read(""), Ok(None));
        let source = read(&format!("{SOCKET}trust_domains = [\"a.example\", \"b.example\"]"));
        let source = source.unwrap().unwrap();
        assert_eq!(source.socket, Path::new("/run/agent.sock"));
        assert_eq!(source.domains.len(), 2);
        assert_eq!(
            source.uids,
            BTreeSet::from([0, 7]),
            "root and Remit's own user may listen there"
        );
        let named = read(&format!("{SOCKET}trust_domains = [\"a.example\"]\nuid = 998"));
        assert_eq!(named.unwrap().unwrap().uids, BTreeSet::from([0, 7, 998]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            (SOCKET.to_owned(), "expected `trust_domains`"),
            ("trust_domains = [\"a.example\"]".to_owned(), "expected a `source`"),
            ("uid = 998".to_owned(), "expected a `source`"),
            ("source = \"/run/agent.sock\"".to_owned(), "like `unix:///run"),
            ("source = \"unix://agent.sock\"".to_owned(), "like `unix:///run"),
            ("source = \"tcp://127.0.0.1:8081\"".to_owned(), "like `unix:///run"),
            (format!("{SOCKET}trust_domains = [\"remit.local\"]"), "our own trust domain"),
            (format!("{SOCKET}trust_domains = [\"A.example\"]"), "trust domain"),
            (format!("{SOCKET}trust_domains = [\"spiffe://a.example\"]"), "trust domain"),
            (format!("{SOCKET}trust_domains = [\"a.example\", \"a.example\"]"), "stands twice"),
            (format!("{SOCKET}sorce = 1"), "sorce"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
