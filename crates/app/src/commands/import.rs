//! Taking over the servers of an MCP client's configuration.
//!
//! Reads the `mcpServers` object that desktop clients and coding agents share (and the `servers`
//! object of editors), and writes one `[[server]]` table each, for a person to look over. What refers to
//! sealed storage there becomes a credential that the server is lent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use remit_model::SecretName;
use remit_scan::Place;
use serde::{Deserialize, Serialize};

use super::lent::{Lent, lend, reference};
use crate::fail::Fail;

#[derive(Debug, Deserialize)]
struct File {
    #[serde(alias = "servers", rename = "mcpServers")]
    servers: BTreeMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    command: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(alias = "serverUrl")]
    url: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    cwd: Option<String>,
}

#[derive(Debug, Serialize)]
struct Table {
    server: [Server; 1],
}

#[derive(Debug, Serialize)]
struct Server {
    name: String,
    owner: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lend: Vec<Lent>,
}

/// What is configured already.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Names of servers.
    pub(crate) servers: Vec<String>,
    /// Names of credentials.
    pub(crate) credentials: BTreeSet<String>,
}

/// What was taken over.
#[derive(Debug)]
pub(crate) struct Imported {
    /// The tables, as TOML.
    pub(crate) toml: String,
    /// The servers' names.
    pub(crate) names: Vec<String>,
    /// The members that hold values in the clear which look like secrets: `server.member`.
    pub(crate) secrets: Vec<String>,
}

/// Reads `text`, which is in `file`; what is `taken` is left out.
///
/// Errors: it is not JSON of that form, or holds no new server.
pub(crate) fn read((file, text): (&Path, &str), taken: &Taken) -> Result<Imported, Fail> {
    let parsed: File = serde_json::from_str(text).map_err(|why| {
        Fail::new(format!(
            "{}: expected a JSON object with `mcpServers`, as MCP clients keep it: {why}",
            file.display()
        ))
    })?;
    let mut imported = Imported { toml: String::new(), names: Vec::new(), secrets: Vec::new() };
    let mut credentials = taken.credentials.clone();
    for (name, entry) in parsed.servers {
        let name = plain(&name);
        if taken.servers.contains(&name) || imported.names.contains(&name) {
            continue;
        }
        let server = server(&name, entry);
        let clear = server.env.iter().chain(&server.headers);
        let clear = clear.filter(|(member, value)| remit_scan::is_secret(member, value));
        imported.secrets.extend(clear.map(|(member, _)| format!("{name}.{member}")));
        imported.toml.push('\n');
        for lent in &server.lend {
            if credentials.insert(lent.name().to_string()) {
                imported.toml.push_str(&lent.credential());
            }
        }
        imported.toml.push_str(&toml::to_string(&Table { server: [server] })?);
        imported.names.push(name);
    }
    if imported.names.is_empty() {
        return Err(Fail::new(format!(
            "{} holds no server that is not configured yet",
            file.display()
        )));
    }
    Ok(imported)
}

fn server(name: &str, entry: Entry) -> Server {
    let (env, variables) = parted(&Place::Variable, entry.env);
    let (headers, in_headers) = parted(&Place::Header, entry.headers);
    let (url, in_query) = entry.url.map(|url| without_references(&url)).unzip();
    Server {
        name: name.to_owned(),
        owner: "operators",
        command: entry.command.into_iter().chain(entry.args).collect(),
        directory: entry.cwd,
        url,
        env,
        headers,
        lend: [variables, in_headers, in_query.unwrap_or_default()].concat(),
    }
}

/// The members that say what they mean, and what is lent for those that refer to a secret.
fn parted(
    place: &Place,
    members: BTreeMap<String, String>,
) -> (BTreeMap<String, String>, Vec<Lent>) {
    let mut lent = Vec::new();
    let stays = members.into_iter().filter(|(name, value)| match lent_for(place, name, value) {
        Some(one) => {
            lent.push(one);
            false
        }
        None => true,
    });
    (stays.collect(), lent)
}

fn lent_for(place: &Place, name: &str, value: &str) -> Option<Lent> {
    let (secret, before, behind): (SecretName, _, _) = reference(value)?;
    lend(place, name, &secret, (before, behind)).ok()
}

/// `url` without the parameters that refer to a secret, and what is lent for them.
fn without_references(url: &str) -> (String, Vec<Lent>) {
    let Some((address, query)) = url.split_once('?') else { return (url.to_owned(), Vec::new()) };
    let (mut stays, mut lent) = (Vec::new(), Vec::new());
    for pair in query.split('&') {
        let named = pair.split_once('=');
        match named.and_then(|(name, value)| lent_for(&Place::Query, name, value)) {
            Some(one) => lent.push(one),
            None => stays.push(pair),
        }
    }
    let query = if stays.is_empty() { String::new() } else { format!("?{}", stays.join("&")) };
    (format!("{address}{query}"), lent)
}

/// A server name of ours: lower case, no doubled underscore.
pub(crate) fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(keep).take(64).collect();
    let name = name.trim_matches('-').to_owned();
    if name.is_empty() { "server".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, taken: &[&str]) -> Result<Imported, Fail> {
        let servers = taken.iter().map(|&name| name.to_owned()).collect();
        let taken = Taken { servers, credentials: BTreeSet::from(["known-key".to_owned()]) };
        super::read((Path::new("mcp.json"), text), &taken)
    }

    #[test]
    fn a_clients_servers_become_tables() {
        let text = r#"{"mcpServers":{"My Files":{"command":"npx","args":["-y","fs","/a \"b\""]},
            "hub":{"url":"https://example.com/mcp","headers":{"X-Api-Key":"q7Zt3VbK9xWm2RdLp8Yc"}},
            "known":{"command":"x"}}}"#;
        let imported = read(text, &["known"]).unwrap();
        assert_eq!(imported.names, ["my-files", "hub"]);
        assert_eq!(imported.secrets, ["hub.X-Api-Key"]);
        let back: toml::Table = toml::from_str(&imported.toml).unwrap();
        let first = &back["server"][0];
        assert_eq!(first["command"][3].as_str(), Some("/a \"b\""));
    }

    #[test]
    fn what_refers_to_sealed_storage_is_lent() {
        let text = r#"{"mcpServers":{"a":{"command":"x","env":{"LOG":"1","TOKEN":"remit:secret/a-token"}},
            "b":{"url":"https://h/mcp?v=1&key=remit:secret/known-key",
                 "headers":{"Authorization":"Bearer remit:secret/b-auth"}}}}"#;
        let imported = read(text, &[]).unwrap();
        assert_eq!(imported.secrets, [""; 0]);
        assert!(!imported.toml.contains("remit:secret"), "{}", imported.toml);
        let back: toml::Table = toml::from_str(&imported.toml).unwrap();
        let credentials: Vec<_> = back["credential"]
            .as_array()
            .unwrap()
            .iter()
            .map(|credential| credential["secret"].as_str().unwrap())
            .collect();
        assert_eq!(credentials, ["a-token", "b-auth"], "one is there already");
        let (a, b) = (&back["server"][0], &back["server"][1]);
        assert_eq!(a["env"].as_table().unwrap().len(), 1);
        assert_eq!(a["lend"][0]["variable"]["TOKEN"].as_str(), Some("{value}"));
        assert_eq!(b["url"].as_str(), Some("https://h/mcp?v=1"));
        assert_eq!(b["lend"][0]["header"]["Authorization"].as_str(), Some("Bearer {value}"));
        assert_eq!(b["lend"][1]["query"]["key"].as_str(), Some("{value}"));
    }

    #[test]
    fn what_is_no_such_file_is_said() {
        assert!(read("[]", &[]).unwrap_err().to_string().contains("mcpServers"));
    }
}
