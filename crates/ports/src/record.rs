//! Record schema v1: what stands in the log.
//!
//! An *entry* is small, canonical JSON (members in alphabetical order, no blanks, integers only),
//! so that any language's standard library can check it. It holds what may stand in the clear,
//! and a salted commitment for each field of its *body*, which lies beside it encrypted under the
//! task's key. Erasing the key erases the body and leaves every proof valid (promise R10).

use std::collections::BTreeMap;

use remit_model::task::Event;
use remit_model::{
    Class, CredentialName, Digest, Door, HoldId, LeaseId, Lowered, Possession, ServerName, TaskId,
    Timestamp,
};
use serde::{Deserialize, Serialize, Serializer};

/// The schema version written into every entry.
pub const VERSION: u8 = 1;

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A task opened, stopped, resumed or ended.
    Task,
    /// A question that was answered without a permit.
    Refusal,
    /// A permit.
    Decision,
    /// What became of a permit.
    Outcome,
    /// What a person said to the agent.
    Prompt,
    /// What a client answered to a question of its server in the middle of a call.
    Input,
    /// A credential lent, renewed or returned.
    Lease,
    /// A person approved or denied a held call.
    Approval,
    /// Something that can change an answer already given.
    Signal,
    /// A stop.
    Restriction,
    /// A tool appeared, drifted, was admitted or withdrawn.
    Catalogue,
    /// A policy set took effect or was refused.
    Policy,
    /// A key was made, rotated or destroyed.
    Key,
    /// An agent was suspended, resumed or retired.
    Agent,
    /// An operator lowered labels of what a server holds.
    Label,
}

/// Another entry that caused this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its index.
    pub index: u64,
    /// Its log.
    pub origin: String,
}

/// The task a record belongs to, and its place there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Which task.
    pub task: TaskId,
    /// The record's number within the task, without gaps, from 0.
    pub sequence: u64,
    /// The task's epoch after this record.
    pub epoch: u64,
}

/// What was in force: enough to decide the question again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    /// Digest of the policy set.
    pub policy: Digest,
    /// Digest of the Cedar schema.
    pub schema: Digest,
    /// Digest of the tool catalogue.
    pub catalogue: Digest,
    /// Name and version of the decision engine.
    pub engine: &'static str,
}

/// What became of a permitted call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The server answered.
    Answered {
        /// Bytes of the answer.
        bytes: u64,
        /// Whether the answer says that it failed (`isError` or a JSON-RPC error).
        failed: bool,
    },
    /// Nothing was sent: the task's epoch had moved.
    Stopped,
    /// Nothing was sent: the server could not be reached.
    NotSent {
        /// Why, without excerpts.
        why: String,
    },
    /// It may have happened or not.
    Unknown {
        /// Why, without excerpts.
        why: String,
    },
    /// The door only advises; what followed was not reported.
    Unseen,
}

/// A credential that is lent. Nothing here is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseNote {
    /// What the configuration calls it.
    pub credential: CredentialName,
    /// What its issuer needs to take it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// The lease.
    pub id: LeaseId,
    /// The kind of credential.
    pub kind: String,
    /// For which server.
    pub server: ServerName,
    /// When it is worth nothing any more.
    pub until: Timestamp,
}

/// What became of a lease, as `what` says in its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    /// An issuer is going to be asked.
    Lending,
    /// It was issued.
    Lent,
    /// It lives longer.
    Renewed,
    /// Its task stands still, and it stays lent all the same: a policy says so.
    Kept,
    /// It was taken back.
    Returned,
    /// It cannot be taken back, and counts until it runs out.
    RunsOut,
    /// It ran out.
    RanOut,
}

impl LeaseEvent {
    const ALL: [Self; 7] = [
        Self::Lending,
        Self::Lent,
        Self::Renewed,
        Self::Kept,
        Self::Returned,
        Self::RunsOut,
        Self::RanOut,
    ];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lending => "lending",
            Self::Lent => "lent",
            Self::Renewed => "renewed",
            Self::Kept => "kept",
            Self::Returned => "returned",
            Self::RunsOut => "runs out",
            Self::RanOut => "ran out",
        }
    }

    /// The one of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.word() == word)
    }
}

/// Who signs the log: every checkpoint that covers this record is signed by those of `now`. Each is a
/// verifier key (C2SP signed-note). Who signed before and does still vouches for the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signers {
    /// Who signed until now.
    pub before: Vec<String>,
    /// Who signs from now on.
    pub now: Vec<String>,
}

/// What stands in the clear. No purpose text, no arguments, no excerpts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clear {
    /// Who acted, where a person did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Digest of the call (see `Call::digest`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Digest>,
    /// The class of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// How the request came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// What changes in the task's state; the fold over these is the state.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "sorted")]
    pub event: Option<Event>,
    /// The hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
    /// The credential that is lent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseNote>,
    /// What a server holds carries no more than this.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "sorted")]
    pub lowered: Option<Lowered>,
    /// What became of the permit named by the first parent.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "sorted")]
    pub outcome: Option<Outcome>,
    /// The policies and checks that determined the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// What the caller showed that nobody could have copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub possession: Option<Possession>,
    /// SHA-256 of the question's JSON in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Digest>,
    /// Who signs the log from here on, where that changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signers: Option<Signers>,
    /// The tool, `server/tool`, or the server's `@resources` or `@prompts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What happened, in one fixed word: `permit`, `hold`, `deny`, `opened`, `frozen` …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
}

/// Writes a value whose type does not have its members in alphabetical order as if it had.
fn sorted<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut value = serde_json::to_value(value).map_err(serde::ser::Error::custom)?;
    value.sort_all_objects();
    value.serialize(serializer)
}

/// The body: field name → JSON text. Kept encrypted; the entry holds a commitment for each field.
pub type Body = BTreeMap<String, String>;

/// One entry of the log. Members in alphabetical order at every level: serialising it *is* the
/// canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// SHA-256 of the body's ciphertext; absent if there is no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Digest>,
    /// Digest of the tool catalogue in force.
    pub catalogue: Digest,
    /// What stands in the clear.
    pub clear: Clear,
    /// Field name → SHA-256(salt ‖ 0x00 ‖ name ‖ 0x00 ‖ JSON text); salts of 16 bytes are in the body.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commitments: BTreeMap<String, Digest>,
    /// Name and version of the decision engine.
    pub engine: String,
    /// The task's epoch after this record.
    pub epoch: u64,
    /// What the record is about.
    pub kind: Kind,
    /// Nanoseconds on the node's monotonic clock; comparable within one process only.
    pub mono: u64,
    /// The node that wrote it.
    pub node: String,
    /// The entries that caused it; for an outcome the first is its decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// Digest of the policy set in force.
    pub policy: Digest,
    /// Digest of the Cedar schema in force.
    pub schema: Digest,
    /// The record's number within its task, without gaps, from 0; 0 where there is no task.
    pub seq: u64,
    /// The task, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Schema version, [`VERSION`].
    pub v: u8,
    /// Wall-clock time, milliseconds since the Unix epoch.
    pub wall: Timestamp,
}

#[cfg(test)]
mod tests {
    use remit_model::task::Permitted;
    use remit_model::{Ceiling, Confidentiality, Integrity, Label, Trail, Value, Written};

    use super::*;

    #[test]
    fn what_is_written_is_canonical_whatever_happened() {
        let label = Label { integrity: Integrity::untrusted("mail"), ..Label::default() };
        let call = Digest::of(b"call");
        let events = [
            Event::Permitted(Permitted {
                label: label.clone(),
                approval: Some(call),
                foreseen: [3].into(),
                writes: Some(Written {
                    server: "mail".parse().unwrap(),
                    trails: [Trail::of(&["notes"])].into(),
                    label: label.clone(),
                }),
                ..Permitted::default()
            }),
            Event::Settled { bytes: 7, unknown: Some(call), label },
            Event::Closing { reason: remit_model::task::CloseReason::Idle },
            Event::Noted,
        ];
        let why = "it said \"no\"\n".to_owned();
        let outcomes = [
            Outcome::Answered { bytes: 1, failed: false },
            Outcome::NotSent { why: why.clone() },
            Outcome::Unknown { why },
            Outcome::Unseen,
        ];
        for (event, outcome) in events.into_iter().zip(outcomes) {
            let clear = Clear {
                agent: Some("worker".to_owned()),
                event: Some(event),
                lowered: Some(Lowered {
                    server: "mail".parse().unwrap(),
                    at: Some(call),
                    to: Ceiling { sensitivity: Some(Confidentiality::Public), trusted: true },
                }),
                outcome: Some(outcome),
                policies: vec!["b".to_owned(), "a".to_owned()],
                possession: Some(Possession::Dpop),
                what: "permit".to_owned(),
                ..Clear::default()
            };
            let text = serde_json::to_string(&clear).unwrap();
            assert_eq!(Value::parse(&text).unwrap().canonical(), text);
            assert_eq!(serde_json::from_str::<Clear>(&text).unwrap(), clear);
        }
    }
}
