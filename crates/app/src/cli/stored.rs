//! `remit stored …` on the command line.

use clap::{Args, Subcommand, ValueEnum};
use remit_model::{Ceiling, Confidentiality, ServerName};

#[derive(Debug, Subcommand)]
pub(crate) enum Stored {
    /// List what servers hold that is sensitive or that an outsider could have written
    List,
    /// Say, after a look at it, that what a server holds carries less
    ///
    /// Whoever reads there takes on no more from then on. Tasks that have read it keep what they took
    /// on, and what is written later, or by calls that are under way, raises it again.
    Lower(Lower),
}

#[derive(Debug, Args)]
pub(crate) struct Lower {
    /// The server
    pub(crate) server: ServerName,
    /// Only what stands at this path, and in the folder that it is
    #[arg(long)]
    pub(crate) path: Option<String>,
    #[command(flatten)]
    pub(crate) to: To,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct To {
    /// No outsider wrote any of it
    #[arg(long)]
    trusted: bool,
    /// It is no more sensitive than this
    #[arg(long)]
    sensitivity: Option<Level>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Public,
    Internal,
    Confidential,
}

impl From<To> for Ceiling {
    fn from(to: To) -> Self {
        let level = |level| match level {
            Level::Public => Confidentiality::Public,
            Level::Internal => Confidentiality::Internal,
            Level::Confidential => Confidentiality::Confidential,
        };
        Self { sensitivity: to.sensitivity.map(level), trusted: to.trusted }
    }
}
