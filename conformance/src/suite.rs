//! The suite as a program: which scenarios it runs, and running it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::{ChildStdout, Command};

use crate::Failure;
use crate::checks::{self, Checks, Verdict};
use crate::stand::CLIENT;

/// How long all server scenarios of a revision may take; they need a fifth of it.
const SERVER_PATIENCE: Duration = Duration::from_mins(3);
/// How long one client scenario may take: the suite gives up on a client after half a minute.
const CLIENT_PATIENCE: Duration = Duration::from_mins(1);

/// How many characters of the suite's own words are shown where it cannot be used.
const EXCERPT: usize = 2_000;

/// The check that stands for what the suite says by its exit code of a client scenario: whether the
/// client ended well.
const ENDED: &str = "client-ended-well";

/// Which side is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Leg {
    Server,
    Client,
}

/// A requirement set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) enum Revision {
    #[serde(rename = "2025-11-25")]
    Sessions,
    #[serde(rename = "2026-07-28")]
    Stateless,
}

impl Revision {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Sessions, Self::Stateless];

    /// The client scenarios of the set that need no OAuth client, scored or not.
    pub(crate) fn client_scenarios(self) -> &'static [&'static str] {
        match self {
            Self::Sessions => &[
                "initialize",
                "tools_call",
                "elicitation-sep1034-client-defaults",
                "sse-retry",
                "json-schema-2020-12-preservation",
            ],
            Self::Stateless => &[
                "tools_call",
                "request-metadata",
                "sep-2322-client-request-state",
                "http-standard-headers",
                "http-custom-headers",
                "http-invalid-tool-headers",
                "json-schema-ref-no-deref",
                "json-schema-2020-12-preservation",
            ],
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sessions => "2025-11-25",
            Self::Stateless => "2026-07-28",
        })
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server",
            Self::Client => "client",
        })
    }
}

/// The installed suite.
#[derive(Debug)]
pub(crate) struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// The one in `folder`.
    ///
    /// Errors: it is not installed.
    pub(crate) fn installed(folder: &Path) -> Result<Self, Failure> {
        let suite = Self { folder: folder.to_owned() };
        if suite.file("node_modules/.installed").exists() {
            return Ok(suite);
        }
        Err("the suite is not installed: run conformance/setup first".to_owned())
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Runs the server scenarios of `revision` against `url`, with `grant` in every request.
    ///
    /// Errors: the suite did not come to an end, or left nothing behind.
    pub(crate) async fn server(
        &self,
        url: &str,
        revision: Revision,
        grant: &str,
    ) -> Result<BTreeMap<String, Checks>, Failure> {
        let results = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut command = self.command();
        command.args(["server", "--url", url, "--requirements", &revision.to_string()]);
        command.arg("--output-dir").arg(results.path()).env("GRANT", grant);
        let output = finish(command, SERVER_PATIENCE).await?;
        let found = checks::read(results.path())?;
        if found.is_empty() { Err(unusable(&output)) } else { Ok(found) }
    }

    /// Runs one client scenario with `client`, to which the suite adds the server's address.
    ///
    /// Errors: as [`Suite::server`].
    pub(crate) async fn client(
        &self,
        client: &str,
        scenario: &str,
        revision: Revision,
    ) -> Result<Checks, Failure> {
        let results = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut command = self.command();
        command.args(["client", "--command", client, "--scenario", scenario]);
        command.args(["--spec-version", &revision.to_string()]);
        command.arg("--output-dir").arg(results.path());
        let output = finish(command, CLIENT_PATIENCE).await?;
        let mut checks = checks::read(results.path())?
            .remove(scenario)
            .filter(|checks| !checks.is_empty())
            .ok_or_else(|| unusable(&output))?;
        let ended = if output.status.success() { Verdict::Success } else { Verdict::Failure };
        checks.insert(ENDED.to_owned(), ended);
        Ok(checks)
    }

    /// Runs the authorization server scenarios against `issuer`, as a client that wants a grant for
    /// `resource`; `person` reads what the suite prints, and answers at the page that it names.
    ///
    /// Errors: as [`Suite::server`], and the person did not get through.
    pub(crate) async fn authorization(
        &self,
        issuer: &str,
        resource: &str,
        person: impl AsyncFnOnce(ChildStdout) -> Result<(), Failure>,
    ) -> Result<BTreeMap<String, Checks>, Failure> {
        let results = tempfile::tempdir().map_err(|error| error.to_string())?;
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = free.map_err(|error| error.to_string())?.port().to_string();
        let mut command = self.with(Command::new(self.file("node_modules/.bin/node")));
        command.args(["authorization", "--url", issuer, "--client-id", CLIENT]);
        command.args(["--resource", resource, "--port", &port]);
        command.arg("--output-dir").arg(results.path());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child =
            command.spawn().map_err(|error| format!("the suite cannot be started: {error}"))?;
        let output = child.stdout.take().ok_or("the suite has no output")?;
        person(output).await?;
        let ended = tokio::time::timeout(CLIENT_PATIENCE, child.wait()).await;
        ended
            .map_err(|_| "the suite did not end after the person had answered".to_owned())?
            .map_err(|error| error.to_string())?;
        checks::read(results.path())
    }

    /// The suite with a grant in every request.
    fn command(&self) -> Command {
        let mut node = Command::new(self.file("node_modules/.bin/node"));
        node.arg("--import").arg(self.file("grant.mjs"));
        self.with(node)
    }

    fn with(&self, mut command: Command) -> Command {
        command.arg(self.file("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

async fn finish(mut command: Command, patience: Duration) -> Result<Output, Failure> {
    let output = tokio::time::timeout(patience, command.output()).await;
    let output = output.map_err(|_| format!("the suite took longer than {patience:?}"))?;
    output.map_err(|error| format!("the suite cannot be started: {error}"))
}

fn unusable(output: &Output) -> Failure {
    let said =
        String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    let end = said.chars().count().saturating_sub(EXCERPT);
    let said: String = said.chars().skip(end).collect();
    format!("the suite ended with {} and no checks; it said: {said}", output.status)
}
