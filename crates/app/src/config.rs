//! The configuration file: one commented TOML file, every member checked, unknown ones refused.

// By path, so that the fuzz target that takes in this file finds them as well.
#[path = "config/agents.rs"]
mod agents;
#[path = "config/clients.rs"]
mod clients;
#[path = "config/credentials.rs"]
mod credentials;
#[path = "config/elsewhere.rs"]
mod elsewhere;
#[path = "config/jwks.rs"]
mod jwks;
#[path = "config/keys.rs"]
mod keys;
#[path = "config/limits.rs"]
mod limits;
#[path = "config/listen.rs"]
mod listen;
#[path = "config/secrets.rs"]
mod secrets;
#[path = "config/server.rs"]
mod server;
#[path = "config/spiffe.rs"]
mod spiffe;
#[path = "config/templates.rs"]
mod templates;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remit_engine::Settings;
use remit_model::{Agent, AgentName};
use remit_policy::Source;
use remit_tlog::WitnessKey;
use serde::Deserialize;
use serde::de::{self, Deserializer};

pub(crate) use self::agents::Agents;
use self::clients::ClientTable;
pub(crate) use self::credentials::CredentialTable;
use self::elsewhere::{FederationTable, IssuerTable};
use self::keys::{Svid, Token};
use self::limits::Limits;
pub(crate) use self::listen::Listen;
pub(crate) use self::secrets::{Before, Secrets};
pub(crate) use self::server::{Believed, Server};
use self::spiffe::Spiffe;
use self::templates::TemplateTable;
use crate::environment;
use crate::fail::Fail;

/// What `remit init` writes.
pub(crate) const COMMENTED: &str = include_str!("remit.toml");

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The folder of policy files, relative to this file; left out: the built-in pack `contained`.
    pub(crate) policies: Option<PathBuf>,
    /// This node's name in the records; left out: the machine's name.
    pub(crate) node: Option<String>,
    /// The trust domain of agents' SPIFFE IDs.
    #[serde(default = "trust_domain")]
    pub(crate) trust_domain: String,
    #[serde(default)]
    pub(crate) listen: Listen,
    #[serde(default)]
    pub(crate) operator: Operator,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) token: Token,
    #[serde(default)]
    pub(crate) svid: Svid,
    #[serde(default)]
    pub(crate) spiffe: Spiffe,
    #[serde(default)]
    pub(crate) secrets: Secrets,
    #[serde(default, rename = "agent")]
    pub(crate) agents: Agents,
    #[serde(default, rename = "client")]
    clients: Vec<ClientTable>,
    #[serde(default, rename = "approver")]
    pub(crate) approvers: Vec<Approver>,
    #[serde(default, rename = "server")]
    pub(crate) servers: Vec<Server>,
    #[serde(default, rename = "credential")]
    pub(crate) credentials: Vec<CredentialTable>,
    #[serde(default, rename = "template")]
    pub(crate) templates: Vec<TemplateTable>,
    #[serde(default, rename = "witness")]
    pub(crate) witnesses: Vec<Witness>,
    #[serde(default, rename = "issuer")]
    pub(crate) issuers: Vec<IssuerTable>,
    #[serde(default, rename = "federation")]
    pub(crate) federations: Vec<FederationTable>,
}

/// Witnesses of one log (R13): each is a connection and a cosignature line in every checkpoint.
const MAX_WITNESSES: usize = 16;

fn trust_domain() -> String {
    "remit.local".to_owned()
}

/// Who is an operator without the passphrase.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Operator {
    /// User ids; Remit's own is never one.
    pub(crate) uids: Vec<u32>,
}

/// A group of people who can approve.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approver {
    pub(crate) group: String,
    /// Names of operators; empty: every operator.
    #[serde(default)]
    pub(crate) members: Vec<String>,
}

/// Somebody who cosigns this log's checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    /// The prefix of its addresses.
    pub(crate) url: String,
    /// Its verifier key.
    pub(crate) key: Vkey,
}

/// A witness's verifier key in its text form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vkey(pub(crate) WitnessKey);

impl<'de> Deserialize<'de> for Vkey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(de::Error::custom)
    }
}

/// A time span such as `90s`, `15m` or `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|why| {
            de::Error::custom(format!(
                "expected a time span like `15m` or `1h`, got `{text}`: {why}"
            ))
        })
    }
}

impl Config {
    /// Reads and checks the file.
    ///
    /// Errors: it cannot be read, is not TOML of this form, or names what is not there; the text
    /// has file and line.
    pub(crate) fn read(path: &Path) -> Result<Self, Fail> {
        let text = std::fs::read_to_string(path).map_err(|why| {
            Fail::new(format!("cannot read the configuration {}: {why}", path.display()))
        })?;
        Self::of(path, &text)
    }

    /// The same of what stands in the file, or is to stand there.
    ///
    /// Errors: as those of `read`.
    pub(crate) fn of(path: &Path, text: &str) -> Result<Self, Fail> {
        let mut config =
            Self::parse(text).map_err(|why| Fail::new(format!("{}: {why}", path.display())))?;
        let base = path.parent().unwrap_or(Path::new("."));
        for file in [&mut config.listen.tls_certificate, &mut config.listen.tls_key] {
            *file = file.take().map(|file| base.join(file));
        }
        let within = |why: Fail| Fail::new(format!("{}: {why}", path.display()));
        config.agents.read_keys(base).map_err(within)?;
        for client in &mut config.clients {
            client.read_keys(base).map_err(within)?;
        }
        for issuer in &mut config.issuers {
            issuer.read_files(base).map_err(within)?;
        }
        config.secrets.rebase(base).map_err(within)?;
        config.federations.iter_mut().for_each(|federation| federation.rebase(base));
        config.credentials.iter_mut().for_each(|credential| credential.rebase(base));
        config.servers.iter_mut().for_each(|server| server.rebase(base));
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, Fail> {
        let config: Self = toml::from_str(text).map_err(|why| Fail::new(why.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Fail> {
        unique("agent", self.agents.iter().map(|agent| agent.name.as_str()))?;
        unique("server", self.servers.iter().map(|server| server.name.as_str()))?;
        unique("template", self.templates.iter().map(|template| template.name.as_str()))?;
        unique("approver", self.approvers.iter().map(|approver| approver.group.as_str()))?;
        self.listen.check(self.source()?.is_some())?;
        self.check_servers()?;
        for agent in self.agents.iter() {
            let known = |name: &AgentName| self.agents.iter().any(|other| other.name == *name);
            if let Some(name) = agent.hands_to.iter().find(|name| !known(name)) {
                return Err(Fail::new(format!(
                    "agent `{}` hands to `{name}`, which is not an [[agent]]",
                    agent.name
                )));
            }
        }
        self.check_credentials()?;
        self.check_secrets()?;
        self.token.check()?;
        self.svid.check()?;
        self.check_witnesses()?;
        self.check_clients()?;
        self.elsewhere()?;
        self.sources()?;
        self.check_templates()
    }

    fn check_witnesses(&self) -> Result<(), Fail> {
        if self.witnesses.len() > MAX_WITNESSES {
            return Err(Fail::new(format!("expected at most {MAX_WITNESSES} [[witness]] tables")));
        }
        // The id names its file in the public log.
        let ids = self.witnesses.iter().map(|witness| witness.key.0.id());
        if ids.collect::<std::collections::BTreeSet<_>>().len() < self.witnesses.len() {
            return Err(Fail::new("there are two [[witness]] tables with the same key"));
        }
        for witness in &self.witnesses {
            let uri = witness.url.parse::<http::Uri>().ok();
            let usable = uri.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
            });
            if !usable {
                return Err(Fail::new(format!(
                    "expected the address of a witness like `https://witness.example/prefix`, got `{}`",
                    witness.url
                )));
            }
        }
        Ok(())
    }

    /// What the engine needs of it.
    pub(crate) fn settings(&self) -> Settings {
        let agents = self.agents.iter().cloned().collect();
        let templates =
            self.templates.iter().map(|t| (t.name.clone(), Arc::new(t.template()))).collect();
        let servers = self.servers.iter().map(|s| (s.name.clone(), s.overrides())).collect();
        let mut groups: BTreeMap<_, _> =
            self.approvers.iter().map(|a| (a.group.clone(), a.members.clone())).collect();
        // The rules of the pack `contained` name it, so it is there even where nobody declared it.
        groups.entry("operators".to_owned()).or_default();
        Settings {
            node: self.node(),
            agents,
            templates,
            groups,
            servers,
            lends: self.lends(),
            pick_ups: self.pick_ups(),
            canaries: self.secrets.canaries.clone(),
            approval_lifetime: self.limits.approval.0,
            renewed_within: self.limits.attestation.0,
            call_timeout: self.limits.call.0,
            grant_lifetime: self.limits.grant.0,
            svid_lifetime: self.svid.lifetime.0,
            own_uid: environment::own_uid(),
            bearer: self.listen.takes_bearer(),
            client_keys: self.agents.keys().clone(),
            // It was read when the file was checked.
            elsewhere: self.elsewhere().unwrap_or_default(),
        }
    }

    /// This node's name.
    pub(crate) fn node(&self) -> String {
        self.node.clone().unwrap_or_else(environment::host_name)
    }

    /// The folder of policy files, `None` for the built-in pack.
    pub(crate) fn policy_dir(&self, config_file: &Path) -> Option<PathBuf> {
        let base = config_file.parent().unwrap_or(Path::new("."));
        self.policies.as_ref().map(|dir| base.join(dir))
    }

    /// The policy files.
    ///
    /// Errors: the folder cannot be read or holds no policy.
    pub(crate) fn policy_sources(&self, config_file: &Path) -> Result<Vec<Source>, Fail> {
        self.policy_dir(config_file).map_or_else(|| Ok(contained()), |dir| sources_in(&dir))
    }

    /// Whether anyone but Remit's own user comes to the socket.
    pub(crate) fn serves_other_users(&self, own_uid: u32) -> bool {
        let agents = self.agents.iter().flat_map(Agent::named_uids);
        agents.chain(self.operator.uids.iter().copied()).any(|uid| uid != own_uid && uid != 0)
    }

    /// Whether an agent can act as Remit or as an operator, and what that means.
    pub(crate) fn protection(&self, own_uid: u32) -> (&'static str, String) {
        let named = |test: &dyn Fn(&Agent) -> bool| -> Vec<&str> {
            let agents = self.agents.iter().filter(|agent| test(agent));
            agents.map(|agent| agent.name.as_str()).collect()
        };
        let shared = named(&|agent| [own_uid, 0].iter().any(|uid| agent.runs_as(*uid, own_uid)));
        let operators =
            named(&|agent| self.operator.uids.iter().any(|uid| agent.runs_as(*uid, own_uid)));
        if !shared.is_empty() {
            let text = format!(
                "agents ({}) can run under Remit's own user id ({own_uid}) or as root, so one that \
                 turns against it could read its keys or trace it; run Remit under a user id of \
                 its own (see docs/operating.md for the systemd unit) and give agents theirs with \
                 `uids`",
                shared.join(", ")
            );
            return ("unprotected", text);
        }
        if !operators.is_empty() {
            let text = format!(
                "agents ({}) run under a user id that [operator] names, so they could approve \
                 their own calls; give operators a user id under which no agent runs",
                operators.join(", ")
            );
            return ("unprotected", text);
        }
        ("protected", format!("agents run under other user ids than Remit's own ({own_uid})"))
    }
}

/// The built-in policies.
pub(crate) fn contained() -> Vec<Source> {
    let source =
        |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
    remit_policy::CONTAINED.iter().map(source).collect()
}

/// The `.cedar` files of a folder, by name.
///
/// Errors: the folder cannot be read, or holds none: a missing file must not open everything or
/// close everything unseen.
pub(crate) fn sources_in(dir: &Path) -> Result<Vec<Source>, Fail> {
    let unreadable =
        |why| Fail::new(format!("cannot read the policies in {}: {why}", dir.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "cedar") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(Fail::new(format!("there is no `.cedar` file in {}", dir.display())));
    }
    let source = |path: PathBuf| {
        let text = std::fs::read_to_string(&path)
            .map_err(|why| Fail::new(format!("cannot read {}: {why}", path.display())))?;
        Ok(Source { path: path.display().to_string(), text })
    };
    paths.into_iter().map(source).collect()
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), Fail> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Fail::new(format!("there are two [[{what}]] tables named `{name}`")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_commented_configuration_is_valid() {
        let config = Config::parse(COMMENTED).unwrap();
        assert_eq!(config.listen.address.port(), 7070);
        assert!(config.templates.iter().any(|template| template.name == "default"));
    }

    #[test]
    fn an_agent_that_can_be_remit_or_an_operator_is_not_protected_against() {
        for (agent, operators, expected) in [
            ("", "", "unprotected"),
            ("uids = [10]", "", "unprotected"),
            ("uids = [0]", "", "unprotected"),
            ("uids = [11]", "", "protected"),
            ("uids = [11]", "[operator]\nuids = [12]", "protected"),
            ("uids = [11, 12]", "[operator]\nuids = [12]", "unprotected"),
        ] {
            let text = format!("[[agent]]\nname = \"a\"\nowner = \"o\"\n{agent}\n{operators}");
            assert_eq!(Config::parse(&text).unwrap().protection(10).0, expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(why("[listen]\nadress = \"x\"").contains("adress"));
        assert!(why("[limits]\ncall = \"soon\"").contains("15m"));
        assert!(why("[[server]]\nname = \"a\"\nowner = \"ops\"").contains("either `command`"));
        let unowned = "[[server]]\nname = \"a\"\nowner = \"ops\"\nurl = \"http://127.0.0.1:1/mcp\"";
        assert!(why(unowned).contains("not an [[approver]] group"));
        let nobody = "[[template]]\nname = \"t\"\nmay_open = [\"bot\"]\ntools = [\"*\"]";
        assert!(why(nobody).contains("not an [[agent]]"));
        let witness = "[[witness]]\nurl = \"https://w.example\"\nkey = \"";
        assert!(why(&format!("{witness}w.example+00000000+AQ==\"")).contains("a witness's key"));
        let key = remit_tlog::CosigningKey::from_seed("w.example", &[1; 32]).unwrap();
        let witness = format!("{witness}{}\"\n", key.witness());
        Config::parse(&witness).unwrap();
        assert!(why(&witness.repeat(2)).contains("same key"));
        assert!(why(&witness.replace("https:", "ftp:")).contains("address of a witness"));
        assert!(why("[token]\nrotate = \"59m\"").contains("1h to 90 days"));
        assert!(why("[svid]\nlifetime = \"2h\"").contains("1s to 1h"));
        assert!(why("[svid]\nlifetime = \"10m\"\nrotate = \"19m\"").contains("twice its"));
        assert!(
            why("[[agent]]\nname = \"a\"\nowner = \"o\"\nselectors = [\"uid:1\"]")
                .contains("unix:uid:1000")
        );
        let pattern = "[[template]]\nname = \"t\"\ntools = [\"mail\"]";
        assert!(why(pattern).contains("tool pattern"));
    }
}
