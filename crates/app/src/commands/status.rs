//! `remit status`

use remit_operator::wire::{Sealed, Status, Witness};

use super::{Context, moment};
use crate::fail::Fail;
use crate::out::{Lines, Out, table};

/// Shows how the running Remit is.
pub(crate) async fn run(context: &Context, out: &mut Out) -> Result<(), Fail> {
    let status: Status = context.client().get("/v1/status").await?;
    out.say(&status, words)
}

fn witness(witness: &Witness, published: u64) -> String {
    let open = published.saturating_sub(witness.cosigned);
    let at = witness.at.map_or_else(|| "never".to_owned(), moment);
    let why = match (&witness.last_error, witness.contradicts) {
        (None, _) => String::new(),
        (Some(why), true) => format!(" CONTRADICTS THIS LOG: {why}"),
        (Some(why), false) => format!("; {why}"),
    };
    format!(
        "witness   {} cosigned {} entries, {open} not yet, last {at}{why}",
        witness.name, witness.cosigned
    )
}

/// What there is to say of sealed storage, and whether that is good.
pub(super) fn sealed(sealed: &Sealed) -> (String, bool) {
    let count = sealed.count.map_or("cannot be read".to_owned(), |count| format!("{count} kept"));
    if sealed.protection == "protected" {
        return (format!("{count}, closed by {}", sealed.guard), sealed.count.is_some());
    }
    let why = "the key lies beside them, so a copy of the state directory opens them and signs as this \
               Remit; set `key_file` or a passphrase in [secrets]";
    (format!("{count}, UNPROTECTED: {why}"), false)
}

fn words(status: &Status) -> Vec<String> {
    let counts = |counts: &std::collections::BTreeMap<String, usize>| {
        let parts: Vec<_> = counts.iter().map(|(name, n)| format!("{n} {name}")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    };
    let mut lines = vec![
        format!("remit {}  {}", status.setup.version, status.setup.protection.to_uppercase()),
        format!("  {}", status.setup.protection_why),
        format!("endpoint  {}", status.endpoint),
        format!("svids     {}", status.setup.workload_api),
        format!("state     {}", status.setup.state),
        format!("config    {}", status.setup.config),
        format!(
            "ledger    {} entries, {} under a signed checkpoint, origin {}",
            status.entries, status.published, status.origin
        ),
        format!("tasks     {}", counts(&status.tasks)),
        format!("tools     {}", counts(&status.tools)),
        format!("holds     {} waiting", status.holds),
        format!("secrets   {}", sealed(&status.secrets).0),
        format!("policy    {}", status.policy.get(..12).unwrap_or_default()),
    ];
    if let Some(why) = &status.refusing {
        lines.push(format!("REFUSING  every permit: {why}"));
    }
    if let Some(why) = &status.policy_refused {
        lines.push("POLICY    the last change was refused, the old set is in force:".to_owned());
        // What is wrong in a file of the operators' is shown on lines of its own.
        lines.extend(Lines::of_ours(why));
    }
    lines.extend(status.witnesses.iter().map(|witness| self::witness(witness, status.published)));
    let rows: Vec<Vec<String>> = status
        .servers
        .iter()
        .map(|server| {
            vec![
                server.name.clone(),
                server.transport.clone(),
                server.alive.to_string(),
                server.restarts.to_string(),
                server.revision.clone().unwrap_or_default(),
                server.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        lines.push(String::new());
        let heads = ["SERVER", "TRANSPORT", "ALIVE", "RESTARTS", "REVISION", "LAST ERROR"];
        lines.extend(table(&heads, &rows));
    }
    lines
}
