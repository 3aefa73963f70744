//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::fail::Fail;
use crate::load::Plan;
use crate::process::Process;
use crate::say;
use crate::stand::Setup;
use crate::upstream::TOOL;

/// Measures Remit from outside, beside its parts and its peers.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Be the tool server behind everything that is measured
    Upstream {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Be a bare proxy in front of it
    Proxy {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// The tool server, as `host:port`
        #[arg(long)]
        upstream: String,
    },
    /// Send load to an endpoint that runs already
    Load(Load),
    /// Start everything and measure it side by side, in alternating rounds
    Table(Table),
    /// Minutes of load on one Remit; then its ledger is compared with what the server counted
    Sustained(Sustained),
    /// What `cargo bench -p remit-bench` last measured of the parts
    Parts(Parts),
}

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The endpoint
    #[arg(long)]
    pub(crate) url: String,
    /// The tool's name there
    #[arg(long, default_value = "read_note")]
    pub(crate) tool: String,
    /// A bearer token; several are taken in turn
    #[arg(long)]
    pub(crate) token: Vec<String>,
    /// The process whose CPU time and memory to watch
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    #[command(flatten)]
    pub(crate) shape: Shape,
}

#[derive(Debug, Args)]
pub(crate) struct Table {
    #[command(flatten)]
    pub(crate) lines: Lines,
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Debug, Args)]
pub(crate) struct Sustained {
    /// The built program
    #[arg(long, default_value = "target/release/remit", value_name = "PATH")]
    pub(crate) remit: PathBuf,
    /// Its policies (`contained`: the pack `contained`) and how many tasks are open
    #[arg(long, default_value = "1:10", value_name = "POLICIES:TASKS")]
    pub(crate) setup: Setup,
    /// How many connections
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Bytes of each result
    #[arg(long, default_value_t = 1024)]
    pub(crate) bytes: usize,
    /// How many parts, each with figures of its own
    #[arg(long, default_value_t = 5)]
    pub(crate) parts: usize,
    /// How long each part is [default: a minute]
    #[arg(long, value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Debug, Args)]
pub(crate) struct Parts {
    /// Where Criterion keeps what it measured
    #[arg(long, default_value = "target/criterion", value_name = "DIR")]
    pub(crate) criterion: PathBuf,
    #[command(flatten)]
    pub(crate) page: Page,
}

/// The rows of a table, beside the server directly and the bare proxy.
#[derive(Debug, Args)]
pub(crate) struct Lines {
    /// A built program; several are measured side by side
    #[arg(long, default_value = "target/release/remit", value_name = "[NAME=]PATH")]
    pub(crate) remit: Vec<Binary>,
    /// Its policies (`contained`: the pack `contained`) and how many tasks are open; behind that `:new`, if they are
    /// new in each round, and `:lent`, if they are lent a credential
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1:10,1000:10,1:100000,contained:10",
        value_name = "POLICIES:TASKS"
    )]
    pub(crate) setup: Vec<Setup>,
    /// Another gateway that runs already, in front of a `remit-bench upstream` of its own
    #[arg(long, value_name = "NAME=URL[,tool=NAME][,pid=ID][,token=TOKEN]")]
    pub(crate) peer: Vec<Peer>,
}

/// Another gateway.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// How its row is called.
    pub(crate) name: String,
    /// Its endpoint.
    pub(crate) url: String,
    /// What it calls the tool.
    pub(crate) tool: String,
    /// Its process.
    pub(crate) process: Option<Process>,
    /// A bearer token.
    pub(crate) token: Option<String>,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("expected NAME=URL[,tool=NAME][,pid=ID][,token=TOKEN], got `{text}`");
        let mut parts = text.split(',').map(|part| part.split_once('='));
        let (name, url) = parts.next().flatten().ok_or_else(wrong)?;
        let (name, url) = (name.to_owned(), url.to_owned());
        let tool = TOOL.to_owned();
        let mut peer = Self { name, url, tool, process: None, token: None };
        for part in parts {
            match part.ok_or_else(wrong)? {
                ("tool", tool) => tool.clone_into(&mut peer.tool),
                ("token", token) => peer.token = Some(token.to_owned()),
                ("pid", id) => {
                    let process = id.parse().ok().and_then(|id| Process::new(id).ok());
                    peer.process = Some(process.ok_or_else(wrong)?);
                }
                _ => return Err(wrong()),
            }
        }
        Ok(peer)
    }
}

/// A built program and how its rows are called.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    /// Their name.
    pub(crate) name: String,
    /// The program.
    pub(crate) path: PathBuf,
}

impl From<&str> for Binary {
    fn from(text: &str) -> Self {
        let (name, path) = text.split_once('=').unwrap_or(("remit", text));
        Self { name: name.to_owned(), path: path.into() }
    }
}

/// Where the figures go, beside standard output.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Write all rounds as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) page: Page,
}

/// A page that shows a result.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// Put the result into this page, between `<!-- begin SECTION -->` and `<!-- end SECTION -->`
    #[arg(long, value_name = "FILE", requires = "section")]
    page: Option<PathBuf>,
    /// The section of the page
    #[arg(long, requires = "page")]
    section: Option<String>,
}

impl Page {
    /// Prints the result and puts it into the page.
    ///
    /// Errors: it cannot be written.
    pub(crate) fn publish(&self, text: &str) -> Result<(), Fail> {
        say::result(text)?;
        match (&self.page, &self.section) {
            (Some(page), Some(section)) => say::section(page, section, text),
            _ => Ok(()),
        }
    }
}

/// The shape of the load.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shape {
    /// How many connections; several are measured one after the other
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    pub(crate) connections: Vec<usize>,
    /// Bytes of each result; several are measured one after the other
    #[arg(long, value_delimiter = ',', default_value = "1024,16384")]
    pub(crate) bytes: Vec<usize>,
    /// Calls a second of an open loop, with latencies from when each was due; several are measured
    /// one after the other, after the closed loop
    #[arg(long, value_delimiter = ',')]
    pub(crate) rate: Vec<u32>,
    /// Only the open loop
    #[arg(long, requires = "rate")]
    pub(crate) open_only: bool,
    /// How long each is measured
    #[arg(long, value_parser = seconds, default_value = "3")]
    pub(crate) seconds: Duration,
    /// How long each runs before that
    #[arg(long, value_parser = seconds, default_value = "0.5")]
    pub(crate) warm_up: Duration,
}

impl Shape {
    /// Every load, in the order in which it is measured. An open loop has the most connections.
    pub(crate) fn plans(&self) -> Vec<Plan> {
        let most = self.connections.iter().max().copied().unwrap_or(1);
        let closed = self.connections.iter().map(|connections| (*connections, None));
        let closed = closed.filter(|_| !self.open_only);
        let open = self.rate.iter().map(|rate| (most, Some(*rate)));
        let loads: Vec<_> = closed.chain(open).collect();
        let plan = |bytes: usize| {
            let plan = move |(connections, rate)| Plan {
                connections,
                bytes,
                rate,
                warm_up: self.warm_up,
                lasts: self.seconds,
                parts: 1,
            };
            loads.iter().copied().map(plan)
        };
        self.bytes.iter().flat_map(|bytes| plan(*bytes)).collect()
    }
}

/// A number of seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("expected a number of seconds, got `{text}`"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_peer_is_read() {
        let peer: Peer = "other=http://h:1/mcp,tool=t,token=x".parse().unwrap();
        assert_eq!((peer.name.as_str(), peer.url.as_str()), ("other", "http://h:1/mcp"));
        assert_eq!((peer.tool.as_str(), peer.token.as_deref()), ("t", Some("x")));
        for wrong in ["other", "other=u,tool", "other=u,pid=x", "other=u,colour=red"] {
            assert!(wrong.parse::<Peer>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn open_loops_come_after_closed_ones_of_the_same_size() {
        let line =
            ["remit-bench", "table", "--connections", "1,4", "--bytes", "8,9", "--rate", "5"];
        let Command::Table(table) = Cli::parse_from(line).command else { panic!("no table") };
        let plans = table.shape.plans();
        let loads: Vec<_> = plans.iter().map(|p| (p.bytes, p.connections, p.rate)).collect();
        let of = |bytes| [(bytes, 1, None), (bytes, 4, None), (bytes, 4, Some(5))];
        assert_eq!(loads, [of(8), of(9)].concat());
    }
}
