//! One child process: started with next to nothing of ours, ended with everything it started.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use remit_mcp::line::Lines;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use super::Handed;
use crate::config::{Base, INHERITED, StdioServer};
use crate::inward::Inward;

/// How long a process may take between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(1);
/// The longest line of standard error that is read as one.
const STDERR_LINE: usize = 4096;

/// A started process.
pub(crate) struct Process {
    pub(crate) child: Supervised,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

/// A child and its process group. Dropping it kills both.
pub(crate) struct Supervised {
    child: Child,
    group: Option<Pid>,
}

/// Starts `server` from the file at `path`.
///
/// It leads a process group of its own, and sees a fixed list of plain variables and what is
/// configured for it.
///
/// `lent` comes last, over what is configured under the same name.
pub(crate) fn start(
    server: &StdioServer,
    path: &Path,
    base: &Base,
    lent: Handed,
) -> Result<Process, String> {
    let mut command = Command::new(path);
    command.args(&server.args).env_clear();
    for name in INHERITED {
        if let Some(value) = base.environment.get(name) {
            command.env(name, value);
        }
    }
    command.envs(&server.env);
    lent.to(&mut command)?;
    if let Some(directory) = &server.directory {
        command.current_dir(directory);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let mut child =
        command.spawn().map_err(|e| format!("`{}` cannot be started: {e}", path.display()))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let child = Supervised { child, group };
    match streams {
        (Some(stdin), Some(stdout), Some(stderr)) => Ok(Process { child, stdin, stdout, stderr }),
        _ => Err("the process has no standard streams".to_owned()),
    }
}

impl Supervised {
    /// Waits until the process ends, on its own or after `stop`: its input is closed first (by the
    /// writer, which watches `stop` too), then it is asked, then killed. Says how it ended and
    /// whether on its own.
    pub(crate) async fn supervise(
        &mut self,
        stop: &CancellationToken,
        grace: Duration,
    ) -> (String, bool) {
        tokio::select! {
            status = self.child.wait() => return (described(status), true),
            () = stop.cancelled() => {}
        }
        for (signal, wait) in [(None, grace), (Some(Signal::TERM), TERM_GRACE)] {
            if let Some(signal) = signal {
                self.signal(signal);
            }
            if let Ok(status) = tokio::time::timeout(wait, self.child.wait()).await {
                return (described(status), false);
            }
        }
        self.signal(Signal::KILL);
        (described(self.child.wait().await), false)
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // The group may be gone already, which is what was wanted.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Supervised {
    /// Whatever the process started ends with it.
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn described(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|e| e.to_string(), |status| status.to_string())
}

/// Keeps the last lines of standard error.
pub(crate) async fn keep_stderr(mut stderr: ChildStderr, inward: Arc<Inward>) {
    let mut lines = Lines::new(STDERR_LINE);
    let mut buffer = vec![0; 4096];
    while let Ok(read) = stderr.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        lines.feed(bytes);
        while let Some(line) = lines.next_line() {
            match line {
                Ok(line) => {
                    let line = String::from_utf8_lossy(&line).into_owned();
                    inward.health.stderr(&inward.cleaned(line));
                }
                Err(too_long) => inward.health.stderr(&too_long.to_string()),
            }
        }
    }
}
