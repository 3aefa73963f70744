//! A `remit witness` of its own: state directory, key, running process.

use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::stand::{PATIENCE, REMIT};

/// A witness and, while it runs, its process.
pub(crate) struct Watcher {
    dir: TempDir,
    child: Option<Child>,
    /// Where it listens; the same after a restart.
    pub(crate) url: String,
    /// Its verifier key.
    pub(crate) key: String,
}

impl Watcher {
    /// Watches the log with this key.
    pub(crate) async fn up(name: &str, log: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let (url, key) = (format!("http://{address}"), String::new());
        let mut watcher = Self { dir, child: None, url, key };
        let init = ["init", "--name", name, "--log", log, "--listen", &address, "--json"];
        let made = watcher.command(&init).output().await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        made["key"].as_str().unwrap().clone_into(&mut watcher.key);
        watcher.start().await;
        watcher
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(REMIT);
        command.arg("witness").args(args).arg("--state").arg(self.dir.path().join("state"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// What goes into the configuration of the log.
    pub(crate) fn table(&self) -> String {
        format!("[[witness]]\nurl = \"{}\"\nkey = \"{}\"\n", self.url, self.key)
    }

    /// Starts it and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        let mut command = self.command(&["serve", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
        let ready = ready.unwrap_or_else(|| panic!("the witness ended: {}", self.log()));
        assert!(ready.contains("\"ready\"") && ready.contains(&self.key), "{ready}");
        self.child = Some(child);
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(&mut self) {
        self.child.take().expect("the witness runs").kill().await.unwrap();
    }

    /// Its operator lets it know the log by these keys, and restarts it.
    pub(crate) async fn trusts(&mut self, keys: &[&str]) {
        let file = self.dir.path().join("state/witness.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let head = text.split("[[log]]").next().unwrap().to_owned();
        let logs = keys.iter().map(|key| format!("[[log]]\nkey = \"{key}\"\n"));
        std::fs::write(&file, logs.fold(head, |text, log| text + &log)).unwrap();
        self.kill().await;
        self.start().await;
    }

    /// What it wrote to its standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The checkpoint it keeps of its one log, as it lies on its disk: what a power cut leaves.
    pub(crate) fn kept(&self) -> Option<String> {
        let logs = std::fs::read_dir(self.dir.path().join("state/logs")).unwrap();
        let mut files = logs.map(|file| file.unwrap().path());
        let file = files.find(|path| path.extension().is_none())?;
        Some(std::fs::read_to_string(file).unwrap())
    }

    /// How many entries that checkpoint covers.
    pub(crate) fn kept_size(&self) -> u64 {
        self.kept().map_or(0, |note| note.lines().nth(1).unwrap().parse().unwrap())
    }
}
