//! Record schema v1: what stands in the log.
//!
//! An *entry* is small, canonical JSON (members in alphabetical order, no blanks, integers only),
//! so that any language's standard library can check it. It holds what may stand in the clear,
//! and a salted commitment for each field of its *body*, which lies beside it encrypted under the
//! task's key. Erasing the key erases the body and leaves every proof valid (promise R10).

mod order;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use remit_model::task::Event;
use remit_model::{
    Class, CredentialName, Digest, Door, HoldId, LeaseId, Lowered, Possession, ServerName, TaskId,
    Timestamp,
};
use serde::ser::SerializeMap;
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
    pub origin: Arc<str>,
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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

impl Outcome {
    /// The word for it.
    fn word(&self) -> &'static str {
        match self {
            Self::Answered { .. } => "answered",
            Self::Stopped => "stopped",
            Self::NotSent { .. } => "not_sent",
            Self::Unknown { .. } => "unknown",
            Self::Unseen => "unseen",
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        if let Self::Answered { bytes, failed } = self {
            members.serialize_entry("bytes", bytes)?;
            members.serialize_entry("failed", failed)?;
        }
        members.serialize_entry("outcome", self.word())?;
        if let Self::NotSent { why } | Self::Unknown { why } = self {
            members.serialize_entry("why", why)?;
        }
        members.end()
    }
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
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "order::event")]
    pub event: Option<Event>,
    /// The hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
    /// The credential that is lent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseNote>,
    /// What a server holds carries no more than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowered: Option<Lowered>,
    /// What became of the permit named by the first parent.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    pub engine: Cow<'static, str>,
    /// The task's epoch after this record.
    pub epoch: u64,
    /// What the record is about.
    pub kind: Kind,
    /// Nanoseconds on the node's monotonic clock; comparable within one process only.
    pub mono: u64,
    /// The node that wrote it.
    pub node: Arc<str>,
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
    use remit_model::agent::AttestationMethod;
    use remit_model::task::{CloseReason, Permitted};
    use remit_model::{
        ApprovalFact, Ceiling, Confidentiality, Integrity, Label, Spent, ToolScope, Trail, Value,
        Written,
    };

    use super::*;

    /// Every kind of event, with every member that it can have.
    fn events() -> Vec<Event> {
        let label = Label { integrity: Integrity::untrusted("mail"), ..Label::default() };
        let (call, at) = (Digest::of(b"call"), Timestamp(7));
        let hold: HoldId = "hld_00000000000000000000000000".parse().unwrap();
        let task: TaskId = "tsk_00000000000000000000000000".parse().unwrap();
        let spent = Spent { calls: 1, effects: 2, bytes: 3 };
        let rule = r#"{"tool":"mail/send","arguments":{"to[]":{"one_of":["a@b.example"]}}}"#;
        let plan = ToolScope::any_of([serde_json::from_str(rule).unwrap()]);
        let approval = ApprovalFact { group: "ops".to_owned(), by: "olga".to_owned(), at };
        let writes = Written {
            label: label.clone(),
            server: "mail".parse().unwrap(),
            trails: [Trail::of(&["notes"])].into(),
        };
        let permitted = Permitted {
            cost: spent,
            label: label.clone(),
            approval: Some(call),
            destroys: true,
            foreseen: [3].into(),
            writes: Some(writes),
        };
        let (named, workers) = (None, std::collections::BTreeSet::new());
        vec![
            Event::Permitted(permitted),
            Event::Permitted(Permitted::default()),
            Event::Suspected,
            Event::CanarySeen,
            Event::Shown { label: label.clone() },
            Event::Lapsed { at },
            Event::Declared { plan },
            Event::Attested { method: AttestationMethod::UnixPeer, at, named, workers },
            Event::Settled { bytes: 7, unknown: Some(call), label },
            Event::Settled { bytes: 7, unknown: None, label: Label::default() },
            Event::Held { hold: hold.clone(), call },
            Event::Approved { hold: hold.clone(), call, approval },
            Event::Denied { hold },
            Event::Frozen,
            Event::Thawed,
            Event::Closing { reason: CloseReason::Idle },
            Event::Closed,
            Event::HandedOn { task: task.clone(), budget: spent },
            Event::GivenBack { task, used: spent },
            Event::Noted,
        ]
    }

    fn outcomes() -> Vec<Outcome> {
        let why = "it said \"no\"\n".to_owned();
        vec![
            Outcome::Answered { bytes: 1, failed: false },
            Outcome::Stopped,
            Outcome::NotSent { why: why.clone() },
            Outcome::Unknown { why },
            Outcome::Unseen,
        ]
    }

    #[test]
    fn what_is_written_is_canonical_whatever_happened() {
        let events = events().into_iter().map(Some);
        let outcomes = outcomes().into_iter().map(Some);
        for (event, outcome) in
            events.map(|event| (event, None)).chain(outcomes.map(|outcome| (None, outcome)))
        {
            let clear = Clear {
                agent: Some("worker".to_owned()),
                event,
                lowered: Some(Lowered {
                    at: Some(Digest::of(b"path")),
                    server: "mail".parse().unwrap(),
                    to: Ceiling { sensitivity: Some(Confidentiality::Public), trusted: true },
                }),
                outcome,
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
