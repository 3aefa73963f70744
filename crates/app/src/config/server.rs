//! `[[server]]`: a tool server, how it is reached, and who has to be there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use remit_catalogue::{NamePattern, Overrides, ProfileOverride};
use remit_federation::WorkloadSource;
use remit_model::ServerName;
use remit_spiffe::{SpiffeId, workload_id};
use serde::Deserialize;

use super::Config;
use super::credentials::LendTable;
use crate::fail::Fail;

/// A tool server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) name: ServerName,
    /// A program and its arguments: a stdio server.
    #[serde(default)]
    pub(crate) command: Vec<String>,
    /// Its working directory.
    pub(crate) directory: Option<PathBuf>,
    /// Its environment, beside a few plain variables such as `PATH`.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// An address: a Streamable HTTP server.
    pub(crate) url: Option<String>,
    /// Whose certificates are believed of it instead of this machine's.
    ca_file: Option<PathBuf>,
    /// Who it has to be instead: the SPIFFE ID in its X.509-SVID.
    spiffe_id: Option<String>,
    /// Headers sent with each request.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// What its calls are sent with.
    #[serde(default)]
    pub(super) lend: Vec<LendTable>,
    /// One process for all tasks instead of one for each.
    #[serde(default)]
    pub(crate) shared: bool,
    /// The approver group that answers for it.
    pub(crate) owner: String,
    /// Believe what its annotations say about harmlessness.
    #[serde(default)]
    pub(crate) trust_annotations: bool,
    /// What is known of its tools, by name pattern.
    #[serde(default, rename = "tool")]
    pub(crate) tools: BTreeMap<NamePattern, ProfileOverride>,
}

/// By what a server is believed to be itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Believed {
    /// By certificates for its name that this machine believes.
    Machine,
    /// By those of the authorities in this file.
    Authorities(PathBuf),
    /// By an X.509-SVID of this ID, whatever its name.
    Svid(SpiffeId),
}

impl Server {
    /// Makes paths relative to `base`.
    pub(super) fn rebase(&mut self, base: &Path) {
        self.ca_file = self.ca_file.take().map(|file| base.join(file));
    }

    /// By what it is believed to be itself.
    ///
    /// Errors: two things are said, or something of a server that shows no certificate.
    pub(crate) fn believed(&self) -> Result<Believed, Fail> {
        let believed = match (&self.ca_file, &self.spiffe_id) {
            (None, None) => return Ok(Believed::Machine),
            (Some(file), None) => Believed::Authorities(file.clone()),
            (None, Some(text)) => Believed::Svid(workload_id(text).ok_or_else(|| {
                let like = "spiffe://remit.local/agent/ledger";
                Fail::new(format!("expected a `spiffe_id` like `{like}`, got `{text}`"))
            })?),
            (Some(_), Some(_)) => {
                return Err(Fail::new("expected either `ca_file` or `spiffe_id`, got both"));
            }
        };
        if self.speaks_tls() {
            return Ok(believed);
        }
        Err(Fail::new(
            "`ca_file` and `spiffe_id` say who answers over TLS: leave them out, or give it a `url` that \
             begins with `https:`",
        ))
    }

    /// Whether there are certificates on the way to it.
    pub(super) fn speaks_tls(&self) -> bool {
        let scheme = self.url.as_deref().and_then(|url| url.split_once(':'));
        scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
    }

    /// What a person says of its tools.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            owner: self.owner.clone(),
            trust_annotations: self.trust_annotations,
            tools: self.tools.clone(),
        }
    }
}

impl Config {
    /// Errors: a server is not what it should be; the text names it.
    pub(super) fn check_servers(&self) -> Result<(), Fail> {
        let source = self.source()?;
        for server in &self.servers {
            if server.command.is_empty() == server.url.is_none() {
                return Err(Fail::new(format!(
                    "server `{}` needs either `command` (a program) or `url` (an address)",
                    server.name
                )));
            }
            if !self.approvers.iter().any(|approver| approver.group == server.owner) {
                return Err(Fail::new(format!(
                    "server `{}` is owned by `{}`, which is not an [[approver]] group",
                    server.name, server.owner
                )));
            }
            let believed = server.believed();
            believed
                .and_then(|believed| self.check_known(&believed, source.as_ref()))
                .map_err(|why| Fail::new(format!("server `{}`: {why}", server.name)))?;
        }
        Ok(())
    }

    /// Errors: nobody here knows the bundle of the trust domain that a server has to be of.
    fn check_known(
        &self,
        believed: &Believed,
        source: Option<&WorkloadSource>,
    ) -> Result<(), Fail> {
        let Believed::Svid(id) = believed else { return Ok(()) };
        let domain = id.trust_domain();
        let (known, known_are) = match source {
            Some(source) => (
                source.domains.contains(domain),
                "one of the `trust_domains` of [spiffe]".to_owned(),
            ),
            None => (domain.as_str() == self.trust_domain, format!("`{}`", self.trust_domain)),
        };
        if known {
            return Ok(());
        }
        Err(Fail::new(format!(
            "expected a `spiffe_id` in a trust domain whose bundle is known here ({known_are}), got `{id}`"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "spiffe_id = \"spiffe://remit.local/agent/ledger\"\n";

    fn read(url: &str, more: &str) -> Result<Believed, String> {
        let text = format!(
            "[[approver]]\ngroup = \"ops\"\n[[server]]\nname = \"s\"\nowner = \"ops\"\nurl = \"{url}\"\n{more}"
        );
        let config = Config::parse(&text).map_err(|why| why.to_string())?;
        config.servers[0].believed().map_err(|why| why.to_string())
    }

    #[test]
    fn a_server_is_believed_in_one_way() {
        let https = "HTTPS://h/mcp";
        assert_eq!(read(https, ""), Ok(Believed::Machine));
        assert_eq!(read("http://h/mcp", ""), Ok(Believed::Machine));
        assert_eq!(read(https, "ca_file = \"a\""), Ok(Believed::Authorities("a".into())));
        let id = workload_id("spiffe://remit.local/agent/ledger").unwrap();
        assert_eq!(read(https, ID), Ok(Believed::Svid(id)));
    }

    #[test]
    fn what_says_nothing_of_a_server_is_refused() {
        let source = "[spiffe]\nsource = \"unix:///run/s\"\ntrust_domains = [\"spire.example\"]\n";
        for (url, more, why) in [
            ("https://h/mcp", format!("ca_file = \"a\"\n{ID}"), "got both"),
            ("http://h/mcp", ID.to_owned(), "begins with `https:`"),
            ("http://h/mcp", "ca_file = \"a\"".to_owned(), "begins with `https:`"),
            ("https://h/mcp", "spiffe_id = \"ledger\"".to_owned(), "server `s`: expected"),
            ("https://h/mcp", "spiffe_id = \"spiffe://remit.local\"".to_owned(), "agent/ledger"),
            ("https://h/mcp", "spiffe_id = \"spiffe://other/a\"".to_owned(), "(`remit.local`)"),
            ("https://h/mcp", format!("{ID}{source}"), "one of the `trust_domains`"),
        ] {
            let said = read(url, &more).unwrap_err();
            assert!(said.contains(why), "{url} {more}\n→ {said}");
        }
        let theirs = format!("spiffe_id = \"spiffe://spire.example/ledger\"\n{source}");
        assert!(read("https://h/mcp", &theirs).is_ok());
    }
}
