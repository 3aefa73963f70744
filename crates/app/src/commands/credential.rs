//! `remit credential …`

mod exposure;

use std::collections::BTreeMap;

use remit_model::{CredentialName, Named, ServerName};
use remit_operator::wire;
use serde_json::json;

use super::{Context, moment};
use crate::cli;
use crate::environment::SystemClock;
use crate::fail::Fail;
use crate::out::{Lines, Out, table};
use crate::serve;

/// Runs one of the credential commands.
pub(crate) async fn run(
    context: &Context,
    args: cli::Credential,
    out: &mut Out,
) -> Result<(), Fail> {
    match args {
        cli::Credential::List => {
            let all: wire::Credentials = context.client().get("/v1/credentials").await?;
            out.say(&all, list)
        }
        cli::Credential::Probe => {
            let path = "/v1/credentials/probe";
            let probed: BTreeMap<CredentialName, Option<String>> =
                context.client().post(path, &json!({})).await?;
            out.say(&probed, probes)?;
            let failing = probed.values().flatten().count();
            if failing > 0 {
                return Err(Fail::new(format!("{failing} of {} do not work", probed.len())));
            }
            Ok(())
        }
        cli::Credential::Connect(cli::Connect { credential, person, issuer }) => {
            let named = |(subject, issuer)| Named { issuer, subject };
            let wanted = wire::Connect { person: person.zip(issuer).map(named) };
            let path = format!("/v1/credentials/{credential}/connect");
            let begun: wire::Connecting = context.operator().await?.post(&path, &wanted).await?;
            out.say(&begun, |begun| {
                let ends = moment(begun.ends);
                vec![
                    begun.address.clone(),
                    String::new(),
                    format!(
                        "is good once, until {ends}, for whoever follows it: give it to that person \
                         alone"
                    ),
                ]
            })
        }
        cli::Credential::Revoke(cli::Revoke { lease, credential, task }) => {
            let which = wire::Revoke { lease, credential, task };
            let answer: wire::Revoked =
                context.client().post("/v1/credentials/revoke", &which).await?;
            out.say(&answer, |answer| match answer.revoked {
                0 => "nothing of that is lent".to_owned(),
                n => format!("{n} taken back; `remit credential list` shows what is still owed"),
            })
        }
        cli::Credential::Exposure { last } => {
            use remit_model::Clock as _;
            let now = SystemClock::new().now();
            let mut exposure = exposure::Exposure::over(now, last);
            serve::entries(&context.state, 0, &mut |_, entry| exposure.visit(&entry))?;
            let report = exposure.report();
            out.say(&report, exposure::in_words)
        }
    }
}

fn list(all: &wire::Credentials) -> Lines {
    if all.configured.is_empty() {
        let none = "nothing can be lent; add a [[credential]] to the configuration";
        return none.to_owned().into();
    }
    let configured: Vec<Vec<String>> = all
        .configured
        .iter()
        .map(|credential| {
            let out = all.leases.iter().filter(|lease| lease.credential == credential.name);
            let servers: Vec<&str> = credential.servers.iter().map(ServerName::as_str).collect();
            vec![
                credential.name.to_string(),
                credential.kind.clone(),
                format!("{} s", credential.lifetime_seconds),
                servers.join(","),
                out.count().to_string(),
            ]
        })
        .collect();
    let configured = table(&["CREDENTIAL", "KIND", "LIFETIME", "SERVERS", "LENT"], &configured);
    if all.leases.is_empty() {
        return configured;
    }
    let leases: Vec<Vec<String>> = all.leases.iter().map(row).collect();
    let heads = ["LEASE", "CREDENTIAL", "SERVER", "FOR", "SINCE", "UNTIL", "STATE"];
    let mut lines: Vec<String> =
        configured.into_iter().chain([String::new()]).chain(table(&heads, &leases)).collect();
    let troubled = all.leases.iter().filter_map(|lease| {
        let trouble = lease.trouble.as_ref()?;
        Some(format!("{} could not be taken back yet: {trouble}", lease.lease))
    });
    lines.extend(troubled.flat_map(|line| [String::new(), line]));
    lines.into()
}

fn row(lease: &wire::Lease) -> Vec<String> {
    let holder = match (&lease.agent, &lease.task) {
        (Some(agent), Some(task)) => format!("{agent} {task}"),
        _ => "remit itself".to_owned(),
    };
    vec![
        lease.lease.to_string(),
        lease.credential.to_string(),
        lease.server.to_string(),
        holder,
        moment(lease.since),
        moment(lease.until),
        lease.state.clone(),
    ]
}

fn probes(probed: &BTreeMap<CredentialName, Option<String>>) -> Vec<String> {
    let line = |(name, why): (&CredentialName, &Option<String>)| match why {
        None => format!("{name}: works"),
        Some(why) => format!("{name}: {why}"),
    };
    probed.iter().map(line).collect()
}
