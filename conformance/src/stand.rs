//! A Remit of its own: a state directory in a temporary folder, and `remit serve` while it is held.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Failure;

/// Long enough for a loaded machine of two cores, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_mins(1);

/// What an operator would type.
const PASSPHRASE: &str = "correct horse battery staple";
/// The file that holds it.
const SECRET: &str = "passphrase";

/// Everything within the remit passes: this is about the protocol, not about policies.
const ALLOW_ALL: &str = "@id(\"allow-all\")\npermit (principal, action, resource);\n";

/// The server's name; on its own endpoint it is part of no tool's name.
pub(crate) const SERVER: &str = "peer";

/// The id of the client that sends people to the consent page.
pub(crate) const CLIENT: &str = "suite";

/// The one template.
pub(crate) const TEMPLATE: &str = "conformance";

/// A running Remit.
#[derive(Debug)]
pub(crate) struct Stand {
    folder: TempDir,
    remit: PathBuf,
    /// Dropped, it is killed.
    _serving: Child,
    /// Where its gateway listens.
    address: String,
}

/// The program `remit` that was built beside this one.
///
/// Errors: it was not built.
pub(crate) fn remit() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let remit = own.with_file_name("remit");
    if remit.exists() {
        return Ok(remit);
    }
    Err(format!("{} is missing: run `cargo build -p remit-app` first", remit.display()))
}

impl Stand {
    /// A Remit in front of the server at `url`.
    ///
    /// Errors: it does not come up.
    pub(crate) async fn up(url: &str) -> Result<Self, Failure> {
        let remit = remit()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let passphrase = folder.path().join(SECRET);
        write(&passphrase, PASSPHRASE)?;
        let state = state_of(&folder);
        let mut init = Command::new(&remit);
        init.args(["init", "--passphrase-file"]).arg(&passphrase).arg("--state").arg(&state);
        output(init).await?;
        let policies = state.join("policies");
        std::fs::remove_dir_all(&policies)
            .and_then(|()| std::fs::create_dir(&policies))
            .map_err(|error| format!("cannot empty {}: {error}", policies.display()))?;
        write(&policies.join("allow-all.cedar"), ALLOW_ALL)?;
        write(&state.join("remit.toml"), &configuration(url))?;
        let (serving, address) = serve(&remit, &state).await?;
        Ok(Self { folder, remit, _serving: serving, address })
    }

    /// Who gives out grants.
    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The file of what an operator would type.
    pub(crate) fn passphrase(&self) -> PathBuf {
        self.folder.path().join(SECRET)
    }

    /// The endpoint of the one server, where its names stand as they are.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/mcp/{SERVER}", self.address)
    }

    /// Opens a task and gives its grant.
    ///
    /// Errors: it is refused.
    pub(crate) async fn grant(&self) -> Result<String, Failure> {
        let mut open = Command::new(&self.remit);
        open.args(["task", "open", "--json", "--template", TEMPLATE]);
        open.arg("--state").arg(state_of(&self.folder));
        let opened: Value =
            serde_json::from_str(&output(open).await?).map_err(|error| error.to_string())?;
        let grant = opened.get("grant").and_then(Value::as_str);
        grant.map(str::to_owned).ok_or_else(|| "`remit task open` gave no grant".to_owned())
    }

    /// The command of a stdio client's configuration.
    pub(crate) fn stdio_door(&self) -> Command {
        let mut door = Command::new(&self.remit);
        door.args(["mcp", "--template", TEMPLATE, "--server", SERVER]);
        door.arg("--state").arg(state_of(&self.folder));
        door
    }
}

fn state_of(folder: &TempDir) -> PathBuf {
    folder.path().join("state")
}

fn configuration(url: &str) -> String {
    format!(
        "policies = \"policies\"\n\n[listen]\naddress = \"127.0.0.1:0\"\n\n\
         [[agent]]\nname = \"worker\"\nowner = \"operators\"\n\n\
         [[client]]\nid = \"{CLIENT}\"\nagent = \"worker\"\n\
         redirect_uris = [\"http://127.0.0.1/callback\"]\n\n\
         [[approver]]\ngroup = \"operators\"\n\n\
         [[server]]\nname = \"{SERVER}\"\nurl = \"{url}\"\nowner = \"operators\"\n\
         [server.tool.\"*\"]\neffect = \"read\"\nreach = \"local\"\nsensitivity = \"public\"\n\
         returns = \"trusted\"\n\n\
         [[template]]\nname = \"{TEMPLATE}\"\nmay_open = [\"worker\"]\n\
         purpose = \"run the conformance suite\"\ntools = [\"*\"]\n\
         budget = {{ calls = 100000 }}\ndeadline = \"1h\"\n"
    )
}

async fn serve(remit: &Path, state: &Path) -> Result<(Child, String), Failure> {
    let log = std::fs::File::create(state.join("serve.log")).map_err(|error| error.to_string())?;
    let mut child = Command::new(remit)
        .args(["serve", "--json", "--state"])
        .arg(state)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("`remit serve` cannot be started: {error}"))?;
    let output = child.stdout.take().ok_or("`remit serve` has no output")?;
    let mut lines = BufReader::new(output).lines();
    let ready = async {
        while let Ok(Some(line)) = lines.next_line().await {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event.get("event").and_then(Value::as_str) == Some("ready") {
                return event.get("address").and_then(Value::as_str).map(str::to_owned);
            }
        }
        None
    };
    let address = timeout(PATIENCE, ready).await.ok().flatten().ok_or_else(|| {
        let log = std::fs::read_to_string(state.join("serve.log")).unwrap_or_default();
        format!("`remit serve` did not get ready; it said: {log}")
    })?;
    // The pipe stays open for as long as the server may write to it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, address))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Runs `command` to its end and gives what it printed.
async fn output(mut command: Command) -> Result<String, Failure> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await;
    let output = output.map_err(|_| "a command of `remit` did not end".to_owned())?;
    let output = output.map_err(|error| format!("`remit` cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`remit` failed: {}", String::from_utf8_lossy(&output.stderr)))
}
