//! `remit doctor`: what is wrong, what could be better, and what to do about it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use remit_model::CredentialName;
use remit_operator::wire::{Credentials, Status, Witness};
use serde::Serialize;

use super::Context;
use super::status::sealed;
use crate::config::{Config, Server};
use crate::fail::Fail;
use crate::out::Out;
use crate::{environment, serve};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Good,
    Note,
    Bad,
}

#[derive(Debug, Serialize)]
struct Finding {
    grade: Grade,
    what: &'static str,
    says: String,
}

/// Looks; exits with 1 if something is wrong.
pub(crate) async fn run(context: &Context, out: &mut Out) -> Result<ExitCode, Fail> {
    let mut findings = vec![state(context), configuration(context)];
    findings.extend(protection(context));
    findings.extend(grants(context));
    findings.extend(in_the_clear(context));
    match context.client().get::<Status>("/v1/status").await {
        Ok(status) => {
            findings.extend(running(&status));
            findings.extend(credentials(context).await?);
        }
        Err(why) => findings.push(note("server", why.to_string())),
    }
    out.say(&findings, |findings| {
        let line = |finding: &Finding| {
            let grade = match finding.grade {
                Grade::Good => "ok   ",
                Grade::Note => "note ",
                Grade::Bad => "WRONG",
            };
            format!("{grade}  {:<14} {}", finding.what, finding.says)
        };
        findings.iter().map(line).collect::<Vec<_>>()
    })?;
    let wrong = findings.iter().any(|finding| finding.grade == Grade::Bad);
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn good(what: &'static str, says: impl Into<String>) -> Finding {
    Finding { grade: Grade::Good, what, says: says.into() }
}

fn note(what: &'static str, says: impl Into<String>) -> Finding {
    Finding { grade: Grade::Note, what, says: says.into() }
}

fn bad(what: &'static str, says: impl Into<String>) -> Finding {
    Finding { grade: Grade::Bad, what, says: says.into() }
}

fn state(context: &Context) -> Finding {
    if serve::is_initialised(&context.state) {
        good("state", context.state.display().to_string())
    } else {
        bad("state", format!("{} is no state directory; run `remit init`", context.state.display()))
    }
}

fn configuration(context: &Context) -> Finding {
    let path = context.config();
    let read = Config::read(&path)
        .and_then(|config| config.policy_sources(&path).map(|sources| (config, sources.len())));
    match read {
        Ok((config, files)) => good(
            "configuration",
            format!(
                "{} servers, {} templates, {files} policy files",
                config.servers.len(),
                config.templates.len()
            ),
        ),
        Err(why) => bad("configuration", why.to_string()),
    }
}

fn protection(context: &Context) -> Option<Finding> {
    let config = Config::read(&context.config()).ok()?;
    let (word, why) = config.protection(environment::own_uid());
    let says = format!("{word}: {why}");
    Some(if word == "protected" { good("protection", says) } else { note("protection", says) })
}

fn grants(context: &Context) -> Option<Finding> {
    let listen = Config::read(&context.config()).ok()?.listen;
    Some(match (listen.takes_bearer(), listen.is_loopback()) {
        (false, _) => good("grants", "only those that are bound to a key are accepted"),
        (true, true) => good("grants", "bearer grants are accepted, on loopback"),
        (true, false) => note(
            "grants",
            "bearer grants are accepted beyond loopback: whoever copies one can use it for minutes; \
             leave out `bearer` in [listen]",
        ),
    })
}

/// What servers are configured with and could be lent.
fn in_the_clear(context: &Context) -> Option<Finding> {
    let config = Config::read(&context.config()).ok()?;
    let members = |server: &Server| {
        let all = server.env.iter().chain(&server.headers);
        let secret = all.filter(|(member, value)| remit_scan::is_secret(member, value));
        secret.map(|(member, _)| format!("{}.{member}", server.name)).collect::<Vec<_>>()
    };
    let found: Vec<String> = config.servers.iter().flat_map(members).collect();
    let says = "look like secrets that stand in the clear in the configuration: keep them with `remit \
                secret add`, and lend them";
    (!found.is_empty()).then(|| note("secrets", format!("{} {says}", found.join(", "))))
}

/// Whether what is to be lent can be, and whether all of it comes back.
async fn credentials(context: &Context) -> Result<Vec<Finding>, Fail> {
    let client = context.client();
    let probed: BTreeMap<CredentialName, Option<String>> =
        client.post("/v1/credentials/probe", &serde_json::json!({})).await?;
    let all: Credentials = client.get("/v1/credentials").await?;
    let works = |(name, why): (CredentialName, Option<String>)| match why {
        None => good("credential", format!("{name} can be lent")),
        Some(why) => bad("credential", format!("{name} cannot be lent: {why}")),
    };
    let overdue = all.leases.iter().filter(|lease| lease.state == "overdue");
    let overdue = overdue.map(|lease| {
        let why = lease.trouble.as_deref().unwrap_or("no answer yet");
        bad("credential", format!("{} {} was not taken back: {why}", lease.credential, lease.lease))
    });
    Ok(probed.into_iter().map(works).chain(overdue).collect())
}

fn witness(witness: &Witness) -> Finding {
    let name = &witness.name;
    match &witness.last_error {
        None => good("witness", format!("{name} cosigned {} entries", witness.cosigned)),
        Some(why) if witness.contradicts => {
            bad("witness", format!("{name} contradicts this log: {why}"))
        }
        Some(why) => note("witness", format!("{name} at {}: {why}", witness.url)),
    }
}

fn running(status: &Status) -> Vec<Finding> {
    let mut findings =
        vec![good("server", format!("answers; clients connect to {}", status.endpoint))];
    findings.push(good("svids", format!("workloads fetch them at {}", status.setup.workload_api)));
    findings.push(match &status.refusing {
        None => good("ledger", format!("{} entries, writable", status.entries)),
        Some(why) => bad("ledger", why.clone()),
    });
    if let Some(why) = &status.policy_refused {
        findings.push(bad("policy", format!("the files on disk are not in force: {why}")));
    }
    if let Some(count) = status.tools.get("quarantined") {
        let says = format!("{count} are quarantined; `remit tool list` names them");
        findings.push(note("tools", says));
    }
    if status.holds > 0 {
        let says = format!("{} calls wait for a person; `remit hold list`", status.holds);
        findings.push(note("holds", says));
    }
    findings.push(match (sealed(&status.secrets), status.secrets.count) {
        ((says, true), _) => good("secrets", says),
        ((says, false), None) => bad("secrets", says),
        ((says, false), Some(_)) => note("secrets", says),
    });
    findings.extend(status.witnesses.iter().map(witness));
    for server in &status.servers {
        if let Some(why) = &server.last_error {
            let stderr = server.stderr.last().map(|line| format!("; it said: {line}"));
            let says = format!("{}: {why}{}", server.name, stderr.unwrap_or_default());
            findings.push(bad("tool server", says));
        }
    }
    findings
}
