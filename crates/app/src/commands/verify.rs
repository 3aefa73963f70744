//! `remit audit verify`: the log against its key, and against what others hold of it.

use remit_ledger::{Cosigned, Others, Verified};
use remit_model::Timestamp;
use remit_tlog::{Note, VerifierKey, WitnessKey};
use serde_json::json;

use super::{Context, moment};
use crate::cli::AuditVerify;
use crate::config::{Config, Witness};
use crate::fail::Fail;
use crate::out::Out;
use crate::serve;

/// Verifies, and fails at the first thing that does not hold.
pub(crate) async fn run(context: &Context, args: &AuditVerify, out: &mut Out) -> Result<(), Fail> {
    let key = match &args.key {
        Some(text) => serve::parsed_key(text)?,
        None => serve::log_key(&context.state)?,
    };
    let others = others(context, args, &key, out).await?;
    let against = serve::Against { key, others };
    let mut told = 0;
    let mut progress = |entries: u64, all: u64| {
        if entries >= told + 10_000 {
            told = entries;
            out.remark(&format!("{entries} of {all} entries verified"));
        }
    };
    let verified = serve::verify(&context.state, args.log.as_deref(), &against, &mut progress)?;
    let covered = args
        .witnessed
        .map(|needed| covered(needed, &against.others.witnesses, &verified))
        .transpose()?;
    let value = json!({
        "entries": verified.published,
        "root": verified.root.to_string(),
        "journal": verified.entries,
        "origin": verified.origin,
        "tasks": verified.tasks,
        "open_calls": verified.open_calls,
        "witnesses": verified.cosigned.iter().map(witness).collect::<Vec<_>>(),
        "witnessed": covered,
    });
    out.say(&value, |_| words(&verified, covered, args.log.is_some()))
}

fn witness(cosigned: &Cosigned) -> serde_json::Value {
    let at = Timestamp::from_secs(cosigned.time);
    json!({ "witness": cosigned.witness, "entries": cosigned.size, "at": at.to_string() })
}

/// What others say of the log: the witnesses' keys, and the checkpoints that were kept elsewhere.
async fn others(
    context: &Context,
    args: &AuditVerify,
    key: &VerifierKey,
    out: &mut Out,
) -> Result<Others, Fail> {
    let mut others = Others::default();
    for text in &args.witnesses {
        let witness: WitnessKey = text
            .parse()
            .map_err(|why| Fail::new(format!("`{text}` is not the key of a witness: {why}")))?;
        others.witnesses.push(witness);
    }
    for path in &args.held {
        let place = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|why| Fail::new(format!("{place}: {why}")))?;
        let note = Note::parse(&bytes).map_err(|why| Fail::new(format!("{place}: {why}")))?;
        others.held.push((place, note));
    }
    let configured =
        if args.witnesses.is_empty() { configured(context, args)? } else { Vec::new() };
    for witness in configured {
        if args.witnessed.is_some() && !args.offline {
            others.held.extend(ask(&witness, key, out).await?);
        }
        others.witnesses.push(witness.key.0);
    }
    Ok(others)
}

/// The witnesses of the configuration. A copy of a log has none, and a configuration that cannot be
/// read is no reason not to verify what does not need it.
fn configured(context: &Context, args: &AuditVerify) -> Result<Vec<Witness>, Fail> {
    if args.log.is_some() {
        return Ok(Vec::new());
    }
    match Config::read(&context.config()) {
        Ok(config) => Ok(config.witnesses),
        Err(why) if args.witnessed.is_some() => Err(why),
        Err(_) => Ok(Vec::new()),
    }
}

/// What a witness holds of the log. One that does not answer says nothing, and one that answers with
/// something else than a checkpoint is not asked to be believed.
async fn ask(
    witness: &Witness,
    key: &VerifierKey,
    out: &mut Out,
) -> Result<Option<(String, Note)>, Fail> {
    let (name, url) = (witness.key.0.name(), &witness.url);
    match serve::fetch(url, key.name()).await {
        Ok(Some(text)) => {
            let note = text.parse().map_err(|why| Fail::new(format!("{name} at {url}: {why}")))?;
            Ok(Some((format!("what {name} holds"), note)))
        }
        Ok(None) => Ok(None),
        Err(why) => {
            out.remark(&format!("{name} at {url} was not asked what it holds: {why}"));
            Ok(None)
        }
    }
}

/// How many entries at least `needed` witnesses cosigned.
///
/// Errors: there are not so many.
fn covered(needed: usize, known: &[WitnessKey], verified: &Verified) -> Result<u64, Fail> {
    if known.len() < needed {
        return Err(Fail::new(format!(
            "{needed} witnesses should have cosigned this log, and the keys of {} are known: name \
             them with --witness or in the configuration",
            known.len()
        )));
    }
    let mut sizes: Vec<u64> = verified.cosigned.iter().map(|cosigned| cosigned.size).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let enough = needed.checked_sub(1).map_or(Some(verified.published), |n| sizes.get(n).copied());
    enough.ok_or_else(|| {
        let names: Vec<_> = verified.cosigned.iter().map(|one| one.witness.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Fail::new(format!(
            "{needed} witnesses should have cosigned this log, {} did: {names}",
            verified.cosigned.len()
        ))
    })
}

fn words(verified: &Verified, covered: Option<u64>, is_copy: bool) -> String {
    let mut lines = vec![format!(
        "verified {} entries under the signed checkpoint, root {}",
        verified.published, verified.root
    )];
    let unpublished = verified.entries.saturating_sub(verified.published);
    if unpublished > 0 {
        lines.push(format!("and {unpublished} more in the journal, not yet under a checkpoint"));
    }
    if is_copy {
        lines.push("a copy has no journal: what the records say was not looked at".to_owned());
    }
    if verified.open_calls > 0 {
        lines.push(format!("{} permits have no outcome yet", verified.open_calls));
    }
    for one in &verified.cosigned {
        let at = moment(Timestamp::from_secs(one.time));
        lines.push(format!("{} cosigned {} entries at {at}", one.witness, one.size));
    }
    if let Some(covered) = covered {
        let open = verified.entries.saturating_sub(covered);
        lines.push(format!("enough witnesses cosigned {covered} entries; {open} are not covered"));
    }
    lines.join("\n")
}
