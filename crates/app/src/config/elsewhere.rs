//! Whom others vouch for: `[[issuer]]` and `[[federation]]` tables, and `federated` of agents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use remit_engine::Elsewhere;
use remit_engine::elsewhere::{Domain, Rule};
use remit_federation::{Access, Address, Source, TOKENS};
use remit_jose::{Algorithm, KeySet};
use remit_model::{IssuerName, Value, Voucher};
use remit_spiffe::{trust_domain, workload_id};
use remit_token::elsewhere::{Claims, Issuer, MAX_FOREIGN_LIFETIME, Preset, Speaks};
use serde::Deserialize;

use super::{Config, Period, unique};
use crate::fail::Fail;

/// Issuers and trust domains that are trusted (R13): each is asked for its keys.
const MAX_VOUCHERS: usize = 64;

/// An issuer elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerTable {
    pub(crate) name: IssuerName,
    /// What it calls itself in `iss`, and where its metadata is.
    url: String,
    preset: Option<Preset>,
    /// The only audience of its workloads' tokens; left out: this issuer.
    audience: Option<String>,
    /// How it may sign; left out: in every way that is known.
    algorithms: Option<Vec<String>>,
    /// Where its keys are, if its metadata is not to say that.
    jwks_uri: Option<String>,
    /// A file with its keys, if it is not to be asked.
    jwks_file: Option<PathBuf>,
    /// The certificates that its server's must lead to, PEM.
    ca_file: Option<PathBuf>,
    /// A bearer token without which it does not answer.
    token_file: Option<PathBuf>,
    /// For how long its tokens may be good in all.
    lifetime: Option<Period>,
    /// Whether each of its tokens may be used once only.
    once: Option<bool>,
    vouches_for: Option<Vec<Speaks>>,
    #[serde(skip)]
    given: Option<Arc<KeySet>>,
}

/// A trust domain that is federated with ours.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FederationTable {
    pub(crate) trust_domain: String,
    bundle_endpoint_url: String,
    #[serde(default)]
    bundle_endpoint_profile: Profile,
    ca_file: Option<PathBuf>,
    /// Whether each of its JWT-SVIDs may be used once only. SPIRE's agents hand one out again.
    #[serde(default)]
    once: bool,
}

/// How a bundle endpoint is known to be the right one.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Profile {
    /// By a certificate of the web's.
    #[default]
    HttpsWeb,
}

/// Which of those that others vouch for is an agent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Federated {
    issuer: Option<IssuerName>,
    claims: Option<toml::Table>,
    spiffe_id: Option<String>,
}

impl Federated {
    fn rule(&self) -> Result<Rule, String> {
        match (&self.issuer, &self.claims, &self.spiffe_id) {
            (Some(issuer), Some(claims), None) => {
                let json = serde_json::to_string(claims).map_err(|why| why.to_string())?;
                let claims = Value::parse(&json).map_err(|why| why.to_string())?;
                let claims = Claims::read(&claims).map_err(|why| why.to_string())?;
                Ok(Rule::Claims(issuer.clone(), claims))
            }
            (None, None, Some(id)) => workload_id(id).map(Rule::Svid).ok_or_else(|| {
                format!("expected a SPIFFE ID like `spiffe://partner.example/bot`, got `{id}`")
            }),
            _ => Err("expected `issuer` and `claims`, or `spiffe_id` alone".to_owned()),
        }
    }
}

impl IssuerTable {
    /// Reads its keys, if they are in a file; files are relative to `base`.
    ///
    /// Errors: they cannot be read.
    pub(super) fn read_files(&mut self, base: &Path) -> Result<(), Fail> {
        for file in [&mut self.ca_file, &mut self.token_file, &mut self.jwks_file] {
            *file = file.take().map(|file| base.join(file));
        }
        let Some(file) = &self.jwks_file else { return Ok(()) };
        let said = |why: &dyn std::fmt::Display| {
            Fail::new(format!("issuer `{}`: {}: {why}", self.name, file.display()))
        };
        let text = std::fs::read_to_string(file).map_err(|why| said(&why))?;
        let set = Value::parse(&text).map_err(|why| said(&why))?;
        let keys = KeySet::published(&set, &TOKENS).map_err(|why| said(&why))?;
        self.given = Some(Arc::new(keys));
        Ok(())
    }

    fn issuer(&self) -> Result<Issuer, String> {
        let algorithm = |name: &String| {
            let found = Algorithm::ALL.into_iter().find(|it| it.name() == name);
            found.ok_or_else(|| {
                let known = Algorithm::ALL.map(Algorithm::name).join(", ");
                format!("expected `algorithms` out of {known}, got `{name}`")
            })
        };
        let algorithms = match &self.algorithms {
            None => Algorithm::ALL.to_vec(),
            Some(names) => names.iter().map(algorithm).collect::<Result<_, _>>()?,
        };
        let lifetime = self.lifetime.map_or(Duration::from_hours(1), |lifetime| lifetime.0);
        if !(Duration::from_mins(1)..=MAX_FOREIGN_LIFETIME).contains(&lifetime) {
            return Err("expected a `lifetime` from 1m to 24h".to_owned());
        }
        if self.audience.as_ref().is_some_and(String::is_empty) {
            return Err("expected an `audience`, or none at all".to_owned());
        }
        let vouches_for = self.vouches_for.clone().unwrap_or_else(|| vec![Speaks::Workloads]);
        Ok(Issuer {
            name: self.name.clone(),
            url: self.url.clone(),
            preset: self.preset,
            audience: self.audience.clone(),
            algorithms,
            lifetime,
            once: self.once.unwrap_or_else(|| self.preset.is_none_or(Preset::once)),
            vouches_for,
        })
    }

    fn source(&self) -> Result<Source, String> {
        let address = |text: &str| text.parse::<Address>().map_err(|why| why.to_string());
        let access = Access { ca_file: self.ca_file.clone(), token_file: self.token_file.clone() };
        // What it is called must be an address even where nobody asks there.
        let url = address(&self.url)?;
        match (&self.jwks_uri, &self.jwks_file) {
            (None, None) => Ok(Source::Discovered(url, access)),
            (Some(keys), None) => Ok(Source::Keys(address(keys)?, access)),
            (None, Some(_)) => Ok(Source::Given(self.given.clone().unwrap_or_default())),
            (Some(_), Some(_)) => {
                Err("expected either `jwks_uri` or `jwks_file`, got both".to_owned())
            }
        }
    }
}

impl FederationTable {
    /// Files are relative to `base`.
    pub(super) fn rebase(&mut self, base: &Path) {
        self.ca_file = self.ca_file.take().map(|file| base.join(file));
    }

    fn source(&self) -> Result<Source, String> {
        let Profile::HttpsWeb = self.bundle_endpoint_profile;
        let at = self.bundle_endpoint_url.parse().map_err(|why| format!("{why}"))?;
        Ok(Source::Bundle(at, Access { ca_file: self.ca_file.clone(), token_file: None }))
    }
}

impl Config {
    /// Whom others vouch for, as the engine needs it, beside our own trust domain.
    ///
    /// Errors: a table is wrong, two are the same, somebody vouches for what is ours, or an agent could
    /// be anybody.
    pub(super) fn elsewhere(&self) -> Result<Elsewhere, Fail> {
        unique("issuer", self.issuers.iter().map(|issuer| issuer.name.as_str()))?;
        unique("federation", self.federations.iter().map(|domain| domain.trust_domain.as_str()))?;
        let handed = &self.spiffe.trust_domains;
        if let Some(twice) = self.federations.iter().find(|it| handed.contains(&it.trust_domain)) {
            return Err(Fail::new(format!(
                "federation `{}` stands in `trust_domains` of [spiffe], too: its keys can come from one \
                 place only",
                twice.trust_domain
            )));
        }
        if self.issuers.len() + self.federations.len() + handed.len() > MAX_VOUCHERS {
            let text = format!(
                "expected at most {MAX_VOUCHERS} [[issuer]] and [[federation]] tables and \
                 `trust_domains` of [spiffe]"
            );
            return Err(Fail::new(text));
        }
        let issuers = self.issuers.iter().map(|table| {
            table.issuer().map_err(|why| Fail::new(format!("issuer `{}`: {why}", table.name)))
        });
        let issuers = issuers.collect::<Result<Vec<_>, _>>()?;
        let urls: BTreeSet<_> = issuers.iter().map(|issuer| issuer.url.as_str()).collect();
        if urls.len() < issuers.len() {
            return Err(Fail::new("there are two [[issuer]] tables with the same `url`"));
        }
        let domains = self.federations.iter().map(|table| {
            trust_domain(&table.trust_domain)?;
            if table.trust_domain == self.trust_domain {
                return Err(Fail::new(format!(
                    "federation `{}` is our own trust domain: nobody else vouches for that",
                    self.trust_domain
                )));
            }
            Ok(Domain { name: table.trust_domain.clone(), once: table.once })
        });
        // SPIRE's agents hand a JWT-SVID out again.
        let handed = handed.iter().map(|name| Ok(Domain { name: name.clone(), once: false }));
        let domains = domains.chain(handed).collect::<Result<_, _>>()?;
        let mut elsewhere = Elsewhere { issuers, domains, agents: Vec::new() };
        for (agent, federated) in self.agents.federated() {
            for one in federated {
                let said = |why: String| Fail::new(format!("agent `{agent}`: `federated`: {why}"));
                let rule = one.rule().map_err(said)?;
                check_rule(&rule, &elsewhere).map_err(said)?;
                elsewhere.agents.push((agent.clone(), rule));
            }
        }
        Ok(elsewhere)
    }

    /// Where the keys of those come from who vouch.
    ///
    /// Errors: an address may not be asked.
    pub(crate) fn sources(&self) -> Result<BTreeMap<Voucher, Source>, Fail> {
        let issuers =
            self.issuers.iter().map(|table| (Voucher::Issuer(table.name.clone()), table.source()));
        let domains = self
            .federations
            .iter()
            .map(|table| (Voucher::Domain(table.trust_domain.clone()), table.source()));
        let handed = self.spiffe.trust_domains.iter();
        let handed = handed.map(|name| (Voucher::Domain(name.clone()), Ok(Source::Handed)));
        let each = issuers.chain(domains).chain(handed).map(|(voucher, source)| {
            let source = source.map_err(|why| Fail::new(format!("{voucher}: {why}")))?;
            Ok((voucher, source))
        });
        each.collect()
    }
}

fn check_rule(rule: &Rule, elsewhere: &Elsewhere) -> Result<(), String> {
    match rule {
        Rule::Claims(name, claims) => {
            let issuer = elsewhere.issuers.iter().find(|issuer| issuer.name == *name);
            let issuer = issuer.ok_or_else(|| format!("there is no [[issuer]] named `{name}`"))?;
            if !issuer.vouches_for.contains(&Speaks::Workloads) {
                return Err(format!("issuer `{name}` does not vouch for workloads"));
            }
            issuer.check_pinned(claims).map_err(|ways| {
                format!(
                    "these claims could be anybody's: give exactly, without `*`, one of: {ways}"
                )
            })
        }
        Rule::Svid(id) => {
            let domain = id.trust_domain().as_str();
            let known = elsewhere.domains.iter().any(|it| it.name == domain);
            let none = || {
                format!(
                    "there is no [[federation]] of the trust domain `{domain}`, nor is it in \
                     `trust_domains` of [spiffe]"
                )
            };
            known.then_some(()).ok_or_else(none)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENT: &str = "[[agent]]\nname = \"bot\"\nowner = \"ops\"\n";

    fn read(issuer: &str, federated: &str) -> Result<Config, String> {
        let text = format!(
            "[[issuer]]\nname = \"ci\"\nurl = \"https://ci.example\"\n{issuer}\n\
             [[federation]]\ntrust_domain = \"partner.example\"\n\
             bundle_endpoint_url = \"https://partner.example/bundle\"\n\
             {AGENT}federated = [{federated}]\n"
        );
        Config::parse(&text).map_err(|why| why.to_string())
    }

    #[test]
    fn an_agent_is_pinned_down_by_what_is_its_own() {
        for (preset, claims) in [
            ("", r#"sub = "x""#),
            ("", r#"sub = ["x", "y"], ref = "*""#),
            (
                "kubernetes",
                r#""kubernetes.io" = { namespace = "a", serviceaccount = { name = "b" } }"#,
            ),
            ("kubernetes", r#""kubernetes.io".serviceaccount.uid = "u""#),
            ("github-actions", r#"repository = "acme/app", ref = "refs/heads/*""#),
            ("gitlab", r#"project_id = "7""#),
        ] {
            let preset =
                if preset.is_empty() { String::new() } else { format!("preset = \"{preset}\"") };
            let rule = format!(r#"{{ issuer = "ci", claims = {{ {claims} }} }}"#);
            let config = read(&preset, &rule).unwrap_or_else(|why| panic!("{claims}: {why}"));
            assert_eq!(config.settings().elsewhere.agents.len(), 1, "{claims}");
        }
        for (preset, claims) in [
            ("", r#"sub = "*""#),
            ("", r#"sub = ["x", "y*"]"#),
            ("", r#"repository = "acme/app""#),
            ("kubernetes", r#""kubernetes.io" = { namespace = "a" }"#),
            (
                "kubernetes",
                r#""kubernetes.io" = { namespace = "*", serviceaccount = { name = "b" } }"#,
            ),
            ("github-actions", r#"repository_owner = "acme""#),
            ("github-actions", r#"repository = "acme/*""#),
            ("gitlab", r#"namespace_path = "acme""#),
        ] {
            let preset =
                if preset.is_empty() { String::new() } else { format!("preset = \"{preset}\"") };
            let rule = format!(r#"{{ issuer = "ci", claims = {{ {claims} }} }}"#);
            let why = read(&preset, &rule).unwrap_err();
            assert!(why.contains("could be anybody's"), "{claims}: {why}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let spiffe = r#"{ spiffe_id = "spiffe://partner.example/bot" }"#;
        read("", spiffe).unwrap();
        for (issuer, federated, why) in [
            ("", r#"{ issuer = "ci" }"#, "`issuer` and `claims`"),
            ("", r#"{ issuer = "ci", claims = {} }"#, "names 0 claims"),
            ("", r#"{ issuer = "other", claims = { sub = "x" } }"#, "no [[issuer]] named `other`"),
            ("", r#"{ spiffe_id = "spiffe://partner.example" }"#, "expected a SPIFFE ID"),
            ("", r#"{ spiffe_id = "spiffe://Partner.example/bot" }"#, "expected a SPIFFE ID"),
            ("", r#"{ spiffe_id = "spiffe://third.example/bot" }"#, "no [[federation]]"),
            ("", r#"{ spiffe_id = "spiffe://remit.local/agent/bot" }"#, "no [[federation]]"),
            ("", r#"{ isuer = "ci" }"#, "isuer"),
            ("algorithms = [\"HS256\"]", spiffe, "got `HS256`"),
            ("algorithms = [\"none\"]", spiffe, "got `none`"),
            ("lifetime = \"30d\"", spiffe, "1m to 24h"),
            ("audience = \"\"", spiffe, "expected an `audience`"),
            ("jwks_uri = \"http://ci.example/k\"", spiffe, "expected an address"),
            ("jwks_uri = \"https://ci.example/k\"\njwks_file = \"x\"", spiffe, "got both"),
            ("preset = \"jenkins\"", spiffe, "jenkins"),
            (
                "vouches_for = [\"people\"]",
                r#"{ issuer = "ci", claims = { sub = "x" } }"#,
                "does not vouch for workloads",
            ),
            ("[[issuer]]\nname = \"ci\"\nurl = \"https://b\"", spiffe, "two [[issuer]] tables"),
            ("[[issuer]]\nname = \"c\"\nurl = \"https://ci.example\"", spiffe, "the same `url`"),
            (
                "[[issuer]]\nname = \"c\"\nurl = \"http://ci.example\"",
                spiffe,
                "expected an address",
            ),
            (
                "[[federation]]\ntrust_domain = \"remit.local\"\nbundle_endpoint_url = \"https://x\"",
                spiffe,
                "is our own trust domain",
            ),
            (
                "[spiffe]\nsource = \"unix:///s\"\ntrust_domains = [\"partner.example\"]",
                spiffe,
                "from one place only",
            ),
        ] {
            let error = read(issuer, federated).unwrap_err();
            assert!(error.contains(why), "{issuer} {federated}: {error}");
        }
    }
}
