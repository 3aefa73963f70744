//! `remit audit verify`: the log against its key, and against what others hold of it.

use remit_ledger::{Cosigned, Others, Verified};
use remit_model::Timestamp;
use remit_tlog::{Note, VerifierKey, WitnessKey};
use serde::Serialize;
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
    let (others, mut asked) = others(context, args, &key, out).await?;
    let against = serve::Against { key, others };
    let mut told = 0;
    let mut progress = |entries: u64, all: u64| {
        if entries >= told + 10_000 {
            told = entries;
            out.remark(&format!("{entries} of {all} entries verified"));
        }
    };
    let verified = serve::verify(&context.state, args.log.as_deref(), &against, &mut progress)?;
    for one in &mut asked {
        if one.forgot(&verified.cosigned) {
            one.remark(out);
        }
    }
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
        "asked": asked,
    });
    out.say(&value, |_| words(&verified, covered, args.log.is_some()))
}

fn witness(cosigned: &Cosigned) -> serde_json::Value {
    let at = Timestamp::from_secs(cosigned.time);
    json!({ "witness": cosigned.witness, "entries": cosigned.size, "at": at.to_string() })
}

/// How it was to ask a witness what it holds of the log.
#[derive(Debug, Serialize)]
struct Inquiry {
    witness: String,
    url: String,
    /// Whether it said what it holds.
    asked: bool,
    /// Why it did not, or what is odd about what it said.
    why: Option<String>,
    /// It says that it holds nothing.
    #[serde(skip)]
    is_empty: bool,
}

impl Inquiry {
    fn remark(&self, out: &mut Out) {
        self.why
            .iter()
            .for_each(|why| out.remark(&format!("{} at {} {why}", self.witness, self.url)));
    }

    /// Whether it holds nothing although it is one of those that `cosigned`: then it may cosign something
    /// else.
    fn forgot(&mut self, cosigned: &[Cosigned]) -> bool {
        let held = cosigned.iter().find(|held| self.is_empty && held.witness == self.witness);
        let Some(Cosigned { size, .. }) = held else { return false };
        self.why = Some(format!(
            "FORGOT this log: its cosignature of {size} entries is kept here, and it holds none; it lost \
             what it kept, or somebody else answers there, and it may cosign a fork: ask its operator"
        ));
        true
    }
}

/// What others say of the log, the witnesses' keys and the checkpoints that were kept elsewhere; and how
/// it was to ask them.
async fn others(
    context: &Context,
    args: &AuditVerify,
    key: &VerifierKey,
    out: &mut Out,
) -> Result<(Others, Vec<Inquiry>), Fail> {
    let (mut others, mut asked) = (Others::default(), Vec::new());
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
            let (how, held) = ask(&witness, key).await;
            how.remark(out);
            others.held.extend(held);
            asked.push(how);
        }
        others.witnesses.push(witness.key.0);
    }
    Ok((others, asked))
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

/// What a witness holds of the log. One that does not answer says nothing, and neither does one that
/// answers with something else than a checkpoint.
async fn ask(witness: &Witness, key: &VerifierKey) -> (Inquiry, Option<(String, Note)>) {
    let (name, url) = (witness.key.0.name().to_owned(), witness.url.clone());
    let note = match serve::fetch(&url, key.name()).await {
        Ok(text) => {
            text.map(|text| text.parse::<Note>()).transpose().map_err(|why| why.to_string())
        }
        Err(why) => Err(why),
    };
    let (why, note) = match note {
        Ok(note) => (None, note),
        Err(why) => (Some(format!("was not asked what it holds: {why}")), None),
    };
    let held = format!("what {name} holds");
    let asked = why.is_none();
    let how = Inquiry { witness: name, url, asked, is_empty: asked && note.is_none(), why };
    (how, note.map(|note| (held, note)))
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

fn words(verified: &Verified, covered: Option<u64>, is_copy: bool) -> Vec<String> {
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
    lines
}

#[cfg(test)]
mod tests {
    use remit_tlog::{CosigningKey, SigningKey};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// How it is to ask a witness that answers with this.
    async fn asked(answer: &'static str) -> (Inquiry, Option<(String, Note)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            let (status, body) = answer.split_once(' ').unwrap();
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        });
        let key = CosigningKey::from_seed("witness.example/w1", &[2; 32]).unwrap();
        let key = key.witness().to_string();
        let witness = toml::from_str(&format!("url = {url:?}\nkey = {key:?}")).unwrap();
        ask(&witness, SigningKey::from_seed("log.example", &[1; 32]).unwrap().verifier()).await
    }

    #[tokio::test]
    async fn a_witness_that_answers_with_something_else_counts_as_not_asked() {
        for (answer, says) in
            [("200 <html>It works!</html>", "not a signed note"), ("503 later", "status 503")]
        {
            let (how, held) = asked(answer).await;
            let shown = serde_json::to_value(&how).unwrap();
            assert_eq!((&shown["asked"], held.is_none()), (&json!(false), true), "{shown}");
            let why = shown["why"].as_str().unwrap();
            assert!(why.contains("was not asked") && why.contains(says), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_witness_that_forgot_what_it_cosigned_is_told_of() {
        let (mut how, held) = asked("404 none").await;
        assert!(how.asked && how.why.is_none() && held.is_none());
        let cosigned = |name: &str| Cosigned { witness: name.to_owned(), size: 7, time: 1 };
        assert!(!how.forgot(&[cosigned("witness.example/w2")]), "it may never have cosigned");
        assert!(how.forgot(&[cosigned("witness.example/w2"), cosigned("witness.example/w1")]));
        let shown = serde_json::to_value(&how).unwrap();
        assert_eq!(shown["asked"], true);
        assert!(shown["why"].as_str().unwrap().starts_with("FORGOT this log"), "{shown}");
    }
}
