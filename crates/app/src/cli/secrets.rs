//! Arguments of the commands of secrets. Not one takes a secret.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use remit_model::SecretName;

#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Keep a new secret, which is read from standard input or asked for on the terminal
    Add(SecretAdd),
    /// List their names, since when they are there, and who kept them
    List,
    /// Replace a secret by another one, or with `--key` the one that all are wrapped under, signing keys too
    Rotate(SecretRotate),
    /// Remove a secret for good
    Remove {
        /// Its name
        name: SecretName,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SecretAdd {
    /// Its name
    pub(crate) name: SecretName,
    /// What somebody gives who does not know that others can read it; refused with the remedy
    #[arg(hide = true)]
    pub(crate) given: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretRotate {
    /// Its name
    #[arg(required_unless_present = "key")]
    pub(crate) name: Option<SecretName>,
    /// The key that all are wrapped under, signing keys too, instead
    #[arg(long, conflicts_with = "name")]
    pub(crate) key: bool,
    /// See [`SecretAdd`]
    #[arg(hide = true)]
    pub(crate) given: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// Files, and folders that are looked through
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Move what is found into sealed storage, and leave a reference in its place (operator)
    #[arg(long, conflicts_with = "undo")]
    pub(crate) import: bool,
    #[command(flatten)]
    pub(crate) back: PutBack,
}

#[derive(Debug, Args)]
pub(crate) struct PutBack {
    /// Put these files back as they were before `--import` (operator)
    #[arg(long)]
    pub(crate) undo: bool,
    /// With `--undo`: also where a file was changed since
    #[arg(long, requires = "undo")]
    pub(crate) force: bool,
}
