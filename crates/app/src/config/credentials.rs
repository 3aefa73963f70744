//! `[[credential]]`: what can be lent, and `lend` of a `[[server]]`: where it goes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use remit_engine::lend::Needed;
use remit_engine::lend::pick_up::PICKED_UP;
use remit_issuers::Kind;
use remit_model::{CredentialName, ServerName};
use remit_upstream::{Delivery, Place, Signs, Template};
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer};

use super::{Config, Period, Server};
use crate::fail::Fail;

/// The longest a credential may be lent without being issued anew (R13): what is lent for a working
/// day is a standing key.
const MAX_LIFETIME: Duration = Duration::from_hours(8);
/// How many credentials one server may need (R13).
const MAX_LENDS: usize = 8;

/// A credential that can be lent.
#[derive(Debug)]
pub(crate) struct CredentialTable {
    pub(crate) name: CredentialName,
    /// How long one may be used.
    pub(crate) lifetime: Period,
    /// Whether programs may pick it up.
    pick_up: bool,
    /// Who issues it; what makes no sense together is found when it is opened, before anything starts.
    pub(crate) kind: Box<dyn Kind>,
}

/// What calls of a server are sent with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LendTable {
    credential: CredentialName,
    /// Header → text with fields.
    #[serde(default)]
    header: BTreeMap<String, String>,
    /// Query parameter → text with fields.
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// Variable → text with fields.
    #[serde(default)]
    variable: BTreeMap<String, String>,
    /// For which service of AWS, or of whoever speaks like it, each request is signed.
    sign: Option<SignTable>,
    /// Shows its certificate on the connections that requests go through.
    #[serde(default)]
    mutual_tls: bool,
    /// Variable that holds the path → text with fields.
    #[serde(default)]
    file: BTreeMap<String, String>,
    /// Variable that holds the number → text with fields.
    #[serde(default)]
    descriptor: BTreeMap<String, String>,
}

/// What a signature is good for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignTable {
    region: String,
    service: String,
}

impl<'de> Deserialize<'de> for CredentialTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let name: CredentialName =
            take(&mut table, "name")?.ok_or_else(|| de::Error::missing_field("name"))?;
        let within = |why: &dyn std::fmt::Display| {
            de::Error::custom(format!("credential `{name}`: {}", why.to_string().trim_end()))
        };
        let lifetime = take(&mut table, "lifetime").map_err(|why: D::Error| within(&why))?;
        let pick_up = take(&mut table, "pick_up").map_err(|why: D::Error| within(&why))?;
        let kind: Option<String> =
            take(&mut table, "kind").map_err(|why: D::Error| within(&why))?;
        let kind = remit_issuers::read(kind.as_deref(), table).map_err(|why| within(&why))?;
        let lifetime = lifetime.unwrap_or(Period(Duration::from_mins(15)));
        Ok(Self { name, lifetime, pick_up: pick_up.unwrap_or(false), kind })
    }
}

fn take<T: DeserializeOwned, E: de::Error>(
    table: &mut toml::Table,
    member: &str,
) -> Result<Option<T>, E> {
    table
        .remove(member)
        .map(toml::Value::try_into)
        .transpose()
        .map_err(|why| E::custom(format!("`{member}`: {}", why.to_string().trim_end())))
}

impl CredentialTable {
    /// Makes paths relative to `base`.
    pub(crate) fn rebase(&mut self, base: &Path) {
        self.kind.rebase(base);
    }

    fn check(&self) -> Result<(), Fail> {
        let lifetime = self.lifetime.0;
        if lifetime.is_zero() || lifetime > MAX_LIFETIME {
            return Err(Fail::new(format!(
                "credential `{}`: expected a lifetime of at most {} h, got {}",
                self.name,
                MAX_LIFETIME.as_secs() / 3600,
                humantime::format_duration(lifetime)
            )));
        }
        Ok(())
    }
}

impl LendTable {
    /// Where its fields go.
    ///
    /// Errors: a name or a text that cannot be used there.
    pub(crate) fn delivery(&self) -> Result<Delivery, Fail> {
        let mut places = Vec::new();
        for (name, text) in &self.header {
            let place = Place::header(name).map_err(|why| Fail::new(why.to_string()))?;
            places.push((place, template(text)?));
        }
        for (name, text) in &self.query {
            places.push((Place::Query(name.clone()), template(text)?));
        }
        for (name, text) in &self.variable {
            places.push((Place::Variable(plain(name)?), template(text)?));
        }
        for (name, text) in &self.file {
            places.push((Place::File(plain(name)?), template(text)?));
        }
        for (name, text) in &self.descriptor {
            places.push((Place::Descriptor(plain(name)?), template(text)?));
        }
        let signs = self.sign.as_ref().map(|sign| {
            let SignTable { region, service } = sign.clone();
            Signs { region, service }
        });
        let (credential, mutual_tls) = (self.credential.clone(), self.mutual_tls);
        Ok(Delivery { credential, places, signs, mutual_tls })
    }
}

fn template(text: &str) -> Result<Template, Fail> {
    text.parse::<Template>().map_err(|why| Fail::new(why.to_string()))
}

/// The name of a variable; also that of a file in a folder of its own.
fn plain(name: &str) -> Result<String, Fail> {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(letters)
    {
        return Ok(name.to_owned());
    }
    Err(Fail::new(format!("expected the name of a variable like `DATABASE_URL`, got `{name}`")))
}

impl Server {
    /// Where what is lent for its calls goes.
    ///
    /// Errors: see [`LendTable::delivery`]; what fits no server of its kind.
    pub(crate) fn deliveries(&self) -> Result<Vec<Delivery>, Fail> {
        let within = |why: Fail| Fail::new(format!("server `{}`: {why}", self.name));
        let deliveries: Result<Vec<_>, Fail> = self.lend.iter().map(LendTable::delivery).collect();
        let deliveries = deliveries.map_err(within)?;
        for delivery in &deliveries {
            self.check_fits(delivery).map_err(within)?;
        }
        if deliveries.iter().filter(|delivery| delivery.mutual_tls).count() > 1 {
            return Err(within(Fail::new(
                "expected one `mutual_tls` in `lend`: a connection shows one certificate",
            )));
        }
        let stays = |delivery: &Delivery| self.url.is_none() || delivery.mutual_tls;
        if self.shared && deliveries.iter().any(stays) {
            return Err(within(Fail::new(
                "what is lent belongs to one task, and this process or session serves all: leave out \
                 `shared`",
            )));
        }
        Ok(deliveries)
    }

    /// Errors: it goes where this server has no place for it.
    fn check_fits(&self, delivery: &Delivery) -> Result<(), Fail> {
        let Delivery { credential, places, signs, mutual_tls } = delivery;
        let fits = |(place, _): &(Place, Template)| place.is_of_process() == self.url.is_none();
        let of_requests = signs.is_some() || *mutual_tls;
        let nowhere = places.is_empty() && !of_requests || of_requests && self.url.is_none();
        if !places.iter().all(fits) || nowhere {
            return Err(Fail::new(format!(
                "expected to lend `{credential}` {}",
                if self.url.is_none() {
                    "as a `variable`, a `file` or a `descriptor`, because it is a program"
                } else {
                    "in a `header` or the `query`, to `sign` or for `mutual_tls`, because it has an address"
                }
            )));
        }
        if *mutual_tls && !self.speaks_tls() {
            return Err(Fail::new(format!(
                "expected a `url` that begins with `https:` to lend `{credential}` for `mutual_tls`"
            )));
        }
        Ok(())
    }
}

impl Config {
    /// What calls of each server are sent with.
    pub(crate) fn lends(&self) -> BTreeMap<ServerName, Vec<Needed>> {
        let lifetime = |name: &CredentialName| {
            let table = self.credentials.iter().find(|table| table.name == *name);
            table.map_or(Duration::ZERO, |table| table.lifetime.0)
        };
        let needed = |server: &Server, lend: &LendTable| Needed {
            credential: lend.credential.clone(),
            lifetime: lifetime(&lend.credential),
            process: server.url.is_none(),
        };
        let lending = self.servers.iter().filter(|server| !server.lend.is_empty());
        let all = |server: &Server| server.lend.iter().map(|lend| needed(server, lend)).collect();
        lending.map(|server| (server.name.clone(), all(server))).collect()
    }

    /// What programs may pick up.
    pub(crate) fn pick_ups(&self) -> BTreeMap<CredentialName, Duration> {
        let offered = self.credentials.iter().filter(|table| table.pick_up);
        offered.map(|table| (table.name.clone(), table.lifetime.0)).collect()
    }

    /// Errors: what is lent is not what is configured.
    pub(super) fn check_credentials(&self) -> Result<(), Fail> {
        super::unique("credential", self.credentials.iter().map(|table| table.name.as_str()))?;
        self.credentials.iter().try_for_each(CredentialTable::check)?;
        for server in &self.servers {
            server.deliveries()?;
            if server.name.as_str() == PICKED_UP {
                return Err(Fail::new(format!(
                    "no server can be called `{PICKED_UP}`: what programs pick up is recorded under that"
                )));
            }
            if server.lend.len() > MAX_LENDS {
                return Err(Fail::new(format!(
                    "server `{}`: expected at most {MAX_LENDS} credentials in `lend`",
                    server.name
                )));
            }
            for lend in &server.lend {
                if !self.credentials.iter().any(|table| table.name == lend.credential) {
                    return Err(Fail::new(format!(
                        "server `{}` is lent `{}`, which is not a [[credential]]",
                        server.name, lend.credential
                    )));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let rest = "[[approver]]\ngroup = \"ops\"\n";
        Config::parse(&format!("{text}\n{rest}")).unwrap_err().to_string()
    }

    const KEY: &str = "[[credential]]\nname = \"key\"\nkind = \"secret\"\nvariable = \"KEY\"\n";

    const MUTUAL: &str = "{ credential = \"key\", mutual_tls = true }";

    fn server(rest: &str) -> String {
        format!("{KEY}[[server]]\nname = \"s\"\nowner = \"ops\"\n{rest}")
    }

    #[test]
    fn what_is_lent_is_checked_before_anything_starts() {
        let url = "url = \"http://h/mcp\"\n";
        let https = "url = \"https://h/mcp\"\n";
        let program = "command = [\"x\"]\n";
        let cases = [
            (format!("{KEY}{KEY}"), "two [[credential]] tables"),
            ("[[credential]]\nname = \"k\"\n".to_owned(), "expected a `kind`"),
            ("[[credential]]\nname = \"k\"\nkind = \"magic\"\n".to_owned(), "`magic`"),
            ("[[credential]]\nname = \"k\"\nkind = \"secret\"\n".to_owned(), "exactly one of"),
            (format!("{KEY}file = \"f\"\n"), "exactly one of"),
            (format!("{KEY}colour = \"red\"\n"), "colour"),
            (format!("{KEY}lifetime = \"9h\"\n"), "at most 8 h"),
            (
                server(&format!(
                    "{url}lend = [{{ credential = \"other\", query = {{ k = \"{{value}}\" }} }}]"
                )),
                "not a [[credential]]",
            ),
            (server(&format!("{url}lend = [{{ credential = \"key\" }}]")), "in a `header`"),
            (
                server(&format!(
                    "{url}lend = [{{ credential = \"key\", variable = {{ K = \"{{value}}\" }} }}]"
                )),
                "in a `header`",
            ),
            (
                server(&format!(
                    "{url}lend = [{{ credential = \"key\", header = {{ Host = \"{{value}}\" }} }}]"
                )),
                "set by Remit itself",
            ),
            (
                server(&format!(
                    "{url}lend = [{{ credential = \"key\", header = {{ X = \"plain\" }} }}]"
                )),
                "text with fields",
            ),
            (
                server(&format!(
                    "{program}lend = [{{ credential = \"key\", header = {{ X = \"{{value}}\" }} }}]"
                )),
                "as a `variable`",
            ),
            (server(&format!("{url}lend = [{MUTUAL}]")), "begins with `https:`"),
            (server(&format!("{program}lend = [{MUTUAL}]")), "as a `variable`"),
            (server(&format!("{https}lend = [{MUTUAL}, {MUTUAL}]")), "shows one certificate"),
            (server(&format!("{https}shared = true\nlend = [{MUTUAL}]")), "leave out `shared`"),
            (
                server(&format!(
                    "{program}lend = [{{ credential = \"key\", file = {{ \"../x\" = \"{{value}}\" }} }}]"
                )),
                "name of a variable",
            ),
            (
                server(&format!(
                    "{program}lend = [{{ credential = \"key\", descriptor = {{ \"3\" = \"{{value}}\" }} }}]"
                )),
                "name of a variable",
            ),
            (
                server(&format!(
                    "{program}shared = true\nlend = [{{ credential = \"key\", variable = {{ K = \"{{value}}\" }} }}]"
                )),
                "leave out `shared`",
            ),
        ];
        for (text, expected) in cases {
            let why = refused(&text);
            assert!(why.contains(expected), "{text}\n→ {why}");
        }
    }
}
