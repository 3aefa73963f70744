//! A Remit of its own for each test: state directory, configuration, running `serve`, command line.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The binary under test.
pub(crate) const REMIT: &str = env!("CARGO_BIN_EXE_remit");

/// What a person would have to type.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// What the environment of `remit serve` holds and no tool server may see.
pub(crate) const SECRET: &str = "a-secret-that-stays-with-the-gateway";

/// Long enough for a loaded machine of two cores, short enough to notice a hang.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A configuration in the making.
pub(crate) struct Plan {
    config: String,
    environment: Vec<(String, String)>,
}

impl Plan {
    /// One agent, one group of approvers, a listener on a free loopback port.
    pub(crate) fn new() -> Self {
        let config = "policies = \"policies\"\n\n[listen]\naddress = \"127.0.0.1:0\"\n\n\
            [[agent]]\nname = \"worker\"\nowner = \"operators\"\n\n\
            [[approver]]\ngroup = \"operators\"\n\n";
        Self { config: config.to_owned(), environment: Vec::new() }
    }

    /// With these variables in the server's environment.
    pub(crate) fn environment(mut self, variables: &[(&str, &str)]) -> Self {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.environment = owned.collect();
        self
    }

    /// Listens at this address instead.
    pub(crate) fn at(mut self, address: &str) -> Self {
        self.config = self.config.replace("127.0.0.1:0", address);
        self
    }

    /// With these further lines under `[listen]`.
    pub(crate) fn listening(mut self, lines: &str) -> Self {
        self.config = self.config.replace("[listen]\n", &format!("[listen]\n{lines}"));
        self
    }

    /// Accepts no grants that are bound to no key.
    pub(crate) fn bound_only(mut self) -> Self {
        self.config = self.config.replace("[listen]\n", "[listen]\nbearer = false\n");
        self
    }

    /// Speaks TLS with this certificate and key.
    pub(crate) fn tls(mut self, certificate: &Path, key: &Path) -> Self {
        let (certificate, key) = (certificate.display(), key.display());
        let lines = format!("[listen]\ntls_certificate = \"{certificate}\"\ntls_key = \"{key}\"\n");
        self.config = self.config.replace("[listen]\n", &lines);
        self
    }

    /// With the public keys in this file for the agent.
    pub(crate) fn agent_keys(self, file: &Path) -> Self {
        self.agent(&format!("jwks_file = \"{}\"", file.display()))
    }

    /// With a further line in the agent's table.
    pub(crate) fn agent(mut self, line: &str) -> Self {
        let lines = format!("owner = \"operators\"\n{line}\n");
        self.config = self.config.replacen("owner = \"operators\"\n", &lines, 1);
        self
    }

    /// Under this trust domain.
    pub(crate) fn trust_domain(mut self, name: &str) -> Self {
        self.config.insert_str(0, &format!("trust_domain = \"{name}\"\n"));
        self
    }

    /// The agent hands on to another.
    pub(crate) fn hands_to(mut self, other: &str) -> Self {
        let lines = format!("owner = \"operators\"\nhands_to = [\"{other}\"]\n");
        self.config = self.config.replacen("owner = \"operators\"\n", &lines, 1);
        self
    }

    /// With these lines under `[limits]`.
    pub(crate) fn limits(mut self, lines: &str) -> Self {
        writeln!(self.config, "[limits]\n{lines}").unwrap();
        self
    }

    /// Further tables of the configuration.
    pub(crate) fn with(mut self, tables: &str) -> Self {
        self.config.push_str(tables);
        self
    }

    /// A stdio server; `more` are further lines of its table.
    pub(crate) fn stdio(mut self, name: &str, command: &[&str], more: &str) -> Self {
        let command = quoted(command);
        writeln!(
            self.config,
            "[[server]]\nname = \"{name}\"\ncommand = {command}\nowner = \"operators\"\n{more}\n"
        )
        .unwrap();
        self
    }

    /// An HTTP server.
    pub(crate) fn http(mut self, name: &str, url: &str, more: &str) -> Self {
        writeln!(
            self.config,
            "[[server]]\nname = \"{name}\"\nurl = \"{url}\"\nowner = \"operators\"\n{more}\n"
        )
        .unwrap();
        self
    }

    /// A template that the agent may open; `more` are further lines of its table.
    pub(crate) fn template(mut self, name: &str, tools: &[&str], more: &str) -> Self {
        let tools = quoted(tools);
        writeln!(
            self.config,
            "[[template]]\nname = \"{name}\"\nmay_open = [\"worker\"]\npurpose = \"test {name}\"\n\
             tools = {tools}\n{more}\n"
        )
        .unwrap();
        self
    }
}

/// A list of strings; JSON's form of it is TOML's too.
fn quoted(words: &[&str]) -> String {
    serde_json::to_string(words).unwrap()
}

/// What `remit task open` hands to a workload.
pub(crate) struct Grant {
    /// The task's id.
    pub(crate) task: String,
    /// The token.
    pub(crate) token: String,
    /// The endpoint of all servers.
    pub(crate) endpoint: String,
}

impl Grant {
    /// Reads what the command line printed.
    pub(crate) fn of(granted: &Value) -> Self {
        let text = |name: &str| {
            granted[name].as_str().unwrap_or_else(|| panic!("no {name} in {granted}")).to_owned()
        };
        Self { task: text("task"), token: text("grant"), endpoint: text("endpoint") }
    }
}

/// What one run of the command line left behind.
pub(crate) struct Ran {
    /// Whether it exited with 0.
    pub(crate) ok: bool,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the command line prints UTF-8");
        Self {
            ok: output.status.success(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Everything it said.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Its one JSON document; the run must have succeeded.
    pub(crate) fn json(&self) -> Value {
        assert!(self.ok, "the command failed: {}", self.said());
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document ({error}): {}", self.stdout))
    }
}

/// A running `remit serve`.
struct Serving {
    child: Child,
    address: String,
}

/// A state directory and, while it runs, its server.
pub(crate) struct Stand {
    dir: TempDir,
    state: PathBuf,
    environment: Vec<(String, String)>,
    /// What somebody types when the server starts.
    typed: Option<String>,
    serving: Option<Serving>,
}

impl Stand {
    /// Initialises a state directory with the plan's configuration and serves it; `dir` holds what
    /// else the test needs, and ends with the stand.
    pub(crate) async fn up(plan: &Plan, dir: TempDir, state: PathBuf) -> Self {
        std::fs::write(dir.path().join("passphrase"), PASSPHRASE).unwrap();
        std::fs::write(dir.path().join("guess"), "a wrong guess at it").unwrap();
        let environment = plan.environment.clone();
        let mut stand = Self { dir, state, environment, typed: None, serving: None };
        let init = stand.with_passphrase(&["init"]).await;
        assert!(init.ok, "remit init: {}", init.said());
        std::fs::write(stand.config(), &plan.config).unwrap();
        stand.start().await;
        stand
    }

    /// A state directory that is there already; nothing runs yet.
    pub(crate) fn left_behind(dir: TempDir, state: PathBuf) -> Self {
        Self { dir, state, environment: Vec::new(), typed: None, serving: None }
    }

    /// Types this whenever the server starts from now on.
    pub(crate) fn types(&mut self, line: &str) {
        self.typed = Some(line.to_owned());
    }

    /// The state directory.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// The file of the passphrase.
    pub(crate) fn passphrase_file(&self) -> PathBuf {
        self.dir.path().join("passphrase")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.state.join("remit.toml")
    }

    /// Adds lines to the configuration, which the running server applies.
    pub(crate) fn configure(&self, more: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), format!("{text}\n{more}")).unwrap();
    }

    /// What the server wrote to its standard error so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("serve.log")).unwrap_or_default()
    }

    /// Waits until the server has said this in its log.
    pub(crate) async fn logged(&self, words: &str) {
        for _ in 0..100 {
            if self.log().contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server never said {words}: {}", self.log());
    }

    /// Where the server listens, as `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.serving.as_ref().expect("the server runs").address
    }

    /// Starts `remit serve` and waits for its ready line.
    pub(crate) async fn start(&mut self) {
        // One that was killed holds its state directory until it is waited for.
        assert!(self.serving.is_none(), "the server before has not been cleared up after");
        let mut child = self.launch();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                let event: Value = serde_json::from_str(&line).unwrap();
                if event["event"] == "ready" {
                    return Some(event);
                }
            }
            None
        })
        .await
        .unwrap_or_else(|_| panic!("remit serve was not ready in time: {}", self.log()));
        let ready = ready.unwrap_or_else(|| panic!("remit serve ended: {}", self.log()));
        let address = ready["address"].as_str().expect("the ready line has an address").to_owned();
        // The pipe must stay open for as long as the server may write to it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.serving = Some(Serving { child, address });
    }

    /// Starts `remit serve` and kills it after `pause`, ready or not.
    pub(crate) async fn start_in_vain(&self, pause: Duration) {
        let mut child = self.launch();
        tokio::time::sleep(pause).await;
        child.kill().await.unwrap();
    }

    fn launch(&self) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("serve.log"))
            .unwrap();
        let typing = if self.typed.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = Command::new(REMIT)
            .args(["serve", "--json", "--config"])
            .arg(self.config())
            .arg("--state")
            .arg(&self.state)
            .env("UPSTREAM_PASSWORD", SECRET)
            // Why a handshake failed is told to nobody else.
            .env("REMIT_LOG", "info,remit::network=debug")
            .envs(self.environment.iter().cloned())
            .stdin(typing)
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        if let (Some(line), Some(mut input)) = (self.typed.clone(), child.stdin.take()) {
            tokio::spawn(async move { input.write_all(format!("{line}\n").as_bytes()).await });
        }
        child
    }

    /// Starts the server and gives what it says instead of getting ready.
    pub(crate) async fn fails_to_start(&self) -> String {
        let before = self.log().len();
        let ended = timeout(PATIENCE, self.launch().wait_with_output()).await.unwrap().unwrap();
        assert!(!ended.status.success(), "remit serve started: {}", self.log());
        self.log().split_off(before)
    }

    /// The server's process.
    pub(crate) fn process(&self) -> Pid {
        let id = self.serving.as_ref().and_then(|serving| serving.child.id());
        let id = id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        id.expect("the server runs")
    }

    /// Kills the server while its callers still hold the stand; [`Self::kill`] clears up after it.
    /// With a pause, it is asked to end first and killed that much later.
    pub(crate) async fn die(&self, ending: Option<Duration>) {
        let process = self.process();
        if let Some(pause) = ending {
            kill_process(process, Signal::TERM).unwrap();
            tokio::time::sleep(pause).await;
        }
        kill_process(process, Signal::KILL).unwrap();
    }

    /// Tells the server to end, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        kill_process(self.process(), Signal::TERM).unwrap();
        let mut serving = self.serving.take().expect("the server runs");
        let ended = timeout(PATIENCE, serving.child.wait()).await.expect("the server ends");
        assert!(ended.unwrap().success(), "{}", self.log());
    }

    /// What the server's memory is and was at its largest, in KiB.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let process = self.serving.as_ref().and_then(|serving| serving.child.id());
        let process = process.expect("the server runs");
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        (line("VmRSS:"), line("VmHWM:"))
    }

    /// Kills the server as a power cut would: no signal handler runs.
    pub(crate) async fn kill(&mut self) {
        let mut serving = self.serving.take().expect("the server runs");
        serving.child.kill().await.unwrap();
    }

    /// The command line of a stdio client's configuration.
    pub(crate) fn stdio_door(&self, template: &str) -> Vec<String> {
        let state = self.state.to_str().unwrap();
        [REMIT, "mcp", "--template", template, "--state", state].map(str::to_owned).to_vec()
    }

    /// Runs `remit ARGS --state STATE` with no terminal and no passphrase.
    pub(crate) async fn remit(&self, args: &[&str]) -> Ran {
        let run = Command::new(REMIT)
            .args(args)
            .arg("--state")
            .arg(&self.state)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, run)
            .await
            .unwrap_or_else(|_| panic!("remit {args:?} did not end: {}", self.log()));
        Ran::of(output.unwrap())
    }

    /// Runs it with `--json` and takes its document.
    pub(crate) async fn ask(&self, args: &[&str]) -> Value {
        self.remit(&[args, &["--json"]].concat()).await.json()
    }

    /// Runs it as the person who knows the passphrase, with `input` on its standard input.
    pub(crate) async fn with_input(&self, args: &[&str], input: &str) -> Ran {
        let passphrase = self.passphrase_file();
        let passphrase = ["--passphrase-file", passphrase.to_str().unwrap()];
        self.fed(&[args, &passphrase].concat(), input).await
    }

    /// Runs it as anybody, with `input` on its standard input.
    pub(crate) async fn fed(&self, args: &[&str], input: &str) -> Ran {
        let mut child = Command::new(REMIT)
            .args(args)
            .arg("--state")
            .arg(&self.state)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // It may have ended before it read everything.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()).await);
        Ran::of(timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap())
    }

    /// The entries of the ledger: all there are, once they are published.
    pub(crate) async fn entries(&self) -> Vec<Value> {
        self.all_published().await;
        let export = self.remit(&["audit", "export", "--format", "jsonl"]).await;
        assert!(export.ok, "{}", export.said());
        export.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs it as the person who knows the passphrase.
    pub(crate) async fn with_passphrase(&self, args: &[&str]) -> Ran {
        self.with_passphrase_file("passphrase", args).await
    }

    /// Acts as the operator; the act must succeed.
    pub(crate) async fn act(&self, args: &[&str]) {
        let done = self.with_passphrase(args).await;
        assert!(done.ok, "remit {args:?}: {}", done.said());
    }

    /// Runs it as somebody who guesses the passphrase.
    pub(crate) async fn with_guess(&self, args: &[&str]) -> Ran {
        self.with_passphrase_file("guess", args).await
    }

    async fn with_passphrase_file(&self, name: &str, args: &[&str]) -> Ran {
        let file = self.dir.path().join(name);
        self.remit(&[args, &["--passphrase-file", file.to_str().unwrap()]].concat()).await
    }

    /// Opens a task.
    pub(crate) async fn open(&self, template: &str) -> Grant {
        let purpose = "an end-to-end test";
        let opened =
            self.ask(&["task", "open", "--template", template, "--purpose", purpose]).await;
        Grant::of(&opened)
    }

    /// Waits until the checkpoint covers every entry: an export, a proof and a comparison have no more.
    pub(crate) async fn all_published(&self) {
        let published = |status: &Value| status["entries"] == status["published"];
        self.until("everything is published", &["status"], published).await;
    }

    /// Asks again until `holds` says yes.
    pub(crate) async fn until(
        &self,
        what: &str,
        args: &[&str],
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        for _ in 0..600 {
            let answer = self.ask(args).await;
            if holds(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{what}: not within a minute; remit {args:?} says {}", self.ask(args).await);
    }
}
