//! `remit stored …`

use remit_model::label::Sources;
use remit_model::{Integrity, Label};
use remit_operator::wire::{Labelled, Left, Lower, Place};

use super::Context;
use crate::cli;
use crate::fail::Fail;
use crate::out::{Lines, Out, table};

/// Runs one of the commands of what servers hold.
pub(crate) async fn run(context: &Context, args: cli::Stored, out: &mut Out) -> Result<(), Fail> {
    let client = context.operator().await?;
    match args {
        cli::Stored::List => {
            let labelled: Vec<Labelled> = client.get("/v1/stored").await?;
            out.say(&labelled, |labelled| list(labelled))
        }
        cli::Stored::Lower(cli::Lower { server, path, to, reason }) => {
            let ask = Lower { path, to: to.into(), reason };
            let left: Left = client.post(&format!("/v1/stored/{server}/lower"), &ask).await?;
            out.say(&left, |left| {
                format!("whoever reads there takes on from now on: {}", words(&left.label))
            })
        }
    }
}

fn list(labelled: &[Labelled]) -> Lines {
    if labelled.is_empty() {
        return "nothing that servers hold carries anything".to_owned().into();
    }
    let row = |it: &Labelled| {
        let place = match &it.place {
            Place::Anywhere => "(anywhere)".to_owned(),
            Place::Path(path) => path.clone(),
            Place::Erased => "(erased)".to_owned(),
        };
        vec![it.server.to_string(), place, words(&it.label), it.decision.to_string()]
    };
    let rows: Vec<_> = labelled.iter().map(row).collect();
    table(&["SERVER", "WHERE", "CARRIES", "LAST LEFT BY"], &rows)
}

fn words(label: &Label) -> String {
    let outside = match &label.integrity {
        Integrity::Trusted => None,
        Integrity::Untrusted(Sources::Many) => Some("from outside, through many".to_owned()),
        Integrity::Untrusted(Sources::Named(names)) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            Some(format!("from outside, through {}", names.join(", ")))
        }
    };
    let level = label.confidentiality.name().to_owned();
    [level]
        .into_iter()
        .chain(label.tags.iter().cloned())
        .chain(outside)
        .collect::<Vec<_>>()
        .join("; ")
}
