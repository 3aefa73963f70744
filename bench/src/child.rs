//! The processes of a measurement. Each ends with the value that stands for it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::fail::Fail;
use crate::process::Process;

/// How long a process may take to say where it listens. A Remit with a large log replays it first.
const START: Duration = Duration::from_mins(5);
/// How long it may take to end when it is asked to.
const END: Duration = Duration::from_mins(2);

/// A running process that said one line.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// The line.
    pub(crate) said: String,
    /// What the kernel says of it.
    pub(crate) process: Process,
    /// Open for as long as the process may write to it.
    _rest: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts `program` and waits for the first line of its output that `wanted` takes.
    ///
    /// Errors: it cannot be started, or ends or stays silent instead.
    pub(crate) async fn start(
        program: &Path,
        arguments: &[&str],
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, Fail> {
        let name = program.display();
        let mut child = Command::new(program)
            .args(arguments)
            // Warnings stay visible; a line for each thing that goes well is in the way.
            .env("REMIT_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|why| Fail::new(format!("cannot start {name}: {why}")))?;
        let gone = || Fail::new(format!("{name} {arguments:?} ended before it was ready"));
        let process = Process::new(child.id().ok_or_else(gone)?)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(gone)?).lines();
        let said = timeout(START, async {
            loop {
                let line = lines.next_line().await?.ok_or_else(gone)?;
                if wanted(&line) {
                    return Ok::<_, Fail>(line);
                }
            }
        });
        let said = said.await.map_err(|_| {
            Fail::new(format!("{name} was not ready within {} s", START.as_secs()))
        })??;
        Ok(Self { child, said, process, _rest: lines })
    }

    /// Starts this program again as one of its own servers; `said` is then its address.
    ///
    /// Errors: as [`Running::start`].
    pub(crate) async fn own(arguments: &[&str]) -> Result<Self, Fail> {
        Self::start(&std::env::current_exe()?, arguments, |_| true).await
    }

    /// Asks it to end and waits until it has.
    ///
    /// Errors: it does not end in time, or ends badly.
    pub(crate) async fn end(mut self) -> Result<(), Fail> {
        self.process.end()?;
        let status = timeout(END, self.child.wait()).await;
        let status = status.map_err(|_| Fail::new("it did not end when it was asked to"))??;
        if status.success() { Ok(()) } else { Err(Fail::new(format!("it ended with {status}"))) }
    }
}

impl Drop for Running {
    /// Waits until it is gone: whoever removes its folder next must not race with its writes.
    fn drop(&mut self) {
        drop(self.child.start_kill());
        while matches!(self.child.try_wait(), Ok(None)) {
            std::thread::yield_now();
        }
    }
}

/// Runs a command to its end and takes its standard output.
///
/// Errors: it cannot be started, or failed; with what it said.
pub(crate) async fn output(program: &Path, arguments: &[&str]) -> Result<String, Fail> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|why| Fail::new(format!("cannot start {}: {why}", program.display())))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(Fail::new(format!("{} {arguments:?}: {}", program.display(), why.trim())));
    }
    Ok(String::from_utf8(output.stdout)?)
}
