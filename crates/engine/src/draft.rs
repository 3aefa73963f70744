//! Records to be, built in one place so that each kind always carries the same fields.

use remit_model::task::Event;
use remit_model::{Call, Digest, Label, Operation, Question, Refusal};
use remit_ports::{Body, Clear, Done, Draft, Kind, Outcome, Pins, Reply, Room};
use remit_secrets::Finding;
use serde_json::json;

use crate::lookout;

/// A record without body.
pub(crate) fn note(kind: Kind, pins: Pins, what: &str) -> Draft {
    Draft {
        kind,
        subject: None,
        parents: Vec::new(),
        pins,
        clear: Clear { what: what.to_owned(), ..Clear::default() },
        body: Body::new(),
        room: Room::Ordinary,
    }
}

/// What every record of a question has: `call` is the digest of the call that it asks for, if it asks for one,
/// `json` its exact text, `digest` the SHA-256 of that.
pub(crate) fn question(
    kind: Kind,
    pins: Pins,
    what: &str,
    (question, call): (&Question, Option<Digest>),
    (digest, json): (Digest, String),
) -> Draft {
    let mut draft = note(kind, pins, what);
    draft.clear.agent = Some(question.agent.name.to_string());
    draft.clear.door = Some(question.door);
    draft.clear.possession = Some(question.possession);
    draft.clear.question = Some(digest);
    draft.clear.call = call;
    if let Some(call) = question.call() {
        draft.clear.tool = Some(clear_name(call));
    }
    draft.body.insert("question".to_owned(), json);
    draft
}

/// The longest name of a tool that a server can offer, in bytes.
const MAX_NAME: usize = 128;

/// The tool's name as it may stand in the clear for ever: what cannot be a tool's name is the
/// caller's own text, and stays in the body.
pub(crate) fn clear_name(call: &Call) -> String {
    match &call.operation {
        Operation::CallTool { name }
            if name.len() > MAX_NAME || !name.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            format!("{}/?", call.server)
        }
        _ => call.scope_name(),
    }
}

/// A refusal or a hold; `call` as for [`question`].
pub(crate) fn refusal(
    pins: Pins,
    (asked, call): (&Question, Option<Digest>),
    refusal: &Refusal,
) -> Draft {
    let json = asked.to_json().unwrap_or_default();
    let digest = Digest::of(json.as_bytes());
    let what = if refusal.hold.is_some() { "hold" } else { "deny" };
    let mut draft = question(Kind::Refusal, pins, what, (asked, call), (digest, json));
    draft.clear.class = Some(refusal.class);
    draft.clear.hold.clone_from(&refusal.hold);
    draft.clear.policies = refusal.reasons.iter().map(|r| r.policy.clone()).collect();
    let text = serde_json::to_string(refusal).unwrap_or_default();
    draft.body.insert("refusal".to_owned(), text);
    draft
}

/// What became of a permitted call; `label` is what it brings that nobody knew of when it was permitted, and
/// `secrets` were cut from it.
pub(crate) fn outcome(pins: Pins, done: &Done, label: Label, secrets: &[Finding]) -> Draft {
    let mut draft = note(Kind::Outcome, pins, "outcome");
    let result = done.reply().map_or("", Reply::text);
    draft.parents = vec![done.decision()];
    draft.clear.agent = Some(done.question().agent.name.to_string());
    draft.clear.tool = done.question().call().map(clear_name);
    let asked = done.question();
    let unknown = matches!(done.outcome(), Outcome::Unknown { .. });
    let call = asked.call().filter(|_| unknown).map(|call| call.digest(&asked.input));
    draft.clear.event = Some(Event::Settled { bytes: result.len() as u64, unknown: call, label });
    draft.clear.outcome = Some(done.outcome().clone());
    if !result.is_empty() {
        draft.body.insert("result".to_owned(), bounded(result));
    }
    named(&mut draft, secrets);
    draft.room = Room::Outcome;
    draft
}

/// Says which secrets were cut from what a record's body holds, and in how many places if in more than are named:
/// an answer can be made of nothing else, and what its record has no room for would never be settled.
pub(crate) fn named(draft: &mut Draft, secrets: &[Finding]) {
    let mut known = Vec::new();
    lookout::note(&mut known, secrets.iter().cloned());
    let each =
        |it: &Finding| json!({ "rule": *it.rule, "fingerprint": it.fingerprint.to_string() });
    if !known.is_empty() {
        let each: serde_json::Value = known.iter().map(each).collect();
        draft.body.insert("secrets".to_owned(), each.to_string());
    }
    if secrets.len() > known.len() {
        draft.body.insert("secrets_cut".to_owned(), secrets.len().to_string());
    }
}

/// The largest result kept whole in a record's body; of a larger one its digest and size.
const MAX_RESULT: usize = 64 * 1024;

fn bounded(result: &str) -> String {
    if result.len() <= MAX_RESULT {
        return result.to_owned();
    }
    let digest = Digest::of(result.as_bytes());
    format!("{{\"bytes\":{},\"sha256\":\"{digest}\"}}", result.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use remit_secrets::{Key, MAX_FOUND};

    use super::*;

    #[test]
    fn however_much_was_cut_its_record_names_each_secret_once_within_bounds() {
        let key = Key::new(&[1; 32]);
        let found = |secret: usize| Finding {
            rule: Arc::from("named-secret"),
            fingerprint: key.fingerprint(&secret.to_le_bytes()),
            at: 0..1,
        };
        let pin = Digest::of(b"");
        let pins = Pins { policy: pin, schema: pin, catalogue: pin, engine: "test" };
        let named = |found: Vec<Finding>| {
            let mut draft = note(Kind::Outcome, pins, "outcome");
            named(&mut draft, &found);
            let listed = draft.body.get("secrets").map_or(Vec::new(), |text| {
                serde_json::from_str::<Vec<serde_json::Value>>(text).unwrap()
            });
            (listed.len(), draft.body.get("secrets_cut").cloned())
        };
        assert_eq!(named(Vec::new()), (0, None));
        assert_eq!(named(vec![found(1), found(2)]), (2, None));
        assert_eq!(named(vec![found(1), found(2), found(1)]), (2, Some("3".to_owned())));
        let all = (0..20_000).map(found).collect();
        assert_eq!(named(all), (MAX_FOUND, Some("20000".to_owned())));
    }
}
