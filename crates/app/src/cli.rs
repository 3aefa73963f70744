//! The command line.

mod secrets;
mod stored;
mod tasks;

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use remit_model::{AgentName, CredentialName, HoldId as Id, LeaseId, ServerName, TaskId};

pub(crate) use self::secrets::{Scan, Secret, SecretAdd, SecretRotate};
pub(crate) use self::stored::{Lower, Stored};
pub(crate) use self::tasks::{Hook, Opening, Task, TaskOpen};

/// Runtime identity governance for autonomous agents.
///
/// Remit stands between MCP clients and MCP servers. Each call of an agent is decided by policy
/// within one task's remit, recorded durably before it is sent, and answered in words a model and
/// a person can act on.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "\
Start here:
  remit demo                     a complete story, without network, in under a minute
  remit init                     make a state directory, keys and a commented configuration
  remit serve                    run it
  remit mcp --template default   the command for an MCP client's configuration
  remit run --template default -- COMMAND   run an agent that finds its tools over HTTP"
)]
pub(crate) struct Cli {
    /// The state directory [default: `$REMIT_STATE`, else `~/.local/state/remit`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Print one JSON document instead of words
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Read the operator's passphrase from this file instead of asking on the terminal
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell the whole story on four small servers, then stay up for your own client
    Demo(Demo),
    /// Make a state directory: keys, passphrase, a commented configuration, the policies `contained`
    Init(Init),
    /// Run Remit: gateway, ledger and operator's door
    Serve(Serve),
    /// Be an MCP server on standard input and output, for a client's configuration
    Mcp(Mcp),
    /// Run an agent for one task: it finds its tools at an address, and holds nothing
    ///
    /// Opens a task, starts the command, and ends the task when it is over. The command and whatever
    /// it starts reach their tools at `$REMIT_MCP_URL`; nobody else does. `{url}` in an argument is
    /// replaced by that address. The grant and the key that it is bound to stay in this process.
    Run(Run),
    /// How the running Remit is
    Status,
    /// Look for what is wrong or could be better
    Doctor,
    /// Look at agents; suspend, resume and retire them
    #[command(subcommand)]
    Agent(Agent),
    /// Open, look at, stop and end tasks
    #[command(subcommand)]
    Task(Task),
    /// Be the prompt hook of a coding agent: what its person types is given from then on (operator)
    ///
    /// Reads the hook's JSON from standard input and prints nothing. If the prompt cannot be recorded it
    /// ends with code 1, by which such a client tells its person and goes on.
    Hook(Hook),
    /// Look at tools; admit or withdraw them
    #[command(subcommand)]
    Tool(Tool),
    /// Look at calls that wait for a person
    #[command(subcommand)]
    Hold(Hold),
    /// Let a held call pass once
    Approve(HoldId),
    /// Answer a held call with no
    Deny(HoldId),
    /// Look at credentials: what can be lent, what is; take it back
    #[command(subcommand)]
    Credential(Credential),
    /// Look at what servers hold that is sensitive or from outside; say that it is not (operator)
    #[command(subcommand)]
    Stored(Stored),
    /// Look at SVIDs, by which agents prove to others who they are
    #[command(subcommand)]
    Svid(Svid),
    /// Look at the keys that Remit signs with; replace those of grants and of SVIDs
    #[command(subcommand)]
    Keys(Keys),
    /// Keep secrets of others, and let nobody read them back (operator)
    #[command(subcommand)]
    Secret(Secret),
    /// Find secrets that stand in the clear in configurations, dotenv files, profiles and unit files
    Scan(Scan),
    /// Check and test policies
    #[command(subcommand)]
    Policy(Policy),
    /// Verify, prove, read and erase what was recorded
    #[command(subcommand)]
    Audit(Audit),
    /// Watch other people's logs and cosign them; in a process and under a user of its own
    ///
    /// Its state directory is its own, too [default: `~/.local/state/remit-witness`].
    #[command(subcommand)]
    Witness(Witness),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// One of the demo's servers, on standard input and output
    #[command(hide = true)]
    DemoServer(DemoServer),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Tell it without pauses and exit
    #[arg(long)]
    pub(crate) fast: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoServer {
    /// mail, files, payments or web
    pub(crate) kind: String,
    /// The folder of the file server
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// The file that makes the web server change its tool
    #[arg(long)]
    pub(crate) drift: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Take the servers of an MCP client's configuration (`mcpServers` JSON)
    #[arg(long, value_name = "FILE")]
    pub(crate) import: Option<PathBuf>,
    /// The name of the log, an address without scheme that no other log has; witnesses know it by
    /// that [default: this machine's name and `/remit`]
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration file [default: remit.toml in the state directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Mcp {
    #[command(flatten)]
    pub(crate) opening: Opening,
    /// Only this server, with its tools' own names
    #[arg(long)]
    pub(crate) server: Option<String>,
    /// Nobody can say these here, where no person proves to be one
    #[arg(long, hide = true, value_parser = for_people)]
    pub(crate) foresee: Option<Infallible>,
    #[arg(long, hide = true, value_parser = for_people)]
    pub(crate) known: Option<Infallible>,
}

fn for_people(_: &str) -> Result<Infallible, &'static str> {
    Err(
        "only a person may say this of a task: let an operator open it (`remit task open`), or allow it on \
         the consent page",
    )
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) task: Mcp,
    /// The command and its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// List the tools with what is known of them
    List,
    /// Show one tool: where each part of its profile comes from, and what changed
    Show {
        /// `server/tool`
        tool: String,
    },
    /// Admit a quarantined or withdrawn tool as it is now (operator)
    Admit {
        /// `server/tool`
        tool: String,
        /// The digest you looked at [default: the current one]
        #[arg(long)]
        digest: Option<String>,
    },
    /// Admit the changed executable of a server, which is not started until then (operator)
    AdmitExecutable {
        /// The server
        server: ServerName,
        /// The digest you looked at; `remit doctor` shows it
        #[arg(long)]
        digest: String,
    },
    /// Withdraw a tool (operator)
    Withdraw {
        /// `server/tool`
        tool: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// List them: who answers for each, and how each stands
    List,
    /// Show one
    Show {
        /// Its name
        agent: AgentName,
    },
    /// Let an agent do nothing any more, and end its tasks
    Suspend(Stand),
    /// Let a suspended agent act again (operator)
    Resume(Stand),
    /// End an agent for ever: its tasks end, its name is used up (operator)
    Retire(Stand),
}

#[derive(Debug, Args)]
pub(crate) struct Stand {
    /// Its name
    pub(crate) agent: AgentName,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Credential {
    /// List what can be lent, and what is lent and not taken back
    List,
    /// Ask each issuer whether it could issue now
    Probe,
    /// Have a person connect an account of theirs: prints the address to follow
    ///
    /// They sign in at the authorization server of the credential. What Remit gets there is used in that
    /// person's tasks alone. Without `--as`, in no task: for what Remit itself asks, such as which tools
    /// there are.
    Connect(Connect),
    /// Take credentials back; whoever may still use one gets another
    Revoke(Revoke),
    /// How much was lent for how long, against what standing keys would have been
    ///
    /// Computed from the log alone, so that anyone who has it comes to the same figures.
    Exposure {
        /// The period up to now that is looked at, e.g. `24h`
        #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = humantime::parse_duration)]
        last: std::time::Duration,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The credential, one in the configuration of the kind `oauth`
    pub(crate) credential: CredentialName,
    /// The person in whose tasks it will be used, as `--issuer` calls them
    #[arg(long = "as", value_name = "PERSON", requires = "issuer")]
    pub(crate) person: Option<String>,
    /// Who calls them so: the identity provider that says for whom tasks are opened
    #[arg(long, value_name = "URL", requires = "person")]
    pub(crate) issuer: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Revoke {
    /// This lease
    pub(crate) lease: Option<LeaseId>,
    /// All of this credential
    #[arg(long, value_name = "NAME")]
    pub(crate) credential: Option<CredentialName>,
    /// All of this task
    #[arg(long)]
    pub(crate) task: Option<TaskId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Hold {
    /// List the calls that wait
    List,
    /// Show one; its arguments only to an operator
    Show(HoldId),
}

#[derive(Debug, Args)]
pub(crate) struct HoldId {
    /// The hold's id, `hld_…`
    pub(crate) hold: Id,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Svid {
    /// Say whose SVID a file holds, or why it is not believed
    Verify {
        /// Certificates in PEM, the SVID first, or a token
        file: PathBuf,
        /// For whom a token has to be meant
        #[arg(long)]
        audience: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List them: what each signs, since when and until when; nothing secret
    List,
    /// Make new keys at once: those of grants and SVIDs before they are due, that of the log beside the old one (operator)
    Rotate {
        /// Which
        which: Rotatable,
        /// For when somebody else may have the old ones: they sign no more, and what those of grants and SVIDs signed counts no more
        #[arg(long)]
        compromised: bool,
    },
    /// Let the key that was replaced sign no more, once everybody knows the new one (operator)
    Retire {
        /// Which; the others retire by themselves
        which: Retirable,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Retirable {
    /// The older key of the log
    Log,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Rotatable {
    /// The key that signs the log; both sign until `remit keys retire log`
    Log,
    /// The keys that sign SVIDs
    Svid,
    /// The key that signs grants
    Token,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Parse and validate policy files against the schema of the known tools
    Check {
        /// A folder of `.cedar` files [default: the configured one]
        dir: Option<PathBuf>,
        /// Print the schema
        #[arg(long)]
        schema: bool,
    },
    /// Run cases from files against policy files
    Test {
        /// A folder of case files [default: the cases of the pack `contained`]
        cases: Option<PathBuf>,
        /// The folder of `.cedar` files [default: the configured one]
        #[arg(long)]
        policies: Option<PathBuf>,
    },
    /// Prove what policies never permit, over every question there is
    ///
    /// Exits with 1 unless every claim is proven, and shows a question that breaks it. Needs the solver
    /// cvc5: from `$CVC5`, else from the path.
    Prove(PolicyProve),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyProve {
    /// The folder of `.cedar` files [default: the configured one]
    #[arg(long, value_name = "DIR")]
    pub(crate) policies: Option<PathBuf>,
    /// A folder of `.cedar` files: nothing may be permitted that these do not permit
    #[arg(long, value_name = "DIR")]
    pub(crate) against: Option<PathBuf>,
    /// A folder of `.cedar` files, each `forbid` of which is never permitted [default: those that come
    /// with Remit]
    #[arg(long, value_name = "DIR")]
    pub(crate) invariants: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print the log's verifier key
    Key,
    /// Verify the whole log: signatures, hashes, order, bodies, what others hold of it
    Verify(AuditVerify),
    /// Compare the log with a tool server's own log of its calls, both ways
    ///
    /// Finds calls that the server saw and no permit covers, and calls that the log says were
    /// answered and the server never saw; exits with 1 if there are any. Calls of tools alone are
    /// compared, not reads of resources and prompts. Verify the log first.
    Reconcile(Reconcile),
    /// Print a proof that entry N is in the log; it stands alone
    Prove {
        /// The entry's index
        index: u64,
    },
    /// Show one entry; with its body to an operator (`--bodies`)
    Show {
        /// The entry's index
        index: u64,
        /// Show what it says, too (operator)
        #[arg(long)]
        bodies: bool,
    },
    /// Follow the log
    Tail {
        /// Start this many entries before the end
        #[arg(short = 'n', long, default_value_t = 10)]
        lines: u64,
        /// Do not wait for more
        #[arg(long)]
        once: bool,
    },
    /// Print the log as JSON lines
    Export {
        /// The format; `jsonl` is the only one so far
        #[arg(long, default_value = "jsonl", value_parser = ["jsonl"])]
        format: String,
        /// The first entry
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Print what the records say, too (operator)
        #[arg(long)]
        bodies: bool,
    },
    /// Destroy what the records of a closed task say; proofs stay valid (operator)
    Erase {
        /// The task
        task: TaskId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerify {
    /// A verifier key from elsewhere [default: the state directory's own]
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// A copy of the published log (`ledger/`) instead of the state directory; needs `--key`
    #[arg(long, value_name = "DIR", requires = "key")]
    pub(crate) log: Option<PathBuf>,
    /// Fail unless this many witnesses cosigned the log; says how many entries they cover
    #[arg(long, value_name = "N")]
    pub(crate) witnessed: Option<usize>,
    /// The verifier key of a witness whose word counts; may be given more than once [default: those
    /// of the configuration, which are asked what they hold]
    #[arg(long = "witness", value_name = "VKEY")]
    pub(crate) witnesses: Vec<String>,
    /// A checkpoint that was kept elsewhere, which the log must contain; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) held: Vec<PathBuf>,
    /// Do not ask the configured witnesses what they hold
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
FILE holds one JSON object a line; other members are ignored:
  tool        the tool's name, as the server knows it (or `name`)
  arguments   what it was called with; numbers as they were sent
  call        instead of that, the digest as in the log (docs/record-schema.md)
  count       how many such calls the line stands for [default: 1]
Lines with neither `arguments` nor `call` are compared by number.")]
pub(crate) struct Reconcile {
    /// The server's own log
    #[arg(long, value_name = "FILE")]
    pub(crate) upstream: PathBuf,
    /// Which server, as the configuration names it
    #[arg(long)]
    pub(crate) server: ServerName,
    /// The first entry to compare, where the server's log begins later than this one
    #[arg(long, default_value_t = 0)]
    pub(crate) from: u64,
}

/// Watch that other people's logs only grow, and cosign their checkpoints (C2SP tlog-witness)
#[derive(Debug, Subcommand)]
pub(crate) enum Witness {
    /// Make a state directory: a key and a commented configuration
    Init {
        /// The name it cosigns under, an address without scheme, e.g. `witness.example/w1`
        #[arg(long)]
        name: String,
        /// The verifier key of a log to watch (`remit audit key`); may be given more than once
        #[arg(long = "log", value_name = "VKEY")]
        logs: Vec<String>,
        /// Where logs submit their checkpoints
        #[arg(long, default_value = "127.0.0.1:7071")]
        listen: std::net::SocketAddr,
    },
    /// Run it
    Serve,
    /// Print its verifier key
    Key,
}
