//! A Remit under measurement: the built program, a state directory of its own, the ledger on disk
//! as always, tasks opened at the operator's door as an operator opens them.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::child::{Running, output};
use crate::fail::Fail;
use crate::operator::{Operator, Task};
use crate::process::Process;
use crate::target::Target;
use crate::upstream::TOOL;

/// What the operator of a state directory that lives for minutes types.
const PASSPHRASE: &str = "correct horse battery staple";
/// The server's name in the configuration; tools carry it as prefix.
const SERVER: &str = "bench";
const TEMPLATE: &str = "reading";
/// How many tasks are opened at once: enough to share each sync of the disk.
const OPENERS: usize = 16;
/// How many tasks are opened with one session: sessions last five minutes.
const PER_SESSION: usize = 20_000;
/// How often it is asked whether the tool is there yet, and how long between: five minutes in all.
const OFFER_LOOKS: usize = 600;
const OFFER_PAUSE: Duration = Duration::from_millis(500);
/// How many tasks are used: more than connections lie open.
const MAX_TASKS: usize = 1_024;

/// What stands in the policy folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policies {
    /// What `remit init` wrote.
    Contained,
    /// This many, of which one permits everything and the others are about somebody else.
    Generated(usize),
}

/// What a Remit is measured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Its policies.
    pub(crate) policies: Policies,
    /// How many tasks are open.
    pub(crate) tasks: usize,
    /// Whether calls are sent with a credential that is lent to their task.
    pub(crate) lent: bool,
    /// Whether the tasks are new in each round. Others read on until they are at their bounds.
    pub(crate) fresh: bool,
}

impl FromStr for Setup {
    type Err = String;

    /// `POLICIES:TASKS`, with `:lent` and `:new` behind it or not, where `contained` stands for the pack `contained`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "expected POLICIES:TASKS like `1:10`, `contained:10`, `1:10:lent` or `1:10:new`, got `{text}`"
            )
        };
        let mut parts = text.split(':');
        let policies = match parts.next().ok_or_else(wrong)? {
            "contained" => Policies::Contained,
            count => Policies::Generated(count.parse().map_err(|_| wrong())?),
        };
        let tasks = parts.next().and_then(|tasks| tasks.parse().ok()).ok_or_else(wrong)?;
        let mut setup = Self { policies, tasks, lent: false, fresh: false };
        for part in parts {
            match part {
                "lent" => setup.lent = true,
                "new" => setup.fresh = true,
                _ => return Err(wrong()),
            }
        }
        Ok(setup)
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.policies {
            Policies::Contained => f.write_str("pack contained")?,
            Policies::Generated(1) => f.write_str("1 policy")?,
            Policies::Generated(count) => write!(f, "{count} policies")?,
        }
        write!(f, ", {} {}", self.tasks, if self.fresh { "new" } else { "open" })?;
        f.write_str(if self.lent { ", lent a credential" } else { "" })
    }
}

/// A running Remit and its state directory.
#[derive(Debug)]
pub(crate) struct Stand {
    binary: PathBuf,
    // Dropped before the folder it writes into.
    serving: Running,
    dir: TempDir,
    setup: Setup,
    /// As many as are used.
    tasks: Vec<Task>,
    address: String,
}

#[derive(Deserialize)]
struct Ready {
    event: String,
    address: String,
}

/// What `remit audit verify` found.
#[derive(Deserialize)]
struct Verified {
    journal: u64,
    entries: u64,
    open_calls: u64,
}

/// What the ledger holds, read by the program's own commands after it was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Ledger {
    /// Records in all.
    pub(crate) entries: u64,
    /// Permits of calls.
    pub(crate) permits: u64,
    /// Outcomes.
    pub(crate) outcomes: u64,
    /// Permits without an outcome.
    pub(crate) open: u64,
}

impl Stand {
    /// Starts `binary` in front of the server at `upstream` (`host:port`).
    ///
    /// Errors: it cannot be set up.
    pub(crate) async fn up(binary: &Path, setup: Setup, upstream: &str) -> Result<Self, Fail> {
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join("passphrase"), PASSPHRASE)?;
        let (state, passphrase) = (dir.path().join("state"), dir.path().join("passphrase"));
        output(
            binary,
            &["init", "--state", text(&state)?, "--passphrase-file", text(&passphrase)?],
        )
        .await?;
        std::fs::write(state.join("remit.toml"), configuration(upstream, setup.lent))?;
        std::fs::write(state.join("key"), "a-key-of-the-measured-server")?;
        if let Policies::Generated(count) = setup.policies {
            let folder = state.join("policies");
            std::fs::remove_dir_all(&folder)?;
            std::fs::create_dir(&folder)?;
            std::fs::write(folder.join("bench.cedar"), policies(count))?;
        }
        let arguments = ["serve", "--json", "--state", text(&state)?];
        let ready = |line: &str| {
            serde_json::from_str::<Ready>(line).is_ok_and(|line| line.event == "ready")
        };
        let serving = Running::start(binary, &arguments, ready).await?;
        let address = serde_json::from_str::<Ready>(&serving.said)?.address;
        until_offered(binary, text(&state)?).await?;
        let tasks = open(&state, setup.tasks).await?;
        Ok(Self { binary: binary.to_owned(), serving, dir, setup, tasks, address })
    }

    /// Closes its tasks and opens others, where each round is to have new ones. Whether it did.
    ///
    /// Errors: Remit refuses.
    pub(crate) async fn renew(&mut self) -> Result<bool, Fail> {
        if self.setup.fresh {
            let state = self.dir.path().join("state");
            let mut operator = Operator::log_in(&state, PASSPHRASE).await?;
            for task in self.tasks.drain(..) {
                operator.close(&task).await?;
            }
            self.tasks = open(&state, self.setup.tasks).await?;
        }
        Ok(self.setup.fresh)
    }

    /// Where the load goes.
    ///
    /// Errors: none in practice.
    pub(crate) fn target(&self) -> Result<Target, Fail> {
        let url = format!("http://{}/mcp", self.address);
        let target = Target::new(&url, &format!("{SERVER}__{TOOL}"))?;
        let tokens = self.tasks.iter().map(|task| task.grant.clone()).collect();
        Ok(Target { tokens, ..target.watching(self.serving.process) })
    }

    /// The process.
    pub(crate) fn process(&self) -> Process {
        self.serving.process
    }

    /// Stops it.
    ///
    /// Errors: it does not end well.
    pub(crate) async fn end(self) -> Result<(), Fail> {
        self.serving.end().await
    }

    /// Stops it and reads its ledger.
    ///
    /// Errors: it does not end well, or the ledger does not verify.
    pub(crate) async fn ledger(self) -> Result<Ledger, Fail> {
        self.serving.end().await?;
        let state = self.dir.path().join("state");
        let verify = ["audit", "verify", "--json", "--state", text(&state)?];
        let verified: Verified = serde_json::from_str(&output(&self.binary, &verify).await?)?;
        if verified.journal != verified.entries {
            return Err(Fail::new(format!(
                "{} of {} records are under the checkpoint after an orderly end",
                verified.entries, verified.journal
            )));
        }
        let (permits, outcomes) = crate::export::count(&self.binary, text(&state)?).await?;
        Ok(Ledger { entries: verified.journal, permits, outcomes, open: verified.open_calls })
    }
}

/// Waits until the server's tool is in the catalogue: with ten thousand policies, a Remit is ready
/// before it has checked them all against what the server offers.
async fn until_offered(binary: &Path, state: &str) -> Result<(), Fail> {
    for _ in 0..OFFER_LOOKS {
        if output(binary, &["tool", "list", "--json", "--state", state]).await?.contains(TOOL) {
            return Ok(());
        }
        tokio::time::sleep(OFFER_PAUSE).await;
    }
    Err(Fail::new(format!("`{TOOL}` is not among the tools of {}", binary.display())))
}

/// Opens `count` tasks. As an operator: the limit on openings is for peers.
async fn open(state: &Path, count: usize) -> Result<Vec<Task>, Fail> {
    let mut tasks = Vec::new();
    let mut left = count;
    while left > 0 {
        let batch = left.min(PER_SESSION);
        let operator = Operator::log_in(state, PASSPHRASE).await?;
        let mut openers = tokio::task::JoinSet::new();
        for opener in 0..OPENERS {
            let share = batch / OPENERS + usize::from(opener < batch % OPENERS);
            openers.spawn(open_some(operator.beside(state).await?, share));
        }
        while let Some(opened) = openers.join_next().await {
            tasks.extend(opened??);
        }
        tasks.truncate(MAX_TASKS);
        left = left.saturating_sub(batch);
    }
    Ok(tasks)
}

async fn open_some(mut operator: Operator, count: usize) -> Result<Vec<Task>, Fail> {
    let mut tasks = Vec::new();
    for _ in 0..count {
        tasks.push(operator.open(TEMPLATE).await?);
    }
    Ok(tasks)
}

fn text(path: &Path) -> Result<&str, Fail> {
    path.to_str().ok_or_else(|| Fail::new("expected a temporary folder whose path is UTF-8"))
}

fn configuration(upstream: &str, lent: bool) -> String {
    let (credential, lend) = if lent {
        (
            "[[credential]]\nname = \"key\"\nkind = \"secret\"\nfile = \"key\"\nlifetime = \"8h\"\n",
            "lend = [{ credential = \"key\", header = { Authorization = \"Bearer {value}\" } }]\n",
        )
    } else {
        ("", "")
    };
    format!(
        "policies = \"policies\"\n[listen]\naddress = \"127.0.0.1:0\"\n[limits]\ngrant = \"1h\"\n\
         [[agent]]\nname = \"worker\"\nowner = \"operators\"\n[[approver]]\ngroup = \"operators\"\n\
         {credential}[[server]]\nname = \"{SERVER}\"\nurl = \"http://{upstream}/mcp\"\nowner = \"operators\"\n{lend}\
         [[template]]\nname = \"{TEMPLATE}\"\nmay_open = [\"worker\"]\npurpose = \"be measured\"\n\
         tools = [\"{SERVER}/*\"]\ndeadline = \"8h\"\n"
    )
}

/// One policy that permits everything, and others as a large organisation writes them: for one
/// agent, one team, one recipient, one server.
fn policies(count: usize) -> String {
    let mut text = "@id(\"all\") permit (principal, action, resource);\n".to_owned();
    for n in 1..count {
        let scope = match n % 4 {
            0 => format!("principal == Remit::Agent::\"agent-{n}\", action, resource"),
            1 => format!(
                "principal in Remit::Team::\"team-{n}\", action in \
                 Remit::Action::\"effect:send\", resource"
            ),
            2 => format!(
                "principal, action in Remit::Action::\"tools\", \
                 resource == Remit::Mailbox::\"user-{n}@b.example\""
            ),
            _ => format!("principal, action, resource in Remit::Server::\"server-{n}\""),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "@id(\"rule-{n}\") permit ({scope}) when {{ context.task.effects < {n} }};"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_is_read_and_named() {
        for (text, named) in [
            ("1:10", "1 policy, 10 open"),
            ("1000:10", "1000 policies, 10 open"),
            ("contained:1", "pack contained, 1 open"),
            ("1:10:lent", "1 policy, 10 open, lent a credential"),
            ("1:10:new", "1 policy, 10 new"),
        ] {
            assert_eq!(text.parse::<Setup>().unwrap().to_string(), named);
        }
        for wrong in ["1", "x:1", "1:x", "1:1:old"] {
            assert!(wrong.parse::<Setup>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn as_many_policies_as_asked() {
        for count in [1, 2, 1000] {
            assert_eq!(policies(count).matches("@id(").count(), count);
        }
    }
}
