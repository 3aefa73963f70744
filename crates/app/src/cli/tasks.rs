//! `remit task …` and `remit hook` on the command line.

use clap::{Args, Subcommand};
use remit_jose::Thumbprint;
use remit_model::{AgentName, TaskId, Tick};

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Open a task and print its grant
    Open(TaskOpen),
    /// List the tasks
    List,
    /// Show one task
    Show {
        /// The task
        task: TaskId,
    },
    /// Print a further grant for an open task
    Grant {
        /// The task
        task: TaskId,
        /// Bind it to the key with this thumbprint (RFC 7638); its holder proves to have it (`DPoP`)
        #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
        jkt: Option<Thumbprint>,
    },
    /// Stop a task at once; `thaw` lets it go on
    Freeze {
        /// The task
        task: TaskId,
    },
    /// Let a frozen task go on (operator)
    Thaw {
        /// The task
        task: TaskId,
    },
    /// End a task: its grant, approvals and processes end with it
    Close {
        /// The task
        task: TaskId,
    },
    /// Record what a person says to the agent (operator)
    Prompt {
        /// The task
        task: TaskId,
        /// What they say
        text: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Hook {
    /// The agent, of which one task is open
    #[arg(long, required_unless_present = "task")]
    pub(crate) agent: Option<AgentName>,
    /// The task
    #[arg(long, conflicts_with = "agent")]
    pub(crate) task: Option<TaskId>,
}

// What every task is opened from. (A comment of its own would become that of the whole command.)
#[derive(Debug, Args)]
pub(crate) struct Opening {
    /// The template of the task that is opened
    #[arg(long)]
    pub(crate) template: String,
    /// What the task is for [default: the template's purpose]
    #[arg(long)]
    pub(crate) purpose: Option<String>,
    /// The agent, where the template may be opened by more than one
    #[arg(long)]
    pub(crate) agent: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TaskOpen {
    #[command(flatten)]
    pub(crate) opening: Opening,
    /// A fact about the person for whom it is done, such as their address or account: it counts as
    /// given; may be given more than once
    #[arg(long = "known", value_name = "FACT")]
    pub(crate) known: Vec<String>,
    /// Switch on a flow that the template offers, as far as it does or less, e.g. `pay-bills` or
    /// `pay-bills:amount<=200,times=1`; may be given more than once
    #[arg(long, value_name = "FLOW")]
    pub(crate) foresee: Vec<Tick>,
    /// Only these tools, e.g. `mail/read_*`; may be given more than once
    #[arg(long = "tool", value_name = "PATTERN")]
    pub(crate) tools: Vec<String>,
    /// At most this many calls
    #[arg(long)]
    pub(crate) calls: Option<u64>,
    /// At most this many calls with an effect
    #[arg(long)]
    pub(crate) effects: Option<u64>,
    /// At most this long, e.g. `30m`
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) lasts: Option<humantime::Duration>,
    /// Bind the grant to the key with this thumbprint (RFC 7638); its holder proves to have it (`DPoP`)
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    pub(crate) jkt: Option<Thumbprint>,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    #[test]
    fn a_thumbprint_that_begins_like_a_flag_is_taken() {
        let thumbprint = format!("-{}", "A".repeat(42));
        for line in [
            &["remit", "task", "open", "--template", "reading", "--jkt"][..],
            &["remit", "task", "grant", "tsk_00000000000000000000000000", "--jkt"],
        ] {
            let parsed = Cli::try_parse_from(line.iter().copied().chain([thumbprint.as_str()]));
            assert!(parsed.is_ok(), "{line:?}: {parsed:?}");
            let without = Cli::try_parse_from(line.iter().copied().chain(["--json"]));
            assert!(without.is_err(), "{line:?}: another flag is no thumbprint");
        }
    }
}
