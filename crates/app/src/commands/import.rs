//! Taking over the servers of an MCP client's configuration.
//!
//! Reads the `mcpServers` object that desktop clients and coding agents share (and the `servers`
//! object of editors), and writes one `[[server]]` table each, for a person to look over.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

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

/// Reads `file`; names in `taken` are left out.
///
/// Errors: it cannot be read, is not JSON of that form, or holds no new server.
pub(crate) fn read(file: &Path, taken: &[String]) -> Result<Imported, Fail> {
    let text = std::fs::read_to_string(file)
        .map_err(|why| Fail::new(format!("cannot read {}: {why}", file.display())))?;
    let parsed: File = serde_json::from_str(&text).map_err(|why| {
        Fail::new(format!(
            "{}: expected a JSON object with `mcpServers`, as MCP clients keep it: {why}",
            file.display()
        ))
    })?;
    let mut imported = Imported { toml: String::new(), names: Vec::new(), secrets: Vec::new() };
    for (name, entry) in parsed.servers {
        let name = plain(&name);
        if taken.contains(&name) || imported.names.contains(&name) {
            continue;
        }
        let secret = |member: &&String| looks_secret(member);
        imported.secrets.extend(
            entry
                .env
                .keys()
                .chain(entry.headers.keys())
                .filter(secret)
                .map(|m| format!("{name}.{m}")),
        );
        imported.toml.push('\n');
        imported.toml.push_str(&toml::to_string(&Table { server: [table(&name, entry)] })?);
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

fn table(name: &str, entry: Entry) -> Server {
    Server {
        name: name.to_owned(),
        owner: "operators",
        command: entry.command.into_iter().chain(entry.args).collect(),
        directory: entry.cwd,
        url: entry.url,
        env: entry.env,
        headers: entry.headers,
    }
}

/// A server name of ours: lower case, no doubled underscore.
fn plain(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = name.chars().map(keep).take(64).collect();
    let name = name.trim_matches('-').to_owned();
    if name.is_empty() { "server".to_owned() } else { name }
}

fn looks_secret(member: &str) -> bool {
    let member = member.to_ascii_lowercase();
    ["key", "token", "secret", "password", "authorization", "credential"]
        .iter()
        .any(|word| member.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_servers_become_tables() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            r#"{"mcpServers":{"My Files":{"command":"npx","args":["-y","fs","/a \"b\""]},
                "hub":{"url":"https://example.com/mcp","headers":{"Authorization":"Bearer x"}},
                "known":{"command":"x"}}}"#,
        )
        .unwrap();
        let imported = read(file.path(), &["known".to_owned()]).unwrap();
        assert_eq!(imported.names, ["my-files", "hub"]);
        assert_eq!(imported.secrets, ["hub.Authorization"]);
        let back: toml::Table = toml::from_str(&imported.toml).unwrap();
        let first = &back["server"][0];
        assert_eq!(first["command"][3].as_str(), Some("/a \"b\""));
    }

    #[test]
    fn what_is_no_such_file_is_said() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[]").unwrap();
        assert!(read(file.path(), &[]).unwrap_err().to_string().contains("mcpServers"));
    }
}
